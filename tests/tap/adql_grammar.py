"""Queries for the fuzz test: what the grammar of ADQL gives, and what becomes of it when it is damaged."""

# ruff: noqa: S608
from __future__ import annotations

import random
import re

# most columns are those of one table, so that many queries mean something
TABLES = ("ivoa.obscore",) * 20 + ("tap_schema.tables", "tap_schema.columns", "test.kinds")
NUMBERS = ("s_ra", "s_dec", "t_min", "calib_level", "access_estsize") * 16 + ("a.s_ra", "q.s_dec", "d", '"size"')
TEXTS = ("obs_id", "target_name") * 20 + ("table_name", "a.target_name")
FUNCTIONS = (
    "ABS", "SQRT", "LOG", "EXP", "POWER", "MOD", "ROUND", "TRUNCATE", "FLOOR", "SIN", "ATAN2", "PI", "RAND", "BIT_AND",
    "BIT_NOT", "COALESCE", "LOWER", "ivo_interval_overlaps", "ivo_healpix_index",
)  # fmt: skip

# what other SQLs, and DuckDB's, would understand; {} is a folder with files that nobody may open
HOSTILE = (
    "read_csv('{}/secret.csv')", "'{}/secret.csv'", '"{}/secret.csv"', "read_text('{}/secret.csv')", "glob('{}/*')",
    "read_parquet('{}/secret.parquet')", "read_json_auto('{}/secret.json')", "'{}/secret.parquet'",
    "sqlite_scan('{}/secret.db', 't')", "; ATTACH '{}/secret.duckdb'", "; COPY (SELECT 1) TO '{}/out.csv'",
    "; EXPORT DATABASE '{}/out'", "; INSTALL httpfs", "; LOAD '{}/secret.so'", "; SET enable_external_access = true",
    "; PRAGMA database_list", "; CALL pragma_version()", "; DROP TABLE ivoa.obscore", "; CREATE TABLE x AS SELECT 1",
    "duckdb_settings()", "duckdb_secrets()", "getenv('HOME')", "current_setting('memory_limit')", "pragma_version()",
    "range(1000000000000)", "unnest([1, 2])", "_archive.rows", '"_archive"."rows"', "information_schema.tables",
    "LIMIT 5", "::VARCHAR", "QUALIFY 1 = 1", "CASE WHEN 1 = 1 THEN 2 END", "OVER ()", "FILTER (WHERE 1 = 1)", "/* */",
    "--", "'", '"', "((((", "))", "\\", "$1", "?", "[1]", "{{'a': 1}}", "lambda x: x", "x -> x", "*", "COLUMNS('.*')",
    "EXCLUDE (n)", "LATERAL", "VALUES (1)", "INTERVAL 1 DAY", "error('x')", "adql_region('x')", "adql_box([1.0])",
    "\x00", "\u202e", "\ud800", "\U0001f52d", "’", "ﬀ", "9" * 200, "e" * 200, "1e99999", "0x" + "F" * 100,
    "REGION('" + "1 " * 500 + "')", "ATTACH", "FROM FROM", "SELECT", ",", ".", "..", "t1._x", "rowid",
)  # fmt: skip

_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\w+|\s+|.")

LITERALS = ("0", "1", "-1", "1e308", "9223372036854775808", "0xFF", ".5", "NULL", "90", "180", "-1e-300")
STRINGS = ("''", "'CIRCLE ICRS 1 2 3'", "'it''s'", "'%'", "'ä'", "'2026-11-22'", "'deg'", "'POLYGON 1 2'")


class Queries:
    """Draws queries: plain recursion, as deep as ``depth`` allows."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def some(self, least: int, most: int, depth: int) -> str:
        return ", ".join(self.value(depth) for _ in range(self.random.randint(least, most)))

    def number(self) -> str:
        return self.pick(*NUMBERS, *LITERALS, str(self.random.randint(-400, 400)))

    def text(self) -> str:
        return self.pick(*TEXTS, *STRINGS)

    def shape(self, depth: int) -> str:
        n = [self.number() for _ in range(8)]
        shapes = [
            "s_region", "POINT({}, {})", "CIRCLE({}, {}, {})", "BOX('ICRS', {}, {}, {}, {})",
            "CIRCLE(POINT({}, {}), {})", "POLYGON({}, {}, {}, {}, {}, {})",
            "POLYGON(s_ra, {}, s_ra + 1, {}, s_ra, s_dec)",
            f"REGION({self.text()})",
        ]  # fmt: skip
        if depth > 0:
            shapes.append(f"CENTROID({self.shape(depth - 1)})".replace("{", "{{").replace("}", "}}"))
        return self.pick(*shapes).format(*n)

    def value(self, depth: int) -> str:
        kind = self.random.randint(0, 12) if depth > 0 else self.random.randint(0, 3)
        deeper = depth - 1
        if kind < 3:
            return self.number()
        if kind == 3:
            return self.text()
        if kind == 4:
            return f"({self.value(deeper)} {self.pick(*'+-*/')} {self.value(deeper)})"
        if kind == 5:
            return f"{self.pick(*FUNCTIONS)}({self.some(1, 2, deeper)})"
        if kind == 6:
            return f"{self.pick('COUNT', 'MIN', 'MAX', 'SUM', 'AVG')}({self.number()})"
        if kind == 7:
            return (
                f"CAST({self.value(deeper)} AS {self.pick('INTEGER', 'VARCHAR(3)', 'DOUBLE PRECISION', 'TIMESTAMP')})"
            )
        if kind == 8:
            return f"{self.pick('AREA', 'COORD1', 'COORD2', 'COORDSYS')}({self.shape(deeper)})"
        if kind == 9:
            return f"{self.pick('CONTAINS', 'INTERSECTS', 'DISTANCE')}({self.shape(deeper)}, {self.shape(deeper)})"
        if kind == 10:
            function = self.pick("ivo_hasword", "ivo_hashlist_has", "ivo_nocasematch", "IN_UNIT")
            return f"{function}({self.pick(self.text(), self.number())}, {self.text()})"
        return self.shape(deeper) if kind == 11 else f"({self.query(deeper)})"

    def condition(self, depth: int) -> str:
        deeper = depth - 1
        a, b, c = (self.value(deeper) for _ in range(3))
        simple = [
            f"{a} {self.pick('=', '<>', '!=', '<', '>=')} {b}",
            f"1 = {self.pick('CONTAINS', 'INTERSECTS')}({self.shape(deeper)}, {self.shape(deeper)})",
            f"{self.text()} {self.pick('LIKE', 'ILIKE', 'NOT LIKE')} {self.text()}",
            f"{a} BETWEEN {b} AND {c}",
            f"{a} IN ({b}, {c})",
            f"{a} IS NOT NULL",
        ]
        if depth <= 0 or self.random.random() < 0.5:
            return self.pick(*simple)
        return self.pick(
            f"({self.condition(deeper)} {self.pick('AND', 'OR')} {self.condition(deeper)})",
            f"NOT ({self.condition(deeper)})",
            f"{a} IN ({self.query(deeper)})",
            f"EXISTS ({self.query(deeper)})",
        )

    def source(self, depth: int) -> str:
        table = self.pick(*TABLES)
        if depth <= 0 or self.random.random() < 0.6:
            return self.pick(table, table, f"{table} AS a")
        first, second = self.source(depth - 1), self.source(depth - 1)
        return self.pick(
            f"{first}{self.pick(', ', ' CROSS JOIN ', ' NATURAL JOIN ', ' NATURAL LEFT JOIN ')}{second}",
            f"{first} JOIN {second} ON {self.condition(depth - 1)}",
            f"{first} FULL JOIN {second} USING ({self.pick(*NUMBERS)})",
            f"({self.query(depth - 1)}) AS q",
        )

    def query(self, depth: int = 3) -> str:
        r = self.random.random
        parts = ["SELECT", self.pick("", "DISTINCT"), self.pick("", "TOP 5", "TOP 0")]
        parts += [self.pick("*", self.some(1, 3, depth)), "FROM", self.source(depth - 1)]
        if r() < 0.5:
            parts += ["WHERE", self.condition(depth)]
        if r() < 0.2:
            parts += ["GROUP BY", self.value(depth - 1), "HAVING", self.condition(depth - 1)]
        if r() < 0.2:
            parts += [self.pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT"), f"({self.query(depth - 1)})"]
        if r() < 0.2:
            parts += ["ORDER BY", self.pick("1", self.value(depth - 1)), self.pick("", "DESC")]
        if r() < 0.2:
            parts += ["OFFSET", str(self.random.randint(0, 5))]
        text = " ".join(part for part in parts if part)
        return f"WITH w AS ({text}) SELECT * FROM w" if depth == 3 and r() < 0.1 else text

    def damaged(self, folder: str) -> str:
        """A query with one to four tokens lost, doubled, moved, or replaced by what is hostile."""
        tokens = _TOKEN.findall(self.query())
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(len(tokens))
            what = self.random.randint(0, 6)
            if what == 0 and len(tokens) > 1:
                del tokens[at]
            elif what == 1:
                tokens.insert(at, tokens[at])
            elif what == 2:
                tokens.insert(self.random.randrange(len(tokens)), tokens.pop(at))
            elif what == 3:
                tokens = tokens[: at + 1]
            else:
                hostile = self.pick(*HOSTILE).replace("{}", folder)
                tokens[at : at + self.random.randint(0, 1)] = [" ", hostile, " "]
        return "".join(tokens)
