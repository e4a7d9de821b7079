"""Jobs that fan out on SLURM: allocations come for their helpers, jobs come first, and a lost one is nobody's error."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from execution_bench import processes_of, until
from fanning_bench import fan_out, fanned_out, helper_folder, of_helpers, result, squares
from slurm_bench import SlurmBench
from slurm_daemons import Slurm


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlurmBench]:
    bench = SlurmBench(tmp_path_factory.mktemp("jobs"), workers=2)
    yield bench
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_allocation_is_asked_for_where_a_helper_is_wanted(bench: SlurmBench, slurm: Slurm) -> None:
    job = await fan_out(bench, 20, 0.2)
    await bench.report(job, "started")
    await fanned_out(bench, job)
    assert len(slurm.jobs()) == 2
    assert {each["helps"] for each in bench.executor.overview()["allocations"]} == {job.job_id, None}
    last = await bench.last(job)
    assert last.kind == "completed", last.error
    assert len(set(result(bench, job)["pids"])) == 2
    assert result(bench, job)["sum"] == squares(20)
    assert of_helpers(job.job_id) == []


async def test_a_waiting_job_takes_a_helpers_slot(bench: SlurmBench, slurm: Slurm) -> None:
    job = await fan_out(bench, 60, 0.2)
    await fanned_out(bench, job)
    other = await bench.start("true")
    assert (await bench.last(other)).kind == "completed"
    assert processes_of(job.job_id)
    assert (await bench.last(job)).kind == "completed"
    assert result(bench, job)["sum"] == squares(60)
    assert len(slurm.jobs()) == 2


async def test_abort_leaves_nothing(bench: SlurmBench) -> None:
    job = await fan_out(bench, 4, 300)
    await fanned_out(bench, job)
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    assert of_helpers(job.job_id) + processes_of(job.job_id) == []


async def test_the_allocation_of_a_helper_is_lost(bench: SlurmBench, slurm: Slurm) -> None:
    job = await fan_out(bench, 60, 0.2)
    await fanned_out(bench, job)
    slot = next(each for each in bench.executor.overview()["allocations"] if each["helps"])
    slurm.call("scancel", slot["job_id"])
    last = await bench.last(job)
    assert last.kind == "completed", last.error
    assert result(bench, job)["sum"] == squares(60)


async def test_the_worker_of_a_helper_is_killed(bench: SlurmBench) -> None:
    job = await fan_out(bench, 30, 0.2)
    await fanned_out(bench, job)
    os.kill(helper_folder(bench, job).events(0)[0]["pid"], signal.SIGKILL)
    assert (await bench.last(job)).kind == "completed"
    assert result(bench, job)["sum"] == squares(30)
