"""The rules of a job's life against a model of them: any sequence of requests, reports, restarts and lock-outs."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from manual import ManualExecutor, create, make_manager

from jupyter_uws.uws import database
from jupyter_uws.uws import manager as manager_module
from jupyter_uws.uws.errors import NotAllowed, TooBusy
from jupyter_uws.uws.model import Job, Result
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore, StoreError
from jupyter_uws.uws.times import format_time, utcnow

STORED, ACTIVE = 6, 3
ARCHIVE = timedelta(days=10)
IN_HAND = (Phase.QUEUED, Phase.EXECUTING)
REPORTS = ["started", "progress", "queued", "completed", "failed", "aborted"]
ENDS = {"completed": Phase.COMPLETED, "failed": Phase.ERROR, "aborted": Phase.ABORTED}

T = TypeVar("T")


@dataclass
class HandClock:
    """The destruction clock, wound by hand."""

    time: datetime = field(default_factory=utcnow)

    def now(self) -> datetime:
        return self.time


@dataclass
class Model:
    """What a job must be."""

    job: Job
    phase: Phase = Phase.PENDING
    run: int = 0
    ran: bool = False
    progress: int | None = None
    said: int | None = None
    results: tuple[Result, ...] = ()
    destruction: datetime | None = None
    forget: datetime | None = None
    gone: bool = False


class Rules(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(prefix="uws-rules-")
        self.path = Path(self.folder.name) / "jobs.sqlite"
        self.clock = HandClock()
        self.executor = ManualExecutor()
        self.models: list[Model] = []
        self.waiting: list[tuple[Model, Phase, asyncio.Task[Job]]] = []
        self.unstored: list[tuple[Model, str, int, tuple[Result, ...]]] = []
        self.lock: sqlite3.Connection | None = None
        self.count = 0
        self.begin()

    def begin(self) -> None:
        self.store = JobStore(f"sqlite:///{self.path}")
        self.manager = make_manager(
            self.store, self.executor, stored=STORED, active=ACTIVE, archive_time=ARCHIVE, disk=10**6
        )
        self.manager.undertaker.clock = self.clock  # type: ignore[assignment]

    def end(self) -> None:
        for _, _, task in self.waiting:
            task.cancel()
        self.waiting.clear()
        self.loop.run_until_complete(self.manager.close())
        self.tick_waits()
        self.store.close()

    def do(self, work: Awaitable[T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(10):
                result = await work
                await self.quiet()
                return result

        return self.loop.run_until_complete(bounded())

    async def quiet(self) -> None:
        """Until all that was set off is done."""
        for _ in range(20):
            await asyncio.sleep(0)
        while self.manager._tasks:
            await asyncio.wait(self.manager._tasks)

    def tick(self) -> None:
        self.do(asyncio.sleep(0))

    def here(self) -> list[Model]:
        return [model for model in self.models if not model.gone]

    def kept(self) -> list[Model]:
        return [model for model in self.here() if model.phase is not Phase.ARCHIVED]

    def present(self, model: Model) -> Job:
        job = self.store.get(model.job.job_id)
        assert job is not None
        return job

    # -- what owners do

    @rule(target=jobs)
    def create(self) -> Any:
        if len(self.kept()) >= STORED:
            with pytest.raises(NotAllowed, match=f"'alice' has {STORED} jobs and may have {STORED}"):
                create(self.manager)
        elif self.lock:
            with pytest.raises(StoreError):
                create(self.manager)
        else:
            model = Model(create(self.manager))
            model.destruction = model.job.destruction
            self.models.append(model)
            return model
        return None

    @rule(model=jobs)
    def run(self, model: Model | None) -> None:
        if model is None or model.gone:
            return
        work = self.manager.run(self.present(model))
        if model.phase in IN_HAND:
            self.do(work)
        elif sum(other.phase in IN_HAND for other in self.here()) >= ACTIVE:
            with pytest.raises(TooBusy, match=f"has {ACTIVE} jobs queued or running and may have {ACTIVE}"):
                self.do(work)
        elif self.lock:
            with pytest.raises(StoreError):
                self.do(work)
        elif model.phase is Phase.PENDING:
            self.do(work)
            model.phase, model.ran = Phase.QUEUED, True
        else:
            with pytest.raises(NotAllowed, match="only a PENDING job can be run"):
                self.do(work)

    @rule(model=jobs)
    def abort(self, model: Model | None) -> None:
        if model is None or model.gone:
            return
        work = self.manager.abort(self.present(model))
        if model.phase is Phase.PENDING and self.lock:
            with pytest.raises(StoreError):
                self.do(work)
        elif model.phase is Phase.PENDING:
            assert self.do(work).phase is Phase.ABORTED
            model.phase = Phase.ABORTED
        elif model.phase in IN_HAND:
            self.apply(model, "aborted", model.run, ())
            assert self.do(work).phase is model.phase
        elif model.phase is Phase.ABORTED:
            self.do(work)
        else:
            with pytest.raises(NotAllowed, match="it has ended already"):
                self.do(work)

    @rule(model=consumes(jobs))
    @precondition(lambda self: not self.lock)
    def delete(self, model: Model | None) -> None:
        if model is not None and not model.gone:
            self.do(self.manager.delete(self.present(model)))
            model.gone = True

    @rule(model=jobs)
    def wait(self, model: Model | None) -> None:
        if model is not None and not model.gone:
            job = self.present(model)
            self.waiting.append((model, job.phase, self.loop.create_task(self.manager.wait(job, 60))))
            self.tick_waits()

    def tick_waits(self) -> None:
        async def moment() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        self.loop.run_until_complete(moment())

    @rule(model=jobs, days=st.integers(-5, 20))
    @precondition(lambda self: not self.lock)
    def set_destruction(self, model: Model | None, days: int) -> None:
        if model is None or model.gone:
            return
        asked = format_time(self.clock.time + timedelta(days=days))
        if model.phase is Phase.ARCHIVED:
            with pytest.raises(NotAllowed, match="destroyed already"):
                self.manager.set_destruction(self.present(model), asked)
        else:
            model.destruction = self.manager.set_destruction(self.present(model), asked).destruction

    # -- what executors say

    @rule(model=jobs, kind=st.sampled_from(REPORTS), older=st.sampled_from([0, 0, 0, 1]))
    def report(self, model: Model | None, kind: str, older: int) -> None:
        if model is None or not model.ran:
            return
        run = model.run - older
        self.count += 1
        info = {"progress": self.count} if kind == "progress" else {}
        results = (Result(f"r{self.count}", "file", size=self.count),) if kind == "completed" else ()
        if kind == "progress":
            model.progress = self.count if model.phase is Phase.EXECUTING and not older else model.progress
        else:
            self.apply(model, kind, run, results)
        job = Job(model.job.job_id, "manual", "alice", Phase.QUEUED, utcnow(), run=run)
        self.do(self.say(job, kind, info=info, results=results))

    async def say(self, job: Job, kind: str, **more: Any) -> None:
        self.executor.say(job, kind, **more)

    def apply(self, model: Model, kind: str, run: int, results: tuple[Result, ...]) -> None:
        """Change the model as the report does, now or when it can be stored."""
        if self.lock:
            # what reading the store shows to be without effect waits only behind others
            read = model.gone or (kind == "queued" and (run != model.run or model.phase not in IN_HAND))
            if self.unstored or not read:
                self.unstored.append((model, kind, run, results))
        elif model.gone or run != model.run or model.phase not in IN_HAND:
            pass
        elif kind == "started":
            model.phase = Phase.EXECUTING
        elif kind == "queued":
            model.phase, model.run, model.progress = Phase.QUEUED, model.run + 1, None
        else:
            model.phase, model.results = ENDS[kind], results

    # -- what happens to the service

    @rule()
    @precondition(lambda self: not self.lock)
    def restart(self) -> None:
        """The service is killed, and another takes over."""
        self.end()
        self.begin()
        self.executor.settled.clear()
        self.loop.run_until_complete(self.open())
        assert sorted(self.executor.settled) == sorted(
            model.job.job_id for model in self.here() if model.phase in IN_HAND
        )
        for model in self.models:  # progress is the one thing that may be lost
            model.progress = None
        self.destroy()

    async def open(self) -> None:
        await self.manager.open()
        for _ in range(20):
            await asyncio.sleep(0)
        for task in self.manager._tasks:  # the sweeper, which would sweep for ever
            task.cancel()
        await asyncio.gather(*self.manager._tasks, return_exceptions=True)

    @rule()
    @precondition(lambda self: not self.lock)
    def lock_out(self) -> None:
        """Another program locks the database."""
        self.lock = sqlite3.connect(self.path, isolation_level=None)
        self.lock.execute("BEGIN IMMEDIATE")

    @rule()
    @precondition(lambda self: self.lock)
    def let_in(self) -> None:
        assert self.lock is not None
        self.lock.close()
        self.lock = None
        waiting, self.unstored = self.unstored, []
        assert len(self.manager.reports) == len(waiting)
        for model, kind, run, results in waiting:
            self.apply(model, kind, run, results)
        if self.manager.reports._retry is not None:
            self.manager.reports._retry.cancel()
            self.loop.run_until_complete(self.retry())
            self.executor.settled.clear()
        self.do(self.settle())

    async def retry(self) -> None:
        self.manager.reports._store()
        await self.quiet()

    async def settle(self) -> None:
        self.manager.settle_doubtful()

    @rule()
    def breakdown(self) -> None:
        """Files cannot be removed, or can again."""
        self.executor.broken = not self.executor.broken

    @rule(days=st.integers(0, 15))
    @precondition(lambda self: not self.lock)
    def time_passes(self, days: int) -> None:
        self.clock.time += timedelta(days=days)
        self.do(self.manager.undertaker.sweep())
        self.destroy()

    def destroy(self) -> None:
        """What a sweep does, in the model."""
        now = self.clock.time
        for model in self.here():
            if model.phase is Phase.ARCHIVED:
                model.gone = model.forget is not None and model.forget <= now
            elif model.destruction is not None and model.destruction <= now:
                model.phase, model.results, model.forget = Phase.ARCHIVED, (), now + ARCHIVE

    # -- what must be so at any time

    @invariant()
    def the_store_agrees(self) -> None:
        for model in self.models:
            job = self.store.get(model.job.job_id)
            if model.gone:
                assert job is None
                continue
            assert job is not None
            assert (job.phase, job.run, job.results) == (model.phase, model.run, model.results)
            assert (job.forget_time, job.destruction) == (model.forget, model.destruction)
            if model.phase in ENDS.values() and model.ran and model.progress is not None:
                assert job.info["progress"] == model.progress
        listed = [ref.job_id for ref in self.store.refs(owner="alice")]
        assert listed == [model.job.job_id for model in reversed(self.kept())]

    @invariant()
    def the_use_is_counted_right(self) -> None:
        use = self.manager.quotas.of("alice")
        assert (use.jobs, use.disk) == self.store.usage("alice")
        assert use.jobs == len(self.kept())

    @invariant()
    def files_go_with_their_jobs(self) -> None:
        remains = {job_id for job_id, _ in self.store.remains()}
        with_files = {model.job.job_id for model in self.kept()} | remains
        assert set(self.executor.files) <= with_files

    @invariant()
    def waits_end_with_the_phase(self) -> None:
        self.tick_waits()
        still = []
        for model, phase, task in self.waiting:
            changed = model.gone or model.phase is not phase or phase in (*ENDS.values(), Phase.ARCHIVED)
            assert task.done() == changed, (model, phase)
            if not changed:
                still.append((model, phase, task))
            elif task.exception() is None:
                assert task.result().phase is model.phase or phase is not task.result().phase
        self.waiting = still

    def teardown(self) -> None:
        if self.lock:
            self.lock.close()
        self.end()
        self.loop.close()
        self.folder.cleanup()


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.001)
    monkeypatch.setattr(manager_module, "ABORT_PATIENCE", 0.001)


Rules.TestCase.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.usefixtures("_impatience")
class TestRules(Rules.TestCase):
    pass
