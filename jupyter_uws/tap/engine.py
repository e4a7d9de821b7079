"""Runs queries on the archive's file: in threads, with bounds on time, memory, rows and number."""

from __future__ import annotations

import asyncio
import functools
import logging
import shutil
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from .adql import MOST_GATHERED, Query, translate
from .advice import of_types
from .ending import to_the_end
from .errors import ADQLError, Overloaded, QueryTimeout, TAPError
from .fields import Field, conform, field_of
from .formats import Writer
from .identity import file_identity
from .limits import DEFAULT, QueryLimits
from .schema import ForeignKey, Table
from .scope import output_names
from .snapshot import Snapshot, first_line
from .trees import Trees
from .uploads import read_upload

logger = logging.getLogger(__name__)

BATCH_ROWS = 8192  # facts: fastest for the encoders, and short enough for the other threads

#: Bytes that are sent together, where they are there.
PIECE = 2**17

# the copy that DuckDB warns of is one of few rows, and costs less than to plan the query twice
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", module=r"duckdb|jupyter_uws\.tap")

# seconds that an interrupted query may take to end, before its thread is left to itself
_LAST_WORD = 5.0

T = TypeVar("T")


class Engine:
    """The queries of one archive file.

    Parameters
    ----------
    path
        The DuckDB file. It may be replaced while the service runs: later queries see the new one.
    threads, memory
        What a query may use, of processors and bytes; short ones together use as much as one other. Beside another long
        query, a long one has one thread.
    spill
        A folder that nobody else uses, for what long queries may put on disk, ``limits.disk`` each; what is in it is
        removed. None where they may not.
    timeout
        Seconds that a query may work. The time its client takes to read does not count.
    max_queries, max_short, max_waiting
        How many queries run at a time, and how many more wait (up to ``timeout``) before they are refused. Short
        queries (:class:`~jupyter_uws.tap.adql.Query`) have places of their own, so that they need not wait for long
        ones.
    limits
        What uploaded tables are held to, and what callers are told.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int = 2,
        memory: int = DEFAULT.memory,
        spill: Path | None = None,
        timeout: float = 60.0,
        max_queries: int = 4,
        max_short: int = 4,
        max_waiting: int = 64,
        limits: QueryLimits = DEFAULT,
    ) -> None:
        self.path = Path(path)
        self.timeout = timeout
        self.limits = limits
        self.memory = memory
        self.spill = spill
        if spill:
            shutil.rmtree(spill, ignore_errors=True)  # what a service that was killed left there
            spill.mkdir(mode=0o700, parents=True)
        self._threads = threads
        self._pool = ThreadPoolExecutor(max_queries + max_short, thread_name_prefix="tap")
        self._long = _Lane(max_queries, max_waiting)
        self._short = _Lane(max_short, max_waiting)
        self._closed = False
        self.active: set[Result] = set()
        self._snapshot: Snapshot | None = None
        self._opening = asyncio.Lock()
        self.trees = Trees()

    async def tables(self) -> dict[str, Table]:
        """The tables that can be queried, by name. Raises ArchiveUnavailable."""
        return (await self._current()).tables

    async def keys(self) -> tuple[ForeignKey, ...]:
        """The foreign keys between them."""
        return (await self._current()).keys

    async def rows(self) -> dict[str, int]:
        """How many rows each of the tables has."""
        return await asyncio.to_thread((await self._current()).rows)

    @property
    def waiting(self) -> int:
        """How many queries wait for a place."""
        return self._long.waiting + self._short.waiting

    @asynccontextmanager
    async def query(
        self,
        adql: str,
        *,
        maxrec: int,
        variables: Mapping[str, str] | None = None,
        uploads: Mapping[str, Path] | None = None,
        timeout: float | None = None,
        waits: bool = False,
        limits: QueryLimits | None = None,
    ) -> AsyncIterator[Result]:
        """Run one query; gives a :class:`Result` of at most ``maxrec`` rows, its first rows already there.

        ``variables`` is what views of the archive may ask for by getvariable(), such as ``root_url``; ``uploads``
        are files that the query knows as the tables ``TAP_UPLOAD.<name>``. ``timeout`` [s] holds instead of the
        engine's, and so do ``limits`` for the uploads; a query that ``waits`` is never refused for want of a place,
        whoever runs it bounds its wait.
        Raises :class:`TAPError` (bad query, time-out, too many queries, no archive). Cancelling the task
        interrupts the query.
        """
        snapshot, translated = await self._current(), None
        if not uploads:  # a query on tables that are not there yet is translated when they are
            translated = await asyncio.to_thread(translate, adql, snapshot.tables, limit=maxrec + 1, trees=self.trees)
        lane = self._short if translated is not None and translated.is_short else self._long
        async with lane.place(None if waits else self.timeout):
            latest = await self._current()
            if latest is not snapshot:  # the file was replaced while the query waited
                snapshot, translated = latest, None
            result = Result(
                self, snapshot, adql, translated, maxrec, variables or {}, uploads or {}, timeout or self.timeout
            )
            result.limits = limits or self.limits
            self.active.add(result)
            try:
                await result.start()
                yield result
            finally:
                await to_the_end(self._ended(result))

    async def _ended(self, result: Result) -> None:
        try:
            await result.close()
        finally:
            self.active.discard(result)

    def close(self) -> None:
        """Interrupt all queries and end the threads."""
        for result in self.active:
            result.stop()
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._snapshot = None

    async def _current(self) -> Snapshot:
        async with self._opening:
            identity = file_identity(self.path)
            if self._snapshot is None or self._snapshot.identity != identity:
                opened = functools.partial(
                    Snapshot,
                    self.path,
                    threads=self._threads,
                    memory=self.memory,
                    spill=self.spill,
                    disk=self.limits.disk,
                )
                self._snapshot = await asyncio.to_thread(opened)  # the pool may be full of queries
            return self._snapshot

    def in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        if self._closed:
            raise QueryTimeout("the query was stopped")
        return asyncio.get_running_loop().run_in_executor(self._pool, work)


class _Lane:
    """Places for so many queries at a time; others wait, so many of them, in the order in which they came."""

    def __init__(self, places: int, max_waiting: int) -> None:
        self._places = asyncio.Semaphore(places)
        self.waiting = 0
        self._max_waiting = max_waiting

    @asynccontextmanager
    async def place(self, patience: float | None) -> AsyncIterator[None]:
        """A place for one query. One without ``patience`` [s] waits as long as it takes, and is not counted."""
        counts = patience is not None
        if counts and self._places.locked() and self.waiting >= self._max_waiting:
            raise Overloaded("too many queries are waiting: try again later")
        self.waiting += counts
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise Overloaded("too many queries are running: try again later") from None
        finally:
            self.waiting -= counts
        try:
            yield
        finally:
            self._places.release()


class Result:
    """The rows of one query, in batches. ``overflow`` is right once the batches are exhausted.

    ``is_over`` is true once :meth:`written` has given its last piece.
    """

    def __init__(
        self,
        engine: Engine,
        snapshot: Snapshot,
        adql: str,
        translated: Query | None,
        maxrec: int,
        variables: Mapping[str, str],
        uploads: Mapping[str, Path],
        timeout: float,
    ) -> None:
        self.adql = adql
        self.fields: list[Field] = []
        self.overflow = False
        self.rows = 0
        self.is_over = False
        self.limits = engine.limits
        self._engine = engine
        self._snapshot = snapshot
        self._translated = translated
        self._maxrec = self._most = maxrec
        self._by_top = False
        self._variables = variables
        self._uploads = uploads
        self._timeout = timeout
        self._database: duckdb.DuckDBPyConnection | None = None
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._reader: pa.RecordBatchReader | None = None
        self._first: pa.RecordBatch | None = None
        self._work: asyncio.Future[object] | None = None
        self._ahead: asyncio.Task[bytes] | None = None
        self._spent = 0.0
        self._stopped = False
        self._come_soon = False  # its rows come at once, so that the first need not be sent before the next
        self._is_whole = False  # all rows have been read from the archive

    async def start(self) -> None:
        """Translate, execute, and read the first rows: most errors come up here."""

        def begin() -> None:
            self._open()
            self._first = self._read()

        await self._bounded(begin)

    async def written(self, writer: Writer) -> AsyncIterator[bytes]:
        """The result as ``writer`` writes it, in pieces; it works in a thread, on the next piece while one is sent."""
        is_last = False

        def parts() -> Iterator[bytes]:
            yield writer.start()
            while True:
                batch, self._first = (self._first, None) if self._first is not None else (self._read(), None)
                if batch is None:
                    break
                yield writer.rows(batch)
            # no rows tell of an overflow without a look (DALI 1.1, section 3.4.4)
            yield from writer.end(overflow=self.overflow or self._maxrec == 0)

        waiting = parts()

        def piece() -> bytes:
            """As many parts as need no waiting, up to a size."""
            nonlocal is_last
            found, size = [], 0
            for part in waiting:
                found.append(part)
                size += len(part)
                if size > PIECE or (size and not self._come_soon and self._first is None):
                    return b"".join(found)
            is_last = True
            return b"".join(found)

        while not self.is_over:
            ready = await (self._ahead or self._bounded(piece))
            self.is_over = is_last
            self._ahead = None if is_last else asyncio.create_task(self._bounded(piece))
            if ready:
                yield ready

    async def close(self) -> None:
        """Interrupt what still runs and let go of the file."""
        is_done = self.is_over and self._is_whole and not self._stopped
        await self._interrupt()
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
        self._reader = None
        cursor, database, self._cursor, self._database = self._cursor, self._database, None, None
        if self._work is None or self._work.done():
            if cursor is not None:
                if is_done and database is None:
                    self._snapshot.keep(cursor, self._variables)
                else:
                    cursor.close()
            if database is not None:
                await asyncio.to_thread(self._snapshot.take_back, database)

    # in the pool's threads

    def _open(self) -> None:
        if self._translated is None or not self._translated.is_short:
            self._database = self._snapshot.borrow()
        cursor = self._cursor = self._snapshot.cursor(self._variables, self._database)
        self._go_on()
        uploaded = {table.name: table for table in self._take_uploads(cursor)}
        query = self._translated
        if query is None:
            query = translate(self.adql, {**self._snapshot.tables, **uploaded}, limit=self._maxrec + 1)
        if query.top is not None and query.top <= self._maxrec:
            self._most, self._by_top = query.top, True
        ascii_only = [
            all(self._snapshot.is_ascii(leaf, cursor, uploaded) for leaf in value.leaves) for value in query.values
        ]
        are_few = query.most is not None and query.most <= MOST_GATHERED
        self._reader = reader = self._found(query, cursor, are_few)
        self._come_soon = are_few or query.is_short
        self.fields = _fields(query, reader.schema, ascii_only)

    def _found(self, query: Query, cursor: duckdb.DuckDBPyConnection, are_few: bool) -> pa.RecordBatchReader:
        by_pages = self._snapshot.cone(query, self._variables, BATCH_ROWS)
        if by_pages is not None:
            return by_pages
        # few rows are planned once, and gathered; to send rows as they are found, DuckDB plans twice
        found = cursor.execute(query.sql) if are_few else cursor.sql(query.sql)
        return found.to_arrow_reader(BATCH_ROWS)

    def _go_on(self) -> None:
        """Raises QueryTimeout where the query is not to go on: an interrupt before it runs in DuckDB is lost."""
        if self._stopped:
            raise QueryTimeout("the query was stopped")

    def _take_uploads(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[Table]:
        """Make temporary tables of the uploads, which only this cursor sees, and which end with it."""
        for name, path in self._uploads.items():
            table, rows = read_upload(name, path, self.limits)
            self._go_on()
            cursor.register("_arriving", rows)
            cursor.execute(f"CREATE TEMPORARY TABLE {table.sql} AS FROM _arriving")
            cursor.unregister("_arriving")
            yield table

    def _read(self) -> pa.RecordBatch | None:
        """The next batch, each column in the Arrow type of its field; None at the end."""
        while self._reader is not None:
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                self._is_whole = True
                return None
            if self.rows + batch.num_rows > self._most:
                batch = batch.slice(0, self._most - self.rows)
                self.overflow = not self._by_top
                self._reader = None
            if batch.num_rows:
                self.rows += batch.num_rows
                arrays = [conform(array, field) for array, field in zip(batch.columns, self.fields, strict=True)]
                return pa.RecordBatch.from_arrays(arrays, names=[field.name for field in self.fields])
        return None

    # in the event loop

    async def _bounded(self, work: Callable[[], T]) -> T:
        """Do ``work`` in a thread within what is left of the query's time."""

        def guarded() -> T:
            self._go_on()
            return work()

        began = time.monotonic()
        future = self._engine.in_thread(guarded)
        self._work = future  # type: ignore[assignment]
        try:
            done, _ = await asyncio.wait([future], timeout=max(self._timeout - self._spent, 0.0))
            if not done:
                await self._interrupt()
                raise QueryTimeout(f"the query took longer than {self._timeout:g} s and was stopped")
            return future.result()
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _explained(error, self._engine) from None
        finally:
            self._spent += time.monotonic() - began

    def stop(self) -> None:
        """Interrupt the query; whoever reads it gets QueryTimeout."""
        self._stopped = True
        if self._cursor is not None:
            self._cursor.interrupt()

    async def _interrupt(self) -> None:
        self._stopped = True
        deadline = time.monotonic() + _LAST_WORD
        while self._work is not None and not self._work.done():
            if time.monotonic() > deadline:
                logger.warning("a query did not end within %g s of its interruption: %s", _LAST_WORD, self.adql[:1000])
                return
            self.stop()  # again and again: an interrupt that comes before the engine has begun is lost
            await asyncio.wait([self._work], timeout=0.02)
        if self._work is not None and not self._work.cancelled():
            self._work.exception()  # seen; the reason for the interruption is told by whoever asked for it


def _fields(query: Query, schema: pa.Schema, ascii_only: list[bool]) -> list[Field]:
    names = output_names(query.values)
    return [
        field_of(value, name, kind, ascii_only=ascii)
        for value, name, kind, ascii in zip(query.values, names, schema.types, ascii_only, strict=True)
    ]


def _explained(error: Exception, engine: Engine) -> TAPError:
    """DuckDB's error as one clear sentence, with what the query was held to."""
    message = str(error)
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT" in message:
        return QueryTimeout("the query was stopped")
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in message:
        disk = f", and {engine.limits.disk / 2**20:.0f} MiB on disk," if engine.spill and engine.limits.disk else ""
        return TAPError(
            f"the query needs more than the {engine.memory / 2**20:.0f} MiB of memory{disk} that a query may use here:"
            " narrow it, by position or time, before it sorts, joins or groups, or select fewer columns"
        )
    if "Max expression depth" in message:
        return ADQLError("the query is nested too deeply")
    if (reason := of_types(message)) is not None:
        return ADQLError(reason)
    if isinstance(error, (duckdb.BinderException, duckdb.ParserException)):
        return ADQLError(first_line(error))
    return TAPError(f"the query failed: {first_line(error)}")
