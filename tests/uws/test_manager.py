"""The rules of a job's life, with the test in the executor's place."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from jupyter_uws.uws.errors import NotAllowed, NotFound, UsageError
from jupyter_uws.uws.manager import Control, JobManager
from jupyter_uws.uws.model import Job, Upload
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.times import utcnow


def create(manager: JobManager, **control: str) -> Job:
    return manager.create("alice", "quicklook", {"ra": ["83.6"]}, Control(**control))


async def test_the_straight_way(manager: JobManager, executor: Any) -> None:
    job = create(manager)
    assert job.phase is Phase.PENDING
    assert job.job_id[0].isdigit()
    assert job.parameters == {"RA": ["83.6"]}
    assert (await manager.run(job)).phase is Phase.QUEUED
    executor.say(job, "started")
    executor.say(job, "progress", info={"progress": 0.5})
    running = manager.get("alice", "quicklook", job.job_id)
    assert running.phase is Phase.EXECUTING
    assert running.info["progress"] == 0.5
    executor.say(job, "completed")
    ended = manager.get("alice", "quicklook", job.job_id)
    assert ended.phase is Phase.COMPLETED
    assert ended.start_time <= ended.end_time  # type: ignore[operator]


async def test_late_reports_change_nothing(manager: JobManager, executor: Any) -> None:
    job = await manager.run(create(manager))
    await manager.abort(job)
    before = manager.get("alice", "quicklook", job.job_id)
    for kind in ("started", "progress", "queued", "completed", "failed", "aborted"):
        executor.say(job, kind, info={"progress": 0.9})
    assert manager.get("alice", "quicklook", job.job_id) == before


async def test_a_job_handed_back_runs_again_with_the_next_number(manager: JobManager, executor: Any) -> None:
    job = await manager.run(create(manager))
    executor.say(job, "started")
    executor.say(job, "queued")
    again = manager.get("alice", "quicklook", job.job_id)
    assert (again.phase, again.run, again.start_time) == (Phase.QUEUED, 1, None)
    await asyncio.sleep(0)
    assert executor.calls[-1] == ("start", job.job_id, 1)
    executor.say(job, "completed")  # the lost worker's report of run 0
    assert manager.get("alice", "quicklook", job.job_id).phase is Phase.QUEUED


async def test_wait_returns_with_the_change(manager: JobManager, executor: Any) -> None:
    job = create(manager)
    waiting = asyncio.create_task(manager.wait(job, -1))
    await asyncio.sleep(0)
    queued = await manager.run(job)
    assert (await asyncio.wait_for(waiting, 1)).phase is Phase.QUEUED
    waiting = asyncio.create_task(manager.wait(queued, 30))
    await asyncio.sleep(0)
    executor.fail(job)  # started and failed in one batch: no wake-up may be lost
    assert (await asyncio.wait_for(waiting, 1)).phase in (Phase.EXECUTING, Phase.ERROR)
    assert not manager.events.waits


async def test_wait_ends_after_its_time(manager: JobManager) -> None:
    job = create(manager)
    assert (await asyncio.wait_for(manager.wait(job, 0.05), 1)).phase is Phase.PENDING
    assert not manager.events.waits


async def test_a_deleted_job_ends_its_waits(manager: JobManager) -> None:
    job = create(manager)
    waiting = asyncio.create_task(manager.wait(job, 30))
    await asyncio.sleep(0)
    await manager.delete(job)
    with pytest.raises(NotFound, match="deleted"):
        await asyncio.wait_for(waiting, 1)


async def test_what_a_phase_forbids(manager: JobManager, executor: Any) -> None:
    job = await manager.run(create(manager))
    with pytest.raises(NotAllowed, match="QUEUED.*PENDING"):
        manager.set_parameters(job, {"RA": ["1"]})
    with pytest.raises(NotAllowed, match="QUEUED.*PENDING"):
        manager.set_execution_duration(job, "5")
    executor.complete(job)
    ended = manager.get("alice", "quicklook", job.job_id)
    with pytest.raises(NotAllowed, match="COMPLETED.*PENDING"):
        await manager.run(ended)
    with pytest.raises(NotAllowed, match="ended"):
        await manager.abort(ended)


async def test_deleting_a_running_job_stops_it_first(manager: JobManager, executor: Any) -> None:
    job = await manager.run(create(manager))
    executor.say(job, "started")
    await manager.delete(manager.get("alice", "quicklook", job.job_id))
    assert [call[0] for call in executor.calls] == ["start", "abort", "delete"]
    with pytest.raises(NotFound):
        manager.get("alice", "quicklook", job.job_id)


async def test_a_job_that_cannot_start_says_why(manager: JobManager, executor: Any) -> None:
    async def refuse(job: Job) -> None:
        raise OSError(28, "No space left on device")

    executor.start = refuse  # type: ignore[method-assign]
    job = await manager.run(create(manager))
    assert job.phase is Phase.ERROR
    assert "No space left" in job.error.message  # type: ignore[union-attr]


async def test_limits_clamp(manager: JobManager) -> None:
    assert create(manager).execution_duration == 600
    assert create(manager, execution_duration="0").execution_duration == 7200
    assert create(manager, execution_duration="999999").execution_duration == 7200
    assert create(manager, execution_duration="3600.0").execution_duration == 3600
    job = create(manager, destruction="9999-01-01T00:00:00Z")
    assert job.destruction == job.creation_time + timedelta(days=365)
    for text in ("-5", "nan", "soon", ""):
        with pytest.raises(UsageError, match="EXECUTIONDURATION"):
            create(manager, execution_duration=text)
    with pytest.raises(UsageError, match="DESTRUCTION.*'tomorrow'"):
        create(manager, destruction="tomorrow")


async def test_destruction_happens(manager: JobManager, executor: Any) -> None:
    doomed = create(manager, destruction=f"{utcnow() - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}")
    kept = create(manager)
    await manager.undertaker.sweep()
    assert [job.job_id for job in manager.store.find()] == [kept.job_id]
    assert ("delete", doomed.job_id, 0) in executor.calls


async def test_a_job_that_is_created_during_a_sweep_keeps_its_files(
    manager: JobManager, executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with manager.reserved("quicklook") as refused:
        pass
    creating = ExitStack()
    job_id = creating.enter_context(manager.reserved("quicklook"))
    delete = executor.delete

    async def create_meanwhile(job: Job) -> None:
        await delete(job)
        if job.job_id == refused:
            upload = Upload("IMAGE", "uploads/a", "a", "a/b", 60, "00")
            manager.create("alice", "quicklook", {"ra": ["83.6"]}, Control(), job_id, [upload])
            creating.close()

    monkeypatch.setattr(executor, "delete", create_meanwhile)
    await manager.undertaker.sweep()
    assert executor.calls == [("delete", refused, 0)]
    assert [job.job_id for job in manager.store.find()] == [job_id]
    assert manager.store.remains() == []


async def test_open_settles_what_was_left(manager: JobManager, executor: Any) -> None:
    left = await manager.run(create(manager))
    create(manager)
    executor.calls.clear()
    await manager.open()
    await asyncio.sleep(0)
    assert executor.calls == [("settle", left.job_id, 0)]


async def test_jobs_are_their_owners(manager: JobManager) -> None:
    job = create(manager)
    with pytest.raises(NotAllowed, match="somebody else"):
        manager.get("mallory", "quicklook", job.job_id)
