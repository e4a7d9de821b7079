"""What executors report, on its way into the store: nothing but progress is ever lost.

A report that cannot be stored (a full disk, a locked or absent database) waits, and all later ones behind it, until it
can. Progress is the exception: of what a job says in one interval the last is stored, and the next one makes up for one
that was not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .events import Hub
from .executor import Report
from .limits import Quotas
from .model import Job
from .phases import Phase
from .quotes import Quotes
from .store import JobStore, StoreError

logger = logging.getLogger(__name__)

#: Seconds between two writes of a job's progress.
PROGRESS_INTERVAL = 0.5
#: Seconds until what could not be stored is tried again: first, and at most.
RETRY_FIRST, RETRY_MOST = 0.2, 5.0

#: What is said of a run, not of the job.
_OF_A_RUN = frozenset({"progress", "message", "worker", "host"})

_LAST_WORDS = {"completed": Phase.COMPLETED, "failed": Phase.ERROR, "aborted": Phase.ABORTED}


@dataclass
class Reports:
    """Takes reports for the manager, in its event loop.

    ``requeued`` is told of a job whose next run has to be started, ``ended`` of one that has ended, ``doubtful`` of the
    id of one whose report failed half-way.
    """

    store: JobStore
    events: Hub
    quotes: Quotes
    quotas: Quotas
    requeued: Callable[[Job], None]
    ended: Callable[[Job], None]
    doubtful: Callable[[str], None]
    _backlog: deque[Report] = field(default_factory=deque)
    _retry: asyncio.TimerHandle | None = None
    _pause: float = RETRY_FIRST
    _quiet: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _progress: dict[str, Report] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many reports wait to be stored."""
        return len(self._backlog)

    def take(self, report: Report) -> None:
        """Take a report; one of an older run, or one that comes too late, changes nothing."""
        if report.kind == "progress":
            self._take_progress(report)
        else:
            self._backlog.append(report)
            if self._retry is None:
                self._store()

    def close(self) -> None:
        """Wait for nothing more; what is not stored is found in the job folders by the next service."""
        for timer in [*self._quiet.values(), *([self._retry] if self._retry else [])]:
            timer.cancel()
        self._quiet.clear()

    def _store(self) -> None:
        self._retry = None
        while self._backlog:
            report = self._backlog[0]
            try:
                self._apply(report)
            except StoreError:
                self.doubtful(report.job_id)
                logger.warning("%d reports wait for the job store", len(self._backlog))
                self._retry = asyncio.get_running_loop().call_later(self._pause, self._store)
                self._pause = min(2 * self._pause, RETRY_MOST)
                return
            except Exception:  # the others must go on; the folder knows, and the next service settles it
                logger.exception("the report %r of job %s was not taken", report.kind, report.job_id)
                self.doubtful(report.job_id)
            self._backlog.popleft()
            self._pause = RETRY_FIRST

    def _apply(self, report: Report) -> None:
        match report.kind:
            case "started":
                job = self._begin(report)
            case "queued":
                job = self._requeue(report)
            case _:
                job = self._end(report)
        if job is not None:
            self.events.changed(job)
            if report.kind == "queued":
                self.requeued(job)
            elif report.kind in _LAST_WORDS:
                self.ended(job)

    def _begin(self, report: Report) -> Job | None:
        current = self.store.get(report.job_id)
        if current is None:
            return None
        return self.store.move(
            report.job_id,
            Phase.EXECUTING,
            of_run=report.run,
            start_time=max(report.time, current.creation_time),  # the clocks of two hosts, or one that was set back
            quote=self.quotes.predict(current.job_type, report.time),
            info={**current.info, **report.info},
        )

    def _end(self, report: Report) -> Job | None:
        target = _LAST_WORDS[report.kind]
        current = self.store.get(report.job_id)
        if current is None:
            return None
        if current.phase is Phase.QUEUED and target is Phase.COMPLETED:
            # the word that it had started was lost with a service that died
            begun = self.store.move(report.job_id, Phase.EXECUTING, of_run=report.run, start_time=report.time)
            current = begun or current
        progress = self._progress.pop(report.job_id, None)
        said = progress.info if progress and progress.run == report.run else {}
        disk = sum(result.size or 0 for result in report.results) + sum(upload.size for upload in current.uploads)
        ended = self.store.move(
            report.job_id,
            target,
            of_run=report.run,
            end_time=max(report.time, current.start_time or current.creation_time),
            results=report.results,
            error=report.error,
            info={**current.info, **said, **report.info},
            disk=disk,
        )
        if ended is not None:
            self.quotas.add(ended.owner, disk=disk - current.disk)
            if target is Phase.COMPLETED:
                self.quotes.learn(ended)
        return ended

    def _requeue(self, report: Report) -> Job | None:
        current = self.store.get(report.job_id)
        if current is None or current.run != report.run or current.phase not in (Phase.QUEUED, Phase.EXECUTING):
            return None
        self._progress.pop(report.job_id, None)
        info = {name: value for name, value in current.info.items() if name not in _OF_A_RUN}
        changes: dict[str, Any] = {
            "run": current.run + 1,
            "start_time": None,
            "quote": None,
            "info": {**info, **report.info},
        }
        if current.phase is Phase.EXECUTING:
            return self.store.move(current.job_id, Phase.QUEUED, of_run=report.run, **changes)
        return self.store.update(current.job_id, [Phase.QUEUED], of_run=report.run, **changes)

    # -- progress

    def _take_progress(self, report: Report) -> None:
        older = self._progress.get(report.job_id)
        if older and older.run == report.run:
            report = Report(report.job_id, report.run, "progress", report.time, {**older.info, **report.info})
        self._progress[report.job_id] = report
        if report.job_id not in self._quiet:
            self._store_progress(report.job_id)

    def _store_progress(self, job_id: str) -> None:
        """Store what there is, and then be quiet for an interval."""
        self._quiet.pop(job_id, None)
        report = self._progress.pop(job_id, None)
        if report is None:
            return
        self._quiet[job_id] = asyncio.get_running_loop().call_later(PROGRESS_INTERVAL, self._store_progress, job_id)
        try:
            current = self.store.get(job_id)
            if current is not None:
                info = {**current.info, **report.info}
                changed = self.store.update(job_id, [Phase.EXECUTING], of_run=report.run, info=info)
                if changed is not None:
                    self.events.changed(changed)
        except StoreError as error:
            logger.debug("the progress of job %s is not stored: %s", job_id, error)
