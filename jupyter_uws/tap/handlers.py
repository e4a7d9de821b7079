"""TAP 1.1 over HTTP, as mixins for a base handler that knows the caller.

The base class authenticates in ``prepare`` and offers ``owner`` (who calls) and ``root`` (the service's
absolute URL, with its last slash).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from ..forms import FormMixin, form_handler
from ..vosi import availability_document
from . import vosi, votable
from .engine import Engine, Result
from .errors import Overloaded, TAPError
from .formats import Format, Writer, find_format

#: A client that takes nothing for this many seconds has gone.
PATIENCE = 60.0

_LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
_SINGLE = ("REQUEST", "LANG", "QUERY", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RUNID")

if TYPE_CHECKING:

    class _Handler(RequestHandler):
        owner: str
        root: str
else:
    _Handler = object


class SyncMixin(FormMixin, _Handler):
    """``/tap/sync``: a query and its rows in one request."""

    _answering: asyncio.Task[None] | None = None

    def initialize(self, engine: Engine) -> None:
        self.engine = engine

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
        parameters = _parameters(self.read_form())
        _check(parameters)
        kind = find_format(parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT"))
        maxrec = _maxrec(parameters.get("MAXREC"))
        query = parameters["QUERY"]
        async with self.engine.query(query, maxrec=maxrec, variables={"root_url": self.root}) as result:
            writer = kind.writer(result.fields, query)
            self.set_header("Content-Type", _content_type(kind, parameters))
            self.set_header("Content-Disposition", f'inline; filename="result.{kind.extension}"')
            self.set_header("X-Content-Type-Options", "nosniff")
            await self._send(result, writer)

    async def _send(self, result: Result, writer: Writer) -> None:
        self.write(writer.start())
        try:
            async for chunk in result.encoded(writer.rows):
                await self._write(chunk)
            self.write(writer.end(overflow=result.overflow))
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
        if isinstance(error, TAPError):
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
        if not isinstance(value, TAPError):
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
        self.document(vosi.capabilities(self.root, await self.engine.tables(), self.engine.timeout))

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


def make_routes(base: type[RequestHandler], engine: Engine) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """The routes of TAP, for handlers derived from ``base`` (see the module's text)."""

    def handler(mixin: type) -> type[RequestHandler]:
        return type(mixin.__name__.removesuffix("Mixin") + "Handler", (mixin, base), {})

    arguments = {"engine": engine}
    return [
        (r"/tap/sync", form_handler(SyncMixin, base), arguments),
        (r"/tap/capabilities", handler(CapabilitiesMixin), arguments),
        (r"/tap/availability", handler(AvailabilityMixin), arguments),
        (r"/tap/tables", handler(TablesMixin), arguments),
        (r"/tap/tables/([^/]+)", handler(TablesMixin), arguments),
    ]


def _parameters(form: Mapping[str, list[str]]) -> dict[str, str]:
    """DALI's parameters by upper-case name; names that TAP does not know are ignored."""
    found: dict[str, list[str]] = {}
    for name, values in form.items():
        found.setdefault(name.upper(), []).extend(values)
    for name in _SINGLE:
        if len(set(found.get(name, ()))) > 1:
            raise TAPError(f"{name} is given {len(found[name])} times with different values; give it once")
    return {name: values[0] for name, values in found.items()}


def _check(parameters: Mapping[str, str]) -> None:
    request = parameters.get("REQUEST", "doQuery")
    if request.lower() != "doquery":
        raise TAPError(f"REQUEST: {request[:40]!r} is not known; doQuery is")
    language = parameters.get("LANG", "ADQL")
    if language.upper() not in _LANGUAGES:
        raise TAPError(f"LANG: {language[:40]!r} is not known; {', '.join(_LANGUAGES)} are")
    if not parameters.get("QUERY", "").strip():
        raise TAPError("QUERY is missing: give an ADQL query, such as SELECT TOP 5 * FROM ivoa.obscore")
    if parameters.get("UPLOAD"):
        raise TAPError("UPLOAD: tables cannot be uploaded to this service")


def _maxrec(given: str | None) -> int:
    if given is None or not given.strip():
        return vosi.DEFAULT_MAXREC
    if not given.strip().isascii() or not given.strip().isdigit():
        raise TAPError(f"MAXREC: {given[:40]!r} is not a whole number of rows, 0 or more")
    return min(int(given.strip()[:18]), vosi.HARD_MAXREC)


def _content_type(kind: Format, parameters: Mapping[str, str]) -> str:
    """What was asked for by a MIME type of its own is called so in the answer."""
    asked = (parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT") or "").strip().lower()
    return asked if asked in ("text/xml", "application/x-votable+xml") else kind.content_type
