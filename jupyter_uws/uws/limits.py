"""What a service allows: how long jobs run and are kept, and how much of it each user may have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .errors import NotAllowed, TooBusy, UsageError
from .store import JobStore
from .times import parse_time

#: Owners whose use is remembered.
OWNERS = 1000


@dataclass(frozen=True)
class Limits:
    """Limits of a service; 0 means no limit, but for ``lifetime`` and ``archive_time``.

    ``lifetime`` is the default time from a job's creation to its destruction, ``lifetime_max`` the longest a client
    may ask for. After its destruction a job is kept ARCHIVED for ``archive_time``, without its files; 0: it disappears
    at once. ``execution_duration_max`` [s] holds beside that of each job type. The others are for each user: ``active``
    jobs (QUEUED or EXECUTING), ``stored`` jobs (ARCHIVED ones aside), and ``disk``, the bytes of all their files.
    """

    lifetime: timedelta = timedelta(days=30)
    lifetime_max: timedelta = timedelta(days=365)
    archive_time: timedelta = timedelta(days=90)
    execution_duration_max: int = 0
    active: int = 0
    stored: int = 0
    disk: int = 0

    def duration(self, asked: str | None, default: int, longest: int) -> int:
        """Seconds, clamped to the ``longest`` of the job type and of the service; 0 (unlimited) becomes that."""
        if self.execution_duration_max:
            longest = min(longest or self.execution_duration_max, self.execution_duration_max)
        if asked is None:
            return min(default, longest) if longest else default
        try:
            seconds = int(float(asked))
        except (ValueError, OverflowError):
            raise UsageError(f"EXECUTIONDURATION '{asked[:60]}' is not a number of seconds") from None
        if seconds < 0:
            raise UsageError(f"EXECUTIONDURATION {str(seconds)[:60]} is negative; 0 asks for the longest allowed")
        return min(seconds or longest, longest) if longest else seconds

    def destruction(self, asked: str | None, created: datetime) -> datetime:
        """When a job is destroyed, clamped to ``lifetime_max`` (the same for a default beyond that)."""
        latest = created + self.lifetime_max
        if not asked:
            return min(created + self.lifetime, latest)
        try:
            return min(parse_time(asked), latest)
        except (ValueError, OverflowError) as error:
            raise UsageError(f"DESTRUCTION {error}") from None


@dataclass
class Use:
    """What an owner has: jobs, the ARCHIVED ones aside, and bytes of files."""

    jobs: int
    disk: int


@dataclass
class Quotas:
    """The use of each owner against the limits; summed up in the store once, then counted along."""

    store: JobStore
    limits: Limits
    _uses: dict[str, Use] = field(default_factory=dict)

    def of(self, owner: str) -> Use:
        """What the owner has now."""
        if owner not in self._uses:
            if len(self._uses) >= OWNERS:
                self._uses.clear()
            self._uses[owner] = Use(*self.store.usage(owner))
        return self._uses[owner]

    def add(self, owner: str, *, jobs: int = 0, disk: int = 0) -> None:
        """Note a change that was stored."""
        if use := self._uses.get(owner):
            use.jobs += jobs
            use.disk += disk

    def forget(self) -> None:
        """Sum up anew: it is not known whether a change was stored."""
        self._uses.clear()

    def admit_job(self, owner: str, disk: int = 0) -> None:
        """Raise :class:`NotAllowed` where the owner may not have one more job, with files of ``disk`` bytes."""
        limit = self.limits.stored
        if limit and (used := self.of(owner).jobs) >= limit:
            raise NotAllowed(f"'{owner}' has {used} jobs and may have {limit}: delete some before creating more")
        self.admit_disk(owner, disk)

    def admit_disk(self, owner: str, more: int = 0) -> None:
        """Raise :class:`NotAllowed` where the files of the owner's jobs, and ``more`` bytes, are too much."""
        limit = self.limits.disk
        if not limit:
            return
        used = self.of(owner).disk
        if used >= limit or used + more > limit:
            and_more = f", and {more} more would come" if more else ""
            raise NotAllowed(
                f"the jobs of '{owner}' hold {used} bytes and may hold {limit}{and_more}: delete some of them first"
            )

    def admit_run(self, owner: str) -> None:
        """Raise where the owner may not start one more job: :class:`TooBusy` until one ends, or NotAllowed (disk)."""
        self.admit_disk(owner)
        limit = self.limits.active
        if limit and (active := self.store.count_active(owner)) >= limit:
            raise TooBusy(
                f"'{owner}' has {active} jobs queued or running and may have {limit}: try again when one has ended"
            )
