"""The data files over HTTP: ``files/<collection>/<path>``, with Range, HEAD and conditional requests (RFC 9110)."""

from __future__ import annotations

import asyncio
import email.utils
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from tornado.iostream import StreamClosedError

from .errors import ArchiveError
from .reader import DataFile, find_file

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    _Handler = RequestHandler
else:
    _Handler = object

CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def make_routes(base: type[RequestHandler], archive: Callable[[], Path]) -> list[tuple[str, type[RequestHandler]]]:
    """Routes that serve the files of the runs in an archive.

    ``base`` is the service's handler, which lets in or refuses the request; ``archive`` tells where the archive is.
    """
    handler = type("FilesHandler", (FilesMixin, base), {"archive": staticmethod(archive)})
    return [(r"/files/([^/]+)/(.+)", handler)]


class FilesMixin(_Handler):
    """GET and HEAD of a file; mixed with a base that has to do with who asks."""

    archive: Callable[[], Path]

    async def get(self, collection: str, name: str) -> None:
        """Send the file, or the one range asked for, in pieces, as fast as the client takes them."""
        await self._serve(collection, name, body=True)

    async def head(self, collection: str, name: str) -> None:
        """The headers that GET would send."""
        await self._serve(collection, name, body=False)

    def compute_etag(self) -> str | None:
        """None: the file's own tag is set, tornado shall not hash the body."""
        return None

    async def _serve(self, collection: str, name: str, *, body: bool) -> None:
        try:
            file = await asyncio.to_thread(find_file, self.archive(), collection, name)
        except ArchiveError as error:
            return self._refuse(503, str(error))
        if file is None:
            return self._refuse(404, f"the archive has no file {name!r} in a collection {collection!r}")
        try:
            opened, info = await asyncio.to_thread(_open, file)
        except PermissionError:
            return self._refuse(403, f"{name}: this file may not be read")
        except OSError:
            return self._refuse(410, f"{name}: this file is gone since the archive was made")
        with opened:
            await self._send(opened, info, Path(name).name, body=body)

    async def _send(self, file: BinaryIO, info: os.stat_result, filename: str, *, body: bool) -> None:
        # .fits.gz too: its bytes are sent as they are, so Content-Encoding would be wrong (clients would unpack it and
        # save it under a name that says gz); readers of FITS files tell gzip by its first bytes. As access_format says.
        self.set_header("Content-Type", "application/fits")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(filename)}")
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "private, no-cache")
        etag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
        modified = int(info.st_mtime)
        self.set_header("ETag", etag)
        self.set_header("Last-Modified", email.utils.formatdate(modified, usegmt=True))
        if self._not_modified(etag, modified):
            self.set_status(304)
            self.finish()
            return
        start, length = 0, info.st_size
        wanted = self._range(etag, modified, info.st_size)
        if wanted is not None:
            start, length = wanted
            if length <= 0:
                self.set_header("Content-Range", f"bytes */{info.st_size}")
                self._refuse(416, f"the file has {info.st_size} bytes")
                return
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {start}-{start + length - 1}/{info.st_size}")
        self.set_header("Content-Length", str(length))
        try:
            await self.flush()
            while body and length > 0:
                piece = await asyncio.to_thread(os.pread, file.fileno(), min(CHUNK, length), start)
                if not piece:
                    # cut short while it was read: the client must see it, and does, by the length
                    self.request.connection.stream.close()  # type: ignore[union-attr]
                    return
                start += len(piece)
                length -= len(piece)
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return
        self.finish()

    def _not_modified(self, etag: str, modified: int) -> bool:
        if (tags := self.request.headers.get("If-None-Match")) is not None:
            return tags.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        since = _http_date(self.request.headers.get("If-Modified-Since"))
        return since is not None and modified <= since

    def _range(self, etag: str, modified: int, size: int) -> tuple[int, int] | None:
        """First byte and length of the range asked for, length 0 where there is no such byte; None for all of it."""
        condition = self.request.headers.get("If-Range")
        if condition is not None and condition.strip() != etag and _http_date(condition) != modified:
            return None
        match = _RANGE.fullmatch(self.request.headers.get("Range", "").strip())
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

    def _refuse(self, status: int, message: str) -> None:
        for name in ("Content-Disposition", "Content-Length", "ETag", "Last-Modified"):
            self.clear_header(name)
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{message}\n")


def _open(file: DataFile) -> tuple[BinaryIO, os.stat_result]:
    """Open a file of the archive; OSError where it is gone, PermissionError where it leads out of its root by now."""
    root = file.root.resolve(strict=True)
    location = (root / file.path).resolve(strict=True)
    if not location.is_relative_to(root):
        raise PermissionError(f"{location} is outside {root}")
    # not blocking: a named pipe in the file's place must not hang a thread
    descriptor = os.open(location, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        os.close(descriptor)
        raise PermissionError(f"{location} is not a regular file")
    return os.fdopen(descriptor, "rb"), info


def _http_date(text: str | None) -> int | None:
    try:
        date: Any = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return int(date.timestamp())
