"""Geometry agrees with astropy: anywhere on the sphere, at any distance."""

# ruff: noqa: S608
from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import angular_separation

from jupyter_uws.tap import udfs
from jupyter_uws.tap.adql import translate
from jupyter_uws.tap.errors import ADQLError
from jupyter_uws.tap.schema import Column, Table

PAIRS = Table(
    "test.pairs",
    (
        Column("i", "int"), *(Column(name, "double") for name in ("lon1", "lat1", "lon2", "lat2", "r1", "r2", "sep")),
        Column("footprint", "char", arraysize="*", xtype="adql:REGION"),
    ),
)  # fmt: skip
N = 20_000


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    """Pairs of points: far, near (down to a milliarcsecond), at the poles, across the wrap, antipodal."""
    rng = np.random.default_rng(20261122)
    lon1 = rng.uniform(0, 360, N)
    lat1 = np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    lat1[: N // 8] = rng.choice([-90.0, 90.0, 89.9999, -89.9999], N // 8)
    lon1[N // 8 : N // 4] = rng.choice([0.0, 360.0, 359.9999, 1e-5, -0.5], N // 4 - N // 8)
    lon2 = rng.uniform(-180, 360, N)
    lat2 = np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    near = slice(0, N // 2)
    step = 10 ** rng.uniform(-6.5, 1, N // 2)
    angle = rng.uniform(0, 2 * np.pi, N // 2)
    lat2[near] = np.clip(lat1[near] + step * np.sin(angle), -90, 90)
    lon2[near] = lon1[near] + step * np.cos(angle) / np.maximum(np.cos(np.radians(lat1[near])), 1e-3)
    lon2[-100:], lat2[-100:] = lon1[-100:] + 180, -lat1[-100:]
    sep = angular_separation(lon1 * u.deg, lat1 * u.deg, lon2 * u.deg, lat2 * u.deg).to_value(u.deg)
    # radii around the separation, so that about half of the points are inside
    r1 = np.minimum(sep * rng.uniform(0.9, 1.1, N), 180)
    r2 = np.minimum(sep * rng.uniform(0.0, 0.3, N), 180)
    i = np.arange(N)
    region = [
        f"Circle ICRS {a!r} {b!r} {r!r}" for a, b, r in zip(lon1.tolist(), lat1.tolist(), r1.tolist(), strict=True)
    ]
    con = duckdb.connect(config={"threads": 2})
    udfs.register(con)
    con.execute("ATTACH ':memory:' AS archive; CREATE SCHEMA archive.test")
    con.register(
        "incoming",
        pa.table(
            {
                "i": i,
                "lon1": lon1,
                "lat1": lat1,
                "lon2": lon2,
                "lat2": lat2,
                "r1": r1,
                "r2": r2,
                "sep": sep,
                "footprint": region,
            }
        ),
    )
    con.execute("CREATE TABLE archive.test.pairs AS SELECT * FROM incoming")
    return con


def ask(con: duckdb.DuckDBPyConnection, expression: str) -> np.ndarray:
    query = translate(f"SELECT {expression} AS v, sep, r1, r2 FROM test.pairs ORDER BY i", {PAIRS.name: PAIRS})
    columns = con.execute(query.sql).fetchnumpy()
    return np.vstack([np.ma.filled(columns[name].astype(float), np.nan) for name in columns])


@pytest.mark.parametrize(
    "expression",
    ["DISTANCE(POINT(lon1, lat1), POINT('ICRS', lon2, lat2))", "DISTANCE(lon2, lat2, lon1, lat1)"],
)
def test_distance(con: duckdb.DuckDBPyConnection, expression: str) -> None:
    value, sep, *_ = ask(con, expression)
    np.testing.assert_allclose(value, sep, rtol=0, atol=1e-13 * 360)


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        ("CONTAINS(POINT(lon2, lat2), CIRCLE(lon1, lat1, r1))", lambda r1, r2: r1),
        ("CONTAINS(POINT('ICRS', lon1, lat1), CIRCLE('ICRS', POINT('ICRS', lon2, lat2), r1))", lambda r1, r2: r1),
        ("CONTAINS(POINT(lon2, lat2), footprint)", lambda r1, r2: r1),
        ("CONTAINS(CIRCLE(lon2, lat2, r2), CIRCLE(lon1, lat1, r1))", lambda r1, r2: r1 - r2),
        ("INTERSECTS(CIRCLE(lon2, lat2, r2), CIRCLE(lon1, lat1, r1))", lambda r1, r2: r1 + r2),
        ("INTERSECTS(footprint, CIRCLE('', lon2, lat2, r2))", lambda r1, r2: r1 + r2),
        ("INTERSECTS(CIRCLE(lon1, lat1, r1), POINT(lon2, lat2))", lambda r1, r2: r1),
    ],
)
def test_predicates(con: duckdb.DuckDBPyConnection, expression: str, limit: object) -> None:
    value, sep, r1, r2 = ask(con, expression)
    bound = limit(r1, r2)  # type: ignore[operator]
    sure = np.abs(sep - bound) > 1e-9
    assert sure.sum() > 0.95 * N
    inside = sep <= bound
    assert 0.01 < inside.mean() < 0.99
    np.testing.assert_array_equal(value[sure] == 1, inside[sure])
    # as a condition, and its opposite, it finds the same
    for number in (0, 1):
        query = f"SELECT COUNT(*) FROM test.pairs WHERE {expression} = {number}"
        [(count,)] = con.execute(translate(query, {PAIRS.name: PAIRS}).sql).fetchall()
        assert count == (value == number).sum()


def one(con: duckdb.DuckDBPyConnection, expression: str) -> object:
    query = translate(f"SELECT TOP 1 {expression} AS v FROM test.pairs", {PAIRS.name: PAIRS})
    return con.execute(query.sql).fetchall()[0][0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CONTAINS(POINT(10, 20), CIRCLE(10, 20, 0))", 1),
        ("CONTAINS(POINT(370, 20), CIRCLE(10, 20, 1e-9))", 1),
        ("CONTAINS(POINT(123, 90), CIRCLE(321, 90, 1e-9))", 1),
        ("CONTAINS(POINT(0, 89.5), CIRCLE(180, 89.5, 1.0001))", 1),
        ("CONTAINS(POINT(0, 89.5), CIRCLE(180, 89.5, 0.9999))", 0),
        ("CONTAINS(POINT(359.9, 0), CIRCLE(0.1, 0, 0.2001))", 1),
        ("CONTAINS(POINT(10, 20), CIRCLE(190, -20, 179.9999))", 0),
        ("CONTAINS(POINT(10, 20), CIRCLE(190, -20, 180))", 1),
        ("CONTAINS(POINT(10, 20), CIRCLE(190, -20, 500))", 1),
        ("CONTAINS(POINT(10, 20), CIRCLE(10, 20, -1))", 0),
        ("CONTAINS(POINT(10, NULL), CIRCLE(10, 20, 1))", None),
    ],
)
def test_edges(con: duckdb.DuckDBPyConnection, expression: str, expected: object) -> None:
    assert one(con, expression) == expected


def test_regions_that_cannot_be_compared_are_refused_clearly(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE archive.test.shapes (footprint VARCHAR)")
    shapes = Table("test.shapes", (Column("footprint", "char", arraysize="*", xtype="adql:REGION"),))
    query = "SELECT footprint FROM test.shapes WHERE 1 = INTERSECTS(footprint, CIRCLE(10, 20, 1))"
    sql = translate(query, {shapes.name: shapes}).sql
    con.execute("INSERT INTO archive.test.shapes VALUES ('CIRCLE 10 20.5 1'), (NULL), (' circle  ICRS 10. -20 .5e0 ')")
    assert con.execute(sql).fetchall() == [("CIRCLE 10 20.5 1",)]
    con.execute("INSERT INTO archive.test.shapes VALUES ('ELLIPSE ICRS 1 2 3 4 5')")
    with pytest.raises(duckdb.Error, match="'ELLIPSE ICRS 1 2 3 4 5' is no region that can be compared: POSITION"):
        con.execute(sql).fetchall()
    con.execute("DELETE FROM archive.test.shapes WHERE footprint LIKE 'ELLIPSE%'")
    con.execute("INSERT INTO archive.test.shapes VALUES ('CIRCLE ECLIPTIC 1 2 3')")
    with pytest.raises(duckdb.Error, match="'CIRCLE ECLIPTIC 1 2 3' is no region"):
        con.execute(sql).fetchall()


def test_coordinates_may_be_expressions(con: duckdb.DuckDBPyConnection) -> None:
    assert one(con, "CONTAINS(POINT(10 + 1 - 1, -(-20)), CIRCLE(10, 10 * 2, ABS(-1)))") == 1
    with pytest.raises(ADQLError, match="a coordinate is a number"):
        one(con, "CONTAINS(POINT(10, 20), CIRCLE(10, 20, DISTANCE(1, 2, 3, 4)))")
