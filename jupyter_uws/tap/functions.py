"""The functions of ADQL that are known here, with DuckDB's names for them. What is not listed does not exist."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """A function of ``least`` to ``most`` arguments. ``name`` is DuckDB's, where it is another.

    It ``takes`` arguments of one kind and gives a value of that kind; None where it takes any.
    """

    least: int
    most: int
    name: str | None = None
    takes: str | None = "number"

    def sql(self, name: str, arguments: list[str]) -> str:
        return f"{self.name or name.lower()}({', '.join(arguments)})"


class Operator(Function):
    """A function that DuckDB writes as a sign, before one argument or between two."""

    def sql(self, name: str, arguments: list[str]) -> str:
        left, right = arguments if len(arguments) == 2 else ("", arguments[0])
        return f"({left} {self.name} {right})"


class Digits(Function):
    """ROUND and TRUNCATE to a number of digits, which the engine wants as an INTEGER."""

    def sql(self, name: str, arguments: list[str]) -> str:
        value, *digits = arguments
        return super().sql(name, [value, *(f"CAST({number} AS INTEGER)" for number in digits)])


FUNCTIONS: dict[str, Function] = {
    "ABS": Function(1, 1),
    "ACOS": Function(1, 1),
    "ASIN": Function(1, 1),
    "ATAN": Function(1, 1),
    "ATAN2": Function(2, 2),
    "BIT_AND": Operator(2, 2, "&"),
    "BIT_NOT": Operator(1, 1, "~"),
    "BIT_OR": Operator(2, 2, "|"),
    "BIT_XOR": Function(2, 2, "xor"),
    "CEILING": Function(1, 1, "ceil"),
    "COALESCE": Function(1, 100, takes=None),
    "COS": Function(1, 1),
    "COT": Function(1, 1),
    "DEGREES": Function(1, 1),
    "EXP": Function(1, 1),
    "FLOOR": Function(1, 1),
    "LOG": Function(1, 1, "ln"),
    "LOG10": Function(1, 1),
    "LOWER": Function(1, 1, takes="text"),
    "MOD": Function(2, 2),
    "PI": Function(0, 0),
    "POWER": Function(2, 2),
    "RADIANS": Function(1, 1),
    "RAND": Function(0, 1, "random"),
    "ROUND": Digits(1, 2),
    "SIGN": Function(1, 1),
    "SIN": Function(1, 1),
    "SQRT": Function(1, 1),
    "TAN": Function(1, 1),
    "TRUNCATE": Digits(1, 2, "trunc"),
    "UPPER": Function(1, 1, takes="text"),
}

AGGREGATES = frozenset({"AVG", "COUNT", "IVO_STRING_AGG", "MAX", "MIN", "SUM"})

SHAPES = frozenset({"BOX", "CENTROID", "CIRCLE", "POINT", "POLYGON", "REGION"})
GEOMETRY = SHAPES | {"AREA", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE", "INTERSECTS"}


@dataclass(frozen=True)
class UserFunction:
    """A function of the IVOA's catalogue of user defined functions, as TAPRegExt describes it.

    It gives a value of the ``kind``.
    """

    form: str
    description: str
    kind: str = "number"


USER_FUNCTIONS: dict[str, UserFunction] = {
    "IVO_HASHLIST_HAS": UserFunction(
        "ivo_hashlist_has(hashlist TEXT, item TEXT) -> INTEGER",
        "1 if item is one of the words in hashlist, which # separates; case does not matter.",
    ),
    "IVO_HASWORD": UserFunction(
        "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER",
        "1 if all words of needle are words of haystack; case does not matter.",
    ),
    "IVO_HEALPIX_INDEX": UserFunction(
        "ivo_healpix_index(hpxOrder INTEGER, long REAL, lat REAL) -> BIGINT",
        "The index in NESTED numbering of the HEALPix cell with a position in degrees; a POINT may stand for the two.",
    ),
    "IVO_INTERVAL_OVERLAPS": UserFunction(
        "ivo_interval_overlaps(a1 NUMERIC, b1 NUMERIC, a2 NUMERIC, b2 NUMERIC) -> INTEGER",
        "1 if the interval from a1 to b1 and that from a2 to b2 have a number in common.",
    ),
    "IVO_NOCASEMATCH": UserFunction(
        "ivo_nocasematch(value TEXT, pattern TEXT) -> INTEGER",
        "1 if value matches the pattern of a LIKE; case does not matter.",
    ),
    "IVO_STRING_AGG": UserFunction(
        "ivo_string_agg(expression TEXT, delimiter TEXT) -> TEXT",
        "The texts of a group, in no order, with delimiter between them; nulls are left out.",
        "text",
    ),
    "IVO_TO_JD": UserFunction(
        "ivo_to_jd(d TIMESTAMP) -> REAL",
        "The Julian date of a time; a text such as '2026-11-22T20:00:00' may stand for it. No time scale is changed.",
    ),
    "IVO_TO_MJD": UserFunction(
        "ivo_to_mjd(d TIMESTAMP) -> REAL",
        "The modified Julian date of a time, or of a text such as '2026-11-22T20:00:00'. No time scale is changed.",
    ),
}

# what these give is 1 or 0
PREDICATES = frozenset(
    {"CONTAINS", "INTERSECTS", "IVO_HASHLIST_HAS", "IVO_HASWORD", "IVO_INTERVAL_OVERLAPS", "IVO_NOCASEMATCH"}
)

# functions whose SQL is long, or that the engine should calculate once
COSTLY = GEOMETRY | PREDICATES | {"IVO_HEALPIX_INDEX", "IVO_STRING_AGG"}

KNOWN = (
    frozenset(FUNCTIONS)
    | AGGREGATES
    | GEOMETRY
    | {"CAST", "IN_UNIT", "TIMESTAMP"}
    | frozenset(name.lower() for name in USER_FUNCTIONS)
)
