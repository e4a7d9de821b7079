"""HTTP bodies: files out in pieces with ranges, forms in with a limit. Tornado only, no room's business.

Handlers that take forms mix in :class:`FormMixin` and are made by :func:`form_handler`, because
tornado's own parser refuses, before any handler runs, the multipart bodies of STILTS and TOPCAT:
they begin with an empty preamble, which RFC 2046 (section 5.1.1) allows.
"""

from __future__ import annotations

import asyncio
import re
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


def _range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range (RFC 9110, section 14.1.2); None where the header is to be ignored.

    Raises HTTPError 416 for a range that the file has no byte of.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(size - int(last), 0), size - 1
        if int(last) == 0:
            start = size
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size:
        raise HTTPError(416, f"the range '{header[:60]}' lies behind the file's {size} bytes")
    return start, end


async def send_file(handler: RequestHandler, path: Path, content_type: str, filename: str | None = None) -> None:
    """Answer a GET or HEAD with a file: streamed with back-pressure, Range, ETag and 304.

    The caller has made sure that the path may be served. What is read is what was there at the
    beginning: a log that grows meanwhile is sent up to its size at the request.
    """
    try:
        stream = await asyncio.to_thread(path.open, "rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise HTTPError(404, f"the file '{path.name}' is not there any more") from None
    with stream:
        status = path.stat()
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        handler.set_header("Content-Type", content_type)
        handler.set_header("ETag", etag)
        handler.set_header("Last-Modified", formatdate(status.st_mtime, usegmt=True))
        handler.set_header("Accept-Ranges", "bytes")
        handler.set_header("X-Content-Type-Options", "nosniff")
        if filename is not None:
            handler.set_header("Content-Disposition", f"inline; filename*=UTF-8''{quote(filename, safe='')}")
        if _unchanged(handler, etag, status.st_mtime):
            handler.set_status(304)
            return
        first, last = 0, status.st_size - 1
        asked = handler.request.headers.get("Range")
        if asked is not None and handler.request.headers.get("If-Range", etag) == etag:
            try:
                found = _range(asked, status.st_size)
            except HTTPError:
                handler.set_header("Content-Range", f"bytes */{status.st_size}")
                raise
            if found is not None:
                first, last = found
                handler.set_status(206)
                handler.set_header("Content-Range", f"bytes {first}-{last}/{status.st_size}")
        handler.set_header("Content-Length", str(last - first + 1))
        if handler.request.method == "HEAD":
            return
        await _send_bytes(handler, stream, first, last - first + 1)


async def _send_bytes(handler: RequestHandler, stream: BinaryIO, first: int, left: int) -> None:
    stream.seek(first)
    try:
        while left > 0:
            chunk = await asyncio.to_thread(stream.read, min(CHUNK, left))
            if not chunk:
                # the file shrank: break the connection rather than let a part look complete
                handler.request.connection.stream.close()  # type: ignore[union-attr]
                return
            left -= len(chunk)
            handler.write(chunk)
            await handler.flush()
    except StreamClosedError:
        pass  # the client has gone


def _unchanged(handler: RequestHandler, etag: str, modified: float) -> bool:
    headers = handler.request.headers
    if "If-None-Match" in headers:
        known = [tag.strip().removeprefix("W/") for tag in headers["If-None-Match"].split(",")]
        return etag in known or "*" in known
    if "If-Modified-Since" in headers:
        try:
            return int(modified) <= parsedate_to_datetime(headers["If-Modified-Since"]).timestamp()
        except ValueError:
            return False
    return False
