"""What stands in FROM, in DuckDB's SQL."""

from __future__ import annotations

from dataclasses import dataclass

from .narrowing import Spread
from .scope import Source, Value

# the column of a spread item: internal, as all names that begin with an underscore
SPREAD = "_touched"


@dataclass(frozen=True)
class Item:
    """A table or a subquery of a FROM clause: ``sql`` is what it is, without the alias."""

    sql: str
    alias: str

    def written(self, spread: Spread | None) -> str:
        if spread is None:
            return f"{self.sql} AS {self.alias}"
        # a row for each cell, within the item: beside it, the engine would join before it narrows
        rows = f"SELECT {self.alias}.*, unnest({spread.cells}) AS {SPREAD} FROM {self.sql} AS {self.alias}"  # noqa: S608
        return f"({rows}) AS {self.alias}"


@dataclass(frozen=True)
class Relation:
    """What stands between two commas of a FROM clause, in pieces: its items may still change."""

    pieces: tuple[str | Item, ...]
    values: tuple[Value, ...]
    sources: tuple[Source, ...]
