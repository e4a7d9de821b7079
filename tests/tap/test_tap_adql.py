"""ADQL means what the standard says, and nothing else gets through."""

# ruff: noqa: S608, E501
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from jupyter_uws.tap.adql import translate
from jupyter_uws.tap.errors import ADQLError
from jupyter_uws.tap.schema import Column, Table, read_tap_schema, write_tap_schema
from jupyter_uws.tap.snapshot import Snapshot

Run = Callable[[str], list[tuple[Any, ...]]]


def _text(name: str) -> Column:
    return Column(name, "char", arraysize="*")


TABLES = (
    Table(
        "ivoa.obscore",
        (
            _text("obs_id"), Column("s_ra", "double", unit="deg"), Column("s_dec", "double", unit="deg"),
            Column("s_region", "char", arraysize="*", xtype="adql:REGION"), Column("n", "int"), Column("size", "int"),
            _text("two words"), Column("Mixed", "int"),
        ),
    ),
    Table("ivoa.hea", (_text("obs_id"), Column("events", "int"))),
)  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    path = tmp_path_factory.mktemp("adql") / "archive.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(
            "CREATE SCHEMA ivoa; CREATE SCHEMA _archive; CREATE TABLE _archive.secrets AS SELECT 'hush' AS word"
        )
        con.execute(
            """CREATE TABLE ivoa.obscore AS SELECT 'o' || range AS obs_id, range * 36.0::DOUBLE AS s_ra,
                 range * 18.0::DOUBLE - 90 AS s_dec, 'CIRCLE ICRS ' || range * 36 || ' ' || (range * 18 - 90) || ' 2.5'
                 AS s_region, range::INTEGER AS n, (10 - range)::INTEGER AS size,
                 CASE WHEN range % 2 = 0 THEN 'even' END AS "two words", 1::INTEGER AS "Mixed", range AS _x
               FROM range(11)"""
        )
        con.execute("CREATE TABLE ivoa.hea AS SELECT 'o' || range AS obs_id, (100 * range)::INTEGER AS events, 1 AS _x"
                    " FROM range(5)")  # fmt: skip
        write_tap_schema(con, TABLES)
        assert tuple(read_tap_schema(con).values())[:2] == TABLES
    return Snapshot(path, threads=1, memory=100 * 2**20)


@pytest.fixture(scope="module")
def run(snapshot: Snapshot) -> Run:
    cursor = snapshot.cursor({})

    def run(query: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = cursor.sql(translate(query, snapshot.tables).sql).fetchall()
        return rows

    return run


FROM = " FROM ivoa.obscore "


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT TOP 2 obs_id FROM ivoa.obscore ORDER BY n", [("o0",), ("o1",)]),
        ("select top 2 OBS_ID from IVOA.ObsCore order by N desc", [("o10",), ("o9",)]),
        ("SELECT obs_id FROM ivoa.obscore ORDER BY n OFFSET 9", [("o9",), ("o10",)]),
        ("SELECT TOP 1 obs_id FROM ivoa.obscore ORDER BY n OFFSET 9", [("o9",)]),
        ("SELECT DISTINCT TOP 5 Mixed FROM ivoa.obscore", [(1,)]),
        ("SELECT ALL n FROM ivoa.obscore WHERE n = 3", [(3,)]),
        ("SELECT ivoa.obscore.n, obscore.n, o.n FROM ivoa.obscore JOIN ivoa.obscore AS o ON o.n = obscore.n WHERE o.n = 1",
         [(1, 1, 1)]),
        ('SELECT "size", "size", "Mixed", "two words" FROM ivoa.obscore WHERE n = 2', [(8, 8, 1, "even")]),
        ("SELECT o.* FROM ivoa.hea AS o WHERE events > 300", [("o4", 400)]),
        ("SELECT * FROM ivoa.hea NATURAL JOIN (SELECT obs_id, n FROM ivoa.obscore) AS t WHERE n = 4", [("o4", 400, 4)]),
        ("SELECT COUNT(*) FROM ivoa.obscore, ivoa.hea", [(55,)]),
        ("SELECT COUNT(*) FROM ivoa.obscore CROSS JOIN ivoa.hea", [(55,)]),
        ("SELECT COUNT(events), COUNT(*) FROM ivoa.obscore LEFT OUTER JOIN ivoa.hea USING (obs_id)", [(5, 11)]),
        ("SELECT COUNT(n) FROM (SELECT obs_id, n FROM ivoa.obscore WHERE n > 3) AS a RIGHT JOIN ivoa.hea USING (obs_id)",
         [(1,)]),
        ("SELECT COUNT(*), COUNT(obs_id) FROM (SELECT obs_id FROM ivoa.obscore WHERE n > 3) AS a"
         " FULL OUTER JOIN ivoa.hea USING (obs_id)", [(11, 11)]),
        ("SELECT h.events FROM (ivoa.obscore AS o JOIN ivoa.hea AS h ON h.obs_id = o.obs_id) WHERE o.n = 2", [(200,)]),
        ('SELECT "two words", COUNT(*) AS k, MIN(n), MAX(n), SUM(n), AVG(n) FROM ivoa.obscore GROUP BY "two words"'
         " HAVING COUNT(*) > 1 ORDER BY k", [(None, 5, 1, 9, 25, 5.0), ("even", 6, 0, 10, 30, 5.0)]),
        ("SELECT COUNT(DISTINCT Mixed), COUNT(ALL Mixed) FROM ivoa.obscore", [(1, 11)]),
        ("SELECT n FROM ivoa.obscore WHERE n < 2 UNION SELECT n FROM ivoa.obscore WHERE n < 3 ORDER BY n", [(0,), (1,), (2,)]),
        ("SELECT n FROM ivoa.obscore WHERE n < 2 UNION ALL SELECT TOP 1 n FROM ivoa.obscore WHERE n = 1 ORDER BY 1",
         [(0,), (1,), (1,)]),
        ("SELECT n FROM ivoa.obscore WHERE n < 4 EXCEPT SELECT n FROM ivoa.obscore WHERE n < 3", [(3,)]),
        ("SELECT n FROM ivoa.obscore WHERE n < 4 INTERSECT (SELECT n FROM ivoa.obscore WHERE n > 2)", [(3,)]),
        # INTERSECT binds tighter
        ("SELECT n FROM ivoa.obscore WHERE n = 9 UNION SELECT n FROM ivoa.obscore WHERE n < 4"
         " INTERSECT SELECT n FROM ivoa.obscore WHERE n > 2 ORDER BY n", [(3,), (9,)]),
        ("SELECT n FROM ivoa.obscore WHERE n IN (SELECT events / 100 FROM ivoa.hea WHERE events > 200) ORDER BY n",
         [(3,), (4,)]),
        ("SELECT n FROM ivoa.obscore AS o WHERE EXISTS (SELECT * FROM ivoa.hea AS h WHERE h.obs_id = o.obs_id AND"
         " events > 300)", [(4,)]),
        ("SELECT (SELECT MAX(events) FROM ivoa.hea) AS m FROM ivoa.obscore WHERE n = 0", [(400,)]),
        ("WITH big AS (SELECT * FROM ivoa.hea WHERE events > 200), one AS (SELECT TOP 1 * FROM big ORDER BY events)"
         " SELECT one.events FROM one", [(300,)]),
        ("SELECT n FROM ivoa.obscore WHERE obs_id LIKE 'o1%' AND obs_id NOT LIKE '%0' AND obs_id ILIKE 'O_'", [(1,)]),
        ('SELECT n FROM ivoa.obscore WHERE "two words" IS NOT NULL AND n NOT BETWEEN 1 AND 9 AND n NOT IN (10)', [(0,)]),
        ("SELECT n FROM ivoa.obscore WHERE NOT (n > 1 OR n < 1) AND n <> 2 AND n != 3", [(1,)]),
        ("SELECT COALESCE(\"two words\", 'odd'), LOWER('ÄB'), UPPER('äb'), 'it''s' || 'a' FROM ivoa.obscore WHERE n = 1",
         [("odd", "äb", "ÄB", "it'sa")]),
        ("SELECT ABS(-2), MOD(7, 4), POWER(2, 3), SQRT(9), ROUND(2.567, 1), TRUNCATE(2.567, 1), TRUNCATE(-2.5), CEILING(1.2),"
         " FLOOR(1.8), SIGN(-3), LOG10(1000), LOG(EXP(2)), DEGREES(PI()), RADIANS(180) - PI(), ATAN2(1, 1) * 4 - PI()"
         " FROM ivoa.obscore WHERE n = 0", [(2, 3, 8, 3, 2.6, 2.5, -2, 2, 1, -1, 3, 2, 180, 0, 0)]),
        ("SELECT CAST('12' AS INTEGER) + 1, CAST(1.9 AS VARCHAR(2)), CAST(2 AS DOUBLE PRECISION) / 4, 5 / 2, 0xFF, 1e2, .5,"
         " -n, +n, 0.1 + 0.2 FROM ivoa.obscore WHERE n = 1",
         [(13, "1.", 0.5, 2.5, 255, 100.0, 0.5, -1, 1, 0.1 + 0.2)]),
        ('SELECT n AS "by" FROM ivoa.obscore AS "order" WHERE "order".n = 1', [(1,)]),
        # what all rows of a group have in common
        ("SELECT FLOOR(n / 4) + 1 AS k, COUNT(*) FROM ivoa.obscore GROUP BY floor(obscore.n / 4) ORDER BY k",
         [(1, 4), (2, 4), (3, 3)]),
        ("SELECT (n), n + 1, COUNT(*), MAX(s_ra) FROM ivoa.obscore GROUP BY (n) HAVING n IN (2, 3) AND MIN(s_dec) > -50"
         " ORDER BY ABS(n)", [(3, 4, 1, 108)]),
        ("SELECT s_region, COUNT(*) FROM ivoa.obscore GROUP BY s_region HAVING 1 = INTERSECTS(s_region, CIRCLE(72, -54, 1))",
         [("CIRCLE ICRS 72 -54 2.5", 1)]),
        ("SELECT o.obs_id, (SELECT SUM(events) FROM ivoa.hea AS h WHERE h.obs_id = o.obs_id) AS s FROM ivoa.obscore AS o"
         " WHERE EXISTS (SELECT MAX(events) FROM ivoa.hea AS h GROUP BY h.obs_id HAVING MAX(events) > o.n * 100)"
         " GROUP BY o.obs_id HAVING COUNT(*) = 1 ORDER BY s DESC OFFSET 2", [("o1", 100), ("o0", 0)]),
        ("SELECT COUNT(*) FROM ivoa.obscore AS o WHERE n = (SELECT COUNT(*) FROM ivoa.hea AS h WHERE h.events < o.n * 100)",
         [(6,)]),
        ("SELECT 99999999999999999999 FROM ivoa.obscore WHERE n = 1 -- a comment\n;", [(1e20,)]),
        ("SELECT n AS s_ra FROM ivoa.obscore WHERE s_ra = 72 ORDER BY s_ra", [(2,)]),
        ("SELECT RAND(7) * 0 FROM ivoa.obscore WHERE n = 0", [(0.0,)]),
        ("SELECT column_name FROM tap_schema.columns WHERE table_name = 'ivoa.hea' ORDER BY column_index",
         [("obs_id",), ("events",)]),
    ],
)  # fmt: skip
def test_queries(run: Run, query: str, expected: list[tuple[Any, ...]]) -> None:
    assert run(query) == [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in expected]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        # other SQL, and the ADQL way to say it
        ("SELECT n" + FROM + "LIMIT 5", "line 1, column 28: ADQL has no LIMIT: write SELECT TOP n"),
        ("SELECT n" + FROM + "ORDER BY n FETCH FIRST 3 ROWS ONLY", "write SELECT TOP n"),
        ("SELECT n::double" + FROM, r"column 9: '::' is not ADQL: write CAST\(value AS type\)"),
        ("SELECT CASE WHEN n = 1 THEN 2 END" + FROM, "column 8: ADQL has no CASE"),
        ("SELECT n" + FROM + "QUALIFY ROW_NUMBER() OVER (ORDER BY n) = 1", "ADQL has no QUALIFY"),
        ("SELECT RANK() OVER (ORDER BY n)" + FROM, "no function RANK|window functions"),
        ("SELECT * EXCLUDE (n)" + FROM, r"column 8: ADQL has no \* EXCLUDE: name the columns"),
        ("SELECT * REPLACE (1 AS n)" + FROM, r"ADQL has no \* REPLACE"),
        ("SELECT n % 2" + FROM, r"'%' is not ADQL: write MOD\(a, b\)"),
        ("SELECT n ** 2" + FROM, "write POWER"),
        ("SELECT n" + FROM + "WHERE n == 2", "write = for equality"),
        ("SELECT n /* c */" + FROM, "comments are written --"),
        ("SELECT [n]" + FROM, "no arrays"),
        ("SELECT {'a': n}" + FROM, "no structures"),
        ("SELECT `n`" + FROM, "double quotes"),
        ("SELECT n" + FROM + "WHERE n = ?", "no parameters"),
        ("SELECT n" + FROM + "WHERE n = $1", r"'\$1' is not an identifier|is not ADQL"),
        ("SELECT n & 1" + FROM, "'&' is not ADQL"),
        ("SELECT 1", "needs a FROM clause"),
        ("SELECT DISTINCT ON (n) n" + FROM, "ON is not ADQL|not expected"),
        ("SELECT n" + FROM + "ORDER BY n NULLS FIRST", "NULLS FIRST"),
        ("SELECT n" + FROM + "TABLESAMPLE 10 PERCENT", "no TABLESAMPLE"),
        ("SELECT n" + FROM + "GROUP BY ROLLUP (n)", "ROLLUP"),
        ("SELECT n" + FROM + "GROUP BY 1", "GROUP BY takes columns"),
        ("SELECT n FROM ivoa.obscore AS o (a, b)", "COLUMNS is not ADQL"),
        ("SELECT n FROM ivoa.obscore, LATERAL (SELECT 1) AS x", "only tables may stand in FROM"),
        ("SELECT COUNT(*) FILTER (WHERE n > 1)" + FROM, "no FILTER"),
        ("SELECT n" + FROM + "WHERE (n, size) IN (SELECT n, size FROM ivoa.obscore)", "TUPLE is not ADQL"),
        ("SELECT n" + FROM + "WHERE n = ANY (SELECT n FROM ivoa.obscore)", "column 38: ADQL has no ANY"),
        ("SELECT n" + FROM + "WHERE n = ALL (SELECT n FROM ivoa.obscore)", "column 38: ADQL has no ALL"),
        ("SELECT n" + FROM + "WHERE obs_id LIKE 'a' ESCAPE 'b'", "no ESCAPE|ESCAPE is not ADQL"),
        ("SELECT n" + FROM + "WHERE n IS TRUE", "IS NULL and IS NOT NULL only"),
        ("SELECT n" + FROM + "FOR UPDATE", "not expected|incomplete"),
        ("SELECT n INTO x" + FROM, "not expected"),
        ("SELECT n FROM ivoa.obscore AT (VERSION => 1)", "not"),
        ("SELECT n" + FROM + "WHERE n = INTERVAL 1 DAY", "INTERVAL|not expected"),
        ("SELECT DATE '2020-01-01'" + FROM, r"column 8: DATE '…' is not ADQL: write CAST\('…' AS TIMESTAMP\)"),
        ("SELECT CAST(n AS BLOB)" + FROM, "column 18: CAST to BLOB is not ADQL: CHAR, VARCHAR"),
        ("SELECT CAST(n AS DOUBLE PRECISION(3))" + FROM, "not expected|length"),
        ("SELECT x -> 1" + FROM, "column 10: '-' is not expected here"),
        ("SELECT n = 1" + FROM, "a condition is not a value"),
        ("SELECT n" + FROM + "WHERE n", "a condition is expected"),
        ("SELECT n" + FROM + "WHERE TRUE", "a condition is expected"),
        # statements and several of them
        ("DROP TABLE ivoa.obscore", "'DROP' is not ADQL: a query begins with SELECT"),
        ("SELECT n" + FROM + "; DROP TABLE ivoa.obscore", "nothing may follow the semicolon"),
        ("PRAGMA database_list", "a query begins with SELECT"),
        ("COPY (SELECT 1) TO '/tmp/x'", "a query begins with SELECT"),
        ("ATTACH '/etc/passwd'", "a query begins with SELECT"),
        ("SET memory_limit = '9GB'", "a query begins with SELECT"),
        ("INSTALL httpfs", "a query begins with SELECT"),
        ("EXPLAIN SELECT n" + FROM, "a query begins with SELECT"),
        ("FROM ivoa.obscore", "a query begins with SELECT"),
        ("VALUES (1)", "a query begins with SELECT"),
        ("SELECT n FROM ivoa.hea WHERE EXISTS (DELETE FROM ivoa.obscore)", "column 45: FROM stands after SELECT"),
        ("WITH x AS (DELETE FROM ivoa.obscore) SELECT * FROM x", "column 19: FROM stands after SELECT"),
        ("WITH RECURSIVE r AS (SELECT n FROM ivoa.hea UNION SELECT n FROM r) SELECT * FROM r", "RECURSIVE|recursive"),
        # files, settings, internals
        ("SELECT * FROM read_csv('/etc/passwd')", "only tables may stand in FROM"),
        ("SELECT * FROM '/etc/passwd'", "column 15: '/etc/passwd' is a text here: names stand in double quotes"),
        ('SELECT * FROM "/etc/passwd"', "there is no table"),
        ("SELECT * FROM duckdb_settings()", "only tables may stand in FROM"),
        ("SELECT * FROM information_schema.tables", "there is no table 'information_schema.tables'"),
        ("SELECT * FROM _archive.secrets", "'_archive' is not an identifier"),
        ('SELECT * FROM "_archive".secrets', "there is no table"),
        ('SELECT * FROM archive."_archive".secrets', "there is no table"),
        ("SELECT * FROM archive.ivoa.obscore", "there is no table"),
        ("SELECT _x" + FROM, "'_x' is not an identifier"),
        ('SELECT "_x"' + FROM, 'there is no column "_x"'),
        ('SELECT o."_x" FROM ivoa.obscore AS o', 'there is no column "_x"'),
        ("SELECT rowid" + FROM, "there is no column rowid"),
        ("SELECT t1.n" + FROM, "t1 is no table of FROM"),
        ("SELECT getvariable('root_url')" + FROM, "there is no function getvariable"),
        ("SELECT current_setting('memory_limit')" + FROM, "there is no function current_setting"),
        ("SELECT CURRENT_USER" + FROM, "there is no column CURRENT_USER"),
        ("SELECT \"read_text\"('/etc/passwd')" + FROM, "there is no function"),
        ("SELECT error('x')" + FROM, "there is no function error"),
        # names
        ("SELECT s_raa" + FROM, "line 1, column 8: there is no column s_raa; did you mean s_ra"),
        ("SELECT n,\n  o.evnts\nFROM ivoa.hea AS o", "line 1, column 8: there is no column n"),
        ("SELECT obs_id,\n  o.evnts\nFROM ivoa.hea AS o", "line 2, column 5: .* evnts in o; did you mean events"),
        ("SELECT n FROM obscore", "no table 'obscore'; did you mean ivoa.obscore"),
        ("SELECT n FROM ivoa.obscor", "did you mean ivoa.obscore"),
        ('SELECT "mixed"' + FROM, 'no column "mixed"; did you mean Mixed'),
        ('SELECT n FROM ivoa."ObsCore"', "no table"),
        ("SELECT obs_id FROM ivoa.obscore, ivoa.hea", "obs_id is ambiguous, 2 tables have it"),
        ("SELECT n FROM ivoa.obscore AS a, ivoa.obscore AS a", "'a' is the name of two tables"),
        ("SELECT n FROM ivoa.obscore JOIN ivoa.hea USING (n)", r"USING \(n\): n is no column of both tables"),
        ("SELECT n FROM ivoa.obscore JOIN ivoa.hea", "JOIN needs a condition"),
        ("SELECT n FROM (SELECT n FROM ivoa.obscore)", "a subquery in FROM needs a name"),
        ("SELECT n FROM ivoa.obscore AS o JOIN ivoa.hea AS h ON h.obs_id = z.obs_id", "z is no table of FROM"),
        ("SELECT sqroot(n)" + FROM, "no function sqroot; did you mean SQRT"),
        ("SELECT n + 1 AS m" + FROM + "WHERE m > 3", "no column m: m is a name in SELECT, write what stands before AS"),
        ("SELECT n + 1 AS m, COUNT(*) AS c" + FROM + "GROUP BY m", "m is a name in SELECT"),
        # words that are missing, and that sqlglot does not miss
        ("SELECT n" + FROM + "WHERE n BETWEEN 1 5", "column 46: '5' is not expected here"),
        ("SELECT n" + FROM + "WHERE obs_id NOT NULL", "column 41: NOT NULL is not ADQL here: write IS NOT NULL"),
        ("WITH w (SELECT n FROM ivoa.obscore) SELECT n FROM w", r"column 6: .* WITH takes w AS \(SELECT …\)"),
        ("SELECT n FROM ivoa.obscore AS", "column 28: AS is followed by a name"),
        ("SELECT n FROM ivoa.obscore AS WHERE n = 1", "AS is followed by a name"),
        ("SELECT CAST(n AS VARCHAR())" + FROM, "the length of a type is a whole number"),
        ("SELECT CAST(n AS VARCHAR(10 10))" + FROM, "the length of a type is a whole number"),
        ("SELECT n FROM ivoa.obscore JOIN ivoa.hea ON", "column 42: ON is followed by a condition"),
        ("SELECT COUNT(*) FROM ivoa.obscore CROSS JOIN ivoa.hea ON", "column 55: ON is followed by a condition"),
        ("SELECT COUNT(*) FROM ivoa.obscore CROSS JOIN ivoa.hea ON WHERE n = 1", "column 55: ON is followed by a condition"),
        ("SELECT n FROM ivoa.obscore JOIN ivoa.hea USING", "column 42: USING is followed by the names of columns"),
        ("SELECT COUNT(*) FROM ivoa.obscore CROSS JOIN ivoa.hea USING ()", "column 55: USING is followed by the names"),
        # conditions where there are none
        ("SELECT COUNT(*) FROM ivoa.obscore AS o CROSS JOIN ivoa.hea AS h ON o.n = h.events", "CROSS JOIN takes no condition"),
        ("SELECT COUNT(*) FROM ivoa.obscore CROSS JOIN ivoa.hea USING (obs_id)", "CROSS JOIN takes no condition"),
        # reserved words as names
        ("SELECT obs_id BY FROM ivoa.obscore", 'column 15: BY is a reserved word of ADQL: .* in double quotes, "BY"'),
        ("SELECT obs_id AS select FROM ivoa.obscore", "column 15: AS .* name, and select is none unless it is in double quotes"),
        ("SELECT COUNT(*) AS count" + FROM, 'column 20: count is a reserved word of ADQL: .* "count"'),
        ("SELECT n FROM ivoa.obscore year", 'column 28: year is a reserved word'),
        ("SELECT n FROM ivoa.obscore AS Point", 'column 31: Point is a reserved word'),
        ("SELECT * FROM (SELECT n FROM ivoa.obscore) AS first", "column 47: first is a reserved word"),
        ("WITH last AS (SELECT n FROM ivoa.obscore) SELECT n FROM last", "column 6: last is a reserved word"),
        ("WITH w AS (SELECT n FROM ivoa.obscore) SELECT n FROM w AS last", "column 59: last is a reserved word"),
        # groups
        ("SELECT n, obs_id, COUNT(*)" + FROM + "GROUP BY n", r"column 11: obs_id is neither in GROUP BY nor within COUNT"),
        ("SELECT obs_id,\n  COUNT(*)" + FROM, r"line 1, column 8: obs_id is neither .*; write MIN\(obs_id\), or put it"),
        ("SELECT COUNT(*), 'a' || obs_id" + FROM + "GROUP BY n", "column 25: obs_id is neither"),
        ("SELECT FLOOR(s_ra) + s_dec" + FROM + "GROUP BY FLOOR(s_ra)", "column 22: s_dec is neither"),
        ("SELECT FLOOR(s_ra / 2)" + FROM + "GROUP BY FLOOR(s_ra)", "column 14: s_ra is neither"),
        ("SELECT *" + FROM + "GROUP BY n", "column 8: obs_id is neither"),
        ("SELECT o.*, COUNT(*) FROM ivoa.obscore AS o GROUP BY o.n", "column 8: obs_id is neither"),
        ('SELECT "two words"' + FROM + "HAVING COUNT(*) > 1", r'column 8: two words is neither .*; write MIN\("two words"\)'),
        ("SELECT n" + FROM + "GROUP BY n HAVING s_ra > 1", "column 46: s_ra is neither"),
        ("SELECT n" + FROM + "GROUP BY n ORDER BY s_ra", "column 48: s_ra is neither"),
        ("SELECT n" + FROM + "ORDER BY COUNT(*)", "column 8: n is neither"),
        ("SELECT n" + FROM + "GROUP BY n HAVING 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(1, 2, 3))", "s_ra is neither"),
        ("SELECT n, (SELECT MAX(events) FROM ivoa.hea AS h WHERE h.obs_id = o.obs_id) FROM ivoa.obscore AS o GROUP BY n",
         "column 69: obs_id is neither"),
        ("SELECT n" + FROM + "GROUP BY COUNT(*)", "column 37: GROUP BY makes the groups that COUNT counts"),
        ("SELECT SUM(1 + MAX(n))" + FROM, "column 16: SUM does not take what MAX gives"),
        ("SELECT n" + FROM + "WHERE 1 = 1 AND COUNT(*) > 1", "column 44: WHERE and ON ask for rows before they are counted"),
        ("SELECT n FROM ivoa.obscore LEFT JOIN ivoa.hea ON MAX(n) > 1", "column 50: WHERE and ON ask for rows"),
        # words too many
        ("SELECT n FROM . ivoa.obscore", "column 15: '.' is not expected here"),
        ("SELECT n FROM ivoa.obscore * AS o", r"column 28: '\*' is not expected here"),
        ("SELECT AS n" + FROM, "column 8: 'AS' is not expected here"),
        ("WITH AS w AS (SELECT n FROM ivoa.obscore) SELECT n FROM w", "column 6: 'AS' is not expected here"),
        ("SELECT n ASC" + FROM, "column 10: 'ASC' is not expected here"),
        ("SELECT n" + FROM + "ORDER BY n ASC DESC", "'ASC' is not expected here"),
        ("SELECT n NULL" + FROM, "'NULL' is not expected here"),
        ("SELECT n ALL" + FROM, "column 10: ALL stands after SELECT or UNION"),
        ("SELECT n FROM ivoa.obscore 'o'", "\"'o'\" is not expected here"),
        ("SELECT n FROM ivoa.obscore IN WHERE n = 1", "'IN' is not expected here"),
        ("SELECT n" + FROM + "WHERE obs_id NOT IS NULL", "'IS' is not expected here"),
        ("SELECT n" + FROM + "GROUP BY DISTINCT n", "'DISTINCT' is not expected here"),
        # what may be meant
        ("SELCT n" + FROM, "a query begins with SELECT, not 'SELCT'"),
        ("SELECT n FORM ivoa.obscore", "'ivoa' is not expected here; did you mean FROM instead of FORM"),
        ("SELECT n FROM ivoa.obscore WERE n > 3", "column 33: 'n' is not expected here; did you mean WHERE instead of WERE"),
        ("SELECT n" + FROM + "ORDER BY n DSC", "'DSC' is not expected here; did you mean DESC"),
        ("SELECT n" + FROM + "ORDER n", "did you mean ORDER BY instead of ORDER"),
        ("SELECT n" + FROM + "WHERE", "the query is incomplete at 'WHERE'$"),
        ("SELECT n" + FROM + "WHERE n BETWEEN 1", "the query is incomplete at '1'$"),
        ("SELECT n" + FROM + "WHERE n < 1 TeV", "'TeV' is not expected here$"),
        ("SELECT n" + FROM + "WHERE obs_id = Crab", "no column Crab; a text is written in single quotes, 'Crab'"),
        ("SELECT n" + FROM + 'WHERE obs_id IN ("it\'s")', "a text is written in single quotes, 'it''s'"),
        ("SELECT Crab" + FROM, "no column Crab$"),
        ("SELECT n" + FROM + "WHERE obs_id IN 'Crab'", r"column 34: IN is followed by values in parentheses: IN \('a', 'b'\)"),
        ("SELECT n" + FROM + "WHERE obs_id LIKE %Crab%", "the pattern of LIKE is a text, '%a%'"),
        ("SELECT n" + FROM + "WHERE s_ra > 5:34:32", "':' is not ADQL: angles are numbers, in degrees"),
        ("SELECT n" + FROM + "WHERE s_ra > NOW() - 30", "no function NOW; times are numbers here, MJD in days"),
        ("SELECT n" + FROM + "WHERE s_ra > '2020-01-01'", "cannot be compared$"),
        ("SELECT n FROM ivoa", "did you mean ivoa.hea or ivoa.obscore|did you mean ivoa.obscore or ivoa.hea"),
        ("SELECT n FROM TAP_UPLOAD.mine", "no table 'TAP_UPLOAD.mine': the query comes without UPLOAD=mine,"),
        ("SELECT o.events FROM ivoa.obscore AS o JOIN ivoa.hea AS h ON o.obs_id = h.obs_id", "no column events in o; h has it"),
        # kinds
        ("SELECT n" + FROM + "WHERE s_ra = 'abc'", r"s_ra \(deg\) is a number and 'abc' is text: they cannot be compared"),
        ("SELECT n" + FROM + "WHERE s_ra > ('2004-12-01')", "cannot be compared"),
        ("SELECT n" + FROM + "WHERE obs_id = 23523", "23523 is a number and obs_id is text: .*; write '23523'"),
        ("SELECT n" + FROM + "WHERE obs_id IN ('1', 2)", "2 is a number and obs_id is text"),
        ("SELECT n" + FROM + "WHERE s_ra BETWEEN 1 AND '2'", "cannot be compared"),
        ("SELECT n" + FROM + "WHERE -s_ra < obs_id", "the value is a number and obs_id is text"),
        # numbers and counts
        ("SELECT SQRT(n, 2)" + FROM, "SQRT takes 1 arguments, not 2"),
        ("SELECT MAX(*)" + FROM, r"\* is for COUNT\(\*\) only"),
        ("SELECT TOP 1.5 n" + FROM, "TOP takes a whole number"),
        ("SELECT TOP -1 n" + FROM, "TOP|not expected"),
        ("SELECT TOP n n" + FROM, "not expected|TOP"),
        ("SELECT n" + FROM + "ORDER BY 2", "ORDER BY 2: the query has 1 columns"),
        ("SELECT n" + FROM + "OFFSET n", "OFFSET takes a whole number"),
        ("SELECT n" + FROM + "WHERE n IN ()", "IN .* has no values"),
        ("SELECT n" + FROM + "WHERE n IN (SELECT n, s_ra FROM ivoa.obscore)", "the subquery has one column, not 2"),
        ("SELECT n" + FROM + "UNION SELECT n, s_ra FROM ivoa.obscore", "as many columns, not 1 and 2"),
        ("SELECT n" + FROM + "UNION SELECT n FROM ivoa.obscore ORDER BY s_ra", "there is no column s_ra"),
        ("SELECT n," + FROM, "nothing follows the comma"),
        ("SELECT , n" + FROM, "nothing stands before the comma, after 'SELECT'"),
        ("SELECT n,, n" + FROM, "nothing stands before the comma"),
        ("SELECT n" + FROM + "GROUP BY", "GROUP BY is followed by no columns|incomplete"),
        ("SELECT n" + FROM + "ORDER BY", "ORDER BY is followed by no columns|incomplete"),
        ("SELECT INTEGER '3'" + FROM, r"write CAST\('…' AS INTEGER\)"),
        ("SELECT" + FROM, "no columns|not expected"),
        ("SELECT n FROM", "incomplete at 'FROM'"),
        ("SELECT n" + FROM + "WHERE (n = 1", "parentheses do not match"),
        ("SELECT n" + FROM + "WHERE n = 1)", "parentheses do not match"),
        ("SELECT n" + FROM + "WHERE obs_id = 'a", "line 1, column 43: a string is not closed"),
        ("SELECT 'it''s', '\n", "line 1, column 17: a string is not closed"),
        ('SELECT "n' + FROM, "line 1, column 8: a quoted identifier is not closed"),
        ("", "empty"),
        (" ; ; ", "empty"),
        ("-- nothing", "empty"),
        # geometry
        ("SELECT n" + FROM + "WHERE CONTAINS(POINT(s_ra, s_dec), CIRCLE(1, 2, 3))", "write 1 = CONTAINS"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(POINT('GALACTIC', s_ra, s_dec), CIRCLE(1, 2, 3))", "GALACTIC coordinates must be numbers"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(POINT(s_ra, s_dec), BOX(1, 2, 3))", "BOX takes longitude, latitude, width and height"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(POINT(s_ra, s_dec), POINT(1, 2))", "second argument of CONTAINS"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(POINT(s_ra), CIRCLE(1, 2, 3))", "POINT takes longitude and latitude"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(POINT('a', 'b', 1), CIRCLE(1, 2, 3))", "coordinate system|degrees"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(obs_id, CIRCLE(1, 2, 3))", "obs_id is no region"),
        ("SELECT n" + FROM + "WHERE 1 = CONTAINS(s_ra, s_dec, 1)", "CONTAINS takes two arguments"),
        ("SELECT n" + FROM + "WHERE 1 = INTERSECTS(POINT(1, 2), POINT(1, 2))", "use DISTANCE"),
        ("SELECT DISTANCE(1, 2, 3)" + FROM, "DISTANCE takes two points"),
        ("SELECT DISTANCE(DISTANCE(1, 2, 3, 4), 2, 3, 4)" + FROM, "a coordinate is a number"),
    ],
)  # fmt: skip
def test_refused(snapshot: Snapshot, query: str, message: str) -> None:
    with pytest.raises(ADQLError, match=message):
        translate(query, snapshot.tables)


_X = "SELECT n FROM ivoa.obscore WHERE n = 1"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT " + "(" * 1000 + "n" + ")" * 1000 + FROM,
        "SELECT " + "abs(" * 1000 + "n" + ")" * 1000 + FROM,
        "(" * 100_000,
        "SELECT n" + FROM + "WHERE " + "NOT " * 5000 + "n = 1",
        "SELECT " + "- " * 5000 + "n" + FROM,
        "SELECT " + "n, " * 5000 + "n" + FROM,
        "SELECT " + "9" * 10_000 + FROM,
        "SELECT " + "n" * 10_000 + FROM,
        "SELECT n" + FROM + "WHERE n IN (" + "1, " * 400_000 + "1)",
        _X + (" UNION " + _X) * 1000,
        "SELECT * FROM " + ", ".join(f"ivoa.hea AS h{i}" for i in range(1000)),
        "SELECT n FROM ivoa.obscore " + "JOIN ivoa.hea " * 3000,
        "SELECT * FROM " + "(SELECT a.*, b.* FROM " * 15 + "ivoa.hea AS a, ivoa.hea AS b) AS a, ivoa.hea AS b) AS c",
        "WITH c0 AS (SELECT n FROM ivoa.obscore), "
        + ", ".join(f"c{i} AS (SELECT a.n FROM c{i - 1} AS a, c{i - 1} AS b)" for i in range(1, 40))
        + " SELECT * FROM c39",
        "'" * 100_001,
        "SELECT '\0' FROM ivoa.hea",
        "SELECT '\ud800' FROM ivoa.hea",
        "\u202eSELECT n FROM ivoa.hea",
        ";" * 100_000,
        "SELECT " * 5000,
        "SELECT " + "IN_UNIT(" * 29 + "s_ra" + ", 'deg')" * 29 + FROM,
        "SELECT " + "CENTROID(BOX(" * 14 + "s_region" + "), 1, 2)" * 14 + FROM,
        "SELECT " + "CENTROID(BOX(" * 14 + "POINT(s_ra, s_dec)" + ", 1, 2))" * 14 + FROM,
        "SELECT n FROM " + "a." * 5000 + "b",
    ],
    ids=lambda query: query[:20].encode("ascii", "replace").decode(),
)
def test_hostile_queries_end_in_an_error_soon(snapshot: Snapshot, query: str) -> None:
    with pytest.raises(ADQLError) as caught:
        translate(query, snapshot.tables)
    assert len(str(caught.value)) < 400


def test_nesting_that_is_allowed_runs(run: Run) -> None:
    nested = "SELECT n FROM " + "(SELECT n FROM " * 25 + "ivoa.obscore" + ") AS t" * 25
    assert len(run(nested)) == 11
    assert run("SELECT " + "ABS(" * 29 + "n" + ")" * 29 + FROM + "WHERE n = 3") == [(3,)]
    assert run("SELECT n" + FROM + "WHERE " + " OR ".join(f"n = {i}" for i in range(9, 3000))) == [(9,), (10,)]


def test_the_engine_itself_is_locked(snapshot: Snapshot) -> None:
    """The second wall, should anything ever get past the translator."""
    cursor = snapshot.cursor({})
    for sql in (
        "SELECT * FROM read_csv('/etc/passwd')",
        "ATTACH '/tmp/other.duckdb'",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "SET memory_limit = '9GB'",
        "INSTALL httpfs",
        "CREATE TABLE archive.ivoa.x AS SELECT 1",
        "DROP TABLE archive.ivoa.hea",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(sql)
