"""TAP_SCHEMA is written as it is described, and read back the same."""

from __future__ import annotations

import duckdb
import pytest

from jupyter_uws.tap.ascii import look_up, note_ascii, read_notes
from jupyter_uws.tap.schema import TAP_SCHEMA_TABLES, Column, Table, read_tap_schema, write_tap_schema

TABLES = (
    Table(
        "ivoa.obscore",
        (
            Column("s_ra", "double", "right ascension", unit="deg", ucd="pos.eq.ra", principal=True, std=True),
            Column("target name", "char", arraysize="*"),
            Column("size", "long", unit="kbyte", indexed=True),
        ),
        "observations",
        utype="ivo://ivoa.net/std/obscore#core-1.1",
        table_type="view",
    ),
)


def test_tables_survive_the_round_trip_and_tap_schema_describes_itself() -> None:
    con = duckdb.connect()
    write_tap_schema(con, TABLES)
    write_tap_schema(con, TABLES)  # again: replaces
    assert tuple(read_tap_schema(con).values()) == (*TABLES, *TAP_SCHEMA_TABLES)
    for table in TAP_SCHEMA_TABLES:
        found = [row[0] for row in con.execute(f"DESCRIBE {table.name}").fetchall()]
        assert found == [column.name for column in table.columns]


def test_it_is_noted_which_text_is_ascii() -> None:
    con = duckdb.connect()
    table = Table("main.words", (Column("plain", "char"), Column("Other", "char"), Column("none", "char")))
    con.execute("""CREATE TABLE words AS SELECT 'a' AS plain, 'Källa' AS "Other", NULL::VARCHAR AS "none" """)
    con.execute("CREATE SCHEMA tap_schema")
    assert read_notes(con) == {}
    note_ascii(con, [table])
    assert read_notes(con) == {
        ("main.words", "plain"): True, ("main.words", "Other"): False, ("main.words", "none"): True,
    }  # fmt: skip
    assert [look_up(con, "main.words", column.name) for column in table.columns] == [True, False, True]


def test_names_are_written_as_queries_must_write_them() -> None:
    con = duckdb.connect()
    write_tap_schema(con, TABLES)
    rows = con.execute("SELECT column_name FROM tap_schema.columns WHERE table_name = 'ivoa.obscore'").fetchall()
    assert [row[0] for row in rows] == ["s_ra", '"target name"', '"size"']


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table("obscore", ()), "must be schema.table"),
        (Table("ivoa.select", ()), "must be schema.table"),
        (Table("_hidden.rows", ()), "must be schema.table"),
        (Table("ivoa.obscore", ()), "described twice"),
        (Table("ivoa.other", (Column("_x", "double"),)), "'_x' is internal"),
        (Table("ivoa.other", (Column("a", "int"), Column("a", "int"))), "column is described twice"),
    ],
)
def test_bad_descriptions_are_named(table: Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_tap_schema(duckdb.connect(), (*TABLES, table))
