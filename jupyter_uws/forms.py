"""HTTP bodies in: bounded in size, number and time, refused in words, and files on disk as they arrive.

Tornado only, no room's business. Handlers that take forms mix in :class:`FormMixin` and are made by
:func:`form_handler`; all others should mix in :class:`BodyMixin`, so that no body is held in memory
which nobody wants.

Tornado's own parser of forms is not used: it holds the whole body, has no limits, and refuses the
multipart bodies of STILTS and TOPCAT, which begin with an empty preamble (allowed by RFC 2046,
section 5.1.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header
from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, stream_request_body

if TYPE_CHECKING:
    _Handler = RequestHandler
else:
    _Handler = object

_URLENCODED = "application/x-www-form-urlencoded"
#: A body that nobody reads may still be so large [bytes]: refusing it would only cost the connection.
_UNREAD = 64 * 1024


@dataclass(frozen=True)
class FormLimits:
    """How much a request may bring. Sizes are in bytes, times in seconds.

    ``size``: names and values together; ``value``: one of them. ``files_size``: the files of one
    request together. ``timeout``: for a body to arrive, longer for files by ``files_size / rate``.
    """

    size: int = 4 * 2**20
    value: int = 2**20
    parameters: int = 1000
    files: int = 20
    files_size: int = 2**30
    timeout: float = 60.0
    rate: float = 100e3

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"the form limit '{limit.name}' is {value!r}, allowed is a number greater than 0")


@dataclass
class SentFile:
    """A file of a request: ``name`` is the form's, ``filename`` the client's, unchecked; ``size`` in bytes.

    The file at ``path`` is removed after the request unless it was moved away.
    """

    name: str
    filename: str
    content_type: str
    path: Path
    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """As hexadecimal digits."""
        return str(self._digest.hexdigest())

    def add(self, piece: bytes) -> None:
        """Note what was written to it."""
        self._digest.update(piece)
        self.size += len(piece)


class BodyMixin(_Handler):
    """Bound the body. Here it is read and forgotten."""

    @property
    def form_limits(self) -> FormLimits:
        limits: FormLimits = self.settings.get("form_limits") or FormLimits()
        return limits

    def prepare(self) -> Awaitable[None] | None:
        self._received = 0
        started = super().prepare()
        self._begin_body()
        return started

    def _begin_body(self) -> None:
        headers = self.request.headers
        length = headers.get("Content-Length", "0")
        if re.fullmatch(r"[0-9]+", length) and (len(length) > 15 or int(length) > self.body_limit()):
            raise self.too_large()
        if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise HTTPError(415, "the request's body is compressed; send it as it is")
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection):
            limits = self.form_limits
            connection.set_body_timeout(limits.timeout + max(0, self.body_limit() - limits.size) / limits.rate)

    def body_limit(self) -> int:
        """How many bytes the body may have."""
        return _UNREAD

    def too_large(self) -> HTTPError:
        return HTTPError(413, f"the request's body is larger than {self.body_limit()} bytes")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._received += len(chunk)
        if self._finished:
            return None
        if self._received > self.body_limit():
            self.refuse(self.too_large())
            return None
        return self.take(chunk)

    def take(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the body has come."""
        return None

    def refuse(self, error: HTTPError) -> None:
        """Answer at once, in the midst of the body: what is raised there is no answer but a broken connection."""
        if not self._finished:
            self.send_error(error.status_code, exc_info=(HTTPError, error, None))


class FormMixin(BodyMixin):
    """Parse the body as it comes; :meth:`read_form` gives the parameters, ``sent_files`` the files.

    The body of a PUT is one value, or one file, as it is: :meth:`read_value`, or the one of ``sent_files``.
    """

    #: Whether the form of this request may hold files.
    takes_files = False
    _parser: PushMultipartParser | None = None

    def prepare(self) -> Awaitable[None] | None:
        self.sent_files: list[SentFile] = []
        self._body = bytearray()
        self._part: _Part | None = None
        self._fields: list[tuple[str, bytes]] = []
        self._fields_size = 0
        return super().prepare()

    def _begin_body(self) -> None:
        self._kind, options = parse_options_header(self.request.headers.get("Content-Type", ""))
        super()._begin_body()
        if self._is_multipart():
            boundary = options.get("boundary") or _bare_boundary(self.request.headers["Content-Type"])
            if not re.fullmatch(r"[ -~]{1,200}", boundary):
                raise HTTPError(400, "the request's body cannot be parsed: its Content-Type has no valid boundary")
            self._parser = PushMultipartParser(boundary)
        elif self.takes_files and self.request.method == "PUT":
            try:
                self._part = self._begin_file("", "", self._kind)
            except OSError as error:
                raise _not_stored(error) from error

    def _is_multipart(self) -> bool:
        return self._kind == "multipart/form-data" and self.request.method == "POST"

    def body_limit(self) -> int:
        limits = self.form_limits
        with_files = self.takes_files and (self._is_multipart() or self.request.method == "PUT")
        return limits.size + (limits.files_size if with_files else 0)

    def take(self, chunk: bytes) -> Awaitable[None] | None:
        if self._parser is not None:
            return self._take_parts(self._parser, chunk)
        if self._part is not None:
            return self._take_file(self._part, chunk)
        self._body += chunk
        return None

    async def _take_file(self, part: _Part, chunk: bytes) -> None:
        try:
            await asyncio.to_thread(part.write, chunk)
        except OSError as error:
            self.refuse(_not_stored(error))

    async def _take_parts(self, parser: PushMultipartParser, chunk: bytes) -> None:
        try:
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._part = self._begin_part(event)
                elif self._part is not None and event:
                    await self._add(self._part, bytes(event))
                elif self._part is not None:
                    self._end_part(self._part)
        except ParserLimitReached:
            self.refuse(
                HTTPError(400, "the request's body cannot be parsed: a part of it has too many or long headers")
            )
        except MultipartError as error:
            self.refuse(HTTPError(400, f"the request's body cannot be parsed: {error}"))
        except HTTPError as error:
            self.refuse(error)
        except OSError as error:
            self.refuse(_not_stored(error))

    def _begin_part(self, segment: MultipartSegment) -> _Part:
        name = segment.name
        if not name:
            raise HTTPError(400, "the request's body cannot be parsed: a part of it has no name")
        if segment.filename is None:
            return _Part(name)
        if not self.takes_files:
            raise HTTPError(400, f"'{_short(name)}' is a file; files are not taken at this address")
        if len(self.sent_files) >= self.form_limits.files:
            raise HTTPError(400, f"the request has more than {self.form_limits.files} files")
        return self._begin_file(name, segment.filename, segment.header("Content-Type") or "")

    def _begin_file(self, name: str, filename: str, content_type: str) -> _Part:
        handle, path = tempfile.mkstemp(dir=self.settings.get("incoming"), prefix="part-")
        self.sent_files.append(SentFile(name, filename, content_type or "application/octet-stream", Path(path)))
        return _Part(name, self.sent_files[-1], handle)

    async def _add(self, part: _Part, piece: bytes) -> None:
        if part.file is not None:
            await asyncio.to_thread(part.write, piece)
            return
        part.value += piece
        self._fields_size += len(piece)
        _check_size(part.name, len(part.value), self.form_limits.value)
        if self._fields_size > self.form_limits.size:
            raise HTTPError(413, f"the request's parameters are larger than {self.form_limits.size} bytes")

    def _end_part(self, part: _Part) -> None:
        self._part = None
        if part.file is None:
            self._fields.append((part.name, bytes(part.value)))
            if len(self._fields) > self.form_limits.parameters:
                raise self._too_many()
            return
        part.close()
        if part.file.size == 0 and not part.file.filename:  # a browser's file field that was left empty
            part.file.path.unlink(missing_ok=True)
            self.sent_files.remove(part.file)

    def _too_many(self) -> HTTPError:
        return HTTPError(400, f"the request has more than {self.form_limits.parameters} parameters")

    def read_form(self) -> dict[str, list[str]]:
        """The parameters of the query and of the body, in the order they came; files are in ``sent_files``.

        Raises HTTPError 400 for what cannot be parsed, is not UTF-8, or is too much.
        """
        found: dict[str, list[str]] = {}
        pairs = [*self._pairs(self.request.query.encode("latin-1")), *self._body_pairs()]
        if len(pairs) > self.form_limits.parameters:
            raise self._too_many()
        for name, value in pairs:
            _check_size(name, len(value), self.form_limits.value)
            found.setdefault(name, []).append(_text(name, value))
        return found

    def read_value(self, name: str) -> str:
        """The body of a PUT as the value of the parameter ``name``. Raises HTTPError 400 or 413."""
        size = self.sent_files[0].size if self.takes_files else len(self._body)
        _check_size(name, size, self.form_limits.value)
        return _text(name, self.sent_files[0].path.read_bytes() if self.takes_files else bytes(self._body))

    def _body_pairs(self) -> Iterable[tuple[str, bytes]]:
        if self._parser is not None:
            try:
                self._parser.close()
            except MultipartError as error:
                raise HTTPError(400, f"the request's body cannot be parsed: {error}") from error
            return self._fields
        if not self._body or self.request.method != "POST":
            return ()
        if self._kind not in (_URLENCODED, ""):
            raise HTTPError(
                415, f"the request's body is '{_short(self._kind)}'; send a form: {_URLENCODED} or multipart/form-data"
            )
        return self._pairs(bytes(self._body))

    def _pairs(self, encoded: bytes) -> list[tuple[str, bytes]]:
        try:
            # latin-1 there and back leaves every byte as it was
            pairs = parse_qsl(
                encoded.decode("latin-1"), True, encoding="latin-1", max_num_fields=self.form_limits.parameters
            )
        except ValueError:
            raise self._too_many() from None
        return [(_text("", name.encode("latin-1")), value.encode("latin-1")) for name, value in pairs]

    def on_finish(self) -> None:
        super().on_finish()
        self._forget_files()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._forget_files()

    def _forget_files(self) -> None:
        if getattr(self, "_part", None) is not None:
            cast(_Part, self._part).close()
        for file in getattr(self, "sent_files", ()):
            with contextlib.suppress(OSError):
                file.path.unlink(missing_ok=True)


class _Part:
    """A part of a form that is being received: a value, or a file open for writing."""

    def __init__(self, name: str, file: SentFile | None = None, handle: int = -1) -> None:
        self.name = name
        self.file = file
        self.value = bytearray()
        self._handle = handle
        # a thread writes while the client may go away
        self._lock = threading.Lock()

    def write(self, piece: bytes) -> None:
        assert self.file is not None  # noqa: S101
        view = memoryview(piece)
        with self._lock:
            while view and self._handle >= 0:
                view = view[os.write(self._handle, view) :]
            self.file.add(piece)

    def close(self) -> None:
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def form_handler(mixin: type, base: type[RequestHandler]) -> type[RequestHandler]:
    """The handler class of a mixin that derives from :class:`FormMixin`, over the application's base class."""
    return stream_request_body(type(mixin.__name__.removesuffix("Mixin") + "Handler", (mixin, base), {}))


def _bare_boundary(content_type: str) -> str:
    """The boundary of clients that should have quoted it (astroquery's begins with ``=``); empty without any."""
    found = re.search(r";\s*boundary=([^\s;\"]+)\s*(?:;|$)", content_type, re.IGNORECASE)
    return found.group(1) if found else ""


def _not_stored(error: OSError) -> HTTPError:
    return HTTPError(503, f"the files sent cannot be stored: {error.strerror}")


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise HTTPError(413, f"the parameter '{_short(name)}' is larger than {limit} bytes")


def _text(name: str, value: bytes) -> str:
    what = f"the value of the parameter '{_short(name)}'" if name else "the name of a parameter"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise HTTPError(400, f"{what} is not UTF-8") from None
    if "\0" in text:
        raise HTTPError(400, f"{what} has a NUL character")
    return text


def _short(text: Any) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:60])
