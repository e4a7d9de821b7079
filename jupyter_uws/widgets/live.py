"""The changes of jobs, told to every widget of a service: one connection and one thread for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..client.connection import Connection
from ..client.errors import ClientError
from ..client.events import Watch

#: Tells a page: ``{"kind": "opened" | "told" | "lost", ...}``.
Tell = Callable[[dict[str, Any]], bool]

#: Seconds after which a thread looks whether somebody still listens.
LOOK = 5.0
_lock = threading.Lock()
_streams: dict[Connection, Stream] = {}


class Stream:
    """The events of a connection while there are listeners. A listener that returns False is told no more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listeners: list[Tell] = []
        self._is_open = False

    def add(self, tell: Tell) -> None:
        if tell not in self._listeners:
            self._listeners.append(tell)
        if self._is_open:
            # the others were told all that goes on when the connection began
            tell({"kind": "opened"})
            tell({"kind": "told", "events": [{"kind": "reset"}, {"kind": "ready", "complete": False}]})

    def run(self) -> None:
        """Tell what comes until nobody listens, or no more comes."""
        last: dict[str, Any] | None = None
        try:
            with Watch(self._connection, None) as watch:
                while self._continues():
                    events = list(watch.events(LOOK))
                    if events and not self._is_open:
                        self._is_open = True
                        self._tell({"kind": "opened"})
                    if events:
                        self._tell({"kind": "told", "events": events})
        except ClientError as error:
            last = {"kind": "lost", "message": str(error)}
        with _lock:
            if _streams.get(self._connection) is self:
                del _streams[self._connection]
        if last is not None:
            self._tell(last)

    def _continues(self) -> bool:
        with _lock:
            if not self._listeners:
                _streams.pop(self._connection, None)
            return bool(self._listeners)

    def _tell(self, message: dict[str, Any]) -> None:
        for tell in list(self._listeners):
            if not tell(message):
                self._listeners.remove(tell)


def listen(connection: Connection, tell: Tell) -> None:
    """Tell of the changes from now on."""
    with _lock:
        stream = _streams.get(connection)
        is_new = stream is None
        if stream is None:
            stream = _streams[connection] = Stream(connection)
        stream.add(tell)
    if is_new:
        threading.Thread(target=stream.run, name="jupyter-uws-live", daemon=True).start()
