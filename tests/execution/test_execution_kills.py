"""kill -9 of every process there is, alone and together: no orphan, a clear reason, and it goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from execution_bench import FAMILY, Bench, parent, processes_of, until

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.folder import JobFolder
from jupyter_uws.execution.processes import children, start_time
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST = Path(__file__).with_name("execution_service.py")


@pytest.mark.parametrize(
    ("victims", "reasons"),
    [
        ("supervisor", {"its supervisor was killed"}),
        ("worker", {"its Dask worker was lost"}),
        ("worker supervisor", {"its Dask worker was lost", "its Dask worker and its supervisor were lost"}),
        ("supervisor job", {"its supervisor was killed"}),
        ("worker supervisor job", {"its Dask worker was lost", "its Dask worker and its supervisor were lost"}),
    ],
)
async def test_kill(bench: Bench, victims: str, reasons: set[str]) -> None:
    job = await bench.start(FAMILY)
    await bench.report(job, "progress")
    first, supervisor = bench.pids(job)
    pids = {"job": first, "supervisor": supervisor, "worker": parent(supervisor)}
    begin = asyncio.get_running_loop().time()
    for victim in victims.split():
        os.kill(pids[victim], signal.SIGKILL)
    last = await bench.last(job)
    reported = asyncio.get_running_loop().time() - begin
    await until(lambda: not processes_of(job.job_id))
    gone = asyncio.get_running_loop().time() - begin
    print(f"kill -9 {victims}: reported after {reported:.3f} s, nothing lives after {gone:.3f} s")
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.message in reasons
    assert last.error.type == "transient"
    word = bench.folder(job).last_word(0)
    assert word is not None
    assert word["event"] == "lost"
    # as many jobs at once as before: the worker is replaced
    pair = [await bench.start("sleep 300") for _ in range(2)]
    for other in pair:
        await bench.report(other, "started")
    for other in pair:
        await bench.executor.abort(other)
        assert (await bench.last(other)).kind == "aborted"


async def test_the_supervisor_does_not_outlive_its_worker(bench: Bench) -> None:
    job = await bench.start(FAMILY)
    await bench.report(job, "progress")
    worker = bench.worker_pid(job)
    helpers = children(worker)
    os.kill(worker, signal.SIGKILL)
    await bench.last(job)
    await until(lambda: all(start_time(pid) is None for pid in helpers))


async def test_supervisor_told_to_end(bench: Bench) -> None:
    """scancel sends SIGTERM to all there is."""
    job = await bench.start(FAMILY)
    await bench.report(job, "progress")
    os.kill(bench.pids(job)[1], signal.SIGTERM)
    last = await bench.last(job)
    assert last.kind == "failed"
    assert processes_of(job.job_id) == []


async def test_killed_before_its_worker_was_asked(bench: Bench) -> None:
    """Jobs that wait are none the worse for a worker's end."""
    running = [await bench.start("sleep 300") for _ in range(2)]
    for job in running:
        await bench.report(job, "started")
    waiting = [await bench.start("true") for _ in range(4)]
    os.kill(bench.worker_pid(running[0]), signal.SIGKILL)
    for job in waiting:
        assert (await bench.last(job)).kind == "completed"
    await bench.executor.abort(running[1])
    await bench.last(running[1])


async def test_restartable_jobs_wait_again(bench: Bench) -> None:
    job = await bench.start(FAMILY, restartable=True)
    for run in range(3):
        await bench.report(job, "progress")
        os.kill(bench.folder(job).events(run)[0]["supervisor"], signal.SIGKILL)
        if run == 2:
            break
        info = (await bench.report(job, "queued")).info
        assert info == {"restarts": str(run + 1), "message": "queued again: its supervisor was killed"}
        assert processes_of(job.job_id) == []
        job = replace(job, run=run + 1, info=info)
        await bench.executor.start(job)
    assert (await bench.last(job)).kind == "failed"


async def test_aborted_while_the_worker_dies(bench: Bench) -> None:
    job = await bench.start(FAMILY)
    await bench.report(job, "progress")
    os.kill(bench.worker_pid(job), signal.SIGKILL)
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind in ("aborted", "failed")
    assert processes_of(job.job_id) == []


@asynccontextmanager
async def service(jobs: Path, scripts: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HOST), str(jobs), json.dumps(scripts), stdin=-1, stdout=-1
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def reported(process: asyncio.subprocess.Process, job_id: str, kind: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(90):
        while json.loads(await process.stdout.readline()) != {"job_id": job_id, "kind": kind}:
            pass


def stored(job_id: str, phase: Phase, script: str = "") -> Job:
    return Job(job_id, "shell", "me", phase, datetime.now(UTC), parameters={"script": [script]})


@pytest.mark.parametrize(
    "victims",
    ["service", "service worker", "service supervisor", "service worker supervisor", "service worker supervisor job"],
)
async def test_kill_the_service(tmp_path: Path, victims: str) -> None:
    """What was running ended, and is settled by the next service; what was waiting is run by it."""
    name = f"{os.getpid()}-{victims.count(' ')}-{victims[-3:]}"
    running, waiting = f"1-{name}", f"2-{name}"
    async with service(tmp_path, {running: FAMILY, waiting: "true"}) as process:
        await reported(process, running, "progress")
        started = JobFolder(tmp_path / running).events(0)[0]
        supervisor = started["supervisor"]
        pids = {"service": process.pid, "worker": parent(supervisor), "supervisor": supervisor, "job": started["pid"]}
        helpers = [pids["worker"], *children(pids["worker"])]
        begin = asyncio.get_running_loop().time()
        for victim in victims.split():
            os.kill(pids[victim], signal.SIGKILL)
        # started at once, as the extension would
        bench = Bench(tmp_path, ClusterConfig(workers=1))
        await bench.executor.settle(stored(running, Phase.EXECUTING))
        settled = asyncio.get_running_loop().time() - begin
        await until(lambda: not processes_of(running) and all(start_time(pid) is None for pid in helpers))
        gone = asyncio.get_running_loop().time() - begin
        print(f"kill -9 {victims}: settled after {settled:.3f} s, nothing lives after {gone:.3f} s")
        (last,) = bench.reports[running]
        assert last.kind == "failed"
        assert last.error is not None
        assert last.error.message == "the service ended while the job ran"
        await bench.executor.settle(stored(waiting, Phase.QUEUED))
        assert [report.kind for report in bench.reports[waiting]] == ["queued"]
        await bench.executor.close()


async def test_nothing_is_left_where_no_service_comes_back(tmp_path: Path) -> None:
    """The reaper's work: nobody else knows the job's processes any more."""
    running = f"1-{os.getpid()}-reaped"
    async with service(tmp_path, {running: FAMILY}) as process:
        await reported(process, running, "progress")
        supervisor = JobFolder(tmp_path / running).events(0)[0]["supervisor"]
        worker = parent(supervisor)
        helpers = children(worker)
        assert len(processes_of(running)) >= 4
        for pid in (process.pid, worker, supervisor):
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not processes_of(running) and all(start_time(pid) is None for pid in helpers))
    word = JobFolder(tmp_path / running).last_word(0)
    assert word is not None
    assert word["error"]["message"] == "its Dask worker and its supervisor were lost"


async def test_the_service_is_stopped(tmp_path: Path) -> None:
    running, waiting = f"1-{os.getpid()}-stop", f"2-{os.getpid()}-stop"
    async with service(tmp_path, {running: FAMILY, waiting: "true"}) as process:
        await reported(process, running, "progress")
        supervisor = JobFolder(tmp_path / running).events(0)[0]["supervisor"]
        helpers = [parent(supervisor), *children(parent(supervisor))]
        assert process.stdin is not None
        process.stdin.close()
        await reported(process, running, "failed")
        assert await process.wait() == 0
    word = JobFolder(tmp_path / running).last_word(0)
    assert word is not None
    assert word["error"]["message"] == "the service was stopped"
    assert JobFolder(tmp_path / waiting).begun(0) is None
    assert processes_of(running) == []
    await until(lambda: all(start_time(pid) is None for pid in helpers))


async def test_settle_reads_the_last_word(bench: Bench) -> None:
    """A service that lost a message, or that was away, learns it from the folder."""
    script = """echo > a; echo '[{"name":"a","path":"a"}]' > ../results.json"""
    job = await bench.start(script)
    await bench.last(job)
    bench.reports[job.job_id].clear()
    await bench.executor.settle(job)
    (report,) = bench.reports[job.job_id]
    assert report.kind == "completed"
    assert [result.name for result in report.results] == ["a"]


async def test_settle_a_job_of_another_host(bench: Bench) -> None:
    """It is waited for, no longer than the bound; its own host's last word counts."""
    job = bench.job(phase=Phase.EXECUTING)
    folder = bench.folder(job)
    folder.prepare({})
    folder.begin(0, {"host": "elsewhere", "supervisor": 1, "supervisor_start": 1})
    settling = asyncio.create_task(bench.executor.settle(job))
    await asyncio.sleep(0)
    assert job.job_id not in bench.reports
    folder.append({"event": "completed", "run": 0, "time": datetime.now(UTC).isoformat(), "results": []})
    await settling
    assert [report.kind for report in bench.reports[job.job_id]] == ["completed"]


async def test_settle_gives_up_after_its_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    bench.executor._settle_timeout = 0.1
    job = bench.job(phase=Phase.EXECUTING)
    bench.folder(job).prepare({})
    bench.folder(job).begin(0, {"host": "elsewhere", "supervisor": 1, "supervisor_start": 1})
    await bench.executor.settle(job)
    (last,) = bench.reports[job.job_id]
    assert last.error is not None
    assert last.error.message == "the service ended while the job ran"


async def test_settle_a_job_whose_folder_is_gone(bench: Bench) -> None:
    job = bench.job(phase=Phase.EXECUTING)
    await bench.executor.settle(job)
    (last,) = bench.reports[job.job_id]
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.message == "its folder was removed while it ran; what became of it is not known"


async def test_abort_ends_the_settling(bench: Bench) -> None:
    job = bench.job(phase=Phase.EXECUTING)
    bench.folder(job).prepare({})
    bench.folder(job).begin(0, {"host": "elsewhere", "supervisor": 1, "supervisor_start": 1})
    settling = asyncio.create_task(bench.executor.settle(job))
    await asyncio.sleep(0)
    await bench.executor.abort(job)
    await settling
    assert [report.kind for report in bench.reports[job.job_id]] == ["aborted"]


async def test_abort_of_a_job_nobody_has(bench: Bench) -> None:
    job = bench.job(phase=Phase.EXECUTING)
    await bench.executor.abort(job)
    assert [report.kind for report in bench.reports[job.job_id]] == ["aborted"]
