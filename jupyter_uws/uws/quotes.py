"""The quote of a job: when it will probably be done (UWS 1.1, section 2.1.8), from how long its like have taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from .jobtype import JobType
from .model import Job
from .phases import Phase
from .store import JobStore

#: The median is over so many of the latest COMPLETED jobs of the type; fewer than the least count for nothing.
MOST, LEAST = 25, 3


@dataclass
class Quotes:
    """Durations of the latest jobs of each type, in seconds; read from the store once, then kept up to date."""

    store: JobStore
    types: Mapping[str, JobType] = field(default_factory=dict)
    _seconds: dict[str, deque[float]] = field(default_factory=dict)

    def predict(self, job_type: str, start: datetime) -> datetime | None:
        """When a job that started at ``start`` will be done.

        Where too few of its type have ended well it is what the type itself says, None where that says nothing.
        """
        seconds = self._of(job_type)
        kind = self.types.get(job_type)
        expected = median(seconds) if len(seconds) >= LEAST else kind.quote if kind else None
        return None if expected is None else start + timedelta(seconds=expected)

    def learn(self, job: Job) -> None:
        """Take note of a job that has COMPLETED."""
        known = self._seconds.get(job.job_type)
        if known is not None and job.start_time is not None and job.end_time is not None:
            known.append(max(0.0, (job.end_time - job.start_time).total_seconds()))

    def _of(self, job_type: str) -> deque[float]:
        if job_type not in self._seconds:
            jobs = self.store.find(job_type=job_type, phases=[Phase.COMPLETED], last=MOST)
            times = [(job.start_time, job.end_time) for job in reversed(jobs)]
            ended = [max(0.0, (end - start).total_seconds()) for start, end in times if start and end]
            self._seconds[job_type] = deque(ended, maxlen=MOST)
        return self._seconds[job_type]
