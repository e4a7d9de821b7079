"""An executor that does nothing by itself, and a manager over it: the test plays the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.limits import Limits
from jupyter_uws.uws.manager import Control, JobManager, JobType
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.store import JobStore
from jupyter_uws.uws.times import utcnow


@dataclass
class ManualExecutor:
    """Keeps in ``hand`` which run of each job it has, and in ``files`` which jobs have files."""

    manager: JobManager | None = None
    hand: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    broken: bool = False

    async def start(self, job: Job) -> None:
        self.hand[job.job_id] = job.run
        self.files[job.job_id] = 100

    async def abort(self, job: Job) -> None:
        self.hand.pop(job.job_id, None)
        self.say(job, "aborted")

    async def settle(self, job: Job) -> None:
        self.settled.append(job.job_id)

    async def delete(self, job: Job) -> None:
        if self.broken:
            raise OSError(16, "Device or resource busy")
        assert job.job_id not in self.hand
        self.files.pop(job.job_id, None)

    async def measure(self, job: Job) -> int:
        return self.files.get(job.job_id, 0)

    async def close(self) -> None:
        pass

    def say(self, job: Job, kind: Any, **more: Any) -> None:
        if kind not in ("started", "progress") and self.hand.get(job.job_id) == job.run:
            del self.hand[job.job_id]
        assert self.manager is not None
        self.manager.report(Report(job.job_id, job.run, kind, utcnow(), **more))


def validate(values: Mapping[str, Sequence[str]], complete: bool) -> dict[str, list[str]]:
    return {name.upper(): list(texts) for name, texts in values.items()}


def make_manager(store: JobStore, executor: ManualExecutor | None = None, **limits: Any) -> JobManager:
    executor = executor or ManualExecutor()
    types = {"manual": JobType("manual", executor, validate, execution_duration=600, execution_duration_max=7200)}
    executor.manager = JobManager(store, types, Limits(**limits))
    return executor.manager


def executor_of(manager: JobManager) -> ManualExecutor:
    executor = manager.types["manual"].executor
    assert isinstance(executor, ManualExecutor)
    return executor


def create(manager: JobManager, owner: str = "alice", **control: str) -> Job:
    return manager.create(owner, "manual", {"ra": ["83.6"]}, Control(**control))


def present(manager: JobManager, job: Job) -> Job:
    current = manager.store.get(job.job_id)
    assert current is not None
    return current


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
