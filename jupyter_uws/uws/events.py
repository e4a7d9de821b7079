"""Who is told when a job changes: clients that wait for one job, and event streams over all jobs of an owner.

Everything here lives in the manager's event loop and never awaits: what is published is seen by whoever
was registered before, in the order it was published.

A stream is a position in its owner's journal, which holds the last change of every job. A slow client therefore
costs no memory and skips what has been superseded; one that falls behind the journal is told to read its list anew.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any, Protocol

from .errors import TooBusy
from .model import Job
from .times import format_time

#: One change may end thousands of waits: they are woken this many at a time, and other requests in between.
WAKE_AT_ONCE = 50
#: Texts that jobs and clients made are cut in events; the job's document has them whole.
TEXT_MAX = 500


class Wait:
    """One client that waits for a job to leave a phase; ``owner`` is who waits."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.woken: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()

    def wake(self, job: Job | None) -> None:
        """End it with the job as it is now; None: it must be read again."""
        if not self.woken.done():
            self.woken.set_result(job)

    def release(self) -> None:
        """End it whatever the job does: its time is over, its client has gone, or others need the room."""
        self.wake(None)


@dataclass
class Waits:
    """All waits, at most ``per_owner`` of an owner and ``at_most`` together: one more releases the oldest."""

    per_owner: int = 5000
    at_most: int = 20000
    _all: OrderedDict[Wait, None] = field(default_factory=OrderedDict)
    _by_job: dict[str, dict[Wait, Job]] = field(default_factory=dict)
    _by_owner: dict[str, OrderedDict[Wait, None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._all)

    @contextmanager
    def enter(self, job: Job, wait: Wait) -> Iterator[None]:
        """Register a wait for ``job`` to be in another phase than it is in now."""
        mine = self._by_owner.setdefault(wait.owner, OrderedDict())
        if len(mine) >= self.per_owner:
            mine.popitem(last=False)[0].release()
        if len(self._all) >= self.at_most:
            self._all.popitem(last=False)[0].release()
        mine[wait] = self._all[wait] = None
        waits = self._by_job.setdefault(job.job_id, {})
        waits[wait] = job
        try:
            yield
        finally:
            self._all.pop(wait, None)
            mine.pop(wait, None)
            if not mine and self._by_owner.get(wait.owner) is mine:
                del self._by_owner[wait.owner]
            waits.pop(wait, None)
            if not waits and self._by_job.get(job.job_id) is waits:
                del self._by_job[job.job_id]

    def changed(self, job: Job) -> None:
        self._wake([wait for wait, seen in self._by_job.get(job.job_id, {}).items() if seen.phase != job.phase], job)

    def deleted(self, job: Job) -> None:
        self._wake(list(self._by_job.get(job.job_id, ())), None)

    def close(self) -> None:
        for wait in self._all:
            wait.release()

    def _wake(self, waits: Sequence[Wait], job: Job | None) -> None:
        for wait in waits[:WAKE_AT_ONCE]:
            wait.wake(job)
        if rest := waits[WAKE_AT_ONCE:]:
            asyncio.get_running_loop().call_soon(self._wake, rest, job)


@dataclass(slots=True)
class Change:
    """The last thing that happened to a job, as the bytes of its event."""

    number: int
    owner: str
    job_type: str
    event: bytes


class Stream:
    """A client's event stream: where it is in its owner's journal. ``news`` is set when there may be more."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.news = asyncio.Event()
        self.closed = False

    def close(self) -> None:
        self.closed = True
        self.news.set()


@dataclass
class _Owner:
    """The last change of each of an owner's jobs by its number, in their order."""

    forgotten: int
    log: dict[int, Change] = field(default_factory=dict)
    streams: set[Stream] = field(default_factory=set)

    def after(self, position: int) -> list[Change]:
        """The changes after this one, the oldest first."""
        newer = list(takewhile(lambda change: change.number > position, reversed(self.log.values())))
        newer.reverse()
        return newer


@dataclass
class Journal:
    """The last change of each of the ``keep`` jobs that changed last, and the streams that follow them.

    At most ``per_owner`` streams of an owner and ``at_most`` together; one more is refused.
    """

    keep: int = 2000
    per_owner: int = 200
    at_most: int = 5000
    #: Numbers of changes mean nothing to a service that was started later.
    life: str = field(default_factory=lambda: secrets.token_hex(4))
    _number: int = 0
    _forgotten: int = 0
    _streams: int = 0
    _last: OrderedDict[str, Change] = field(default_factory=OrderedDict)
    _owners: dict[str, _Owner] = field(default_factory=dict)

    def changed(self, job: Job) -> None:
        self._add(job, "job", describe(job))

    def deleted(self, job: Job) -> None:
        self._add(job, "deleted", {"job_id": job.job_id, "job_type": job.job_type})

    def _add(self, job: Job, kind: str, data: dict[str, Any]) -> None:
        self._number += 1
        event = encode(kind, data, self.event_id(self._number))
        change = Change(self._number, job.owner, job.job_type, event)
        older = self._last.pop(job.job_id, None)
        if older is not None:
            del self._owners[older.owner].log[older.number]
        self._last[job.job_id] = change
        owner = self._owner(job.owner)
        owner.log[change.number] = change
        if len(self._last) > self.keep:
            self._forget(self._last.popitem(last=False)[1])
        for stream in owner.streams:
            stream.news.set()

    def _forget(self, change: Change) -> None:
        owner = self._owners[change.owner]
        del owner.log[change.number]
        owner.forgotten = self._forgotten = change.number
        self._drop_idle(change.owner)

    def _owner(self, name: str) -> _Owner:
        owner = self._owners.get(name)
        if owner is None:
            owner = self._owners[name] = _Owner(self._forgotten)
        return owner

    def _drop_idle(self, name: str) -> None:
        owner = self._owners[name]
        if not owner.streams and not owner.log:
            del self._owners[name]

    @contextmanager
    def follow(self, owner: str) -> Iterator[Stream]:
        """A stream from now on. Raises :class:`TooBusy` where there are too many."""
        entry = self._owner(owner)
        try:
            if len(entry.streams) >= self.per_owner:
                raise TooBusy(f"'{owner}' has {self.per_owner} event streams open already; close one of them")
            if self._streams >= self.at_most:
                raise TooBusy(f"{self.at_most} event streams are open already, no more are possible; try again later")
            stream = Stream(self._number)
            entry.streams.add(stream)
            self._streams += 1
            try:
                yield stream
            finally:
                entry.streams.discard(stream)
                self._streams -= 1
        finally:
            self._drop_idle(owner)

    def close(self) -> None:
        for owner in self._owners.values():
            for stream in owner.streams:
                stream.close()

    def event_id(self, number: int) -> str:
        return f"{self.life}-{number}"

    def resume(self, owner: str, stream: Stream, last_event_id: str) -> bool:
        """Move a stream back to where a client has been; False where what came since is not known any more."""
        life, _, number = last_event_id.partition("-")
        if life != self.life or not (number.isascii() and number.isdigit() and len(number) < 19):
            return False
        position = int(number)
        if not self._owners[owner].forgotten <= position <= self._number:
            return False
        stream.position = position
        return True

    def take(self, owner: str, stream: Stream, job_type: str | None, at_most: int) -> list[bytes] | None:
        """The next events of a stream, whose position moves on; None where it has fallen behind the journal."""
        entry = self._owners[owner]
        if stream.position < entry.forgotten:
            stream.position = self._number
            return None
        stream.news.clear()
        events: list[bytes] = []
        for change in entry.after(stream.position):
            if len(events) == at_most:
                stream.news.set()
                break
            stream.position = change.number
            if job_type in (None, change.job_type):
                events.append(change.event)
        return events


class Follower(Protocol):
    """A part of the manager that acts on changes of jobs; it must neither raise nor take long."""

    def changed(self, job: Job) -> None: ...

    def deleted(self, job: Job) -> None: ...


@dataclass
class Hub:
    """Where the manager publishes; nobody else does."""

    waits: Waits = field(default_factory=Waits)
    journal: Journal = field(default_factory=Journal)
    followers: list[Follower] = field(default_factory=list)

    def changed(self, job: Job) -> None:
        """The job is new, or is as given now."""
        self.waits.changed(job)
        self.journal.changed(job)
        for follower in self.followers:
            follower.changed(job)

    def deleted(self, job: Job) -> None:
        self.waits.deleted(job)
        self.journal.deleted(job)
        for follower in self.followers:
            follower.deleted(job)

    def fit(self, files: int) -> None:
        """Bound what waits so that a process with so many open files always has some for other requests."""
        room = max(files - 256, files // 2)
        self.waits.at_most = min(self.waits.at_most, room * 3 // 4)
        self.journal.at_most = min(self.journal.at_most, room // 4)

    def close(self) -> None:
        """The service ends: all waits are answered, all streams end."""
        self.waits.close()
        self.journal.close()


def describe(job: Job) -> dict[str, Any]:
    """A job as the JSON of its event."""
    return {
        **{name: _cut(value) if isinstance(value, str) else value for name, value in job.info.items()},
        "job_id": job.job_id,
        "job_type": job.job_type,
        "phase": job.phase,
        "run": job.run,
        "run_id": _cut(job.run_id),
        "creation_time": _time(job.creation_time),
        "start_time": _time(job.start_time),
        "end_time": _time(job.end_time),
        "destruction": _time(job.destruction),
        "error": None if job.error is None else _cut(job.error.message),
        "results": len(job.results),
    }


def encode(kind: str, data: dict[str, Any], event_id: str | None = None) -> bytes:
    """One event of a text/event-stream; JSON has no line ends of its own."""
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
