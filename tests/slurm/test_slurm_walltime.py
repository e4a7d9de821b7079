"""A worker's walltime never ends a job that was promised more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from execution_bench import until
from slurm_bench import SlurmBench
from slurm_daemons import Slurm

from jupyter_uws.execution.batch import seconds
from jupyter_uws.execution.cluster import ClusterConfig


@pytest.mark.parametrize(
    ("walltime", "expected"),
    [
        ("30", 1800),
        ("30:10", 1810),
        ("01:30:00", 5400),
        ("24:00:00", 86400),
        ("2-12", 216000),
        ("2-12:30", 217800),
        ("1-00:00:01", 86401),
        ("soon", None),
        ("1:2:3:4", None),
        (None, None),
    ],
)
def test_walltimes(walltime: Any, expected: float | None) -> None:
    assert seconds("slurm", walltime) == expected


def test_the_longest_job() -> None:
    assert ClusterConfig("slurm", options={"walltime": "00:10:00"}, start_timeout=60).longest == 510
    assert ClusterConfig("slurm").longest == 86400 - 90
    assert ClusterConfig("lsf", options={"walltime": "12:00"}).longest == 12 * 3600 - 90
    assert ClusterConfig("htcondor").longest is None
    assert ClusterConfig("local").longest is None


async def test_a_job_that_can_never_fit(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path, walltime="00:10:00")
    last = await bench.last(await bench.start("true", seconds=551))
    assert last.error is not None
    assert last.error.message == "executionDuration of 551 s is more than the 550 s that a worker's walltime leaves it"
    assert slurm.jobs() == {}
    await bench.executor.close()


async def test_the_longest_jobs_one_after_the_other(slurm: Slurm, tmp_path: Path) -> None:
    """A new worker takes the longest there can be."""
    bench = SlurmBench(tmp_path, workers=1, walltime="00:10:00")
    for _ in range(3):
        assert (await bench.last(await bench.start("true", seconds=550))).kind == "completed"
    assert len(bench.table()) == 1
    assert len(slurm.jobs()) == 1
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


async def test_a_worker_that_ends_too_soon_is_replaced(slurm: Slurm, tmp_path: Path) -> None:
    """Short jobs still go to it; for a long one another worker comes, though the maximum is one."""
    bench = SlurmBench(tmp_path, workers=1, walltime="00:10:00")
    first = await bench.start("true", seconds=500)
    await bench.last(first)
    (old,) = bench.table()
    allocation = bench.allocations._allocations[old["name"]]  # type: ignore[union-attr]
    assert allocation.joined is not None
    allocation.joined -= 400  # as if it were there for so long
    short = await bench.start("true", seconds=100)
    await bench.last(short)
    assert (await bench.report(short, "started")).info["worker"] == old["worker"]
    long = await bench.start("true", seconds=500)
    assert (await bench.last(long)).kind == "completed"
    assert (await bench.report(long, "started")).info["worker"] != old["worker"]
    await until(lambda: old["job_id"] not in slurm.jobs())
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


async def test_short_jobs_pass_long_ones(slurm: Slurm, tmp_path: Path) -> None:
    """A long job waits for another worker, those behind it do not."""
    bench = SlurmBench(tmp_path, workers=1, walltime="00:10:00")
    running = await bench.start("sleep 300", seconds=400)
    await bench.ready(1)
    (old,) = bench.table()
    bench.allocations._allocations[old["name"]].joined -= 400  # type: ignore[union-attr, operator]
    long = await bench.start("true", seconds=500)
    short = await bench.start("true", seconds=100)
    await bench.executor.abort(running)
    assert (await bench.last(short)).kind == "completed"
    assert (await bench.report(short, "started")).info["worker"] == old["worker"]
    assert (await bench.last(long)).kind == "completed"
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})
