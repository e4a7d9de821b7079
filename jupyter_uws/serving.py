"""Files out over HTTP: in pieces, with ranges and conditional requests. Tornado only, no room's business."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from tornado import httputil
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

CHUNK = 256 * 1024


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
        if _is_another(headers, etag, modified):
            for name in ("Content-Disposition", "ETag", "Last-Modified"):
                handler.clear_header(name)
            handler.set_status(412)
            handler.set_header("Content-Type", "text/plain; charset=UTF-8")
            handler.write("the file is not the one that was asked for\n")
            return
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


def _is_another(headers: httputil.HTTPHeaders, etag: str, modified: int) -> bool:
    """Whether the client wants one file only, and it is not this (If-Match, else If-Unmodified-Since)."""
    if (tags := headers.get("If-Match")) is not None:
        return tags.strip() != "*" and etag not in [tag.strip() for tag in tags.split(",")]
    since = _http_date(headers.get("If-Unmodified-Since"))
    return since is not None and modified > since


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
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", headers.get("Range", "").strip())
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
    except (ValueError, OverflowError):
        return None
