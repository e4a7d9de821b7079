"""The archive the service serves: there, or in the making."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, HTTPError, RequestHandler

from ..archive.paths import default_archive
from ..forms import FormLimits
from ..jobs.descriptor import runs_parameter, service_resource
from ..jobs.registry import Registry
from ..tap.limits import DEFAULT, QueryLimits
from .allocator import keep_freed_memory
from .anonymous import OWNER, AnonymousReaders
from .callers import Access
from .handlers import NotFoundHandler, ServiceHandler, log_request

if TYPE_CHECKING:
    from ..archive.links import Processing
    from ..tap.engine import Engine
    from ..uws.uploads import Fetcher

logger = logging.getLogger(__name__)

#: A request waits this long [s] for an archive in the making.
PATIENCE = 60.0


class ArchiveError(Exception):
    """The archive cannot be served; one sentence."""


class ServedArchive:
    """The archive file, made from the simulated store where the user has none yet.

    So is one of an earlier version that has nothing else in it, when the archive is first asked for. Making it takes
    seconds of processor time, so a child process does it while the service answers already; requests for the archive
    wait for :meth:`ready`.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path or default_archive()
        self._is_default = path is None
        self._made: asyncio.Task[None] | None = None
        if path is not None and not path.is_file():
            raise ArchiveError(
                f"there is no archive {path}; make one with: jupyter uws archive add DIR --archive {path}"
            )

    def open(self) -> None:
        """Begin to make the archive if there is none; needs the event loop."""
        if not self.path.exists():
            self._made = asyncio.get_running_loop().create_task(self._simulate())

    async def _renew(self) -> None:
        from ..archive.demo import is_outdated  # with DuckDB, which whoever asks for the archive needs anyway

        if await asyncio.to_thread(is_outdated, self.path):
            await self._simulate()

    async def _simulate(self) -> None:
        logger.info("making the simulated archive, %s", self.path)
        command = [sys.executable, "-m", "jupyter_uws", "archive", "simulate", "--archive", str(self.path)]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode != 0:
            lines = errors.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise ArchiveError(f"the simulated archive could not be made: {lines[-1]}")

    async def ready(self) -> None:
        """Wait until the archive is there. Raises HTTPError 503 with the reason where it is not."""
        if self._made is None and self._is_default:
            self._made = asyncio.get_running_loop().create_task(self._renew())
        if self._made is not None:
            try:
                await asyncio.wait_for(asyncio.shield(self._made), PATIENCE)
            except TimeoutError:
                raise HTTPError(503, "the simulated archive is still being made; ask again in a moment") from None
            except ArchiveError as error:
                raise HTTPError(503, str(error)) from None
        if not self.path.exists():
            raise HTTPError(503, f"the archive {self.path} is not there any more; add a data store to it again")

    async def close(self) -> None:
        if self._made is not None and not self._made.done():
            self._made.cancel()
            await asyncio.gather(self._made, return_exceptions=True)


@dataclass(frozen=True)
class Readers:
    """What queries may come to, for how long asynchronous ones are kept (by default, at most; seconds), and what
    anonymous readers may; None where there are none.
    """

    limits: QueryLimits = DEFAULT
    retention: tuple[int, int] = (30 * 86400, 365 * 86400)
    anonymous: AnonymousReaders | None = None


@dataclass(frozen=True)
class Folders:
    """Where the files of forms lie until they are taken, pictures until others need their room, and what queries put on
    disk while they work.
    """

    incoming: Path
    pictures: Path
    spill: Path


class ArchiveRoutes(Router):
    """``/tap``, ``/datalink`` and ``/files``, made at the first request for one of them.

    DuckDB, Arrow and the ADQL parser are half of the memory of an idle service; they are loaded
    all at once when somebody searches.
    """

    def __init__(
        self,
        archive: ServedArchive,
        access: Access,
        form_limits: FormLimits,
        registry: Registry,
        folders: Folders,
        fetch: Fetcher,
        readers: Readers,
    ) -> None:
        self._readers = readers
        self._archive = archive
        self._registry = registry
        self._pictures = folders.pictures
        self._spill = folders.spill
        self._fetch = fetch
        self._settings: dict[str, Any] = {"access": access, "form_limits": form_limits, "incoming": folders.incoming}
        self._application: Application | None = None
        self._engine: Engine | None = None

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        if self._application is None:
            self._application = self._make()
        return self._application.find_handler(request)

    def _make(self) -> Application:
        from ..archive import datalink_handlers as datalink
        from ..archive import handlers as files
        from ..tap import handlers as tap

        base = archive_handler(self._archive, self._readers.anonymous)

        def path() -> Path:
            return self._archive.path

        routes: list[Any] = [
            *tap.make_routes(base, self._open(), self._fetch, self._readers.retention),
            *datalink.make_routes(base, path, self._pictures, self._processings),
            *files.make_routes(base, path),
        ]
        return Application(routes, default_handler_class=NotFoundHandler, log_function=log_request, **self._settings)

    def _processings(self, root: str) -> list[Processing]:
        """The job types that take runs, as services that links refer to."""
        from ..archive.datalink import ID_FIELD
        from ..archive.links import Processing

        return [
            Processing(
                name,
                description.title or name,
                service_resource(description, f"{root}uws/{name}", field=ID_FIELD),
            )
            for name, description in self._registry.items()
            if runs_parameter(description) is not None
        ]

    def _open(self) -> Engine:
        if self._engine is None:
            from ..tap.engine import Engine

            keep_freed_memory()
            limits = self._readers.limits
            self._engine = Engine(
                self._archive.path,
                memory=limits.memory,
                spill=self._spill,
                timeout=limits.duration,
                max_queries=limits.queries,
                max_waiting=limits.waiting,
                limits=limits,
            )
        return self._engine

    async def engine(self) -> Engine:
        """The engine of the archive, once that is there. Raises TAPError where it is not."""
        from ..tap.errors import ArchiveUnavailable

        try:
            await self._archive.ready()
        except HTTPError as error:
            raise ArchiveUnavailable(str(error.log_message)) from None
        return self._open()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def archive_handler(archive: ServedArchive, anonymous: AnonymousReaders | None = None) -> type[RequestHandler]:
    """The base of handlers that need the archive: they begin when it is there, and let ``anonymous`` readers in."""

    class ArchiveHandler(ServiceHandler):
        query_limits: QueryLimits | None = None
        reader_note: str | None = None
        open_to_anonymous = anonymous is not None

        async def prepare(self) -> None:
            started: Awaitable[None] | None = super().prepare()
            if started is not None:
                await started
            self.reader_note = None if anonymous is None else anonymous.note
            await archive.ready()

        def admit_anonymous(self) -> bool:
            if anonymous is None:
                return False
            anonymous.enter(query=self._is_query())
            self.is_anonymous, self.query_limits = True, anonymous.limits
            self.owner, self.root = OWNER, self._own_root()
            return True

        def _is_query(self) -> bool:
            return self.request.path == "/tap/sync"

        def _leave(self) -> None:
            if self._entered and self.is_anonymous and anonymous is not None:
                anonymous.leave(query=self._is_query())
            super()._leave()

    return ArchiveHandler
