"""What becomes of jobs when allocations, nodes, workers or the service are lost: nothing of them lives on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from execution_bench import processes_of, until
from slurm_bench import SlurmBench
from slurm_daemons import Slurm

from jupyter_uws.uws.executor import Report


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlurmBench]:
    bench = SlurmBench(tmp_path_factory.mktemp("jobs"), workers=2)
    yield bench
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


#: How a job ends whose allocation ended so.
LOST = r"its Dask worker was lost: allocation \d+ ended \({}\)"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_kill_the_supervisor(bench: SlurmBench) -> None:
    job = await bench.running()
    os.kill(bench.pids(job)[1], signal.SIGKILL)
    assert await bench.lost(job) == "its supervisor was killed"
    await bench.goes_on()


async def test_kill_the_worker(bench: SlurmBench, slurm: Slurm) -> None:
    """Its nanny starts it again, in the same allocation."""
    job = await bench.running()
    before = set(slurm.jobs())
    os.kill(bench.worker_pid(job), signal.SIGKILL)
    assert await bench.lost(job) == "its Dask worker was lost"
    await bench.goes_on()
    assert set(slurm.jobs()) == before


async def test_cancel_the_allocation(bench: SlurmBench, slurm: Slurm) -> None:
    """As its operator does; another one comes when there is work."""
    job = await bench.running()
    ids = set(slurm.jobs())
    slurm.call("scancel", *ids)
    assert re.fullmatch(LOST.format(r"CANCELLED(, \w+)?"), await bench.lost(job))
    await bench.goes_on()
    await until(lambda: ids.isdisjoint(slurm.jobs()))


async def test_restartable_jobs_get_another_allocation(bench: SlurmBench, slurm: Slurm) -> None:
    job = await bench.running(restartable=True)
    slurm.call("scancel", *slurm.jobs())
    report: Report = await bench.report(job, "queued")
    assert report.info["restarts"] == "1"
    assert re.fullmatch("queued again: " + LOST.format(r"CANCELLED(, \w+)?"), report.info["message"])
    again = replace(job, run=1, info=report.info)
    await bench.executor.start(again)
    await bench.report(again, "progress")
    await bench.executor.abort(again)
    assert (await bench.last(again)).kind == "aborted"


async def test_a_node_goes_down(bench: SlurmBench, slurm: Slurm) -> None:
    job = await bench.running()
    busy = await bench.busy()
    (slot,) = bench.executor._fifo.busy
    node = slurm.node_of(busy)
    slurm.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    try:
        assert re.fullmatch(LOST.format("NODE_FAIL(, .*)?"), await bench.lost(job))
        assert bench.allocations
        # whoever asks when the allocation is forgotten hears of it, too
        assert "NODE_FAIL" in await bench.allocations.fate(slot)
        await bench.goes_on()
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # it registers anew by itself
            slurm.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
    assert busy not in slurm.jobs()


async def test_the_time_limit_of_an_allocation(bench: SlurmBench, slurm: Slurm) -> None:
    """Shortened by its operator, or it would never come while a job runs that was promised more."""
    job = await bench.running()
    busy = await bench.busy()
    # SLURM looks twice a minute for what is over; a TimeLimit is in whole minutes
    slurm.call("scontrol", "update", f"JobId={busy}", "EndTime=now+1")
    assert re.fullmatch(LOST.format("TIMEOUT(, .*)?"), await bench.lost(job, 120))
    await bench.goes_on()


async def test_preemption(slurm: Slurm, tmp_path: Path) -> None:
    """Others' jobs of higher priority take the node; a restartable job waits until it is free again."""
    bench = SlurmBench(tmp_path, workers=1, queue="low", memory="2 GiB")
    job = await bench.running(restartable=True)
    (ours,) = bench.up()
    argv = ("sbatch", "--parsable", "--partition=high", "--exclusive", "--wrap=sleep 300", "--output=/dev/null")
    other = slurm.call(*argv).strip()
    try:
        report = await bench.report(job, "queued")
        assert re.fullmatch("queued again: " + LOST.format("PREEMPTED(, .*)?"), report.info["message"])
        assert processes_of(job.job_id) == []
        job = replace(job, run=1, info=report.info)
        await bench.executor.start(job)
        await until(lambda: [each["state"] for each in bench.table()] == ["pending"])
        assert ours not in slurm.jobs()
        slurm.call("scancel", other)
        await bench.report(job, "progress")
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            slurm.call("scancel", other)
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    await bench.executor.close()


async def test_the_controller_is_away(bench: SlurmBench, slurm: Slurm) -> None:
    """Running jobs go on and are reported; waiting ones wait, with the reason; nothing is lost."""
    go = bench.executor.jobs / "go"
    script = f"echo '{{\"progress\": 0}}' >&3; until test -e {go}; do sleep 0.05; done"
    jobs = [await bench.running(script)]
    for job_id in list(slurm.jobs()):
        if job_id not in [each["job_id"] for each in bench.table() if each["busy"]]:
            slurm.call("scancel", job_id)
    await until(lambda: len(bench.up()) == 1)
    slurm.stop("slurmctld")
    try:
        jobs.append(await bench.start("true"))
        await until(lambda: "Unable to contact" in bench.executor.queue(jobs[1]).get("waits_for", ""))
        assert {report.kind for report in bench.reports[jobs[0].job_id]} == {"started", "progress"}
        assert jobs[1].job_id not in bench.reports
        go.touch()
        for job in jobs:  # the worker that is there takes both
            assert (await bench.last(job)).kind == "completed"
    finally:
        slurm.up()
    await bench.goes_on()
