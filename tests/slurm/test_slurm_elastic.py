"""Allocations come and go with the work, and SLURM is asked for nothing else."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from execution_bench import until
from slurm_bench import SlurmBench
from slurm_daemons import Slurm

CLIENTS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo")


@pytest.fixture
def calls(need: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line for every call of a SLURM client: wrappers are first on PATH."""
    import shutil

    log, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    log.touch()
    for name in CLIENTS:
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >> {log}\nexec {shutil.which(name)} "$@"\n')
        wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


async def test_the_calls_for_many_jobs(slurm: Slurm, calls: Path, tmp_path: Path) -> None:
    """One sbatch and one scancel for each worker, whatever the number of jobs."""
    bench = SlurmBench(tmp_path, workers=3)
    begin = time.perf_counter()
    jobs = [await bench.start("true") for _ in range(500)]
    for job in jobs:
        assert (await bench.last(job)).kind == "completed"
    took = time.perf_counter() - begin
    print(f"500 jobs on 3 workers, with the start of the workers: {took:.1f} s")
    await bench.executor.close()
    count = Counter(calls.read_text().split())
    print(dict(count))
    assert count["sbatch"] == 3
    assert count["scancel"] == 3
    assert count["squeue"] <= took / 5  # where a loaded machine was slow to start the workers
    assert set(count) <= {"sbatch", "scancel", "squeue"}


async def test_up_to_the_maximum_and_down_again(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path, workers=4, idle_timeout=1.0)
    first = await bench.start("sleep 300")
    await bench.ready(1)
    assert len(slurm.jobs()) == 1
    begin = time.perf_counter()
    burst = [await bench.start("sleep 300") for _ in range(5)]
    await bench.ready(4)
    print(f"1 -> 4 workers after a burst: {time.perf_counter() - begin:.1f} s")
    assert len(slurm.jobs()) == 4
    assert bench.executor.status()["waiting"] == 2
    for job in burst:
        await bench.executor.abort(job)
    await until(lambda: len(slurm.jobs()) == 1)
    # the busy one is left alone, and is the one that is left
    assert {report.kind for report in bench.reports[first.job_id]} == {"started"}
    assert [each["busy"] for each in bench.table()] == [True]
    await bench.executor.abort(first)
    await until(lambda: slurm.jobs() == {})
    await until(lambda: bench.executor._cluster is None)
    await bench.goes_on()
    await bench.executor.close()


async def test_a_long_job_does_not_block_short_ones(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path, workers=2)
    long = await bench.start("sleep 300")
    await bench.ready(1)
    short = [await bench.start("true") for _ in range(10)]
    for job in short:
        assert (await bench.last(job)).kind == "completed"
    assert len(slurm.jobs()) == 2
    await bench.executor.abort(long)
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


async def test_without_a_job_nothing_is_submitted(slurm: Slurm, calls: Path, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path)
    job = await bench.start("true")
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    await until(lambda: bench.executor._cluster)
    await bench.executor.close()
    assert calls.read_text() == ""
