"""Times that a wall clock which is set, forwards or backwards, does not spoil."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from .store import JobStore
from .times import utcnow

logger = logging.getLogger(__name__)

#: A clock that goes forward by more than this at once has leapt ...
LEAP = 300.0
#: ... and is believed only when it has not been set back for so long [s].
DOUBT = 3600.0
#: Creation times follow the newest job's where the clock was set back, but not by more than this.
BEHIND = timedelta(days=1)

_MILLISECOND = timedelta(milliseconds=1)


class CreationTimes:
    """Creation times are whole milliseconds, each later than all before, whatever the clock does.

    What a list shows of the newest job is therefore a good AFTER: nothing that comes later is missed, nothing is seen
    twice.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._last: datetime | None = None

    def next(self) -> datetime:
        now = utcnow()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        last = self._last or self._store.newest()
        if last is not None and now <= last:
            if last - now < BEHIND:
                now = last.replace(microsecond=last.microsecond // 1000 * 1000) + _MILLISECOND
            elif self._last is None:
                logger.warning("the newest job was created in the future, at %s: its clock was wrong, or ours is", last)
        self._last = now
        return now


def _since_boot() -> float:
    """Seconds that passed, those in which the machine slept among them; nobody can set them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class DestructionClock:
    """The time by which jobs are destroyed: the wall clock's, unless that has just leapt forward.

    A clock set to next year by mistake and back a few minutes later destroys nothing.
    """

    def __init__(self) -> None:
        self._offset = utcnow().timestamp() - _since_boot()
        self._leapt: float | None = None

    def now(self) -> datetime:
        passed = _since_boot()
        offset = utcnow().timestamp() - passed
        if offset - self._offset <= LEAP:
            self._offset, self._leapt = offset, None
        elif self._leapt is None:
            logger.warning("the clock leapt forward by %.0f s: no job is destroyed for it yet", offset - self._offset)
            self._leapt = passed
        elif passed - self._leapt > DOUBT:
            self._offset, self._leapt = offset, None
        return datetime.fromtimestamp(passed + self._offset, UTC)
