"""Geometry, units, times and the IVOA's functions, as queries ask for them."""

# ruff: noqa: S608
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, angular_separation
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_uws.tap import udfs
from jupyter_uws.tap.adql import Query, translate
from jupyter_uws.tap.errors import ADQLError
from jupyter_uws.tap.schema import Column, Table

SKY = Table(
    "test.sky",
    (
        Column("i", "int"), Column("ra", "double", unit="deg"), Column("dec", "double", unit="deg"),
        Column("t", "double", unit="s"), Column("em", "double", unit="m"), Column("bare", "double"),
        Column("footprint", "char", arraysize="*", xtype="adql:REGION"),
        Column("place", "double", arraysize="2", xtype="point"),
        Column("shape", "double", arraysize="*", xtype="polygon"), Column("words", "char", arraysize="*"),
    ),
)  # fmt: skip
N = 2000

Ask = Callable[[str], list[tuple[Any, ...]]]


def query(text: str) -> Query:
    return translate(text, {SKY.name: SKY})


@pytest.fixture(scope="module")
def sky() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    ra, dec = rng.uniform(0, 360, N), np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    dec[:4], ra[4:8] = [90, -90, 89.999, -89.999], [0, 360, 359.9999, 0.0001]
    return ra, dec


@pytest.fixture(scope="module")
def ask(sky: tuple[np.ndarray, np.ndarray]) -> Ask:
    ra, dec = sky
    con = duckdb.connect(config={"threads": 2})
    udfs.register(con)
    con.execute("ATTACH ':memory:' AS archive; CREATE SCHEMA archive.test")
    kinds = ("CIRCLE ICRS {0} {1} 2", "BOX ICRS {0} {1} 3 2", "POSITION ICRS {0} {1}", None, "Box GALACTIC 0 0 30 2")
    table = {
        "i": np.arange(N), "ra": ra, "dec": dec, "t": np.full(N, 1800.0), "em": np.full(N, 1e-18),
        "bare": np.zeros(N),
        "footprint": [k and k.format(a, d) for k, a, d in zip(kinds * (N // 5), ra, dec, strict=True)],
        "place": np.stack([ra, dec], axis=1).tolist(),
        "shape": [[a, 0.0, a + 1, 0.0, a + 1, 1.0, a, 1.0] for a in ra.tolist()],
        "words": ["Crab nebula#M1#SN 1054"] * N,
    }  # fmt: skip
    con.register("incoming", pa.table(table))
    con.execute("CREATE TABLE archive.test.sky AS SELECT * FROM incoming")
    return lambda text: con.execute(query(text).sql).fetchall()


def number(ask: Ask, expression: str, i: int = 10) -> Any:
    [(value,)] = ask(f"SELECT {expression} AS v FROM test.sky WHERE i = {i}")
    return value


lons = st.one_of(st.floats(-360, 720), st.sampled_from([0.0, 360.0, 359.99999]))
lats = st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.9999]))
FEW = settings(max_examples=40, deadline=None, derandomize=True)


@FEW
@given(lons, lats, st.floats(0, 180), st.sampled_from(["POINT(ra, dec)", "place", "POINT('ICRS', ra, dec)"]))
def test_cones_find_what_a_scan_finds(
    ask: Ask, sky: tuple[np.ndarray, np.ndarray], lon: float, lat: float, radius: float, point: str
) -> None:
    found = {i for (i,) in ask(f"SELECT i FROM test.sky WHERE 1 = CONTAINS({point}, CIRCLE({lon}, {lat}, {radius}))")}
    ra, dec = sky
    apart = angular_separation(lon * u.deg, lat * u.deg, ra * u.deg, dec * u.deg).to_value(u.deg)
    sure = np.flatnonzero(np.abs(apart - radius) > 1e-9)
    assert found & set(sure.tolist()) == {i for i in sure.tolist() if apart[i] <= radius}


@FEW
@given(lons, lats, st.floats(0.01, 170), st.floats(0.01, 170))
def test_boxes_find_what_a_scan_finds(
    ask: Ask, sky: tuple[np.ndarray, np.ndarray], lon: float, lat: float, width: float, height: float
) -> None:
    text = "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(ra, dec), BOX({}, {width}, {height}))"
    found = {i for (i,) in ask(text.format(f"{lon}, {lat}", width=width, height=height))}
    point = f"POINT({lon}, {lat})"
    assert {i for (i,) in ask(text.format(point, width=width, height=height))} == found
    # between the great circles across the ends of the cross, in the frame of its centre
    local = SkyCoord(*sky, unit="deg").transform_to(SkyCoord(lon, lat, unit="deg").skyoffset_frame())
    x, y, z = local.cartesian.xyz.value
    across = np.sin(np.radians(width / 2)) * x - np.cos(np.radians(width / 2)) * np.abs(y)
    up = np.sin(np.radians(height / 2)) * x - np.cos(np.radians(height / 2)) * np.abs(z)
    rim = np.minimum(np.abs(across), np.abs(up))
    sure = np.flatnonzero(rim > 1e-9)
    assert found & set(sure.tolist()) == {i for i in sure.tolist() if across[i] > 0 and up[i] > 0}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("AREA(CIRCLE(1, 2, 180))", 41252.961249419266),
        ("AREA(POINT(1, 2))", 0.0),
        ("AREA(POLYGON(0, 0, 90, 0, 0, 90))", 41252.961249419266 / 8),
        ("AREA(BOX(10, 20, 0.001, 0.002))", 2e-6),
        ("AREA(shape)", 0.9999746077),
        ("AREA(REGION('CIRCLE ICRS 1 2 180'))", 41252.961249419266),
        ("COORD1(POINT(25.0, -19.5))", 25.0),
        ("COORD2(POINT('ICRS', 25.0, -19.5))", -19.5),
        ("COORD1(CENTROID(CIRCLE(359, -1, 3)))", 359.0),
        ("COORD2(CENTROID(POLYGON(0, 0, 90, 0, 0, 90)))", 35.26438968),
        ("COORD1(POINT('GALACTIC', 0, 0))", 266.404988),
        ("COORD2(CENTROID(BOX('GALACTIC', 0, 0, 30, 2)))", -28.936178),
        ("COORD1(place) - ra", 0.0),
        ("DISTANCE(place, POINT(ra, dec))", 0.0),
        ("DISTANCE(CENTROID(footprint), POINT(ra, dec))", 0.0),
        ("COORDSYS(footprint)", "ICRS"),
        ("POINT(25.0, -19.5)", [25.0, -19.5]),
        ("CIRCLE(POINT(10, 20), 0.5)", [10.0, 20.0, 0.5]),
        ("POLYGON(POINT(1, 2), POINT(3, 4), POINT(5, 7))", [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]),
        ("REGION('Position 1 2')", "POSITION ICRS 1.0 2.0"),
        ("CAST(POLYGON(1, 2, 3, 4, 5, 7) AS VARCHAR)", "1.0 2.0 3.0 4.0 5.0 7.0"),
        ("POINT(ra, NULL)", None),
        ("CIRCLE(place, NULL)", None),
        ("COALESCE(POINT(ra, NULL), POINT(1, 2))", [1.0, 2.0]),
        ("CENTROID(CIRCLE(359, -1, 3))", [359.0, -1.0]),
        ("CONTAINS(POINT(0, 0), POLYGON(359, -1, 1, -1, 1, 1, 359, 1))", 1),
        ("CONTAINS(POINT(180, 0), POLYGON(359, -1, 1, -1, 1, 1, 359, 1))", 0),
        ("CONTAINS(POINT(77, 90), POLYGON(0, 80, 120, 80, 240, 80))", 1),
        ("CONTAINS(CIRCLE(0, 0, 0.5), BOX(0, 0, 2, 2))", 1),
        ("CONTAINS(CIRCLE(0, 0, 1.1), BOX(0, 0, 2, 2))", 0),
        ("CONTAINS(BOX(0, 0, 2, 2), CIRCLE(0, 0, 1.42))", 1),
        ("CONTAINS(BOX(0, 0, 2, 2), REGION('BOX 0 0 3 3'))", 1),
        ("INTERSECTS(CIRCLE(25.4, -20, 1), BOX(20, -15, 10, 10))", 1),
        ("INTERSECTS(CIRCLE(10, 20, 1), BOX(190, -20, 10, 10))", 0),
        ("INTERSECTS(BOX(0, 0, 1, 1), POLYGON(0, 0, 5, 0, 0, 5))", 1),
        ("INTERSECTS(shape, REGION('CIRCLE ICRS 0 0 180'))", 1),
        ("CONTAINS(POINT(ra, NULL), BOX(1, 2, 3, 4))", None),
        ("AREA(POLYGON(ra, 1, 2, 3, NULL, 4))", None),
        ("IN_UNIT(t, 'h')", 0.5),
        ("IN_UNIT(em, 'nm') * 1e9", 1.0),
        ("IN_UNIT(DISTANCE(0, 0, 0, 1), 'arcmin')", 60.0),
        ("IN_UNIT(MAX(t), 'min')", 30.0),
        ("COUNT(t) + IN_UNIT(MAX(t), 'min')", 31.0),
        ("BIT_AND(6, 3) * 100 + BIT_OR(6, 3) * 10 + BIT_XOR(6, 3)", 275),
        ("BIT_NOT(0)", -1),
        ("ivo_healpix_index(0, 1, 1)", 4),
        ("ivo_healpix_index(17, 1, 1)", 81609757711),
        ("ivo_healpix_index(17, POINT('ICRS', 359, -1))", 73009064944),
        ("ivo_healpix_index(17, CENTROID(CIRCLE(359, -1, 3)))", 73009064944),
        ("ivo_healpix_index(NULL, 1, 1)", None),
        ("ivo_healpix_index(3, NULL, 1)", None),
        ("ivo_nocasematch('ABcabc', 'ab__bc')", 1),
        ("ivo_nocasematch('abcabc', 'abcab')", 0),
        ("ivo_hasword('Miller and Urey have', 'miller')", 1),
        ("ivo_hasword('shown that a primordial', 'shown primordial')", 1),
        ("ivo_hasword('shown that a primordial', 'shown soup')", 0),
        ("ivo_hasword(words, 'nebula')", 1),
        ("ivo_hashlist_has('Red#green#blue', 'red')", 1),
        ("ivo_hashlist_has('red#green#blue', 're')", 0),
        ("ivo_hashlist_has('red#green#blue', 'red#green')", 0),
        ("ivo_hashlist_has(words, 'm1')", 1),
        ("ivo_interval_overlaps(-2, -3, 2, 3)", 0),
        ("ivo_interval_overlaps(-2, 55.3, 2, 3)", 1),
        ("ivo_interval_overlaps(-2, 55.3, 3, 2)", 0),
        ("ivo_interval_overlaps(-2, 2, 2, 3)", 1),
        ("ivo_interval_overlaps(-2, NULL, 2, 3)", None),
        ("ivo_interval_overlaps(51545, 51546, ivo_to_mjd('2000-01-02T12:00:00'), 60000)", 1),
        ("ivo_to_jd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 2451546.0),
        ("ivo_to_jd('1910-12-31T06:00:00')", 2419036.75),
        ("ivo_to_jd(NULL)", None),
        ("ivo_to_mjd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 51545.5),
        ("ivo_to_mjd('1910-12-31T06:00:00')", 19036.25),
        ("ivo_to_mjd(NULL)", None),
        ("ivo_string_agg(words, '; ')", "Crab nebula#M1#SN 1054"),
        ("ivo_healpix_index(0, POINT(1, 1))", 4),
        ("ivo_nocasematch('abcabc', 'ab%')", 1),
        ("ivo_nocasematch('abcabc', '%BC')", 1),
        ("ivo_nocasematch('abcabc', 'ABCABC')", 1),
        ("ivo_hasword('shown that a primordial', 'soup')", 0),
        ("ivo_hashlist_has('red#green#blue', 'red')", 1),
        ("ivo_interval_overlaps(-3, -2, 2, 3)", 0),
        ("ivo_interval_overlaps(2, 3, -2, 55.3)", 1),
        ("AREA(REGION('Circle ICRS GEOCENTER 1 2 180 unit deg'))", 41252.961249419266),
        ("MOD(-7, 3) * 100 + MOD(7, -3) * 10", -90),
        ("MOD(-7.5, 2)", -1.5),
        ("ROUND(1234.567, -2) + ROUND(2.345, 2)", 1202.35),
        ("ROUND(-2.5) + TRUNCATE(-2.9)", -5.0),
        ("TRUNCATE(1299, -2)", 1200),
        ("TRUNCATE(-1.999, 2)", -1.99),
        ("ROUND(1234.567, 3 - 2)", 1234.6),
        ("CEILING(-1.2) + FLOOR(-1.2)", -3.0),
        ("LOG10(1000) - LOG(EXP(3))", 0.0),
        ("ATAN2(1, 2)", 0.4636476090008061),
        ("COT(1) - 1 / TAN(1)", 0.0),
        ("ACOS(-1) - PI() + ASIN(0) + ATAN(0)", 0.0),
    ],
)
def test_values(ask: Ask, expression: str, expected: object) -> None:
    value = number(ask, expression)
    assert value == (pytest.approx(expected, rel=1e-6, abs=1e-9) if isinstance(expected, float) else expected)


def test_columns_of_regions(ask: Ask, sky: tuple[np.ndarray, np.ndarray]) -> None:
    """Circles, boxes, positions and nulls in one column; a shape of a subquery is a region again."""
    ra, dec = sky
    where = "FROM test.sky WHERE 1 = {}(footprint, {}) ORDER BY i"
    whole = [i for (i,) in ask("SELECT i " + where.format("INTERSECTS", "CIRCLE(1, 2, 180)"))]
    assert whole == [i for i in range(N) if i % 5 != 3]
    near = {i for (i,) in ask("SELECT i " + where.format("INTERSECTS", "POLYGON(0, 80, 120, 80, 240, 80)"))}
    assert 0 in near
    assert all(dec[i] > 70 for i in near)
    inside = {i for (i,) in ask("SELECT i " + where.format("CONTAINS", "REGION('BOX 100 20 60 60')"))}
    assert inside < {i for (i,) in ask("SELECT i " + where.format("INTERSECTS", "BOX(100, 20, 60, 60)"))}
    assert all(60 < ra[i] < 140 for i in inside)
    [(count,)] = ask(
        "SELECT COUNT(*) FROM (SELECT i, BOX(ra, dec, 2, 2) AS b, POINT(ra, dec) AS p FROM test.sky) AS s"
        " WHERE 1 = CONTAINS(p, b) AND 1 = INTERSECTS(b, CIRCLE(p, 0.1))"
    )
    assert count == N


def test_descriptions() -> None:
    values = query(
        "SELECT AREA(footprint), POINT(ra, dec) AS p, BOX(ra, dec, 1, 1), IN_UNIT(t, 'h') AS hours, COORD1(place)"
        " FROM test.sky"
    ).values
    columns = [value.column for value in values]
    assert [column and (column.datatype, column.unit, column.xtype) for column in columns] == [
        ("double", "deg**2", None), ("double", "deg", "point"), ("double", "deg", "polygon"), ("double", "h", None),
        ("double", "deg", None),
    ]  # fmt: skip


def test_timestamps(ask: Ask) -> None:
    for moment in ("TIMESTAMP('2026-11-22T20:00:00')", "CAST('2026-11-22 20:00:00' AS TIMESTAMP)"):
        assert number(ask, moment).isoformat() == "2026-11-22T20:00:00"
    assert ask(f"SELECT i FROM test.sky WHERE i = 3 AND TIMESTAMP('2026-01-01') < {moment}") == [(3,)]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("POINT(1, 95)", "column 8: POINT: the latitude 95 is not between -90 and 90 deg"),
        ("POLYGON(1, 2, 3, 4)", "POLYGON takes longitudes and latitudes of three vertices or more"),
        ("POLYGON(0, 0, 120, 0, 240, 0)", "POLYGON: a polygon must be smaller than half of the sphere"),
        ("BOX(1, 2, 200, 3)", "BOX: a box of 200 by 3 deg is not possible"),
        ("BOX('ECLIPTIC', 1, 2, 3, 4)", "the coordinate system is ICRS, FK5 or GALACTIC, not 'ECLIPTIC'"),
        ("CIRCLE('GALACTIC', ra, dec, 1)", "GALACTIC coordinates must be numbers"),
        ("REGION('UNION (CIRCLE 1 2 3)')", r"REGION: 'UNION \(CIRCLE 1 2 3\)' is no region that can be compared"),
        ("REGION(words)", "REGION takes a text in STC-S"),
        ("REGION('')", "the text is empty"),
        ("AREA(words)", "words is no region"),
        ("AREA(1)", "AREA takes POINT, CIRCLE, BOX"),
        ("AREA(place, place)", "AREA takes one argument"),
        ("COORD1(CIRCLE(1, 2, 3))", "COORD1 takes a POINT"),
        ("DISTANCE(POINT(1, 2), CIRCLE(1, 2, 3))", "DISTANCE takes a POINT"),
        ("CIRCLE(CIRCLE(1, 2, 3), 3)", "CIRCLE takes a POINT"),
        ("POINT(AREA(footprint), 3)", "a coordinate is a number, a column"),
        ("IN_UNIT(bare, 'h')", "IN_UNIT: the unit of bare is not known"),
        ("IN_UNIT(t, 'm')", "IN_UNIT: s cannot be converted to m"),
        ("IN_UNIT(t, 'parsecs')", "'parsecs' is not a unit of VOUnits"),
        ("IN_UNIT(t, words)", "IN_UNIT takes a value and a unit in quotes"),
        ("ivo_hasword(words)", "ivo_hasword takes 2 arguments, not 1"),
        ("ivo_healpix_index(1)", "ivo_healpix_index takes an order and a POINT"),
        ("ivo_hasward(words, 'a')", "no function ivo_hasward; did you mean ivo_hasword"),
        ("TIMESTAMP()", "TIMESTAMP takes one text"),
        ("ivo_to_mjd(1)", "1 is no time"),
        ("'at ' || POINT(ra, dec)", r"\|\| joins texts: CAST\(value AS VARCHAR\) makes one of a region"),
        ("IN_UNIT(place, 'rad')", r"IN_UNIT takes numbers, and place is a region"),
        ("CAST(place AS INTEGER)", "a region becomes CHAR or VARCHAR only"),
        ("ivo_to_mjd()", "ivo_to_mjd takes one time"),
        ("ivo_string_agg(words)", "ivo_string_agg takes a value and the text between"),
        ("ivo_string_agg(MAX(words), ' ')", "ivo_string_agg does not take what MAX gives"),
        ("REGION('CIRCLE ICRS 1 2 3 unit rad')", "is no region that can be compared"),
        ("POLYGON(POINT(1, 2), 3, 4, 5, 6)", "POLYGON takes POINT"),
    ],
)
def test_refused(expression: str, message: str) -> None:
    with pytest.raises(ADQLError, match=message):
        query(f"SELECT {expression} FROM test.sky")


def test_functions_are_no_conditions() -> None:
    with pytest.raises(ADQLError, match="ivo_hasword gives 1 or 0: write 1 = ivo_hasword"):
        query("SELECT i FROM test.sky WHERE ivo_hasword(words, 'a')")
