"""TAP_SCHEMA: what a service says of its tables (TAP 1.1, section 4), as data.

Whoever makes a DuckDB file for this room describes its tables with these classes and calls
:func:`write_tap_schema`; the service reads them back with :func:`read_tap_schema`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from .words import is_regular, quoted, unquoted


@dataclass(frozen=True)
class Column:
    """One column. ``datatype`` and ``arraysize`` are VOTable's (``char`` with ``*`` for strings).

    ``timescale`` is that of times in MJD, as they pass the observatory (VOTable 1.4, section 3.2); others have none.
    """

    name: str
    datatype: str
    description: str = ""
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    principal: bool = False
    indexed: bool = False
    std: bool = False
    timescale: str | None = None


@dataclass(frozen=True)
class Sky:
    """What a table's hidden columns tell of its columns ``lon``, ``lat`` and ``region``: see :mod:`.places`.

    No region lies farther than ``reach`` (deg) from the position of its row.
    """

    lon: str
    lat: str
    region: str | None = None
    reach: float = 0.0


@dataclass(frozen=True)
class Table:
    """One table or view, with its schema-qualified name (``ivoa.obscore``).

    ``sql`` is what the engine calls it, where that is not this name in the archive's file. ``sky`` is of no interest
    to clients.
    """

    name: str
    columns: tuple[Column, ...]
    description: str = ""
    utype: str | None = None
    table_type: str = "table"
    sql: str | None = None
    sky: Sky | None = None


@dataclass(frozen=True)
class ForeignKey:
    """Columns of ``from_table`` that refer to columns of ``target_table``, as pairs."""

    from_table: str
    target_table: str
    columns: tuple[tuple[str, str], ...]
    description: str = ""


def _text(name: str, description: str, principal: bool = True) -> Column:
    return Column(name, "char", description, arraysize="*", principal=principal, std=True)


def _int(name: str, description: str, principal: bool = True) -> Column:
    return Column(name, "int", description, principal=principal, std=True)


TAP_SCHEMA_TABLES: tuple[Table, ...] = (
    Table(
        "tap_schema.schemas",
        (
            _text("schema_name", "name of the schema"),
            _text("utype", "utype of the schema", principal=False),
            _text("description", "what the schema holds"),
            _int("schema_index", "recommended position in a list of schemas", principal=False),
        ),
        "The schemas of this service.",
    ),
    Table(
        "tap_schema.tables",
        (
            _text("schema_name", "schema the table belongs to"),
            _text("table_name", "name of the table, as it is written in a query"),
            _text("table_type", "table or view"),
            _text("utype", "utype of the table", principal=False),
            _text("description", "what the table holds"),
            _int("table_index", "recommended position in a list of tables", principal=False),
        ),
        "The tables and views of this service.",
    ),
    Table(
        "tap_schema.columns",
        (
            _text("table_name", "table the column belongs to"),
            _text("column_name", "name of the column, as it is written in a query"),
            _text("datatype", "VOTable datatype"),
            _text("arraysize", "VOTable arraysize; null for a single value"),
            _text("xtype", "VOTable xtype", principal=False),
            _int("size", "length of an array of fixed size (deprecated, see arraysize)", principal=False),
            _text("description", "what the column holds"),
            _text("utype", "utype of the column", principal=False),
            _text("unit", "unit, in VOUnits"),
            _text("ucd", "UCD 1+ of the column"),
            _int("indexed", "1 where a condition on the column is fast"),
            _int("principal", "1 where the column belongs to the core of the table"),
            _int("std", "1 where a standard defines the column"),
            _int("column_index", "recommended position in a list of columns", principal=False),
        ),
        "The columns of the tables of this service.",
    ),
    Table(
        "tap_schema.keys",
        (
            _text("key_id", "identifier of the foreign key"),
            _text("from_table", "table that refers"),
            _text("target_table", "table that is referred to"),
            _text("description", "what the key means"),
            _text("utype", "utype of the key", principal=False),
        ),
        "The foreign keys between tables, to join them by.",
    ),
    Table(
        "tap_schema.key_columns",
        (
            _text("key_id", "foreign key the pair of columns belongs to"),
            _text("from_column", "column of the table that refers"),
            _text("target_column", "column of the table that is referred to"),
        ),
        "The columns of the foreign keys.",
    ),
)

_REQUIRED = {
    "schema_name", "table_name", "table_type", "column_name", "datatype", "indexed", "principal", "std",
    "key_id", "from_table", "target_table", "from_column", "target_column",
}  # fmt: skip

SCHEMA_DESCRIPTIONS = {
    "tap_schema": "What this service says of its own tables.",
    "ivoa": "Tables defined by the data models of the IVOA.",
}

_KEYS = (
    ForeignKey("tap_schema.tables", "tap_schema.schemas", (("schema_name", "schema_name"),)),
    ForeignKey("tap_schema.columns", "tap_schema.tables", (("table_name", "table_name"),)),
    ForeignKey("tap_schema.keys", "tap_schema.tables", (("from_table", "table_name"),)),
    ForeignKey("tap_schema.keys", "tap_schema.tables", (("target_table", "table_name"),)),
    ForeignKey("tap_schema.key_columns", "tap_schema.keys", (("key_id", "key_id"),)),
)


# beside TAP_SCHEMA, which has no place for them
_TIMESCALES = "tap_schema._timescales"


def write_tap_schema(
    con: duckdb.DuckDBPyConnection,
    tables: Iterable[Table],
    *,
    schemas: Mapping[str, str] | None = None,
    keys: Iterable[ForeignKey] = (),
) -> None:
    """Write the schema ``tap_schema`` of a DuckDB file, in place of what it held.

    ``tables`` are those that queries may see, each with a name ``schema.table``; the five tables of
    TAP_SCHEMA are added. ``schemas`` maps names of schemas to their descriptions; ``keys`` are between the
    ``tables``. A transaction of the
    caller's is used where one is open.

    Raises ValueError for a table name that is not two regular identifiers, a name given twice, or a column
    name with a leading underscore (those are internal and unreachable by queries).
    """
    everything = (*tables, *TAP_SCHEMA_TABLES)
    _check(everything)
    descriptions = {**SCHEMA_DESCRIPTIONS, **(schemas or {})}
    names = list(dict.fromkeys(table.name.split(".")[0] for table in everything))

    con.execute("CREATE SCHEMA IF NOT EXISTS tap_schema")
    for table in TAP_SCHEMA_TABLES:
        con.execute(_create_statement(table))
    insert_rows(con, "tap_schema.schemas", [(name, None, descriptions.get(name), i) for i, name in enumerate(names)])
    insert_rows(
        con,
        "tap_schema.tables",
        [
            (t.name.split(".")[0], t.name, t.table_type, t.utype, t.description or None, i)
            for i, t in enumerate(everything)
        ],
    )
    insert_rows(con, "tap_schema.columns", [_column_row(t, c, i) for t in everything for i, c in enumerate(t.columns)])
    con.execute(f"CREATE OR REPLACE TABLE {_TIMESCALES} (table_name VARCHAR, column_name VARCHAR, timescale VARCHAR)")
    if scales := [(t.name, c.name, c.timescale) for t in everything for c in t.columns if c.timescale]:
        insert_rows(con, _TIMESCALES, scales)
    described = (*keys, *_KEYS)
    insert_rows(
        con,
        "tap_schema.keys",
        [(f"key_{i}", k.from_table, k.target_table, k.description or None, None) for i, k in enumerate(described)],
    )
    insert_rows(
        con, "tap_schema.key_columns", [(f"key_{i}", *pair) for i, k in enumerate(described) for pair in k.columns]
    )


def read_tap_schema(con: duckdb.DuckDBPyConnection) -> dict[str, Table]:
    """The tables that a DuckDB file describes, by name, in their recommended order."""
    columns: dict[str, list[Column]] = {}
    scales = {(table, column): scale for table, column, scale in rows_of(con, _TIMESCALES)}
    rows = con.execute(
        "SELECT table_name, column_name, datatype, description, arraysize, xtype, unit, ucd, utype,"
        " principal, indexed, std FROM tap_schema.columns ORDER BY table_name, column_index"
    ).fetchall()
    for table_name, quoted_name, datatype, description, arraysize, xtype, unit, ucd, utype, *flags in rows:
        name = unquoted(quoted_name)
        principal, indexed, std = map(bool, flags)
        scale = scales.get((table_name, name))
        columns.setdefault(table_name, []).append(
            Column(
                name, datatype, description or "", arraysize, xtype, unit, ucd, utype, principal, indexed, std, scale
            )
        )
    tables = con.execute(
        "SELECT table_name, description, utype, table_type FROM tap_schema.tables ORDER BY table_index"
    ).fetchall()
    return {
        name: Table(name, tuple(columns.get(name, ())), description or "", utype, table_type)
        for name, description, utype, table_type in tables
    }


def read_keys(con: duckdb.DuckDBPyConnection) -> tuple[ForeignKey, ...]:
    """The foreign keys that a DuckDB file describes."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for key_id, source, target in con.execute(
        "SELECT key_id, from_column, target_column FROM tap_schema.key_columns ORDER BY ALL"
    ).fetchall():
        pairs.setdefault(key_id, []).append((source, target))
    return tuple(
        ForeignKey(source, target, tuple(pairs.get(key_id, ())), description or "")
        for key_id, source, target, description in con.execute(
            "SELECT key_id, from_table, target_table, description FROM tap_schema.keys ORDER BY key_id"
        ).fetchall()
    )


def _check(tables: Iterable[Table]) -> None:
    seen: set[str] = set()
    for table in tables:
        parts = table.name.split(".")
        if len(parts) != 2 or not all(map(is_regular, parts)):
            raise ValueError(f"table name {table.name!r}: must be schema.table, both regular identifiers")
        if table.name.lower() in seen:
            raise ValueError(f"table {table.name!r} is described twice")
        seen.add(table.name.lower())
        names = [column.name for column in table.columns]
        for name in names:
            if name.startswith("_"):
                raise ValueError(f"table {table.name!r}: the column {name!r} is internal (leading underscore)")
        if len(set(names)) < len(names):
            raise ValueError(f"table {table.name!r}: a column is described twice")


def _column_row(table: Table, column: Column, index: int) -> tuple[object, ...]:
    length = (column.arraysize or "").removesuffix("*")
    size = int(length) if length.isdecimal() else None
    return (
        table.name, quoted(column.name), column.datatype, column.arraysize, column.xtype, size,
        column.description or None, column.utype, column.unit, column.ucd,
        int(column.indexed), int(column.principal), int(column.std), index,
    )  # fmt: skip


def _create_statement(table: Table) -> str:
    columns = ", ".join(
        f'"{c.name}" {"INTEGER" if c.datatype == "int" else "VARCHAR"}{" NOT NULL" if c.name in _REQUIRED else ""}'
        for c in table.columns
    )
    return f"CREATE OR REPLACE TABLE {table.name} ({columns})"


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert by one statement: DuckDB takes 3 ms for each of ``executemany``'s."""
    incoming = pa.table({f"column_{i}": pa.array(column) for i, column in enumerate(zip(*rows, strict=True))})
    con.register("incoming_rows", incoming)
    con.execute(f"INSERT INTO {table} FROM incoming_rows")
    con.unregister("incoming_rows")


def rows_of(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table of the database that ``con`` uses; none where it is not there."""
    there = con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database()"
        " AND schema_name || '.' || table_name = ?", [table],
    ).fetchall()  # fmt: skip
    return con.execute(f"SELECT * FROM {table}").fetchall() if there else []  # noqa: S608
