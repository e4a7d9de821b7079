"""TAP 1.1 over HTTP, as mixins for a base handler that knows the caller.

The base class authenticates in ``prepare`` and offers ``owner`` (who calls) and ``root`` (the service's
absolute URL, with its last slash).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from ..forms import FormMixin, form_handler
from ..uws.errors import UWSError
from ..uws.uploads import FOLDER, Given, Part, receive, sort_out
from ..vosi import availability_document
from . import jobs, limits, vosi, votable
from .engine import Engine, Result
from .errors import Overloaded, TAPError
from .examples import examples_document
from .formats import Writer
from .request import QueryRequest, canonical, read_request

#: A client that takes nothing for this many seconds has gone.
PATIENCE = 60.0

if TYPE_CHECKING:
    from ..uws.uploads import Fetcher

    class _Handler(RequestHandler):
        owner: str
        root: str
else:
    _Handler = object


class SyncMixin(FormMixin, _Handler):
    """``/tap/sync``: a query and its rows in one request."""

    takes_files = True
    _answering: asyncio.Task[None] | None = None

    def initialize(self, engine: Engine, fetch: Fetcher) -> None:
        self.engine = engine
        self.fetch = fetch

    async def get(self) -> None:
        await self._answer()

    async def post(self) -> None:
        await self._answer()

    async def _answer(self) -> None:
        self._answering = asyncio.ensure_future(self._run())
        try:
            await self._answering
        except asyncio.CancelledError:
            if not self._answering.cancelled():
                raise

    def on_connection_close(self) -> None:
        if self._answering is not None:
            self._answering.cancel()  # nobody reads the rows: stop the query
        super().on_connection_close()

    async def _run(self) -> None:
        values, given = sort_out(self.read_form(), self._parts(), jobs.FILES)
        asked = read_request(canonical(values))
        if len(given) > limits.UPLOAD_TABLES:
            raise TAPError(f"UPLOAD names {len(given)} tables, {limits.UPLOAD_TABLES} are allowed")
        async with self._uploads(given) as uploads:
            await self._query(asked, uploads)

    async def _query(self, asked: QueryRequest, uploads: Mapping[str, Path]) -> None:
        variables = {"root_url": self.root}
        query = self.engine.query(asked.query, maxrec=asked.maxrec, variables=variables, uploads=uploads)
        async with query as result:
            writer = asked.kind.writer(result.fields, asked.query)
            self.set_header("Content-Type", asked.content_type)
            self.set_header("Content-Disposition", f'inline; filename="result.{asked.kind.extension}"')
            self.set_header("X-Content-Type-Options", "nosniff")
            await self._send(result, writer)

    def _parts(self) -> list[Part]:
        return [
            Part(file.name, file.filename, file.content_type, file.path, file.size, file.sha256)
            for file in self.sent_files
        ]

    @asynccontextmanager
    async def _uploads(self, given: Sequence[Given]) -> AsyncIterator[dict[str, Path]]:
        """The uploaded tables as files by name, for as long as the query needs them."""
        if not given:
            yield {}
            return
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self.settings.get("incoming"), prefix="query-"))
        try:
            found = await receive(given, jobs.FILES, folder / FOLDER, self.fetch)
            yield {upload.filename: folder / upload.path for upload in found}
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _send(self, result: Result, writer: Writer) -> None:
        try:
            async for piece in result.written(writer):
                await self._write(piece)
        except StreamClosedError:
            return
        except TAPError as error:
            if not self._headers_written:
                self.clear()
                raise
            # the rows break off after the head went out: say so, or break the connection
            last = writer.broken(str(error))
            if last is None:
                self.request.connection.stream.close()  # type: ignore[union-attr]
                return
            self.write(last)

    async def _write(self, chunk: bytes) -> None:
        self.write(chunk)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.flush()
        except TimeoutError:
            self.request.connection.stream.close()  # type: ignore[union-attr]
            raise StreamClosedError from None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors of a query are VOTables (DALI 1.1, section 4.2)."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, TAPError | UWSError):
            status_code, message = error.status, str(error)
            if isinstance(error, Overloaded):
                self.set_header("Retry-After", "5")
        elif isinstance(error, HTTPError) and status_code in (400, 413, 503) and error.log_message:
            message = error.log_message
        else:
            super().write_error(status_code, **kwargs)
            return
        self.set_status(status_code)
        self.set_header("Content-Type", "text/xml; charset=UTF-8")
        self.set_header("Connection", "close")  # a body that was refused is left unread
        self.finish(votable.error_document(message))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not isinstance(value, TAPError | UWSError):
            super().log_exception(typ, value, tb)


class _DocumentMixin(_Handler):
    def initialize(self, engine: Engine) -> None:
        self.engine = engine

    def document(self, content: str) -> None:
        self.set_header("Content-Type", "text/xml; charset=UTF-8")
        self.write(content)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, TAPError):
            self.set_status(error.status)
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.finish(str(error) + "\n")
        else:
            super().write_error(status_code, **kwargs)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not isinstance(value, TAPError):
            super().log_exception(typ, value, tb)


class CapabilitiesMixin(_DocumentMixin):
    """``/tap/capabilities``."""

    async def get(self) -> None:
        self.document(vosi.capabilities(self.root, await self.engine.tables()))

    head = get


class ExamplesMixin(_DocumentMixin):
    """``/tap/examples``."""

    async def get(self) -> None:
        page = examples_document(await self.engine.tables())
        self.set_header("Content-Type", "application/xhtml+xml; charset=UTF-8")
        self.write(page)

    head = get


class AvailabilityMixin(_DocumentMixin):
    """``/tap/availability``."""

    async def get(self) -> None:
        try:
            await self.engine.tables()
        except TAPError as error:
            self.document(availability_document(str(error)))
        else:
            self.document(availability_document())

    head = get


class TablesMixin(_DocumentMixin):
    """``/tap/tables`` and ``/tap/tables/<table>``; ``detail=min`` leaves the columns out."""

    async def get(self, name: str | None = None) -> None:
        tables, keys = await self.engine.tables(), await self.engine.keys()
        if name is None:
            detail = self.get_query_argument("detail", self.get_query_argument("DETAIL", "max"))
            if detail not in ("min", "max"):
                raise HTTPError(400, f"detail: {detail[:40]!r} is not known; min and max are")
            self.document(vosi.tables_document(tables, keys, columns=detail == "max"))
        elif name in tables:
            self.document(vosi.table_document(tables[name], keys))
        else:
            raise HTTPError(404, f"there is no table {name[:100]!r}")

    head = get


def make_routes(
    base: type[RequestHandler], engine: Engine, fetch: Fetcher
) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """The routes of TAP but ``/tap/async``, for handlers derived from ``base`` (see the module's text).

    ``fetch`` gets the tables that clients upload by URL.
    """

    def handler(mixin: type) -> type[RequestHandler]:
        return type(mixin.__name__.removesuffix("Mixin") + "Handler", (mixin, base), {})

    arguments = {"engine": engine}
    return [
        (r"/tap/sync", form_handler(SyncMixin, base), {**arguments, "fetch": fetch}),
        (r"/tap/capabilities", handler(CapabilitiesMixin), arguments),
        (r"/tap/examples", handler(ExamplesMixin), arguments),
        (r"/tap/availability", handler(AvailabilityMixin), arguments),
        (r"/tap/tables", handler(TablesMixin), arguments),
        (r"/tap/tables/([^/]+)", handler(TablesMixin), arguments),
    ]
