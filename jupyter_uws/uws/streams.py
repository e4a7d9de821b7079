"""``/uws/events``: the changes of all jobs of the caller as server-sent events (WHATWG HTML, section 9.2).

What a client gets, one event with JSON each:

- ``reset`` when what it knows may be out of date, as at its first connection: it should read the job lists it shows;
- ``job`` for every job that is not over, then ``ready``;
- from then on ``job`` whenever a job is made or changes, ``deleted`` when one is forgotten.

A client that comes back with ``Last-Event-ID`` gets what it has missed, each job once, as it is now; only where that
is not known any more (the service was started anew, or it was away for too long) it begins with ``reset`` again.
"""

from __future__ import annotations

import asyncio
import time

from tornado.iostream import StreamClosedError

from .base import UWSHandler, single
from .events import Journal, Stream, describe, encode
from .phases import ACTIVE, Phase

#: Something is sent at least this often [s], so that no proxy takes the stream for dead.
KEEP_ALIVE = 15.0
#: After each piece changes are gathered for this long [s]: a job that changes often is sent once, and no client gets
#: more than some thousand events a second.
GATHER = 0.05
#: A client that takes nothing for this long [s] is cut off; it may come back and continue.
STALLED = 60.0
#: Events in one piece.
PIECE = 200
#: At most so many jobs that are not over are sent to a new client, the newest ones.
SNAPSHOT = 500

_NOT_OVER = [Phase.PENDING, *sorted(ACTIVE)]


class EventsMixin(UWSHandler):
    """``/uws/events``, for one job type with ``?type=``."""

    stream: Stream | None = None

    @property
    def journal(self) -> Journal:
        return self.manager.events.journal

    async def get(self) -> None:
        wanted = single(self.form(frozenset({"type"}))[0], "type")
        job_type = None if wanted is None else self.manager.job_type(wanted).name
        with self.journal.follow(self.owner) as stream:
            self.stream = stream
            self.head()
            first = b"retry: 2000\n\n"
            if not self.journal.resume(self.owner, stream, self.request.headers.get("Last-Event-ID", "")):
                first += self._all_anew(stream, job_type)
            try:
                await self._send(first)
                await self._follow(stream, job_type)
            except StreamClosedError:
                pass
            except TimeoutError:
                self.request.connection.stream.close()  # type: ignore[union-attr]

    def head(self) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=UTF-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")

    async def _follow(self, stream: Stream, job_type: str | None) -> None:
        last_sent = time.monotonic()
        while not stream.closed:
            events = self.journal.take(self.owner, stream, job_type, PIECE)
            if events is None:
                events = [self._all_anew(stream, job_type)]
            if events or time.monotonic() - last_sent >= KEEP_ALIVE:
                await self._send(b"".join(events) or b":\n\n")
                last_sent = time.monotonic()
                await asyncio.sleep(GATHER)
            else:
                timer = asyncio.get_running_loop().call_later(KEEP_ALIVE, stream.news.set)
                await stream.news.wait()
                timer.cancel()

    def _all_anew(self, stream: Stream, job_type: str | None) -> bytes:
        """What a client begins with. Only its last event has an id: who breaks off before gets it all again."""
        jobs = self.manager.store.find(owner=self.owner, job_type=job_type, phases=_NOT_OVER, last=SNAPSHOT)
        ready = {"jobs": len(jobs), "complete": len(jobs) < SNAPSHOT}
        return b"".join(
            [
                encode("reset", {}),
                *(encode("job", describe(job)) for job in reversed(jobs)),
                encode("ready", ready, self.journal.event_id(stream.position)),
            ]
        )

    async def _send(self, piece: bytes) -> None:
        self.write(piece)
        await asyncio.wait_for(self.flush(), STALLED)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.stream is not None:
            self.stream.close()
