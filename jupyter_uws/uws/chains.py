"""Chains: a job that is created with AFTER starts when the jobs it names have COMPLETED.

Until then it is QUEUED and no executor has it. What it still waits for is in its info, so in the store, and so a
chain goes on after a restart of the service. Where one of the jobs it waits for ends otherwise, it ends in ERROR.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import NotAllowed, NotFound, UsageError
from .executor import Report
from .model import ErrorSummary, Job
from .phases import TERMINAL, Phase
from .store import JobStore, StoreError
from .times import utcnow

logger = logging.getLogger(__name__)

#: Where a job's info has the ids of the jobs it was to run after, and of those that have not completed yet.
AFTER, WAITING = "after", "waiting"
#: Most jobs that one can wait for: their ids are in every document of it.
MOST = 500
#: Jobs that are started or ended together; between two such pieces other requests are answered.
_PIECE = 50


@dataclass
class Chains:
    """The QUEUED jobs that wait for others; follows the changes of all jobs.

    ``start`` takes a job that need wait no longer, ``report`` the end of one that cannot run, ``background`` runs
    a coroutine, ``doubtful`` is told the id of a job that the store would not change.
    """

    store: JobStore
    start: Callable[[Job], None]
    report: Callable[[Report], None]
    background: Callable[[Coroutine[Any, Any, None]], None]
    doubtful: Callable[[str], None]
    _waiting: dict[str, set[str]] = field(default_factory=dict)
    _followers: dict[str, set[str]] = field(default_factory=dict)

    def check(self, owner: str, texts: Sequence[str]) -> str:
        """The ids that AFTER names, separated by blanks.

        Raises UsageError for too many, NotFound for a job that is not the owner's, NotAllowed for one that will not
        complete any more.
        """
        ids = list(dict.fromkeys(word for text in texts for word in text.replace(",", " ").split()))
        if len(ids) > MOST:
            raise UsageError(f"AFTER names {len(ids)} jobs; at most {MOST} are possible")
        for job_id in ids:
            job = self.store.get(job_id)
            if job is None or job.owner != owner:
                raise NotFound(f"AFTER: there is no job '{job_id[:80]}' of yours")
            if job.phase in TERMINAL - {Phase.COMPLETED}:
                raise NotAllowed(f"AFTER: the job '{job_id}' is {job.phase}: nothing can run after it")
        return " ".join(ids)

    def hold(self, job: Job) -> None:
        """Keep a QUEUED job until all that it waits for has completed; it is started at once where that is so."""
        ids = set(str(job.info[WAITING]).split())
        self._waiting[job.job_id] = ids
        for job_id in ids:
            self._followers.setdefault(job_id, set()).add(job.job_id)
        self.background(self._look(job.job_id, sorted(ids)))

    def drop(self, job_id: str) -> bool:
        """Whether the job waited for others; it does no longer."""
        ids = self._waiting.pop(job_id, None)
        for other in ids or ():
            followers = self._followers.get(other, set())
            followers.discard(job_id)
            if not followers:
                self._followers.pop(other, None)
        return ids is not None

    @staticmethod
    def waits_for(job: Job) -> dict[str, str]:
        """What a job waits for, in words, for its info."""
        ids = str(job.info.get(WAITING, "")).split()
        return {"waits_for": f"{'jobs' if len(ids) > 1 else 'job'} {', '.join(ids)} to complete"} if ids else {}

    # -- what happens to other jobs

    def changed(self, job: Job) -> None:
        if job.phase in TERMINAL and (followers := self._followers.pop(job.job_id, None)):
            self.background(self._tell(followers, job.job_id, job))

    def deleted(self, job: Job) -> None:
        if followers := self._followers.pop(job.job_id, None):
            self.background(self._tell(followers, job.job_id, None))

    async def _look(self, waiter: str, ids: Sequence[str]) -> None:
        """What became of the jobs before this one waited for them."""
        for number, job_id in enumerate(ids, 1):
            try:
                job = self.store.get(job_id)
            except StoreError:
                self._doubt(waiter)
                return
            if job is None or job.phase in TERMINAL:
                self._go_on(waiter, job_id, job)
            if number % _PIECE == 0:
                await asyncio.sleep(0)

    async def _tell(self, followers: set[str], job_id: str, job: Job | None) -> None:
        for number, waiter in enumerate(sorted(followers), 1):
            self._go_on(waiter, job_id, job)
            if number % _PIECE == 0:
                await asyncio.sleep(0)

    def _go_on(self, waiter: str, job_id: str, ended: Job | None) -> None:
        """A job that this one waits for has ended, or is gone."""
        left = self._waiting.get(waiter, set())
        if job_id not in left:
            return
        try:
            current = self.store.get(waiter)
            if current is None or current.phase is not Phase.QUEUED:
                self.drop(waiter)
            elif ended is None or ended.phase is not Phase.COMPLETED:
                self.drop(waiter)
                error = ErrorSummary(_reason(job_id, ended))
                self.report(Report(waiter, current.run, "failed", utcnow(), error=error))
            else:
                left.discard(job_id)
                self._shorten(current, left)
        except StoreError:
            self._doubt(waiter)

    def _shorten(self, job: Job, left: set[str]) -> None:
        """Note in the store what a job still waits for; start it where that is nothing."""
        info = {name: value for name, value in job.info.items() if name != WAITING}
        if left:
            info[WAITING] = " ".join(name for name in str(job.info[AFTER]).split() if name in left)
        shortened = self.store.update(job.job_id, [Phase.QUEUED], of_run=job.run, info=info)
        if not left:
            self.drop(job.job_id)
            if shortened is not None:
                self.start(shortened)

    def _doubt(self, waiter: str) -> None:
        """The store fails: the job is taken up again when it does not."""
        logger.warning("job %s waits for the job store, too", waiter)
        self.drop(waiter)
        self.doubtful(waiter)


def _reason(job_id: str, ended: Job | None) -> str:
    if ended is None:
        return f"it was to run after the job '{job_id}', which was deleted"
    why = f": {ended.error.message}" if ended.error else ""
    return f"it was to run after the job '{job_id}', which ended in {ended.phase}{why}"
