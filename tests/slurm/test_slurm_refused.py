"""What SLURM refuses, or lets wait for ever, is said in its own words; the service goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from execution_bench import until
from slurm_bench import SlurmBench
from slurm_daemons import Slurm

from jupyter_uws.execution import allocations
from jupyter_uws.uws.model import Job


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look earlier than after 5 s."""
    monkeypatch.setattr(allocations, "FIRST_LOOK", 1.0)
    monkeypatch.setattr(allocations, "LOOK_INTERVAL", 0.5)


async def error(bench: SlurmBench, job: Job) -> str:
    last = await bench.last(job)
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.type == "transient"
    return last.error.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "nowhere"}, "invalid partition specified: nowhere"),
        ({"job_extra_directives": ["--qos=none", "--gres=fpga:9"]}, "Invalid generic resource (gres) specification"),
        ({"walltime": "soon"}, "Invalid --time specification"),
    ],
)
async def test_a_refused_submission(slurm: Slurm, tmp_path: Path, options: dict[str, object], words: str) -> None:
    bench = SlurmBench(tmp_path, **options)
    for _ in range(2):  # and asks again with the next jobs
        for job in [await bench.start("true") for _ in range(3)]:
            assert words in await error(bench, job)
    assert bench.allocations is not None
    assert 2 <= len(bench.allocations.failures) <= 6
    assert slurm.jobs() == {}
    await bench.executor.close()


async def test_no_sbatch(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = SlurmBench(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert await error(bench, await bench.start("true")) == "sbatch cannot be executed: No such file or directory"
    await bench.goes_on()
    await bench.executor.close()


async def test_why_an_allocation_pends(slurm: Slurm, tmp_path: Path) -> None:
    """Accepted by SLURM, never to start: the job says why, and can be aborted."""
    bench = SlurmBench(tmp_path, queue="small", walltime="10:00:00")
    job = await bench.start("true")
    await until(lambda: bench.executor.queue(job).get("waits_for") == "an allocation: PartitionTimeLimit")
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


async def test_an_allocation_without_a_worker(slurm: Slurm, tmp_path: Path) -> None:
    """The Python of the workers is missing on the nodes: tried three times, then said with what it wrote."""
    bench = SlurmBench(tmp_path, python="/nowhere/python")
    message = await error(bench, await bench.start("true"))
    assert "before its worker came" in message
    assert "/nowhere/python: No such file or directory" in message
    await bench.executor.close()


async def test_cancelled_while_it_pends(slurm: Slurm, tmp_path: Path) -> None:
    """By its operator: another one is asked for."""
    bench = SlurmBench(tmp_path, workers=1, job_extra_directives=["--begin=now+1hour"])
    job = await bench.start("true")
    await until(lambda: bench.executor.queue(job).get("waits_for") == "an allocation: BeginTime")
    (first,) = slurm.jobs()
    slurm.call("scancel", first)
    await until(lambda: set(slurm.jobs()) - {first})
    assert job.job_id not in bench.reports
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


async def test_a_folder_that_scripts_cannot_name(tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path / "my jobs")
    message = await error(bench, await bench.start("true"))
    assert message.startswith("the slurm Dask cluster cannot be started: job scripts cannot name the folder")
    await bench.executor.close()
