"""The data files over HTTP: ``files/<collection>/<path>``, with Range, HEAD and conditional requests (RFC 9110)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..methods import MethodsMixin
from ..serving import name_file, open_regular, send_file
from .errors import ArchiveError
from .reader import DataFile, find_file

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    _Handler = RequestHandler
else:
    _Handler = object


def make_routes(base: type[RequestHandler], archive: Callable[[], Path]) -> list[tuple[str, type[RequestHandler]]]:
    """Routes that serve the files of the runs in an archive.

    ``base`` is the service's handler, which lets in or refuses the request; ``archive`` tells where the archive is.
    """
    handler = type("FilesHandler", (FilesMixin, base), {"archive": staticmethod(archive)})
    return [(r"/files/([^/]+)/(.+)", handler)]


class FilesMixin(MethodsMixin, _Handler):
    """GET and HEAD of a file; mixed with a base that has to do with who asks."""

    archive: Callable[[], Path]

    async def get(self, collection: str, name: str) -> None:
        """Send the file, or the one range asked for, in pieces, as fast as the client takes them."""
        await self._serve(collection, name)

    async def head(self, collection: str, name: str) -> None:
        """The headers that GET would send."""
        await self._serve(collection, name)

    async def _serve(self, collection: str, name: str) -> None:
        try:
            file = await asyncio.to_thread(find_file, self.archive(), collection, name)
        except ArchiveError as error:
            return self._fail(503, str(error))
        if file is None:
            return self._fail(404, f"the archive has no file {name[:200]!r} in a collection {collection[:80]!r}")
        try:
            opened, info = await asyncio.to_thread(open_file, file)
        except PermissionError:
            return self._fail(403, f"{name}: this file may not be read")
        except OSError:
            return self._fail(410, f"{name}: this file is gone since the archive was made")
        name_file(self, Path(name).name)
        # .fits.gz too: its bytes are sent as they are, so Content-Encoding would be wrong (clients would unpack it and
        # save it under a name that says gz); readers of FITS files tell gzip by its first bytes. As access_format says.
        await send_file(self, opened, info, "application/fits")

    def _fail(self, status: int, message: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{message}\n")


def open_file(file: DataFile) -> tuple[BinaryIO, os.stat_result]:
    """Open a file of the archive; OSError where it is gone, PermissionError where it leads out of its root by now."""
    root = file.root.resolve(strict=True)
    location = (root / file.path).resolve(strict=True)
    if not location.is_relative_to(root):
        raise PermissionError(f"{location} is outside {root}")
    return open_regular(location)
