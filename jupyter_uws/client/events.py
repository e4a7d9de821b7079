"""Changes of jobs as they happen: one connection for all of them (server-sent events of the service)."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

from requests import Response

from .connection import Connection
from .errors import ClientError, ServiceError, ServiceUnreachable

#: The service sends at least a comment within 15 s.
SILENCE = 20.0
#: Seconds for which a service may be away: it may be restarting.
PATIENCE = 30.0
#: Bytes of an event: more than its fields can have.
_LINE = 1 << 20


class Watch:
    """The changes of the caller's jobs, of one type or of all (None), read by a thread of its own while it is open."""

    def __init__(self, connection: Connection, job_type: str | None) -> None:
        self._connection = connection
        self._params = {} if job_type is None else {"type": job_type}
        self._queue: queue.Queue[dict[str, Any] | ClientError] = queue.Queue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="jupyter-uws-events", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()  # the thread sees it at the next event or comment: closing would wait for that, too

    def events(self, seconds: float) -> Iterator[dict[str, Any]]:
        """What has come, and what comes within some seconds where nothing has.

        Each has a ``kind``: ``job`` and ``deleted`` are a job as the service tells it (``job_id``, ``phase``,
        ``progress``, ...); between ``reset``, with which a connection begins, and ``ready`` come those that have not
        ended. Raises ServiceUnreachable or ServiceError where there will be no more.
        """
        try:
            item = self._queue.get(timeout=seconds)
            while True:
                if isinstance(item, ClientError):
                    raise item
                yield item
                item = self._queue.get_nowait()
        except queue.Empty:
            return

    def _read(self) -> None:
        heard = time.monotonic()
        while not self._closed.is_set():
            trouble: Exception = ServiceUnreachable("The service ends the stream of its jobs' events at once.")
            try:
                response = self._connection.get("uws/events", params=self._params, stream=True, timeout=(5.0, SILENCE))
                with response:
                    for event in _events(response):
                        if self._closed.is_set():
                            return
                        heard = time.monotonic()
                        if event:
                            self._queue.put(event)
            except Exception as error:  # a connection that ends raises one of many, in requests, urllib3 and http
                trouble = error
            refused = isinstance(trouble, ServiceError) and (trouble.status or 500) < 500
            if refused or time.monotonic() - heard > PATIENCE:
                self._queue.put(
                    trouble
                    if isinstance(trouble, ClientError)
                    else ServiceUnreachable(f"The events of the service ended: {trouble}.")
                )
                return
            self._closed.wait(0.5)


def _events(response: Response) -> Iterator[dict[str, Any]]:
    """The events of a stream, as dicts with their ``kind``; an empty one for a comment."""
    kind, data = "", ""
    for line in response.iter_lines(chunk_size=None):
        text = line.decode("utf-8", "replace")
        if not text:
            if kind:
                yield {**json.loads(data or "{}"), "kind": kind}
            kind, data = "", ""
        elif text.startswith("event:"):
            kind = text[6:].strip()
        elif text.startswith(":"):
            yield {}
        elif text.startswith("data:") and len(data) < _LINE:
            data += text[5:].strip()
