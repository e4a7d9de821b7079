"""A page's questions, answered by the kernel: of the service, below its root, and of the files in its :class:`Folder`.

The messages are those of ``labextension/src/widgets/transport.ts``. A page asks again what it was not told to be taken:
a question is known by its id, and passed on once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from ..client.connection import Connection, reachable, service_error
from ..client.errors import ClientError
from .folder import Folder, NoFile

#: Sends a message to the page, with bytes.
Send = Callable[[dict[str, Any], list[bytes]], None]

METHODS = ("GET", "POST", "PATCH", "DELETE")
HEADERS = ("Accept", "Content-Type", "Range")
#: What of an answer's headers the views read.
ANSWERED = ("Content-Type", "Content-Length", "Content-Range")
#: Bytes of one message, and of a whole body.
PIECE = 1 << 20
LARGEST = 64 << 20
#: Parts of a path, characters of a part and of a query.
PARTS = 32
LONGEST = 1024
LONGEST_QUERY = 8192
REDIRECTS = 3
#: Questions that are remembered.
KNOWN = 1000
#: Questions of all widgets that are under way at once; others wait.
_AT_ONCE = threading.BoundedSemaphore(6)


class Refused(ValueError):
    """A question that is not passed on."""


@dataclass(frozen=True)
class Question:
    """What a page asks; made by :func:`read_question`."""

    method: str
    #: Below the service's root, quoted, with its query.
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Relay:
    """Passes the questions of one widget's pages on; each is answered by a thread of its own."""

    connection: Connection
    send: Send
    folder: Folder | None = None
    _bodies: dict[str, bytearray] = field(default_factory=dict)
    _cancelled: dict[str, threading.Event] = field(default_factory=dict)
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """A message of a page; what is wrong with it is told to the page."""
        id = str(message.get("id", ""))[:64]
        kind = message.get("kind")
        with self._lock:  # Jupyter hands over messages in more than one thread
            if kind == "body" and id not in self._known:
                self._gather(id, message.get("at"), buffers)
            elif kind == "cancel" and id in self._cancelled:
                self._cancelled[id].set()
            elif kind == "request":
                self._hear(id, message)

    def _hear(self, id: str, message: Mapping[str, Any]) -> None:
        body, size = self._bodies.pop(id, bytearray()), message.get("size")
        if id not in self._known and isinstance(size, int) and len(body) < min(size, LARGEST + 1):
            return  # a piece was lost: the page will ask again
        self.send({"kind": "taken", "id": id}, [])
        if id not in self._known:
            self._begin(id, message, bytes(body))

    def _begin(self, id: str, message: Mapping[str, Any], body: bytes) -> None:
        self._known[id] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        try:
            if "of" in message:
                act = partial(self._hand_over, id, message["of"])
            else:
                act = partial(self._pass_on, id, read_question(message, body))
        except Refused as error:
            self.send({"kind": "failed", "id": id, "message": str(error)}, [])
            return
        self._cancelled[id] = threading.Event()
        threading.Thread(target=self._answer, args=(id, act), name="jupyter-uws-widget", daemon=True).start()

    def _gather(self, id: str, at: Any, buffers: Sequence[Any]) -> None:
        body = self._bodies.setdefault(id, bytearray())
        if at == 0:
            body.clear()  # it is sent again
        elif at is not None and at != len(body):
            return  # what is before it was lost
        for buffer in buffers:
            # one byte more than is allowed tells that it was too much
            body += bytes(buffer)[: LARGEST + 1 - len(body)]

    def _answer(self, id: str, act: Callable[[threading.Event], None]) -> None:
        cancelled = self._cancelled[id]
        try:
            with _AT_ONCE:
                if not cancelled.is_set():
                    act(cancelled)
        except (ClientError, NoFile, Refused) as error:
            self.send({"kind": "failed", "id": id, "message": str(error)}, [])
        except Exception as error:
            self.send({"kind": "failed", "id": id, "message": f"The kernel could not ask: {error!r}"}, [])
            raise
        finally:
            self._cancelled.pop(id, None)

    def _pass_on(self, id: str, question: Question, cancelled: threading.Event) -> None:
        url = self.connection.url
        with reachable(url), ask(self.connection, question) as response:
            if response.status_code == 401:
                raise service_error(response)
            headers = {name: response.headers[name] for name in ANSWERED if name in response.headers}
            if "Content-Encoding" in response.headers:
                headers.pop("Content-Length", None)
            head = {"kind": "head", "id": id, "status": response.status_code, "reason": response.reason or ""}
            self.send({**head, "headers": headers}, [])
            self._send_pieces(id, response.iter_content(PIECE), cancelled)

    def _hand_over(self, id: str, asked: Any, cancelled: threading.Event) -> None:
        """A file of the kernel's machine."""
        if self.folder is None:
            raise NoFile("This widget gives no files.")
        content_type, content = self.folder.open(asked)
        with content:
            head = {"kind": "head", "id": id, "status": 200, "reason": "OK"}
            self.send({**head, "headers": {"Content-Type": content_type}}, [])
            self._send_pieces(id, iter(partial(content.read, PIECE), b""), cancelled)

    def _send_pieces(self, id: str, pieces: Iterable[bytes], cancelled: threading.Event) -> None:
        size = 0
        for piece in pieces:
            if cancelled.is_set():
                return
            size += len(piece)
            if size > LARGEST:
                raise Refused(f"This is more than the {LARGEST >> 20} MiB that a widget takes: use the client.")
            self.send({"kind": "piece", "id": id}, [piece])
        self.send({"kind": "end", "id": id}, [])


def read_question(message: Mapping[str, Any], body: bytes = b"") -> Question:
    """Raises :class:`Refused` for what leads elsewhere or is no question of the views."""
    method = message.get("method")
    if method not in METHODS:
        raise Refused(f"method {method!r:.40}, allowed are {', '.join(METHODS)}")
    given = message.get("headers") or {}
    if not isinstance(given, Mapping):
        raise Refused("headers is not a mapping")
    for name, value in given.items():
        if name not in HEADERS or not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
            raise Refused(f"header {name!r:.40}, allowed are {', '.join(HEADERS)} with one line of text")
    if len(body) > LARGEST:
        raise Refused(f"The body has more than the {LARGEST >> 20} MiB that a widget sends: use the client.")
    return Question(method, read_path(message.get("path")) + read_query(message.get("query")), dict(given), body)


def read_path(parts: Any) -> str:
    """The parts of a path, quoted; none of them leads up, or out of its place."""
    if not isinstance(parts, list) or not 0 < len(parts) <= PARTS:
        raise Refused(f"path is not a list of 1 to {PARTS} texts")
    for part in parts:
        if not isinstance(part, str) or not 0 < len(part) <= LONGEST or not part.isprintable():
            raise Refused(f"path has {part!r:.40}, allowed is a text of 1 to {LONGEST} characters")
        if {".", ".."} & set(part.replace("\\", "/").split("/")):
            raise Refused(f"path has {part!r:.40}, which leads elsewhere")
    return "/".join(quote(part, safe="") for part in parts)


def read_query(query: Any) -> str:
    if query in (None, ""):
        return ""
    if not isinstance(query, str) or len(query) > LONGEST_QUERY or not query.startswith("?"):
        raise Refused(f"query is not a text of at most {LONGEST_QUERY} characters that begins with '?'")
    if not query.isascii() or not query.isprintable() or set(query) & set(' #"<>'):
        raise Refused("query has characters that are not encoded")
    return query


def ask(connection: Connection, question: Question) -> requests.Response:
    """The service's answer, whatever its status; redirects are followed below the service's root only."""
    url, method = connection.url + question.path, question.method
    headers: dict[str, str | None] = dict(question.headers)
    body: bytes | None = question.body or None
    for _ in range(REDIRECTS + 1):
        response = connection.session.request(
            method, url, data=body, headers=headers, stream=True, allow_redirects=False
        )
        target = response.headers.get("Location")
        if response.status_code not in (301, 302, 303, 307, 308) or target is None:
            return response
        response.close()
        if method == "DELETE":
            # where it leads is the list that the job was in
            response.status_code, response.reason = 204, "No Content"
            return response
        url = below(connection.url, urljoin(url, target))
        if response.status_code in (301, 302, 303):
            method, body = "GET", None
            headers.pop("Content-Type", None)
    raise Refused("The service redirects in circles.")


def below(root: str, url: str) -> str:
    """The URL, where it is below the root. Raises :class:`Refused`."""
    path = urlsplit(url).path
    if not url.startswith(root) or {".", ".."} & set(path.split("/")):
        raise Refused(f"The service leads to another address, {urlsplit(url).netloc}, which a widget does not follow.")
    return url
