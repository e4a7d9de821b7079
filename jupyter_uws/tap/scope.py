"""Which names a query may use where: tables, their columns, and what is known of each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .schema import Column, Sky, Table
from .words import delimited

# where the text of a value comes from: (table, column) of the archive
Leaf = tuple[str, str]
# stands for text of the query itself that is not ASCII
NOT_ASCII: Leaf = ("", "")


@dataclass(frozen=True)
class Name:
    """An identifier as written: without quotes its case does not matter."""

    text: str
    quoted: bool = False
    offset: int | None = None

    def matches(self, name: str) -> bool:
        return self.text == name if self.quoted else self.text.lower() == name.lower()

    def __str__(self) -> str:
        return f'"{self.text}"' if self.quoted else self.text


@dataclass(frozen=True)
class Value:
    """A column of a query or of a source: its SQL, and what its description is, where it is a plain column.

    A column of a table itself has the hidden columns of that ``sky`` beside it, under the table's ``alias``.
    """

    name: str
    sql: str
    column: Column | None = None
    leaves: frozenset[Leaf] = frozenset()
    alias: str | None = None
    sky: Sky | None = None
    kind: str | None = None  # of a value that is calculated, see :mod:`~jupyter_uws.tap.kinds`


@dataclass(frozen=True)
class Source:
    """One table or subquery of a FROM clause. ``sql_name`` is its alias in the translated query."""

    names: tuple[str, ...]  # the alias, or the table's name and schema.table
    exact: bool  # the alias was written in quotes
    values: tuple[Value, ...]

    def is_called(self, name: Name, schema: Name | None) -> bool:
        if schema is not None:
            wanted, full = f"{schema.text}.{name.text}", self.names[-1]
            return "." in full and (wanted == full if schema.quoted or name.quoted else wanted.lower() == full.lower())
        if self.exact and not name.quoted:
            return name.text.lower() == self.names[0].lower()
        return name.matches(self.names[0])


@dataclass
class Scope:
    """The names that are visible in one SELECT. Those of the SELECT around it are visible as well."""

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    # the columns that can be named without their table; a column that a join merged is there once
    visible: list[Value] = field(default_factory=list)
    # the names that the SELECT list gives: ORDER BY knows them, the other clauses do not
    given: set[str] = field(default_factory=set)
    # where rows become groups: the SQL of what all rows of a group have in common, and the form of each
    grouped: Mapping[str, str] | None = None

    def of_rows(self) -> Scope:
        """The same names where they mean a row, as within COUNT(…)."""
        return self if self.grouped is None else replace(self, grouped=None)

    def one(self, value: Value) -> Value | None:
        """``value`` where there is one: for each row, or for each group; None where a group may have several."""
        if self.grouped is not None:
            if value.sql in self.grouped:
                return replace(value, alias=None, sky=None)  # what lies hidden beside it may differ in a group
            if any(own.sql == value.sql for source in self.sources for own in source.values) or value in self.visible:
                return None
        return value if self.parent is None else self.parent.one(value)

    def find(self, name: Name) -> list[Value]:
        """What ``name`` can mean: nothing, one value, or several (ambiguous)."""
        if name.quoted:
            found = [value for value in self.visible if value.name == name.text]
        else:
            lower = name.text.lower()
            found = [value for value in self.visible if value.name.lower() == lower]
        if found or self.parent is None:
            return found
        return self.parent.find(name)

    def find_source(self, name: Name, schema: Name | None) -> list[Source]:
        found = [source for source in self.sources if source.is_called(name, schema)]
        if found or self.parent is None:
            return found
        return self.parent.find_source(name, schema)

    def column_names(self) -> list[str]:
        return [value.name for value in self.visible] + (self.parent.column_names() if self.parent else [])

    def source_names(self) -> list[str]:
        return [source.names[0] for source in self.sources] + (self.parent.source_names() if self.parent else [])


def table_values(table: Table, sql_name: str) -> tuple[Value, ...]:
    """The columns of a table of the archive that is called ``sql_name`` in the translated query."""
    return tuple(
        Value(
            column.name,
            f"{sql_name}.{sql_identifier(column.name)}",
            column,
            frozenset({(table.name, column.name)}),
            sql_name,
            table.sky,
        )
        for column in table.columns
    )


def renamed(values: Iterable[Value], sql_name: str) -> tuple[Value, ...]:
    """The columns of a subquery, seen from outside; its output names come from :func:`output_names`."""
    values = tuple(values)
    return tuple(
        replace(value, sql=f"{sql_name}.{sql_identifier(name)}", alias=None, sky=None)
        for value, name in zip(values, output_names(values), strict=True)
    )


def output_names(values: Iterable[Value]) -> list[str]:
    """A name of its own for each column of a query: DuckDB tells neither case nor duplicates apart."""
    seen: set[str] = set()
    numbers: dict[str, int] = {}
    names = []
    for value in values:
        name, base = value.name, value.name.lower()
        while name.lower() in seen:
            numbers[base] = numbers.get(base, 1) + 1
            name = f"{value.name}_{numbers[base]}"
        seen.add(name.lower())
        names.append(name)
    return names


def find_table(tables: Mapping[str, Table], schema: Name | None, name: Name) -> Table | None:
    if schema is None:
        return None
    for full, table in tables.items():
        schema_part, table_part = full.split(".")
        if schema.matches(schema_part) and name.matches(table_part):
            return table
    return None


def sql_identifier(name: str) -> str:
    """A name in DuckDB's SQL, which quotes names as ADQL does."""
    return delimited(name)


def sql_text(value: str) -> str:
    """A literal of SQL: no value can end it."""
    return "'" + value.replace("'", "''") + "'"


def merged(a: Value, b: Value) -> Value:
    """A column of a set operation: described where both sides are of one kind."""
    same = a.column is not None and b.column is not None and _form(a.column) == _form(b.column)
    leaves = a.leaves | b.leaves
    return Value(a.name, sql_identifier(a.name), a.column if same else None, leaves, kind=a.kind or b.kind)


def _form(column: Column) -> tuple[str | None, ...]:
    # a text has no length of its own in a result
    arraysize = None if column.datatype in ("char", "unicodeChar") else column.arraysize
    return column.datatype, arraysize, column.xtype, column.unit, column.ucd, column.timescale


def joined_value(a: Value, b: Value, side: str) -> Value:
    """The column that NATURAL or USING makes of a pair."""
    if side == "RIGHT":
        return replace(b, name=a.name)
    if side == "FULL":
        return replace(a, sql=f"COALESCE({a.sql}, {b.sql})", leaves=a.leaves | b.leaves, alias=None, sky=None)
    return a
