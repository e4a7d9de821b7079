"""Destruction, archive, quotas, clocks, and reports on their way into the store."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from manual import create, executor_of, make_manager, present, until
from running import run_service

from jupyter_uws.uws import clock
from jupyter_uws.uws.clock import CreationTimes, DestructionClock
from jupyter_uws.uws.errors import NotAllowed, NotFound, TooBusy, UsageError
from jupyter_uws.uws.limits import Limits
from jupyter_uws.uws.manager import Control, JobManager
from jupyter_uws.uws.model import Result, Upload
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore
from jupyter_uws.uws.times import format_time, utcnow

PAST = "2020-01-01T00:00:00Z"

# -- destruction


async def test_a_destroyed_job_is_archived_and_then_forgotten(store: JobStore) -> None:
    manager = make_manager(store, archive_time=timedelta(seconds=0.05))
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    executor.say(job, "started")
    executor.say(job, "completed", results=(Result("map", "map.fits", size=12),))
    manager.set_destruction(job, PAST)
    await manager.undertaker.sweep()
    archived = present(manager, job)
    assert (archived.phase, archived.results, archived.parameters) == (Phase.ARCHIVED, (), {"RA": ["83.6"]})
    assert job.job_id not in executor.files
    assert store.refs() == []
    assert [ref.job_id for ref in store.refs(phases=[Phase.ARCHIVED])] == [job.job_id]
    for work in (manager.run(archived), manager.abort(archived)):
        with pytest.raises(NotAllowed):
            await work
    await asyncio.sleep(0.06)
    await manager.undertaker.sweep()
    assert store.get(job.job_id) is None


async def test_without_an_archive_it_disappears_at_once(store: JobStore) -> None:
    manager = make_manager(store, archive_time=timedelta(0))
    create(manager, destruction=PAST)
    await manager.undertaker.sweep()
    assert store.refs(phases=list(Phase)) == []


async def test_an_active_job_is_stopped_for_its_destruction(manager: JobManager) -> None:
    executor = executor_of(manager)
    jobs = [await manager.run(create(manager)) for _ in range(2)]
    executor.say(jobs[1], "started")
    for job in jobs:
        manager.set_destruction(job, PAST)
    await manager.undertaker.sweep()
    assert {present(manager, job).phase for job in jobs} == {Phase.ARCHIVED}
    assert not executor.hand


async def test_a_destruction_that_was_postponed_meanwhile(manager: JobManager) -> None:
    """While the first is destroyed, the owner saves the second."""
    first, second = create(manager, destruction=PAST), create(manager, destruction=PAST)
    executor = executor_of(manager)
    delete = executor.delete

    async def save_the_second(job: Any) -> None:
        manager.set_destruction(second, "2999-01-01T00:00:00Z")
        await delete(job)

    executor.delete = save_the_second  # type: ignore[method-assign]
    await manager.undertaker.sweep()
    assert present(manager, first).phase is Phase.ARCHIVED
    assert present(manager, second).phase is Phase.PENDING


async def test_files_that_cannot_be_removed_are_tried_again(manager: JobManager) -> None:
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    executor.say(job, "failed")
    executor.broken = True
    await manager.delete(present(manager, job))
    with pytest.raises(NotFound):
        manager.get("alice", "manual", job.job_id)
    assert job.job_id in executor.files
    executor.broken = False
    await manager.undertaker.sweep()
    assert not executor.files
    assert manager.store.remains() == []


async def test_files_whose_job_never_came(manager: JobManager) -> None:
    executor = executor_of(manager)
    with manager.reserved("manual") as arriving:
        executor.files[arriving] = 1
        await manager.undertaker.sweep()
        assert arriving in executor.files  # they are still coming
    await manager.undertaker.sweep()
    assert arriving not in executor.files


async def test_jobs_of_a_type_that_is_gone(store: JobStore) -> None:
    manager = make_manager(store)
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    manager.types = {}
    assert (await manager.abort(present(manager, job))).phase is Phase.ERROR
    assert "'manual' is not known to this service any more" in present(manager, job).error.message  # type: ignore[union-attr]
    manager.fallback = executor
    executor.hand.clear()
    await manager.delete(present(manager, job))
    assert not executor.files


# -- limits


@pytest.mark.parametrize(
    ("asked", "limits", "expected"),
    [
        (None, {}, 600),
        ("0", {}, 7200),
        ("99999", {}, 7200),
        ("1e300", {}, 7200),
        (None, {"execution_duration_max": 60}, 60),
        ("0", {"execution_duration_max": 60}, 60),
        ("59.9", {"execution_duration_max": 60}, 59),
        ("7100", {"execution_duration_max": 10000}, 7100),
    ],
)
def test_execution_duration_is_clamped(asked: str | None, limits: dict[str, int], expected: int) -> None:
    assert Limits(**limits).duration(asked, 600, 7200) == expected  # type: ignore[arg-type]


def test_destruction_is_clamped() -> None:
    now = utcnow()
    limits = Limits(lifetime=timedelta(days=9), lifetime_max=timedelta(days=5))
    latest = now + timedelta(days=5)
    assert limits.destruction(None, now) == limits.destruction("", now) == latest
    assert limits.destruction("9999-12-31T23:59:59Z", now) == latest
    assert limits.destruction(PAST, now).year == 2020
    with pytest.raises(UsageError, match="DESTRUCTION '2020-02-30"):
        limits.destruction("2020-02-30T00:00:00Z", now)


async def test_stored_jobs(store: JobStore) -> None:
    manager = make_manager(store, stored=2)
    jobs = [create(manager) for _ in range(2)]
    with pytest.raises(NotAllowed, match="'alice' has 2 jobs and may have 2: delete some before creating more"):
        create(manager)
    create(manager, owner="bob")
    await manager.delete(jobs[0])
    create(manager)
    manager.set_destruction(jobs[1], PAST)
    await manager.undertaker.sweep()  # ARCHIVED ones do not count
    create(manager)


async def test_active_jobs(store: JobStore) -> None:
    manager = make_manager(store, active=1)
    first, second = create(manager), create(manager)
    await manager.run(first)
    with pytest.raises(TooBusy, match="'alice' has 1 jobs queued or running and may have 1"):
        await manager.run(second)
    with pytest.raises(TooBusy):
        manager.admit("alice", run=True)
    manager.admit("alice")
    assert present(manager, second).phase is Phase.PENDING
    executor_of(manager).say(first, "completed")
    assert (await manager.run(second)).phase is Phase.QUEUED


async def test_disk(store: JobStore) -> None:
    """By what results and uploads are said to have first, then by what is there (the executor says 100)."""
    manager = make_manager(store, disk=150)
    job = await manager.run(create(manager))
    executor_of(manager).say(job, "completed", results=(Result("map", "map.fits", size=70),))
    assert present(manager, job).disk == 70
    await until(lambda: present(manager, job).disk == 100)
    upload = Upload("IMAGE", "uploads/a", "a", "a/b", 60, "00")
    with pytest.raises(NotAllowed, match="hold 100 bytes and may hold 150, and 60 more would come: delete some"):
        manager.create("alice", "manual", {}, Control(), None, [upload])
    pending = create(manager)
    with pytest.raises(NotAllowed, match="60 more would come"):
        manager.set_parameters(pending, {"image": ["x"]}, [upload])
    await manager.delete(present(manager, job))
    manager.set_parameters(pending, {"image": ["x"]}, [upload])
    assert store.usage("alice") == (1, 60)
    with pytest.raises(NotAllowed, match="hold 60 bytes and may hold 60"):
        await make_manager(store, disk=60).run(pending)


@pytest.mark.parametrize(
    ("owner", "run_id"), [("alice", "x" * 1001), ("alice", "nul\0"), ("alice", "\ud800"), ("", None), ("a" * 201, None)]
)
async def test_names_the_store_could_not_hold(manager: JobManager, owner: str, run_id: str | None) -> None:
    with pytest.raises(UsageError):
        manager.create(owner, "manual", {}, Control(run_id=run_id))


async def test_an_id_that_exists_is_not_used_again(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["20261122-1", "20261122-1", "20261122-1", "20261122-2"])
    monkeypatch.setattr(JobManager, "new_id", staticmethod(lambda: next(ids)))
    assert [create(manager).job_id for _ in range(2)] == ["20261122-1", "20261122-2"]


def test_limits_are_configured_and_told(tmp_path: Path, sim_archive: Path) -> None:
    options = [
        "--ServeApp.user_stored_jobs=2",
        "--ServeApp.user_active_jobs=1",
        "--ServeApp.user_disk_mb=5",
        "--ServeApp.execution_duration_max=50",
        "--ServeApp.job_archive_days=0",
        "--ServeApp.job_lifetime_max_days=1",
        "--workers=1",
    ]
    with run_service(tmp_path, sim_archive, *options) as service:
        first = service.post("uws/sleeper", {"PHASE": "RUN", "DURATION": "100", "DESTRUCTION": "2999-01-01"})
        job = first.headers["Location"].removeprefix(service.url)
        assert service.get(f"{job}/executionduration").text == "50"
        assert service.get(f"{job}/destruction").text[:10] == f"{utcnow() + timedelta(days=1):%Y-%m-%d}"
        busy = service.post("uws/sleeper", {"PHASE": "RUN"})
        assert (busy.status_code, "1 jobs queued or running and may have 1" in busy.text) == (503, True)
        assert service.post("uws/sleeper").status_code == 303
        full = service.post("uws/sleeper")
        assert (full.status_code, "has 2 jobs and may have 2" in full.text) == (403, True)


# -- clocks


class Clocks:
    """Both clocks in the test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.boot = 1_800_000_000.0, 1000.0
        monkeypatch.setattr(clock, "utcnow", lambda: datetime.fromtimestamp(self.wall, UTC))
        monkeypatch.setattr(clock, "_since_boot", lambda: self.boot)

    def go(self, seconds: float, leap: float = 0) -> None:
        self.boot += seconds
        self.wall += seconds + leap


def test_creation_times_grow_whatever_the_clock_does(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    times = CreationTimes(store)
    found = []
    for leap in (0, 0.0001, -5, -3600, 0, 7200, 0.0004, -86000):
        clocks.go(0, leap)
        found += [times.next(), times.next()]
    assert found == sorted(set(found))
    assert all(time.microsecond % 1000 == 0 for time in found)


async def test_creation_times_grow_over_a_restart(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    first = create(make_manager(store))
    clocks.go(1, leap=-100)
    second = create(make_manager(store))
    assert second.creation_time > first.creation_time
    shown = datetime.fromisoformat(format_time(first.creation_time))
    assert [ref.job_id for ref in store.refs(after=shown)] == [second.job_id]
    clocks.go(1, leap=-30 * 86400)  # then the clock was wrong before: a month of jobs is not to be dated by it
    assert create(make_manager(store)).creation_time < first.creation_time


def test_a_clock_that_leaps_destroys_nothing(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = Clocks(monkeypatch)
    watch = DestructionClock()
    clocks.go(86400)  # asleep for a day: that is no leap
    assert watch.now().timestamp() == pytest.approx(clocks.wall)
    before = clocks.wall
    clocks.go(10, leap=1e7)
    assert watch.now().timestamp() == pytest.approx(before + 10)
    assert "leapt forward by 10000000 s" in caplog.text
    clocks.go(10, leap=-1e7)
    assert watch.now().timestamp() == pytest.approx(clocks.wall)
    clocks.go(10, leap=1e7)
    watch.now()
    clocks.go(3700)  # nobody set it back: it was wrong before
    assert watch.now().timestamp() == pytest.approx(clocks.wall)
    clocks.go(10, leap=-1e7)
    assert watch.now().timestamp() == pytest.approx(clocks.wall)


async def test_times_of_a_run_never_go_back(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host of a job is behind the service's: clients would see negative durations."""
    job = await manager.run(create(manager))
    monkeypatch.setattr("manual.utcnow", lambda: utcnow() - timedelta(hours=1))
    executor_of(manager).say(job, "started")
    executor_of(manager).say(job, "completed")
    ended = present(manager, job)
    assert ended.creation_time <= ended.start_time <= ended.end_time  # type: ignore[operator]


# -- reports


async def test_progress_costs_two_writes_a_second(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    executor.say(job, "started", info={"host": "node1"})
    writes: list[str] = []
    engine = manager.store.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: writes.append(args[2].split()[0]))
    begin = time.monotonic()
    for number in range(50):
        executor.say(job, "progress", info={"progress": number / 50, "message": f"step {number}"})
        await asyncio.sleep(0.02)
    executor.say(job, "progress", info={"progress": 0.99})
    passed = time.monotonic() - begin
    assert writes.count("UPDATE") <= 2 * passed + 1
    assert present(manager, job).info["host"] == "node1"
    executor.say(job, "completed")
    assert present(manager, job).info == {"host": "node1", "progress": 0.99, "message": "step 49"}
    assert not manager.reports._progress


async def test_a_bad_report_holds_up_no_other(manager: JobManager, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = [await manager.run(create(manager)) for _ in range(2)]
    with caplog.at_level(logging.CRITICAL, "jupyter_uws"):
        executor_of(manager).say(bad, "completed", results=(object(),))
    executor_of(manager).say(good, "completed")
    assert present(manager, good).phase is Phase.COMPLETED
    manager.settle_doubtful()
    await asyncio.sleep(0)
    assert executor_of(manager).settled == [bad.job_id]
