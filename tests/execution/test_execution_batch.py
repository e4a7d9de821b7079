"""The job scripts for all batch systems, and the way their commands are called. SLURM itself: tests/slurm."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_uws.execution.batch import CLASSES, CommandError, call, cluster_class, dask_jobqueue, job_script

FOLDER = Path("/shared/uws/jobs/.cluster")
SCRIPTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "slurm": (
        {"queue": "long", "account": "cta", "job_extra_directives": ["--constraint=avx"]},
        [
            *(
                "#SBATCH -J jupyter-uws",
                "#SBATCH -p long",
                "#SBATCH -A cta",
                "#SBATCH -n 1",
                "#SBATCH --cpus-per-task=1",
            ),
            *("#SBATCH --mem=5G", "#SBATCH -t 24:00:00", "#SBATCH --constraint=avx", "#SBATCH --no-requeue"),
        ],
    ),
    "pbs": (
        {"queue": "long", "account": "cta"},
        [
            *("#PBS -N jupyter-uws", "#PBS -q long", "#PBS -A cta", "#PBS -l select=1:ncpus=1:mem=5120MB"),
            "#PBS -l walltime=24:00:00",
        ],
    ),
    "moab": (
        {"queue": "long"},
        [
            *("#PBS -N jupyter-uws", "#PBS -q long", "#PBS -l select=1:ncpus=1:mem=5120MB"),
            "#PBS -l walltime=24:00:00",
        ],
    ),
    "sge": (
        {"queue": "long", "project": "cta", "resource_spec": "m_mem_free=4G"},
        [
            *("#$ -N jupyter-uws", "#$ -q long", "#$ -P cta", "#$ -l m_mem_free=4G", "#$ -l h_rt=24:00:00"),
            *("#$ -cwd", "#$ -j y", "#$ -S /bin/bash", "#$ -r n"),
        ],
    ),
    "lsf": (
        {"queue": "long"},
        ["#BSUB -J jupyter-uws", "#BSUB -q long", "#BSUB -n 1", "#BSUB -M 5368710", "#BSUB -W 24:00"],
    ),
    "oar": (
        {"queue": "long", "memory_per_core_property_name": "not_applicable"},
        ["#OAR -n jupyter-uws", "#OAR -q long", "#OAR -l /nodes=1/core=1,walltime=24:00:00"],
    ),
}


@pytest.mark.parametrize("backend", SCRIPTS)
def test_job_scripts(backend: str) -> None:
    options, directives = SCRIPTS[backend]
    lines = job_script(backend, options, FOLDER).splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert [line for line in lines[1:] if line.startswith("#")] == directives
    *exports, command = [line for line in lines if line and not line.startswith("#")]
    assert "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'" in exports  # no web pages on the nodes
    assert all(line.startswith("export DASK_DISTRIBUTED__") for line in exports)
    assert command == (
        f"{sys.executable} -m distributed.cli.dask_worker tls://SCHEDULER:PORT --name jupyter-uws-0 --nthreads 1 "
        "--memory-limit 5.00GiB --nanny --death-timeout 60"
    )


def test_the_script_for_htcondor() -> None:
    script = job_script("htcondor", {}, FOLDER)
    for line in ("batch_name = jupyter-uws-0", "MY.DaskWorkerCores = 1", "MY.DaskWorkerMemory = 5368709120"):
        assert line in script.splitlines()
    assert f"{sys.executable} -m distributed.cli.dask_worker tls://SCHEDULER:PORT" in script


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"processes": 2}, "processes is 2; it must be 1"),
        ({"nonsense": 1}, "unexpected keyword argument 'nonsense'"),
    ],
)
def test_options_that_cannot_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        job_script("slurm", options, FOLDER)


def test_every_back_end_has_its_class() -> None:
    handler = signal.getsignal(signal.SIGINT)
    for backend in CLASSES:
        assert issubclass(cluster_class(backend), dask_jobqueue().JobQueueCluster)
    assert signal.getsignal(signal.SIGINT) is handler


async def test_lsf_reads_the_script_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dask-jobqueue's way is a shell, which hides what bsub says."""
    bsub = tmp_path / "bsub"
    bsub.write_text(f"#!/bin/sh\ncat > {tmp_path}/script\necho 'Job <17> is submitted to queue <long>.'\n")
    bsub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    options = {"cores": 1, "memory": "1 GiB", "processes": 1, "lsf_units": "mb", "use_stdin": True}
    job = cluster_class("lsf").job_cls("tls://h:1", name="a", **options)
    await job.start()
    assert job.job_id == "17"
    assert (tmp_path / "script").read_text() == job.job_script()
    bsub.write_text("#!/bin/sh\necho 'User is not permitted' >&2\nexit 255\n")
    with pytest.raises(CommandError, match="^User is not permitted$"):
        await job.start()


async def test_commands_get_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch system keeps the environment of a submission, and gives it to the workers."""
    for name in ("JUPYTERHUB_API_TOKEN", "DB_PASSWORD", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    said = await call(["env"])
    assert "hidden" not in said
    assert "SLURM_CONF=/etc/slurm/slurm.conf" in said


async def test_a_command_that_hangs() -> None:
    with pytest.raises(CommandError, match="^sleep did not answer in 0 s$") as caught:
        await call(["sleep", "300"], timeout=0.1)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("words", "transient"),
    [
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", True),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination", False),
        ("qsub: Unauthorized Request", False),
        ('Unable to run job: unable to send message to qmaster using port 6444 on host "h": got send error.', True),
        ('Unable to run job: Job was rejected because job requests unknown queue "nowhere" Exiting.', False),
    ],
)
def test_what_may_pass(words: str, transient: bool) -> None:
    assert CommandError(words).transient is transient
