"""The grammar of ADQL 2.1, rule by rule: what each rule allows gives the right rows, and nothing else is taken."""

# ruff: noqa: S608, E501
from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from adql_bnf import is_adql

from jupyter_uws.tap import grammar, udfs
from jupyter_uws.tap.adql import translate
from jupyter_uws.tap.errors import ADQLError
from jupyter_uws.tap.schema import Column, Table
from jupyter_uws.tap.words import RESERVED

Ask = Callable[[str], list[tuple[Any, ...]]]


def _text(name: str, xtype: str | None = None) -> Column:
    return Column(name, "char", arraysize="*", xtype=xtype)


RUNS = Table(
    "s.t",
    (
        Column("id", "int"), Column("x", "double", unit="deg"), Column("y", "double", unit="deg"), _text("name"),
        Column("n", "int"), Column("short", "short"), Column("flag", "boolean"), _text("begun", "timestamp"),
        _text("outline", "adql:REGION"), Column("place", "double", arraysize="2", xtype="point"),
        Column("circ", "double", arraysize="3", xtype="circle"), _text('q"q'), Column("Ab", "int"),
        Column("size", "int"),
    ),
)  # fmt: skip
EVENTS = Table("s.u", (Column("id", "int"), _text("name"), Column("m", "int")))
TABLES = {table.name: table for table in (RUNS, EVENTS)}


@pytest.fixture(scope="module")
def ask() -> Ask:
    con = duckdb.connect(config={"threads": 1})
    udfs.register(con)
    con.execute("ATTACH ':memory:' AS archive; CREATE SCHEMA archive.s")
    con.execute(
        """CREATE TABLE archive.s.t AS SELECT range::INTEGER AS id, range * 36.0::DOUBLE AS x,
             range * 18.0::DOUBLE - 90 AS y, 'n' || range AS name, (range % 3)::INTEGER AS n, range::SMALLINT AS short,
             range % 2 = 0 AS flag, TIMESTAMP '2020-01-01' + range * INTERVAL 1 DAY AS begun,
             'CIRCLE ICRS ' || x || ' ' || y || ' 2.5' AS outline, [x, y]::DOUBLE[] AS place,
             [x, y, 1.0]::DOUBLE[] AS circ, 'q' || range AS "q""q", 7::INTEGER AS "Ab", 9::INTEGER AS "size"
           FROM range(11)"""
    )
    con.execute(
        """CREATE TABLE archive.s.u AS SELECT range::INTEGER AS id, CASE WHEN range <> 2 THEN 'n' || range END AS name,
             (10 * range)::INTEGER AS m FROM range(5)"""
    )
    return lambda query: con.sql(translate(query, TABLES).sql).fetchall()


def _ids(*numbers: int) -> list[tuple[int, ...]]:
    return [(number,) for number in numbers]


VALID: list[tuple[str, list[tuple[Any, ...]]]] = [
    # select_query, select_list, set_quantifier, set_limit
    ("SELECT TOP 0 id FROM s.t", []),
    ("SELECT ALL TOP 1 m FROM s.u WHERE id = 3", [(30,)]),
    ("SELECT DISTINCT TOP 5 n FROM s.t ORDER BY n", _ids(0, 1, 2)),
    ("SELECT u.*, s.u.m AS twice FROM s.u WHERE id = 1", [(1, "n1", 10, 10)]),
    ("SELECT 1 a, 'x' AS b, id c FROM s.u WHERE id = 1", [(1, "x", 1)]),
    # identifiers, reserved words, case, whitespace, comments
    ("select ID, \"id\" from S.u where u.Id = 1 -- the end", [(1, 1)]),
    ('SELECT AB, ab, "Ab", "q""q", "size" FROM s.t WHERE id = 1', [(7, 7, 7, "q1", 9)]),
    ('SELECT q."ID", q."id" FROM (SELECT id AS "ID", m AS "id" FROM s.u) AS q WHERE q."id" = 10', [(1, 10)]),
    ('SELECT "U".id FROM s.u AS "U" WHERE U.id = 1', [(1,)]),
    ("SELECT\tALL(id+1)x\nFROM s.u--c\nWHERE id=1ORDER   BY id", [(2,)]),
    ("select s . u . id from s . u where id = 1", [(1,)]),
    # literals
    ("SELECT 1., .5, 1e-3, 1.5E+2, '', 'it''s', 0xFF, 0x1f FROM s.u WHERE id = 1", [(1.0, 0.5, 0.001, 150.0, "", "it's", 255, 31)]),
    ("SELECT TRUE AS yes, false FROM s.u WHERE id = 1", [(True, False)]),
    ("SELECT NULL AS nothing FROM s.u WHERE id = 1", [(None,)]),
    # numeric_value_expression, concatenation
    ("SELECT 1 + 2 * 3 - 4 / 8, -id, +id, -(-id), 7 / 2, id * (2 + 1), 2 - 1 - 1 FROM s.u WHERE id = 2", [(6.5, -2, 2, 2, 3.5, 6, 0)]),
    ("SELECT name || '-' || id FROM s.u WHERE id = 1", [("n1-1",)]),
    ("SELECT short * 30000, short + 1 FROM s.t WHERE id = 3", [(90000, 4)]),
    # table_reference, joined_table
    ("SELECT a.id FROM s.u a, s.t AS b WHERE a.id = b.id AND b.id = 3", _ids(3)),
    ("SELECT id, m FROM s.t NATURAL JOIN s.u ORDER BY id", [(0, 0), (1, 10), (3, 30), (4, 40)]),
    ("SELECT id FROM s.u NATURAL LEFT OUTER JOIN s.t ORDER BY id", _ids(0, 1, 2, 3, 4)),
    ("SELECT id FROM s.t INNER JOIN s.u USING (id, name) ORDER BY id", _ids(0, 1, 3, 4)),
    ("SELECT t.id, u.m FROM s.t LEFT JOIN s.u ON t.id = u.id WHERE t.id > 3 ORDER BY t.id OFFSET 5", [(9, None), (10, None)]),
    ("SELECT COUNT(*) FROM s.u AS a RIGHT OUTER JOIN s.t AS b ON a.id = b.id", [(11,)]),
    ("SELECT COUNT(*), COUNT(a.id) FROM s.u AS a FULL JOIN s.t AS b ON a.id = b.id + 3", [(14, 5)]),
    ("SELECT a.id FROM ((s.u AS a JOIN s.u AS b USING (id))) WHERE a.m = 10", _ids(1)),
    ("SELECT a.id FROM ((s.u AS a JOIN s.u AS b USING (id)) JOIN s.u AS c USING (id)) WHERE c.m = 10", _ids(1)),
    ("SELECT q.k FROM ((SELECT id AS k FROM s.u) AS q JOIN s.u AS b ON b.id = q.k) WHERE b.m = 20", _ids(2)),
    ("SELECT a.id FROM s.u AS a JOIN s.u AS b JOIN s.u AS c ON b.id = c.id ON a.id = b.id + 3 ORDER BY 1", _ids(3, 4)),
    ("SELECT a.id FROM s.u AS a LEFT JOIN s.u AS b JOIN s.t AS c ON b.id = c.id AND c.n = 1 ON a.id = b.id WHERE b.id IS NULL ORDER BY 1", _ids(0, 2, 3)),
    ("SELECT a.id FROM s.t AS b, (s.u AS a JOIN s.u AS c ON (a.id BETWEEN(c.id+0)AND 4)) WHERE b.id = 0 AND c.id = 4", _ids(4)),
    # subqueries
    ("SELECT q.id FROM (SELECT TOP 2 id FROM s.u ORDER BY id DESC) q ORDER BY id", _ids(3, 4)),
    ("SELECT id FROM s.u WHERE id IN (SELECT n FROM s.t) ORDER BY id", _ids(0, 1, 2)),
    ("SELECT id FROM s.t WHERE NOT EXISTS (SELECT * FROM s.u WHERE u.id = t.id) ORDER BY id OFFSET 4", _ids(9, 10)),
    ("SELECT id FROM s.u AS o WHERE m = (SELECT MAX(m) FROM s.u AS i WHERE i.id < o.id + 1) ORDER BY id", _ids(0, 1, 2, 3, 4)),
    # predicates
    ("SELECT id FROM s.u WHERE id <> 1 AND id != 2 AND id < 4 AND id <= 3 AND id > -1 AND id >= 0 ORDER BY id", _ids(0, 3)),
    ("SELECT id FROM s.u WHERE id = 1 OR id = 2 AND m = 0", _ids(1)),
    ("SELECT id FROM s.u WHERE NOT id = 1 AND NOT (id = 2 OR id = 3) ORDER BY id", _ids(0, 4)),
    ("SELECT id FROM s.u WHERE id BETWEEN 1 + 1 AND 2 * 2 AND m NOT BETWEEN 40 AND 50 ORDER BY id", _ids(2, 3)),
    ("SELECT id FROM s.u WHERE id BETWEEN 3 AND 1", []),
    ("SELECT id FROM s.u WHERE id IN (1, m, 2 + 1) ORDER BY id", _ids(0, 1, 3)),
    ("SELECT id FROM s.u WHERE id NOT IN (1, NULL)", []),
    ("SELECT id FROM s.u WHERE name LIKE 'n_' AND name NOT LIKE '%1' AND name NOT ILIKE 'N3' ORDER BY id", _ids(0, 4)),
    ("SELECT id FROM s.u WHERE name IS NULL OR (name IS NOT NULL AND name = 'n4') ORDER BY id", _ids(2, 4)),
    ("SELECT id FROM s.u WHERE name <> 'n1' ORDER BY id", _ids(0, 3, 4)),
    ("SELECT id FROM s.t WHERE flag = TRUE AND flag = 1 AND id < 3 ORDER BY id", _ids(0, 2)),
    # group_by_clause, having_clause, set_function
    ("SELECT n + 1, COUNT(*), SUM(id), AVG(id), MIN(name), MAX(id) FROM s.t GROUP BY n + 1 HAVING COUNT(*) > 3 ORDER BY 1",
     [(1, 4, 18, 4.5, "n0", 9), (2, 4, 22, 5.5, "n1", 10)]),
    ("SELECT COUNT(name), COUNT(*), COUNT(DISTINCT n), COUNT(ALL n), SUM(DISTINCT n), AVG(DISTINCT n) FROM s.t", [(11, 11, 3, 11, 3, 1.0)]),
    ("SELECT COUNT(*), SUM(m), MAX(name) FROM s.u WHERE id > 7", [(0, None, None)]),
    ("SELECT n FROM s.t GROUP   BY n HAVING MAX(id) = 10", _ids(1)),
    ("SELECT ivo_string_agg(name, '; '), COUNT(*) FROM s.u WHERE id IN (1, 2)", [("n1", 2)]),
    # order_by_clause, offset_clause
    ("SELECT id, n FROM s.t WHERE id < 4 ORDER BY n DESC, 1", [(2, 2), (1, 1), (0, 0), (3, 0)]),
    ("SELECT id FROM s.u ORDER BY MOD(id, 2) DESC, -id", _ids(3, 1, 4, 2, 0)),
    ("SELECT id, name FROM s.u ORDER BY name ASC, 2desc OFFSET 3", [(4, "n4"), (2, None)]),
    ("SELECT id AS n FROM s.t WHERE id < 4 ORDER BY n", _ids(0, 1, 2, 3)),
    ("SELECT TOP 2 id FROM s.t ORDER BY id OFFSET 9", _ids(9, 10)),
    ("SELECT id FROM s.t ORDER BY id OFFSET 11", []),
    # sets: ALL, precedence, parentheses, and the order of what comes out
    ("SELECT id FROM s.u WHERE id < 2 UNION ALL SELECT id FROM s.u WHERE id < 2 ORDER BY 1", _ids(0, 0, 1, 1)),
    ("SELECT n FROM s.t EXCEPT ALL SELECT id FROM s.u ORDER BY n", _ids(0, 0, 0, 1, 1, 1, 2, 2)),
    ("SELECT n FROM s.t INTERSECT ALL SELECT n FROM s.t WHERE id < 4 ORDER BY n", _ids(0, 0, 1, 2)),
    ("SELECT id FROM s.u WHERE id = 1 UNION SELECT id FROM s.u WHERE id = 2 INTERSECT SELECT id FROM s.u WHERE id = 3", _ids(1)),
    ("(SELECT id FROM s.u WHERE id = 1 UNION SELECT id FROM s.u WHERE id = 2) INTERSECT SELECT id FROM s.u WHERE id = 2", _ids(2)),
    ("SELECT id FROM s.u WHERE id = 1 EXCEPT SELECT id FROM s.u WHERE id = 1 UNION SELECT id FROM s.u WHERE id = 2", _ids(2)),
    ("(SELECT TOP 1 id FROM s.u ORDER BY id) UNION (SELECT TOP 1 id FROM s.u ORDER BY id DESC) ORDER BY id DESC", _ids(4, 0)),
    ("SELECT id FROM s.u UNION SELECT m FROM s.u ORDER BY MOD(id, 10), id DESC OFFSET 7", _ids(3, 4)),
    ("SELECT id FROM s.u WHERE id IN (SELECT id FROM s.u WHERE id = 1 UNION SELECT id FROM s.u WHERE id = 2) ORDER BY 1", _ids(1, 2)),
    ("(SELECT TOP 3 id FROM s.u ORDER BY id) ORDER BY id DESC OFFSET 1", _ids(1, 0)),
    ("((SELECT id FROM s.u WHERE id = 3));", _ids(3)),
    # with_clause
    ("WITH a AS (SELECT id FROM s.u), b AS (SELECT id FROM a WHERE id > 2) SELECT a.id FROM a JOIN b USING (id) ORDER BY 1", _ids(3, 4)),
    ("WITH a AS (SELECT id FROM s.u WHERE id < 2) SELECT id FROM a UNION ALL SELECT id + 5 FROM a ORDER BY 1", _ids(0, 1, 5, 6)),
    ("WITH a AS (SELECT id FROM s.u) (SELECT id FROM a) ORDER BY id OFFSET 4", _ids(4)),
    ('WITH A AS (SELECT id FROM s.u WHERE id = 1) SELECT x.id FROM a AS x, "A" AS y', _ids(1)),
    ("WITH u AS (SELECT id FROM s.u WHERE id = 1) SELECT id FROM s.u WHERE id = 2", _ids(2)),
    # cast_specification
    ("SELECT CAST(2022 AS SMALLINT), CAST('5' AS INTEGER), CAST(123456 AS BigInt), CAST(0.5 AS REAL), CAST('1e3' AS Double Precision) FROM s.u WHERE id = 1",
     [(2022, 5, 123456, 0.5, 1000.0)]),
    ("SELECT CAST('abc' AS CHAR), CAST('abc' AS VARCHAR), CAST('abc' AS CHAR(2)), CAST(id AS VARCHAR(9)), CAST(NULL AS VARCHAR) FROM s.u WHERE id = 1",
     [("abc", "abc", "ab", "1", None)]),
    ("SELECT id FROM s.t WHERE begun > CAST('2020-01-09T12:00:00Z' AS TIMESTAMP) ORDER BY begun", _ids(9, 10)),
    ("SELECT id FROM s.t WHERE begun BETWEEN CAST('2020-01-02' AS TIMESTAMP) AND '2020-01-03' ORDER BY begun", _ids(1, 2)),
    ("SELECT CAST(begun AS VARCHAR), CAST(begun AS CHAR(10)) FROM s.t WHERE id = 1", [("2020-01-02T00:00:00", "2020-01-02")]),
    ("SELECT CAST('12.3 45.6' AS POINT), CAST('12.3 45.6 1' AS CIRCLE), CAST('1 0 2 0 2 1' AS POLYGON) FROM s.u WHERE id = 1",
     [([12.3, 45.6], [12.3, 45.6, 1.0], [1.0, 0.0, 2.0, 0.0, 2.0, 1.0])]),
    ("SELECT id FROM s.t WHERE 1 = CONTAINS(place, CIRCLE(CAST('36 -72' AS POINT), 1))", _ids(1)),
    # coalesce, case folding, IN_UNIT
    ("SELECT COALESCE(name, 'none'), COALESCE(NULL, NULL, m), COALESCE(id) FROM s.u WHERE id = 2", [("none", 20, 2)]),
    ("SELECT LOWER('Francis ÄÖ'), UPPER(name) FROM s.u WHERE id = 1", [("francis äö", "N1")]),
    ("SELECT IN_UNIT(x + 2 * x, 'arcmin'), IN_UNIT(COALESCE(-x, y), 'mas') / 3600000 FROM s.t WHERE id = 1", [(6480.0, -36.0)]),
    ("SELECT IN_UNIT(SUM(x), 'rad') / RADIANS(1), IN_UNIT(AVG(DISTINCT x), 'deg') FROM s.t", [(1980.0, 180.0)]),
    # geometry in select lists, in either order of the comparison, and as a number
    ("SELECT id FROM s.t WHERE CONTAINS(place, CIRCLE(36, -72, 1)) = 1", _ids(1)),
    ("SELECT COUNT(*) FROM s.t WHERE 0 = CONTAINS(place, CIRCLE(36, -72, 1))", [(10,)]),
    ("SELECT CONTAINS(place, circ) + INTERSECTS(circ, place), CONTAINS(outline, circ), CONTAINS(circ, outline) FROM s.t WHERE id = 1", [(2, 0, 1)]),
    ("SELECT COUNT(*) FROM s.t WHERE INTERSECTS(circ, POINT('', x, y)) <> 0", [(11,)]),
    ("SELECT t.id FROM s.t JOIN s.u ON DISTANCE(POINT(x, y), POINT(m, -90)) < 20 WHERE u.id = 0 ORDER BY 1", _ids(0, 1)),
    ("SELECT COORDSYS(p), COORD1(p), COORD2(p) FROM (SELECT POINT(x, y) AS p FROM s.t WHERE id = 1) AS q", [("ICRS", 36.0, -72.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), VALID, ids=[query[:70] for query, _ in VALID])
def test_what_each_rule_allows(ask: Ask, query: str, expected: list[tuple[Any, ...]]) -> None:
    assert is_adql(query)
    assert ask(query) == [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in expected]


_U = "SELECT id FROM s.u "


@pytest.mark.parametrize(
    ("query", "message"),
    [
        # clauses
        (_U + "GROUP BY id WHERE id = 1", "column 32: WHERE stands before GROUP BY"),
        (_U + "ORDER BY id HAVING id = 1", "column 32: HAVING stands before ORDER BY"),
        (_U + "OFFSET 1 ORDER BY id", "column 29: ORDER BY stands before OFFSET"),
        (_U + "WHERE id = 1 WHERE id = 2", "column 33: there is a WHERE already in this query"),
        ("SELECT TOP 2 DISTINCT n FROM s.t", "column 8: DISTINCT stands before TOP: SELECT DISTINCT TOP"),
        ("SELECT TOP (2) id FROM s.u", "column 12: TOP takes a whole number, such as TOP 10"),
        (_U + "OFFSET -1", "column 27: OFFSET takes a whole number"),
        (_U + "OFFSET 1 ROWS", "column 29: 'ROWS' is not expected here: OFFSET and its number end a query"),
        ("SELECT id FROM (FROM s.u) AS q", "column 17: FROM stands after SELECT and its columns"),
        (_U + "ORDER BY NULL", "column 29: ORDER BY takes columns, their numbers"),
        ("SELECT DISTINCT n FROM s.t ORDER BY id", "column 37: SELECT DISTINCT is put in order by columns of its own"),
        (_U + "ORDER BY id,", "column 31: nothing follows the comma"),
        # sets
        (_U + "ORDER BY id UNION " + _U, r"column 32: ORDER BY stands at the end, after UNION; .* \(SELECT … ORDER BY …\) UNION"),
        (_U + "OFFSET 1 EXCEPT " + _U, "column 29: OFFSET stands at the end, after EXCEPT"),
        (_U + "UNION DISTINCT " + _U, "column 26: UNION is followed by SELECT, or by ALL and SELECT; without ALL"),
        (_U + "UNION BY NAME " + _U, "column 26: UNION is followed by SELECT"),
        (_U + "NATURAL UNION " + _U, "column 20: 'NATURAL' is not expected here, before UNION"),
        (_U + "MINUS " + _U, "column 20: ADQL has no MINUS: write EXCEPT"),
        (_U + "UNION SELECT name FROM s.u", "column 33: UNION: column 1 of one query is a number, and text in the other: CAST"),
        ("SELECT outline FROM s.t UNION SELECT circ FROM s.t", "column 1 of one query is a region, and text in the other"),
        (_U + "UNION SELECT LOWER(name) FROM s.u", "UNION: column 1 of one query is a number, and text in the other"),
        (_U + "UNION " + _U + "ORDER BY COUNT(*)", "COUNT belongs into one of the queries"),
        # WITH
        ("WITH a (k) AS (SELECT id FROM s.u) SELECT k FROM a", r"column 6: WITH a \(…\) AS: the columns get their names within"),
        ("WITH a AS (SELECT id FROM s.u UNION SELECT id FROM a) SELECT id FROM a", "column 52: a is not there yet: .* not itself"),
        ("WITH a AS (SELECT id FROM b), b AS (SELECT id FROM s.u) SELECT id FROM a", "column 27: b is not there yet"),
        ("WITH a AS (SELECT id FROM s.u), a AS (SELECT id FROM s.t) SELECT id FROM a", "column 33: there are two queries a"),
        ("SELECT * FROM (WITH a AS (SELECT id FROM s.u) SELECT id FROM a) AS q", "column 16: WITH stands at the beginning"),
        ("WITH a AS (WITH b AS (SELECT id FROM s.u) SELECT id FROM b) SELECT id FROM a", "column 12: WITH stands at the beginning"),
        (_U + "UNION (WITH a AS (SELECT id FROM s.u) SELECT id FROM a)", "column 27: WITH stands at the beginning"),
        ('WITH "a" (SELECT id FROM s.u) SELECT id FROM a', r"column 6: .* WITH takes \"a\" AS \(SELECT …\)"),
        ('WITH "a" AS (SELECT id FROM s.u), "A" AS (SELECT id FROM s.u) SELECT id FROM a', 'WITH has "a" and "A": write one in quotes'),
        # FROM
        ("SELECT a.id FROM (s.u AS a)", "column 19: parentheses in FROM stand around a JOIN or a SELECT, not around a table"),
        ("SELECT id FROM s.u * WHERE id = 1", r"'\*' is not expected here"),
        ("SELECT a.id FROM s.u AS a JOIN s.u * b USING (id)", r"column 36: '\*' is not expected here, after the name of a table"),
        ("SELECT id FROM (SELECT id, m AS \"ID\" FROM s.u) AS q", 'column 8: id is ambiguous, write "id" or "ID"'),
        ("SELECT id FROM (SELECT id, id FROM s.u) AS q", "id is ambiguous, two columns have it: give them names"),
        # texts are no names
        ("WITH 'a' AS (SELECT id FROM s.u) SELECT id FROM a", "column 6: 'a' is a text here: names stand in double quotes"),
        ("WITH a AS (SELECT id FROM s.u), 'b' AS (SELECT id FROM a) SELECT id FROM b", "column 33: 'b' is a text here"),
        ("WITH a AS (SELECT id FROM s.u) SELECT id FROM s.t, 'a'", "column 52: 'a' is a text here"),
        ("SELECT id FROM s.'u'", "column 18: 'u' is a text here"),
        ("SELECT 'u'.id FROM s.u", "column 8: 'u' is a text here"),
        ("SELECT id FROM s.u JOIN s.t USING (id, 'name')", "column 40: 'name' is a text here"),
        # words and signs
        ("SELECT +, id FROM s.u", r"column 8: '\+' is not expected here"),
        (_U + "WHERE name IS + NULL", r"column 34: '\+' is not expected here"),
        (_U + "WHERE id = INTEGER 1", r"column 31: INTEGER is a type, as in CAST\(value AS INTEGER\)"),
        (_U + "WHERE id = . 5", "column 31: a number has no blanks"),
        (_U + "WHERE id IN (ALL 5)", r"column 33: ALL stands after SELECT or UNION, or as in COUNT\(ALL value\)"),
        ("SELECT COUNT(ALL *) FROM s.u", "column 14: ALL stands after SELECT"),
        ("SELECT CAST('1 2' AS POINT AS v FROM s.u", "column 12: the parentheses do not match: this one is not closed"),
        (_U + "WHERE id = 1)", "column 32: the parentheses do not match: nothing opens this one"),
        ("SELECT 'a' 'b' FROM s.u", r"column 8: two texts side by side are not ADQL: \|\| joins them"),
        ("SELECT 'a'\n'b' FROM s.u", "column 8: two texts side by side"),
        ("SELECT 1.2.3 FROM s.u", "column 8: a '.' stands once in a number"),
        ("SELECT TIMESTAMP '2020-01-01' FROM s.u", r"column 8: TIMESTAMP '…' is not ADQL: write CAST\('…' AS TIMESTAMP\)"),
        (_U + "WHERE id > SOME (SELECT id FROM s.t)", "column 31: ADQL has no SOME"),
        (_U + "WHERE FALSE", "column 26: a condition is expected here"),
        ("SELECT PI FROM s.u", r"column 8: there is no column PI; PI is a function, PI\(…\)"),
        ("SELECT CURRENT_TIMESTAMP FROM s.u", "no column CURRENT_TIMESTAMP; times are numbers here"),
        # CAST and times
        ("SELECT CAST(id AS INT) FROM s.u", "column 19: CAST to INT is not ADQL: write INTEGER"),
        ("SELECT CAST(id AS DOUBLE) FROM s.u", "CAST to DOUBLE is not ADQL: write DOUBLE PRECISION"),
        ("SELECT CAST(id AS FLOAT) FROM s.u", "write REAL or DOUBLE PRECISION"),
        ("SELECT CAST(id AS BOOLEAN) FROM s.u", "CAST to BOOLEAN is not ADQL: CHAR, VARCHAR, SMALLINT"),
        ("SELECT CAST(id AS INTERVAL) FROM s.u", "column 19: CAST to INTERVAL is not ADQL"),
        ("SELECT CAST('hello' AS TIMESTAMP) FROM s.u", "column 13: 'hello' is no time: they are written '2026-11-22T20:00:00'"),
        ("SELECT CAST('2021-01-14T11:25:00+02:00' AS TIMESTAMP) FROM s.u", "is no time: .* in UTC"),
        ("SELECT CAST('2021-02-30' AS TIMESTAMP) FROM s.u", "'2021-02-30' is no time"),
        ("SELECT CAST(id AS TIMESTAMP) FROM s.u", "column 13: only texts .* become times"),
        ("SELECT CAST('1 2 3' AS POINT) FROM s.u", "column 13: CAST to POINT: '1 2 3' is no point in ICRS"),
        ("SELECT CAST('1 92' AS POINT) FROM s.u", "the latitude 92 is not between"),
        ("SELECT CAST(name AS CIRCLE) FROM s.u", "CAST to CIRCLE takes numbers in quotes, such as '12.3 45.6 1.0'"),
        ("SELECT CAST(id AS INTEGER(3)) FROM s.u", r"only CHAR\(n\) and VARCHAR\(n\) take a length"),
        # kinds
        ("SELECT ABS(name) FROM s.u", "column 12: ABS takes numbers, and name is text: CAST"),
        ("SELECT LOWER(x) FROM s.t", r"column 14: LOWER takes texts, and x \(deg\) is a number"),
        ("SELECT name + 1 FROM s.u", r"column 8: \+ takes numbers, and name is text: \|\| joins texts"),
        ("SELECT -name FROM s.u", "- takes numbers, and name is text"),
        ("SELECT SUM(name) FROM s.u", "column 12: SUM takes numbers, and name is text"),
        ("SELECT id FROM s.u WHERE id LIKE '1%'", "column 26: LIKE takes texts, and id is a number"),
        ("SELECT COALESCE(id, 'x') FROM s.u", "column 21: id is a number and 'x' is text: they cannot stand in one COALESCE"),
        ("SELECT id FROM s.u WHERE id IN (SELECT name FROM s.u)", "column 26: id is a number, and the subquery gives text"),
        ("SELECT id FROM s.t WHERE begun > 60000", "begun is a time: they cannot be compared; write CAST"),
        ("SELECT id FROM s.t WHERE POINT(x, y) = place", r"column 26: POINT\(…\) is a region: regions are compared by CONTAINS"),
        ("SELECT RAND(id) FROM s.u", "column 13: RAND takes a whole number"),
        ("SELECT IN_UNIT(x * y, 'deg') FROM s.t", "the unit of value is not known"),
        ("SELECT IN_UNIT(x + n, 'deg') FROM s.t", "the unit of value is not known"),
    ],
)  # fmt: skip
def test_refused_with_its_place(query: str, message: str) -> None:
    with pytest.raises(ADQLError, match=message):
        translate(query, TABLES)


@pytest.mark.parametrize("word", sorted(RESERVED - {"end-exec"}))
def test_reserved_words_need_quotes(word: str) -> None:
    """As names of columns, of tables in FROM, and of what the query calls so."""
    table = Table("s.v", (Column(word, "int"), Column("x", "int")))
    quoted = f'"{word}"'
    assert (
        translate(f"SELECT {quoted}.{quoted} AS {quoted} FROM s.v AS {quoted}", {"s.v": table}).values[0].name == word
    )
    queries = [f"SELECT x AS {word} FROM s.v", f"SELECT x FROM s.v AS {word}"]
    if word not in ("true", "false", "null"):
        queries.append(f"SELECT {word} FROM s.v")
    for query in queries:
        with pytest.raises(ADQLError, match=r"line 1, column \d+|ends too early"):
            translate(query, {"s.v": table})


_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\w+|<>|!=|<=|>=|\|\||\s+|.")
_WORDS = """SELECT DISTINCT ALL TOP AS FROM WHERE GROUP BY HAVING ORDER ASC DESC OFFSET WITH UNION EXCEPT INTERSECT JOIN
    NATURAL LEFT FULL INNER OUTER CROSS ON USING AND OR NOT IN IS NULL TRUE EXISTS BETWEEN LIKE ILIKE CAST COUNT MAX
    CASE ( ) , . * + - / = < || ; 1 2 'a' 'u' id m name t u s.u POINT CIRCLE CONTAINS VARCHAR INTEGER PI ABS x"""


def _damaged(query: str, rng: random.Random) -> str:
    """A query with one to three words lost, added, replaced, moved, or doubled."""
    parts, words = _TOKEN.findall(query), _WORDS.split()
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = [place for place, part in enumerate(parts) if not part.isspace()]
        if not places:
            break
        at, what = rng.choice(places), rng.randint(0, 4)
        if what == 0:
            del parts[at]
        elif what <= 2:
            parts[at : at + what - 1] = [f" {rng.choice(words)} "]
        elif what == 3:
            other = rng.choice(places)
            parts[at], parts[other] = parts[other], parts[at]
        else:
            parts.insert(at, parts[at] + " ")
    return "".join(parts)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_queries_are_taken_where_the_grammar_has_them(seed: int) -> None:
    """The translator takes nothing that the grammar has not, and the parser all that it has."""
    rng = random.Random(seed)
    taken = 0
    for _ in range(1500):
        query = _damaged(rng.choice(VALID)[0], rng)
        known = is_adql(query)
        try:
            translate(query, TABLES)
        except ADQLError:
            if known:
                grammar.parse(query)  # what is wrong are its names or kinds, not its form
            continue
        taken += 1
        assert known, query
    assert taken > 20
