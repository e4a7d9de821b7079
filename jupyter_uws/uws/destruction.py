"""The end of jobs: their destruction at its time, the archive, and the removal of files that are nobody's any more."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .clock import DestructionClock
from .events import Hub
from .executor import Executor
from .limits import Quotas
from .model import Job
from .phases import ACTIVE, TERMINAL, Phase
from .store import JobStore

logger = logging.getLogger(__name__)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Undertaker:
    """Ends jobs for the manager.

    ``abort`` ends a job that has not ended; ``executor`` gives the one that keeps the files of a job type.
    """

    store: JobStore
    events: Hub
    quotas: Quotas
    abort: Callable[[Job], Awaitable[Job]]
    executor: Callable[[str], Executor | None]
    clock: DestructionClock = field(default_factory=DestructionClock)
    #: Ids of jobs that are just being created, with files that belong to no job yet.
    expected: set[str] = field(default_factory=set)

    async def sweep(self) -> None:
        """Destroy the jobs whose time has come, forget those archived long enough, remove files left behind."""
        now = self.clock.now()
        for due in self.store.due(now):
            try:
                # others may have changed it while the ones before were destroyed
                job = self.store.get(due.job_id)
                if job is not None and job.destruction is not None and job.destruction <= now:
                    await self.destroy(job)
            except Exception:
                logger.exception("job %s is due for destruction but could not be destroyed", due.job_id)
        for job in self.store.faded(now):
            if self.store.forget(job):
                self.events.deleted(job)
        for job_id, job_type in self.store.remains():
            # while the files before were removed, the job of these may have been created
            if job_id not in self.expected and self.store.is_due(job_id):
                await self.bury(Job(job_id, job_type, "", Phase.ARCHIVED, _LONG_AGO))

    async def destroy(self, job: Job) -> None:
        """Abort the job if need be, remove its files and archive it; without an archive, forget it."""
        if job.phase not in TERMINAL:
            job = await self.abort(job)
        if not self.quotas.limits.archive_time:
            await self.forget(job)
            return
        archived = self.store.archive(job, self.clock.now() + self.quotas.limits.archive_time)
        if archived is not None:
            self.quotas.add(job.owner, jobs=-1, disk=-job.disk)
            self.events.changed(archived)
            await self.bury(archived)

    async def forget(self, job: Job) -> bool:
        """Remove a job that is not active, and its files; False where it has become active again."""
        if job.phase in ACTIVE or not self.store.forget(job):
            return False
        if job.phase is not Phase.ARCHIVED:
            self.quotas.add(job.owner, jobs=-1, disk=-job.disk)
        self.events.deleted(job)
        await self.bury(job)
        return True

    async def bury(self, job: Job) -> None:
        """Remove the files of a job that is forgotten; what cannot be removed now is tried again with every sweep."""
        executor = self.executor(job.job_type)
        if executor is None:
            return
        try:
            await executor.delete(job)
        except OSError as error:
            logger.warning("the files of job %s cannot be removed yet: %s", job.job_id, error)
        else:
            self.store.buried(job.job_id)
