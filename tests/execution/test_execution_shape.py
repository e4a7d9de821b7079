"""Shapes: which worker holds which job, and which one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uws.execution.batch import cluster_class, cluster_options
from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.launch import Launch, rounded
from jupyter_uws.execution.shape import OVERHEAD, Maxima, Need, Shape, holds, mebibytes, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8 GiB", 8192),
        ("8GiB", 8192),
        ("1.5 GiB", 1536),
        ("500 MB", 477),
        ("8G", 7630),
        ("2 tib", 2 << 20),
        ("1 kB", 1),
        (1 << 30, 1024),
    ],
)
def test_sizes(text: str | int, expected: int) -> None:
    assert mebibytes(text) == expected


@pytest.mark.parametrize("text", ["", "much", "8 GiBs", "-1 GiB", "8 GiB; rm", "nan"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as"):
        mebibytes(text)


def test_sizes_are_those_of_dask() -> None:
    from dask.utils import parse_bytes

    for text in ("8 GiB", "500 MB", "8G", "3 TB", "12 kiB", "100"):
        assert mebibytes(text) == -(-parse_bytes(text) // 2**20)


needs = st.builds(
    Need,
    cores=st.integers(1, 64),
    memory=st.integers(0, 1 << 20),
    gpus=st.integers(0, 4),
    partition=st.sampled_from(["", "fat"]),
    account=st.sampled_from(["", "cta"]),
    constraint=st.sampled_from(["", "avx"]),
    duration=st.integers(0, 85000),
)


@given(needs)
def test_the_worker_that_is_asked_for_holds_the_job(need: Need) -> None:
    config = ClusterConfig("slurm", options={"cores": 2, "memory": "4 GiB"})
    shape = config.shape(need)
    assert holds(shape, need)
    assert shape.walltime is not None
    assert shape.walltime - config.margin >= need.duration
    assert size(shape) >= size(config.base)


def test_small_jobs_share_the_operators_worker() -> None:
    config = ClusterConfig("slurm", options={"cores": 2, "memory": "4 GiB", "walltime": "02:00:00"})
    for need in (Need(), Need(2, 4096 - OVERHEAD, duration=7000)):
        assert config.shape(need) == config.base
    assert config.shape(Need(memory=4096)).memory == 5 * 1024
    assert config.shape(Need(memory=4500)).memory == 5 * 1024
    assert config.shape(Need(cores=3)).cores == 3


def test_longer_jobs_get_a_longer_walltime() -> None:
    maxima = Maxima(walltime=10 * 3600)
    config = ClusterConfig("slurm", options={"walltime": "02:00:00"}, maxima=maxima)
    assert config.longest == 10 * 3600 - 90
    assert config.shape(Need(duration=7200)).walltime == 3 * 3600
    assert config.shape(Need(duration=config.longest)).walltime == 10 * 3600


@pytest.mark.parametrize(
    ("shape", "need", "expected"),
    [
        (Shape(4, 8192), Need(4, 8192 - OVERHEAD), True),
        (Shape(4, 8192), Need(4, 8192), False),
        (Shape(4, 8192), Need(5), False),
        (Shape(4, None), Need(4, 1 << 20), True),
        (Shape(4, 8192, gpus=2), Need(gpus=1), True),
        (Shape(4, 8192, gpus=2), Need(), False),  # it is kept for those that need it
        (Shape(4, 8192), Need(gpus=1), False),
        (Shape(4, 8192, partition="fat"), Need(partition="fat"), True),
        (Shape(4, 8192, partition="fat"), Need(), False),
        (Shape(4, 8192), Need(account="cta"), False),
        (Shape(4, 8192), Need(constraint="avx"), False),
    ],
)
def test_which_worker_holds_which_job(shape: Shape, need: Need, expected: bool) -> None:
    assert holds(shape, need) is expected


def test_the_operators_own_partition_by_name() -> None:
    config = ClusterConfig("slurm", options={"queue": "normal", "account": "cta"})
    assert config.need(Need(partition="normal", account="cta")) == Need()
    assert config.need(Need(partition="fat")) == Need(partition="fat")


@given(st.integers(0, 10**7))
def test_durations_are_rounded_up_to_two_digits(seconds: int) -> None:
    assert seconds <= rounded(seconds) <= seconds * 1.1 + 1
    assert Launch(("true",), execution_duration=seconds).need.duration == rounded(seconds)


SHAPE = Shape(16, 64 * 1024, partition="fat", account="guests", walltime=72 * 3600)
DIRECTIVES: dict[str, tuple[dict[str, Any], Shape, list[str]]] = {
    "slurm": (
        {"queue": "normal", "job_cpu": 2, "job_extra_directives": ["--qos=short"]},
        Shape(16, 64 * 1024, 2, "gpu", "guests", "a100&nvlink", 72 * 3600),
        [
            *("#SBATCH -p gpu", "#SBATCH -A guests", "#SBATCH --cpus-per-task=16", "#SBATCH --mem=64G"),
            *("#SBATCH -t 72:00:00", "#SBATCH --qos=short", "#SBATCH --gres=gpu:2"),
            "#SBATCH --constraint=a100&nvlink",
        ],
    ),
    "pbs": (
        {"queue": "normal", "resource_spec": "select=1:ncpus=2:mem=4GB"},
        SHAPE,
        ["#PBS -q fat", "#PBS -A guests", "#PBS -l select=1:ncpus=16:mem=64GB", "#PBS -l walltime=72:00:00"],
    ),
    "lsf": ({}, SHAPE, ["#BSUB -q fat", '#BSUB -P "guests"', "#BSUB -n 16", "#BSUB -W 72:00"]),
    "oar": (
        {"memory_per_core_property_name": "not_applicable"},
        SHAPE,
        ["#OAR -q fat", "#OAR --project guests", "#OAR -l /nodes=1/core=16,walltime=72:00:00"],
    ),
    "sge": ({}, SHAPE, ["#$ -q fat", "#$ -P guests", "#$ -l h_rt=72:00:00"]),
}


@pytest.mark.parametrize("backend", DIRECTIVES)
def test_the_job_script_of_another_shape(backend: str) -> None:
    options, shape, expected = DIRECTIVES[backend]
    config = ClusterConfig(backend, options=options)
    merged = cluster_options(backend, options, Path("/shared/uws"))
    for name in ("asynchronous", "silence_logs", "scheduler_options"):
        del merged[name]
    merged["log_directory"] = None
    job = cluster_class(backend).job_cls("tls://here:1", name="w", **config.worker_options(merged, shape))
    lines = job.job_script().splitlines()
    assert [line for line in expected if line not in lines] == []
    *_, command = [line for line in lines if line and not line.startswith("#")]
    assert "--nthreads 16 --memory-limit 64.00GiB" in command


def test_the_operators_script_stays_as_it_is() -> None:
    options = {"queue": "normal", "job_mem": "3G", "cores": 2}
    config = ClusterConfig("slurm", options=options)
    assert config.worker_options(options, config.base) == options


def test_a_bad_size_is_named() -> None:
    with pytest.raises(ValueError, match="memory 'lots' is not a size"):
        _ = ClusterConfig("slurm", options={"memory": "lots"}).base
