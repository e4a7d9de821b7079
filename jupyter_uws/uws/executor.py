"""What the manager asks of whatever runs its jobs, and what it is told in return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from .model import ErrorSummary, Job, Result


@dataclass(frozen=True)
class Report:
    """Something that happened to a run of a job; ``time`` is aware, in UTC.

    ``started``: the job's process exists. ``progress``: ``info`` carries ``progress`` (0..1)
    and ``message``. ``queued``: the run was handed back and waits again. The other kinds are
    last words: ``completed``, ``failed`` (with ``error``) and ``aborted``; ``results`` are what
    the job has declared so far.
    """

    job_id: str
    run: int
    kind: Literal["started", "progress", "queued", "completed", "failed", "aborted"]
    time: datetime
    info: dict[str, Any] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    error: ErrorSummary | None = None


Reporter = Callable[[Report], None]


class Executor(Protocol):
    """Runs jobs. Reports arrive in the event loop, in order for each job, by the reporter."""

    async def start(self, job: Job) -> None:
        """Take a QUEUED job; return at once. What cannot be taken is reported ``failed``."""

    async def abort(self, job: Job) -> None:
        """Stop the job, whether it waits or runs; ``aborted`` is reported when nothing of it lives."""

    async def settle(self, job: Job) -> None:
        """After a restart of the service: report what became of a QUEUED or EXECUTING job.

        May take as long as it needs to be sure (bounded); a job never started may be started.
        """

    async def delete(self, job: Job) -> None:
        """Remove everything the executor keeps of a job that is not active."""

    async def measure(self, job: Job) -> int:
        """How many bytes all that is kept of a job takes."""

    async def close(self) -> None:
        """Stop: running jobs are stopped too."""
