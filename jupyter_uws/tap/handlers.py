"""TAP 1.1 over HTTP, as mixins for a base handler that knows the caller.

The base class authenticates in ``prepare`` and offers ``root`` (the service's absolute URL, with its last slash). It
may set ``query_limits`` there: what this caller is held to, and no jobs; and ``reader_note``, what readers are told.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from ..dali import ErrorMixin
from ..forms import FormMixin, form_handler
from ..methods import MethodsMixin
from ..uws import html
from ..uws.errors import UWSError
from ..uws.uploads import FOLDER, Given, Part, receive, sort_out
from ..vosi import availability_document, tell_age, write_document
from . import jobs, vosi
from .ending import to_the_end
from .engine import Engine, Result
from .errors import TAPError
from .examples import examples_document
from .formats import Writer
from .front import front_page
from .limits import QueryLimits
from .request import QueryRequest, canonical, read_request

#: A client that takes nothing for this many seconds has gone.
PATIENCE = 60.0

if TYPE_CHECKING:
    from ..uws.uploads import Fetcher

    class _Base(RequestHandler):
        root: str
else:
    _Base = object


class _Handler(MethodsMixin, ErrorMixin, _Base):
    """A resource of TAP, for a caller with limits of its own or with those of the engine."""

    engine: Engine
    expected = (TAPError, UWSError)
    query_limits: QueryLimits | None = None
    reader_note: str | None = None

    @property
    def limits(self) -> QueryLimits:
        return self.query_limits or self.engine.limits


class SyncMixin(_Handler, FormMixin):
    """``/tap/sync``: a query and its rows in one request."""

    takes_files = True
    _answering: asyncio.Task[None] | None = None

    def initialize(self, engine: Engine, fetch: Fetcher) -> None:
        self.engine = engine
        self.fetch = fetch

    def body_limit(self) -> int:
        return min(super().body_limit(), self.form_limits.size + self.limits.uploads * self.limits.upload_size)

    async def get(self) -> None:
        await self._answer()

    async def head(self) -> None:
        """What would be answered to GET, as far as it is known without asking the archive."""
        self._describe(read_request(canonical(self.read_form()), self.limits))

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
        values, given = sort_out(self.read_form(), self._parts(), jobs.files(self.limits))
        asked = read_request(canonical(values), self.limits)
        if len(given) > self.limits.uploads:
            raise TAPError(f"UPLOAD names {len(given)} tables, {self.limits.uploads} are allowed")
        if not self.limits.upload_urls and any(isinstance(one.source, str) for one in given):
            raise TAPError("UPLOAD by URL is not possible here: send the table itself, as UPLOAD=NAME,param:PART")
        async with self._uploads(given) as uploads:
            await self._query(asked, uploads)

    async def _query(self, asked: QueryRequest, uploads: Mapping[str, Path]) -> None:
        variables = {"root_url": self.root}
        query = self.engine.query(
            asked.query, maxrec=asked.maxrec, variables=variables, uploads=uploads,
            timeout=None if self.query_limits is None else self.query_limits.duration, limits=self.query_limits,
        )  # fmt: skip
        async with query as result:
            writer = asked.kind.writer(result.fields, asked.query)
            self._describe(asked)
            await self._send(result, writer)

    def _describe(self, asked: QueryRequest) -> None:
        self.set_header("Content-Type", asked.content_type)
        self.set_header("Content-Disposition", f'inline; filename="result.{asked.kind.extension}"')
        self.set_header("X-Content-Type-Options", "nosniff")

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
            found = await receive(given, jobs.files(self.limits), folder / FOLDER, self.fetch)
            yield {upload.filename: folder / upload.path for upload in found}
        finally:
            await to_the_end(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def _send(self, result: Result, writer: Writer) -> None:
        try:
            async for piece in result.written(writer):
                if result.is_over and not self._headers_written:
                    self.write(piece)  # all of it: it goes out with its length
                else:
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
            self.answer_error(error.status, str(error))
        elif isinstance(error, HTTPError) and status_code in (400, 413, 503) and error.log_message:
            self.answer_error(status_code, error.log_message)
        else:
            super().write_error(status_code, **kwargs)


class _DocumentMixin(_Handler):
    def initialize(self, engine: Engine) -> None:
        self.engine = engine

    def tell_age(self) -> None:
        """When the archive was last written, or the service begun."""
        with suppress(OSError):
            tell_age(self, self.engine.path.stat().st_mtime)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, TAPError):
            self.answer_in_words(error.status, str(error))
        else:
            super().write_error(status_code, **kwargs)


class FrontMixin(_DocumentMixin):
    """``/tap``, a page for people."""

    async def get(self) -> None:
        tables, rows = await self.engine.tables(), await self.engine.rows()
        self.set_header("Content-Security-Policy", html.POLICY)
        write_document(self, front_page(self.root, tables.values(), rows, self.reader_note), "text/html")

    head = get


class CapabilitiesMixin(_DocumentMixin):
    """``/tap/capabilities``, as they are for the caller."""

    def initialize(self, engine: Engine, retention: tuple[int, int] = (0, 0)) -> None:
        super().initialize(engine)
        self.retention = retention

    async def get(self) -> None:
        offer = vosi.Offer(self.limits, None if self.query_limits else self.retention, self.reader_note)
        self.tell_age()
        write_document(self, vosi.capabilities(self.root, await self.engine.tables(), offer))

    head = get


class ExamplesMixin(_DocumentMixin):
    """``/tap/examples``."""

    async def get(self) -> None:
        write_document(self, examples_document(await self.engine.tables()), "application/xhtml+xml")

    head = get


class AvailabilityMixin(_DocumentMixin):
    """``/tap/availability``."""

    async def get(self) -> None:
        try:
            await self.engine.tables()
        except TAPError as error:
            write_document(self, availability_document(str(error)))
        else:
            write_document(self, availability_document(note=self.reader_note))

    head = get


class TablesMixin(_DocumentMixin):
    """``/tap/tables`` and ``/tap/tables/<table>``; ``detail=min`` leaves the columns out."""

    async def get(self, name: str | None = None) -> None:
        tables, keys, rows = await self.engine.tables(), await self.engine.keys(), await self.engine.rows()
        self.tell_age()
        if name is None:
            write_document(self, vosi.tables_document(tables, keys, rows, columns=self._detail() == "max"))
        elif table := tables.get(name) or tables.get(name.lower()):  # ADQL does not look at the case either
            write_document(self, vosi.table_document(table, keys, rows))
        else:
            raise HTTPError(404, f"there is no table {name[:100]!r}; the tables are listed at {self.root}tap/tables")

    head = get

    def _detail(self) -> str:
        """``detail``, its name and value in any case; columns come with the tables unless it is ``min``."""
        given = self.request.query_arguments.items()
        found = {text for name, values in given if name.lower() == "detail" for text in map(_word, values) if text}
        if not found <= {"min", "max"} or len(found) > 1:
            raise HTTPError(400, f"detail: {', '.join(sorted(found))[:40]!r} is not known; min and max are")
        return found.pop() if found else "max"


def _word(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip().lower()


def make_routes(
    base: type[RequestHandler], engine: Engine, fetch: Fetcher, retention: tuple[int, int] = (30 * 86400, 365 * 86400)
) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """The routes of TAP but ``/tap/async``, for handlers derived from ``base`` (see the module's text).

    ``fetch`` gets the tables that clients upload by URL; ``retention`` is for how long asynchronous queries are kept,
    in seconds, by default and at most.
    """

    def handler(mixin: type) -> type[RequestHandler]:
        return type(mixin.__name__.removesuffix("Mixin") + "Handler", (mixin, base), {})

    arguments = {"engine": engine}
    return [
        (r"/tap/?", handler(FrontMixin), arguments),
        (r"/tap/sync", form_handler(SyncMixin, base), {**arguments, "fetch": fetch}),
        (r"/tap/capabilities", handler(CapabilitiesMixin), {**arguments, "retention": retention}),
        (r"/tap/examples", handler(ExamplesMixin), arguments),
        (r"/tap/availability", handler(AvailabilityMixin), arguments),
        (r"/tap/tables", handler(TablesMixin), arguments),
        (r"/tap/tables/([^/]+)", handler(TablesMixin), arguments),
    ]
