"""Which columns of text have ASCII characters only: VOTable's ``char``, and not ``unicodeChar``.

To find out takes a look at every row, so whoever writes a file may note it there; for the rest, one look each.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from .schema import Table, insert_rows, rows_of
from .scope import Leaf, sql_identifier

_NOTES = "tap_schema._ascii"


def note_ascii(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Note it for the columns of ``tables``, which are there with all their rows."""
    con.execute(f"CREATE OR REPLACE TABLE {_NOTES} (table_name VARCHAR, column_name VARCHAR, is_ascii BOOLEAN)")
    notes: list[tuple[object, ...]] = []
    for table in tables:
        names = [column.name for column in table.columns if column.datatype in ("char", "unicodeChar")]
        if not names:
            continue
        found = con.execute(f"SELECT {', '.join(map(_is_ascii, names))} FROM {table.name}").fetchall()[0]  # noqa: S608
        notes += [(table.name, name, ascii_only) for name, ascii_only in zip(names, found, strict=True)]
    if notes:
        insert_rows(con, _NOTES, notes)


def read_notes(con: duckdb.DuckDBPyConnection) -> dict[Leaf, bool]:
    """What is noted in the database that ``con`` uses."""
    return {(table, column): ascii_only for table, column, ascii_only in rows_of(con, _NOTES)}


def look_up(con: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Look at the rows of ``table``, as SQL names it."""
    name = sql_identifier(column)
    return not con.execute(
        f"SELECT 1 FROM {table} WHERE strlen(CAST({name} AS VARCHAR)) <> length(CAST({name} AS VARCHAR)) LIMIT 1"  # noqa: S608
    ).fetchall()


def _is_ascii(column: str) -> str:
    text = f"CAST({sql_identifier(column)} AS VARCHAR)"
    return f"coalesce(bool_and(strlen({text}) = length({text})), TRUE)"
