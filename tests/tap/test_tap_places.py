"""What hidden columns tell of positions and regions changes how rows are found, and never which."""

# ruff: noqa: S608
from __future__ import annotations

import duckdb
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from tap_server import add_places
from tap_sky import FEW, SKY, lats, lons, radii, sky_rows

from jupyter_uws.tap import places, udfs
from jupyter_uws.tap.adql import translate
from jupyter_uws.tap.errors import ADQLError
from jupyter_uws.tap.places import read_sky
from jupyter_uws.tap.schema import TAP_SCHEMA_TABLES, Column, Table

SOURCES = Table("test.sources", (Column("j", "int"), Column("ra", "double"), Column("dec", "double")))


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 2})
    udfs.register(con)
    con.execute("ATTACH ':memory:' AS archive; USE archive; CREATE SCHEMA test")
    con.register("incoming", sky_rows())
    con.execute("CREATE TABLE test.sky AS SELECT * FROM incoming")
    add_places(con, "test.sky")
    con.execute(
        """CREATE TABLE test.sources AS
             SELECT row_number() OVER (ORDER BY i) AS j, s_ra + 0.01 AS ra, greatest(least(s_dec, 89), -89) AS dec
             FROM test.sky WHERE i % 12 = 3 UNION ALL SELECT 99, NULL, 10.0"""
    )
    return con


def found(con: duckdb.DuckDBPyConnection, query: str, *, indexed: bool) -> list[tuple[object, ...]]:
    tables = {t.name: t for t in (SKY, SOURCES)}
    if indexed:
        tables = read_sky(con, tables)
        assert tables["test.sky"].sky is not None
    return sorted(con.execute(translate(query, tables).sql).fetchall(), key=repr)


def same(con: duckdb.DuckDBPyConnection, query: str) -> int:
    rows = found(con, query, indexed=True)
    assert rows == found(con, query, indexed=False), query
    return len(rows)


@FEW
@given(lon=lons, lat=lats, radius=radii)
def test_cones(con: duckdb.DuckDBPyConnection, lon: float, lat: float, radius: float) -> None:
    circle, point = f"CIRCLE({lon!r}, {lat!r}, {radius!r})", f"POINT({lon!r}, {lat!r})"
    for condition in (
        f"1 = CONTAINS(POINT(s_ra, s_dec), {circle})",
        f"1 = INTERSECTS(s_region, {circle})",
        f"1 = CONTAINS({point}, s_region)",
        f"CONTAINS(s_region, {circle}) = 1 AND (i < 600)",
        f"0 = INTERSECTS({circle}, s_region)",
        f"(1 = CONTAINS({circle}, s_region) OR i = 7)",
    ):
        same(con, f"SELECT i FROM test.sky WHERE {condition}")


@FEW
@given(lon=lons, lat=lats, size=st.floats(0.01, 15))
def test_polygons(con: duckdb.DuckDBPyConnection, lon: float, lat: float, size: float) -> None:
    corners = SkyCoord(lon * u.deg, lat * u.deg).directional_offset_by([10, 130, 250] * u.deg, size * u.deg)
    text = ", ".join(f"{a!r}, {d!r}" for a, d in zip(corners.ra.deg.tolist(), corners.dec.deg.tolist(), strict=True))
    for condition in (
        f"1 = CONTAINS(POINT(s_ra, s_dec), POLYGON({text}))",
        f"1 = INTERSECTS(POLYGON({text}), s_region)",
        f"1 = CONTAINS(s_region, POLYGON({text}))",
    ):
        same(con, f"SELECT i FROM test.sky WHERE {condition}")


@FEW
@given(lon=lons, lat=lats, radius=st.floats(0, 19))
def test_distances(con: duckdb.DuckDBPyConnection, lon: float, lat: float, radius: float) -> None:
    for condition in (
        f"DISTANCE(POINT(s_ra, s_dec), POINT({lon!r}, {lat!r})) < {radius!r}",
        f"{radius!r} >= DISTANCE({lon!r}, {lat!r}, s_ra, s_dec)",
    ):
        same(con, f"SELECT i FROM test.sky WHERE {condition}")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT j, i FROM test.sources JOIN test.sky ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 0.5))",
        "SELECT j, i FROM test.sky, test.sources WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 3))",
        "SELECT j, i FROM test.sky, test.sources WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(s_ra, s_dec, 2)) AND j > 3",
        "SELECT j, i FROM test.sky AS a JOIN test.sources AS b ON 1 = CONTAINS(POINT(ra, dec), s_region)",
        "SELECT j, i FROM test.sources AS b JOIN test.sky ON 1 = INTERSECTS(s_region, CIRCLE(ra, dec, 1)) AND i > 9",
        "SELECT j, i FROM test.sky, test.sources WHERE DISTANCE(POINT(s_ra, s_dec), POINT(ra, dec)) < 1",
        "SELECT a.i AS p, b.i AS q FROM test.sky AS a, test.sky AS b"
        " WHERE 1 = CONTAINS(POINT(a.s_ra, a.s_dec), CIRCLE(b.s_ra, b.s_dec, 0.3)) AND a.i < b.i",
        "SELECT j, COUNT(*) AS n FROM test.sources JOIN test.sky"
        " ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 2)) GROUP BY j HAVING COUNT(*) > 1",
        "SELECT s.j, i FROM (SELECT j, ra, dec FROM test.sources WHERE j < 40) AS s JOIN test.sky"
        " ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(s.ra, s.dec, 1))",
        "WITH s AS (SELECT j, ra, dec FROM test.sources) SELECT j, i FROM s, test.sky"
        " WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(s.ra, s.dec, 1))",
        "SELECT a.j, b.j AS k, i FROM test.sources AS a LEFT JOIN test.sources AS b ON a.j = b.j + 1"
        " JOIN test.sky ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(b.ra, b.dec, 1))",
        "SELECT j, i FROM test.sources LEFT JOIN test.sky ON i = j"
        " WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 90))",
        "SELECT x.j, t.i FROM test.sources AS x LEFT JOIN (test.sources AS s JOIN test.sky AS t"
        " ON 1 = CONTAINS(POINT(t.s_ra, t.s_dec), CIRCLE(s.ra, s.dec, 1))) ON x.j = s.j",
        "SELECT j FROM test.sources WHERE EXISTS (SELECT i FROM test.sky"
        " WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 0.02)))",
        "SELECT i FROM test.sky AS t WHERE EXISTS (SELECT j FROM test.sources"
        " WHERE 1 = CONTAINS(POINT(t.s_ra, t.s_dec), CIRCLE(ra, dec, 0.02)))",
        "SELECT s.j, COUNT(*) AS n FROM test.sources AS s, test.sky AS a, test.sky AS b"
        " WHERE 1 = CONTAINS(POINT(a.s_ra, a.s_dec), CIRCLE(s.ra, s.dec, 1))"
        " AND 1 = CONTAINS(POINT(b.s_ra, b.s_dec), CIRCLE(s.ra, s.dec, 2)) GROUP BY s.j",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(s_ra, s_dec, 1))"
        " AND 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 9))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 9))"
        " UNION SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(0, 90, 9))",
        'SELECT s."_touched", i FROM (SELECT j AS "_touched", ra, dec FROM test.sources) AS s JOIN test.sky'
        " ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(s.ra, s.dec, 1))",
        "SELECT i FROM test.sky WHERE DISTANCE(s_ra, s_dec, 10, 95) < 10",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE('GALACTIC', 10, 20, 15))",
        "SELECT i, AREA(s_region) AS a, COORD1(CENTROID(s_region)) AS c FROM test.sky"
        " WHERE 1 = INTERSECTS(s_region, CIRCLE(0, -90, 9))",
    ],
)
def test_joins_and_other_queries(con: duckdb.DuckDBPyConnection, query: str) -> None:
    assert same(con, query) > 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT j, i FROM test.sources LEFT JOIN test.sky ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 1))",
        "SELECT j, i FROM test.sky RIGHT JOIN test.sources ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 1))",
        "SELECT i FROM test.sky WHERE NOT (1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 5)))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_dec, s_ra), CIRCLE(10, 20, 5))",
        "SELECT i, CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 5)) AS c FROM test.sky",
        "SELECT i FROM test.sky WHERE DISTANCE(POINT(s_ra, s_dec), POINT(10, 20)) > 170",
        "SELECT i FROM test.sky JOIN test.sources ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, r))",
    ],
)
def test_what_is_not_narrowed(con: duckdb.DuckDBPyConnection, query: str) -> None:
    """Where a row without a match stays, or where the condition may fail, all rows are read."""
    tables = read_sky(con, {t.name: t for t in (SKY, SOURCES)})
    assert "_cell" not in translate(query, tables).sql
    assert con.execute(translate(query, tables).sql).fetchall()


@FEW
@given(st.lists(st.tuples(lons, lats, st.floats(0, 60)), min_size=1, max_size=8))
def test_cells_are_complete_and_each_there_once(circles: list[tuple[float, float, float]]) -> None:
    lon, lat, radius = np.array(circles).T
    cells, sizes = places.cells(lon, lat, radius)
    ends = np.cumsum(sizes)
    turn = np.linspace(0, 360, 200)
    for n, (start, end) in enumerate(zip(ends - sizes, ends, strict=True)):
        here = cells[start:end]
        assert len(np.unique(here)) == len(here)
        inside = SkyCoord(lon[n] * u.deg, lat[n] * u.deg).directional_offset_by(
            np.append(turn, turn) * u.deg, radius[n] * np.append(np.ones(200), np.linspace(0, 1, 200)) * u.deg
        )
        wanted = places.cell_of(inside.ra.deg, inside.dec.deg)
        assert np.isin(wanted, here).all()
        ranges = np.array(places.ranges(lon[n], lat[n], radius[n]))
        assert ((wanted[:, None] >= ranges[:, 0]) & (wanted[:, None] <= ranges[:, 1])).any(axis=1).all()
        assert (ranges[1:, 0] > ranges[:-1, 1] + 1).all()
        if len(ranges) > 1:  # else it may be more than these cells
            assert sorted(here) == [cell for first, last in ranges.tolist() for cell in range(first, last + 1)]


def test_nothing_of_it_is_seen(con: duckdb.DuckDBPyConnection) -> None:
    tables = read_sky(con, {t.name: t for t in (SKY, SOURCES)})
    query = translate(
        "SELECT * FROM test.sources JOIN test.sky ON 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(ra, dec, 1))", tables
    )
    assert [value.name for value in query.values] == ["j", "ra", "dec", "i", "s_ra", "s_dec", "r", "s_region"]
    for name in ("_cell", "_region_lon", "_touched"):
        with pytest.raises(ADQLError, match=rf'there is no column "{name}"$|there is no column "{name}";') as caught:
            translate(f'SELECT "{name}" FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(1, 2, 3))', tables)
        assert str(caught.value).count("_region_lon") <= (name == "_region_lon")


def test_which_queries_are_short(con: duckdb.DuckDBPyConnection) -> None:
    tables = {**read_sky(con, {t.name: t for t in (SKY, SOURCES)}), **{t.name: t for t in TAP_SCHEMA_TABLES}}
    cone = "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, {}))"
    for query, short in [
        (f"SELECT i FROM test.sky WHERE {cone.format(1)}", True),
        (f"SELECT i FROM test.sky WHERE {cone.format(90)}", False),
        ("SELECT i FROM test.sky WHERE 1 = INTERSECTS(s_region, CIRCLE('GALACTIC', 10, -70, 1))", True),
        (
            f"SELECT i FROM test.sky WHERE EXISTS (SELECT table_name FROM tap_schema.tables WHERE {cone.format(1)})",
            False,
        ),
        ("SELECT i FROM test.sky", False),
        (f"SELECT i FROM test.sky WHERE {cone.format(1)} OR i = 1", False),
        (f"SELECT i, j FROM test.sky, test.sources WHERE {cone.format(1)}", False),
        (f"SELECT i FROM test.sky WHERE {cone.format(1)} AND i IN (SELECT j FROM test.sources)", False),
    ]:
        assert translate(query, tables).is_short == short, query
