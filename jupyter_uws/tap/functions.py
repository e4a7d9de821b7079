"""The functions of ADQL that are known here, with DuckDB's names for them. What is not listed does not exist."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """A function of ``least`` to ``most`` arguments. ``name`` is DuckDB's, where it is another."""

    least: int
    most: int
    name: str | None = None

    def sql(self, name: str, arguments: list[str]) -> str:
        return f"{self.name or name.lower()}({', '.join(arguments)})"


FUNCTIONS: dict[str, Function] = {
    "ABS": Function(1, 1),
    "ACOS": Function(1, 1),
    "ASIN": Function(1, 1),
    "ATAN": Function(1, 1),
    "ATAN2": Function(2, 2),
    "CEILING": Function(1, 1, "ceil"),
    "COALESCE": Function(1, 100),
    "COS": Function(1, 1),
    "COT": Function(1, 1),
    "DEGREES": Function(1, 1),
    "EXP": Function(1, 1),
    "FLOOR": Function(1, 1),
    "LOG": Function(1, 1, "ln"),
    "LOG10": Function(1, 1),
    "LOWER": Function(1, 1),
    "MOD": Function(2, 2),
    "PI": Function(0, 0),
    "POWER": Function(2, 2),
    "RADIANS": Function(1, 1),
    "RAND": Function(0, 0, "random"),
    "ROUND": Function(1, 2),
    "SIGN": Function(1, 1),
    "SIN": Function(1, 1),
    "SQRT": Function(1, 1),
    "TAN": Function(1, 1),
    "TRUNCATE": Function(1, 2, "trunc"),
    "UPPER": Function(1, 1),
}

AGGREGATES = frozenset({"AVG", "COUNT", "MAX", "MIN", "SUM"})

# of the standard, and not built yet
MISSING_GEOMETRY = frozenset({"AREA", "BOX", "CENTROID", "COORD1", "COORD2", "COORDSYS", "POLYGON", "REGION"})
GEOMETRY = frozenset({"POINT", "CIRCLE", "CONTAINS", "INTERSECTS", "DISTANCE"}) | MISSING_GEOMETRY

KNOWN = frozenset(FUNCTIONS) | AGGREGATES | (GEOMETRY - MISSING_GEOMETRY) | {"CAST"}
