"""HTTP bodies: files out in pieces with ranges, forms in with a limit. Tornado only, no room's business.

Handlers that take forms mix in :class:`FormMixin` and are made by :func:`form_handler`, because
tornado's own parser refuses, before any handler runs, the multipart bodies of STILTS and TOPCAT:
they begin with an empty preamble, which RFC 2046 (section 5.1.1) allows.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Awaitable
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from tornado import httputil
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler, stream_request_body

if TYPE_CHECKING:
    _Handler = RequestHandler
else:
    _Handler = object

CHUNK = 256 * 1024

#: A form, uploads included, may not be larger than this many bytes unless a handler says otherwise.
FORM_LIMIT = 100 * 1024 * 1024


class FormMixin(_Handler):
    """Collect the body up to ``form_limit`` bytes and parse it in :meth:`read_form`."""

    form_limit = FORM_LIMIT

    def prepare(self) -> Awaitable[None] | None:
        self._body = bytearray()
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > self.form_limit:
            self._refuse_body()
        return super().prepare()

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > self.form_limit:
            self._refuse_body()

    def _refuse_body(self) -> None:
        raise HTTPError(413, f"the request's body is larger than {self.form_limit} bytes")

    def read_form(self) -> dict[str, list[str]]:
        """The parameters of the query and of the body, in the order they came; files go to ``request.files``.

        Raises HTTPError 400 for a body that cannot be parsed or is not UTF-8.
        """
        request = self.request
        arguments: dict[str, list[bytes]] = {name: list(values) for name, values in request.query_arguments.items()}
        if self._body:
            try:
                httputil.parse_body_arguments(
                    request.headers.get("Content-Type", ""), bytes(self._body).lstrip(b"\r\n"), arguments, request.files
                )
            except httputil.HTTPInputError as error:
                raise HTTPError(400, f"the request's body cannot be parsed: {error}") from error
        try:
            return {name: [value.decode() for value in values] for name, values in arguments.items()}
        except UnicodeDecodeError as error:
            raise HTTPError(400, f"a parameter's value is not UTF-8: {error}") from error


def form_handler(mixin: type, base: type[RequestHandler]) -> type[RequestHandler]:
    """The handler class of a mixin that derives from :class:`FormMixin`, over the application's base class."""
    return stream_request_body(type(mixin.__name__.removesuffix("Mixin") + "Handler", (mixin, base), {}))


def open_regular(path: Path) -> tuple[BinaryIO, os.stat_result]:
    """Open a file to be sent. Raises OSError; PermissionError where it is a pipe, a device or a folder."""
    # not blocking: a named pipe in the file's place must not hang a thread
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        os.close(descriptor)
        raise PermissionError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb"), info


async def send_file(handler: RequestHandler, file: BinaryIO, info: os.stat_result, content_type: str) -> None:
    """Answer a GET or HEAD with an open file: in pieces, as fast as the client takes them, and close it.

    With Range, ETag and conditional requests (RFC 9110, sections 13 and 14). What is sent is what was
    there when it was opened: a log that grows meanwhile goes up to its size at the request.
    """
    with file:
        # tornado would hash the body; it takes the tag that is set
        etag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
        modified = int(info.st_mtime)
        handler.set_header("Content-Type", content_type)
        handler.set_header("X-Content-Type-Options", "nosniff")
        handler.set_header("Accept-Ranges", "bytes")
        handler.set_header("Cache-Control", "private, no-cache")
        handler.set_header("ETag", etag)
        handler.set_header("Last-Modified", formatdate(modified, usegmt=True))
        headers = handler.request.headers
        if _not_modified(headers, etag, modified):
            handler.set_status(304)
            return
        start, length = 0, info.st_size
        wanted = _range(headers, etag, modified, info.st_size)
        if wanted is not None:
            start, length = wanted
            if length <= 0:
                _refuse_range(handler, info.st_size)
                return
            handler.set_status(206)
            handler.set_header("Content-Range", f"bytes {start}-{start + length - 1}/{info.st_size}")
        handler.set_header("Content-Length", str(length))
        try:
            await handler.flush()
            while handler.request.method != "HEAD" and length > 0:
                piece = await asyncio.to_thread(os.pread, file.fileno(), min(CHUNK, length), start)
                if not piece:
                    # cut short while it was read: the client must see it, and does, by the length
                    handler.request.connection.stream.close()  # type: ignore[union-attr]
                    return
                start += len(piece)
                length -= len(piece)
                handler.write(piece)
                await handler.flush()
        except StreamClosedError:
            return


def name_file(handler: RequestHandler, name: str) -> None:
    """Say under which name a client may save the body."""
    handler.set_header("Content-Disposition", f"inline; filename*=UTF-8''{quote(name, safe='')}")


def _refuse_range(handler: RequestHandler, size: int) -> None:
    for name in ("Content-Disposition", "ETag", "Last-Modified"):
        handler.clear_header(name)
    handler.set_status(416)
    handler.set_header("Content-Range", f"bytes */{size}")
    handler.set_header("Content-Type", "text/plain; charset=UTF-8")
    handler.write(f"the file has {size} bytes\n")


def _not_modified(headers: httputil.HTTPHeaders, etag: str, modified: int) -> bool:
    if (tags := headers.get("If-None-Match")) is not None:
        return tags.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    since = _http_date(headers.get("If-Modified-Since"))
    return since is not None and modified <= since


def _range(headers: httputil.HTTPHeaders, etag: str, modified: int, size: int) -> tuple[int, int] | None:
    """First byte and length of the range asked for, length 0 where there is no such byte; None for all of it."""
    condition = headers.get("If-Range")
    if condition is not None and condition.strip() != etag and _http_date(condition) != modified:
        return None
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("Range", "").strip())
    if match is None or match.groups() == ("", ""):
        return None  # a range we do not know, such as several at once: the whole file is a right answer
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return size - length, length
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    return start, max(0, end - start + 1)


def _http_date(text: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(text or "").timestamp())
    except ValueError:
        return None
