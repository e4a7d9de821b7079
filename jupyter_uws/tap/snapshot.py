"""A DuckDB file as it was when it was opened: locked down, with its TAP_SCHEMA."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from . import udfs
from .adql import CATALOG, Query
from .ascii import look_up, read_notes
from .errors import ArchiveUnavailable
from .fields import TEXTS
from .identity import file_identity
from .pages import read_pages
from .places import read_sky
from .schema import ForeignKey, Table, read_keys, read_tap_schema
from .scope import NOT_ASCII, Leaf, sql_identifier, sql_text

_MAX_MESSAGE = 300  # characters: DuckDB quotes values of any length

#: Cursors that are kept for the next queries.
IDLE_CURSORS = 4


class Snapshot:
    """One opened file. It is attached to databases in memory, so that a file that was put in its place meanwhile can be
    opened beside it.

    ``memory`` [bytes] is what a database may use: the one that short queries share, and each that a long query has for
    itself, so that it cannot take the memory of others. ``threads`` are for the short ones, and for one long query at a
    time; others beside it have one each. Where a long one needs more than its memory, it may put ``disk`` bytes into a
    folder of its own in the folder ``spill``, which is removed with its database.
    """

    def __init__(self, path: Path, *, threads: int, memory: int, spill: Path | None = None, disk: int = 0) -> None:
        self.identity = file_identity(path)
        self._path = path
        self._threads = threads
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory}B",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._spill, self._disk = spill, disk
        self._shared = self._connect({"threads": threads})
        self._kept: duckdb.DuckDBPyConnection | None = None
        self._is_lent = False
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._rows: dict[str, int] | None = None
        self._idle: list[tuple[Mapping[str, str], duckdb.DuckDBPyConnection]] = []
        try:
            with contextlib.closing(self._shared.cursor()) as cursor:
                cursor.execute(f"USE {CATALOG}")
                self.tables: dict[str, Table] = read_sky(cursor, read_tap_schema(cursor))
                self.keys: tuple[ForeignKey, ...] = read_keys(cursor)
                self._ascii = read_notes(cursor)
                self._pages = read_pages(cursor, path, self.tables)
            self._numbers = {
                (table.name, column.name)
                for table in self.tables.values()
                for column in table.columns
                if column.datatype not in TEXTS
            }
        except duckdb.Error as error:
            self._shared.close()
            raise self._unavailable(error) from None

    def _connect(self, config: Mapping[str, str | int]) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:", config={**self._config, **config})
        try:
            udfs.register(connection)
            connection.execute(f"ATTACH {sql_text(str(self._path))} AS {CATALOG} (READ_ONLY)")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            connection.close()
            raise self._unavailable(error) from None
        return connection

    def _unavailable(self, error: Exception) -> ArchiveUnavailable:
        return ArchiveUnavailable(f"the archive {self._path.name} cannot be opened: {first_line(error)}")

    def borrow(self) -> duckdb.DuckDBPyConnection:
        """A database for one query alone, to be handed to :meth:`take_back`. Raises ArchiveUnavailable.

        One is kept for the next query, for to open one takes tens of ms.
        """
        with self._lock:
            if not self._is_lent:
                self._kept = self._kept or self._another(self._threads)
                self._is_lent = True
                return self._kept
        return self._another(1)

    def take_back(self, database: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            if database is self._kept:
                self._is_lent = False
                return
        database.close()

    def _another(self, threads: int) -> duckdb.DuckDBPyConnection:
        config: dict[str, str | int] = {"threads": threads}
        if self._spill and self._disk:
            # databases that share a folder would write into each other's files
            folder = self._spill / uuid.uuid4().hex
            config |= {"temp_directory": str(folder), "max_temp_directory_size": f"{self._disk}B"}
        opened = self._connect(config)
        if file_identity(self._path) != self.identity:
            opened.close()
            raise ArchiveUnavailable(f"the archive {self._path.name} was replaced just now: ask again")
        return opened

    def cursor(
        self, variables: Mapping[str, str], database: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyConnection:
        """A connection for one query, where views find ``variables`` by getvariable(): to ``database``, which it has
        for itself, or to the one that short queries share.
        """
        with self._lock:
            for number, (given, idle) in enumerate(self._idle):
                if database is None and given == variables:
                    del self._idle[number]
                    return idle
            cursor = (database or self._shared).cursor()
        for name, value in variables.items():
            if not re.fullmatch(r"[a-z][a-z_]*", name):
                raise ValueError(f"variable name {name!r}: must be small letters and underscores")
            cursor.execute(f"SET VARIABLE {name} = {sql_text(value)}")
        return cursor

    def keep(self, cursor: duckdb.DuckDBPyConnection, variables: Mapping[str, str]) -> None:
        """Take back a cursor of the shared database whose query is over, and which has no tables of its own.

        To open one, and to set its variables, takes as long as to find a few rows.
        """
        with self._lock:
            self._idle.append((variables, cursor))
            surplus = self._idle.pop(0)[1] if len(self._idle) > IDLE_CURSORS else None
        if surplus is not None:
            surplus.close()

    def cone(self, query: Query, variables: Mapping[str, str], batch_rows: int) -> pa.RecordBatchReader | None:
        """The rows of a query that is a cone and nothing else; None where DuckDB is to find them."""
        if query.disc is None:
            return None
        leaves = [leaf for value in query.values for leaf in value.leaves]
        pages = self._pages.get(leaves[0][0])
        return pages and pages.within(query.disc, [column for _, column in leaves], variables, query.most, batch_rows)

    def rows(self) -> dict[str, int]:
        """How many rows each table has, by its name; counted once, for the file does not change.

        What DuckDB keeps of a table tells it, also of a view of columns: 10^7 rows take no longer than ten. A table
        that cannot be counted is left out.
        """
        with self._counting:
            if self._rows is None:
                with contextlib.closing(self._shared.cursor()) as cursor:
                    self._rows = dict(_counts(cursor, self.tables))
            return self._rows

    def is_ascii(self, leaf: Leaf, cursor: duckdb.DuckDBPyConnection, uploaded: Mapping[str, Table]) -> bool:
        """Whether a column has ASCII characters only. Those of text are looked up once, for the file does not change.

        Of ``uploaded`` tables the descriptions tell.
        """
        if leaf == NOT_ASCII:
            return False
        if leaf in self._numbers:
            return True
        if leaf[0] in uploaded:
            return all(c.datatype != "unicodeChar" for c in uploaded[leaf[0]].columns if c.name == leaf[1])
        if leaf not in self._ascii:
            table, column = leaf
            self._ascii[leaf] = look_up(cursor, ".".join(map(sql_identifier, (CATALOG, *table.split(".")))), column)
        return self._ascii[leaf]


def _counts(cursor: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> Iterator[tuple[str, int]]:
    for name in tables:
        with contextlib.suppress(duckdb.Error):
            path = ".".join(map(sql_identifier, (CATALOG, *name.split("."))))
            found = cursor.execute(f"SELECT count(*) FROM {path}").fetchone()  # noqa: S608
            if found is not None:
                yield name, int(found[0])


def first_line(error: Exception) -> str:
    """DuckDB's message without the kind of error, the quoted query, and advice that a client cannot follow."""
    line = str(error).split("\n", 1)[0].split(". Use TRY(", 1)[0]
    line = line.split("while executing the UDF: ValueError: ", 1)[-1]  # one of ours, which says what is wrong
    line = re.sub(r"^[A-Z][A-Za-z ]*Error: ", "", line).strip()
    return line if len(line) <= _MAX_MESSAGE else f"{line[: _MAX_MESSAGE // 2]} … {line[-_MAX_MESSAGE // 2 :]}"
