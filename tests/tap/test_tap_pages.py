"""Cones that are found in pages beside the archive: the same rows as DuckDB's, by fewer steps."""

# ruff: noqa: S608
from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
import pyvo
from hypothesis import given
from hypothesis import strategies as st
from tap_server import OBSCORE, Server, add_places
from tap_sky import FEW, SKY, lats, lons, radii, sky_rows

from jupyter_uws.tap import pages
from jupyter_uws.tap.adql import Query, translate
from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.formats import find_format
from jupyter_uws.tap.pages import write_pages
from jupyter_uws.tap.schema import write_tap_schema
from jupyter_uws.tap.snapshot import Snapshot

CONE = "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(0, 20, 3))"


def make(path: Path, *, in_order: bool = True) -> Path:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA test")
        con.register("incoming", sky_rows())
        con.execute("CREATE TABLE test.sky AS SELECT * FROM incoming")
        add_places(con, "test.sky")
        if not in_order:
            con.execute("CREATE OR REPLACE TABLE test.sky AS SELECT * FROM test.sky ORDER BY i")
        write_tap_schema(con, [SKY])
        write_pages(con, SKY, path)
    return path


def opened(path: Path) -> Snapshot:
    return Snapshot(path, threads=1, memory=2**28)


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """An archive of many small pages: a cell's rows lie in several, and some pages have rows of many cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_ROWS", 4)
        yield opened(make(tmp_path_factory.mktemp("pages") / "sky.duckdb"))


def asked(snapshot: Snapshot, adql: str, limit: int = 10_000) -> Query:
    return translate(adql, snapshot.tables, limit=limit)


def by_pages(snapshot: Snapshot, query: Query, batch_rows: int = 8192) -> list[tuple[object, ...]] | None:
    """None where DuckDB is to find the rows."""
    reader = snapshot.cone(query, {}, batch_rows)
    if reader is None:
        return None
    batches = list(reader)
    assert all(0 < batch.num_rows <= max(batch_rows, pages.PAGE_ROWS) for batch in batches)
    rows = [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    return sorted(rows, key=repr)


def by_duckdb(snapshot: Snapshot, query: Query) -> list[tuple[object, ...]]:
    return sorted(snapshot.cursor({}).execute(query.sql).fetchall(), key=repr)


@FEW
@given(lon=lons, lat=lats, radius=radii, batch_rows=st.sampled_from([1, 100, 8192]))
def test_the_rows_are_those_of_duckdb(sky: Snapshot, lon: float, lat: float, radius: float, batch_rows: int) -> None:
    for condition in (
        f"1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({lon!r}, {lat!r}, {radius!r}))",
        f"DISTANCE(POINT({lon!r}, {lat!r}), POINT(s_ra, s_dec)) <= {abs(radius)!r}",
    ):
        query = asked(sky, f"SELECT i, s_region, s_ra FROM test.sky WHERE {condition}")
        found = by_pages(sky, query, batch_rows)
        if found is not None:
            assert found == by_duckdb(sky, query)


def test_every_row_is_found_where_it_lies(sky: Snapshot) -> None:
    rows = (
        sky.cursor({}).execute("SELECT i, s_ra, s_dec FROM archive.test.sky WHERE s_ra + s_dec IS NOT NULL").fetchall()
    )
    assert len(rows) > 600
    for i, ra, dec in rows:
        query = asked(sky, f"SELECT i FROM test.sky WHERE DISTANCE(s_ra, s_dec, {ra!r}, {dec!r}) <= 1e-7")
        found = by_pages(sky, query)
        assert found is not None
        assert (i,) in found


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * FROM test.sky WHERE {CONE}",
        f"SELECT t.i AS number, t.* FROM test.sky AS t WHERE ({CONE})",
        f"SELECT TOP 3 i, i FROM test.sky WHERE {CONE}",
        "SELECT i FROM test.sky WHERE INTERSECTS(CIRCLE('ICRS', 0, 20, 3), POINT(s_ra, s_dec)) = 1",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE('GALACTIC', 107.8, -41.8, 3))",
        "SELECT i FROM test.sky WHERE 3 > DISTANCE(s_ra, s_dec, 0, 20)",
        "SELECT i FROM test.sky WHERE DISTANCE(POINT(0, 20), POINT(s_ra, s_dec)) < 3",
    ],
)
def test_cones(sky: Snapshot, query: str) -> None:
    translated = asked(sky, query)
    found = by_pages(sky, translated)
    assert found
    if "TOP" in query:
        assert translated.most == len(found) == 3
        assert set(by_duckdb(sky, translated)) <= set(found)
    else:
        assert found == by_duckdb(sky, translated)


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT i FROM test.sky WHERE {CONE} AND i < 600",
        f"SELECT i FROM test.sky WHERE {CONE} OR i = 7",
        f"SELECT i FROM test.sky WHERE NOT {CONE}",
        f"SELECT i FROM test.sky WHERE {CONE} AND {CONE}",
        f"SELECT DISTINCT i FROM test.sky WHERE {CONE}",
        f"SELECT i FROM test.sky WHERE {CONE} ORDER BY i",
        f"SELECT i FROM test.sky WHERE {CONE} OFFSET 1",
        f"SELECT i FROM test.sky WHERE {CONE} GROUP BY i",
        f"SELECT COUNT(*) FROM test.sky WHERE {CONE}",
        f"SELECT i + 1 FROM test.sky WHERE {CONE}",
        f"SELECT i, DISTANCE(s_ra, s_dec, 0, 20) FROM test.sky WHERE {CONE}",
        f"SELECT i, 'a' AS a FROM test.sky WHERE {CONE}",
        f"SELECT a.i FROM test.sky AS a, test.sky AS b WHERE {CONE.replace('s_', 'a.s_')}",
        f"SELECT a.i FROM test.sky AS a JOIN test.sky AS b ON a.i = b.i WHERE {CONE.replace('s_', 'a.s_')}",
        f"SELECT i FROM (SELECT * FROM test.sky WHERE {CONE}) AS t",
        f"WITH t AS (SELECT * FROM test.sky WHERE {CONE}) SELECT i FROM t",
        f"SELECT i FROM test.sky WHERE {CONE} UNION SELECT i FROM test.sky WHERE {CONE}",
        f"SELECT i FROM test.sky WHERE i IN (SELECT i FROM test.sky WHERE {CONE})",
        "SELECT i FROM test.sky WHERE 0 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(0, 20, 3))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_dec, s_ra), CIRCLE(0, 20, 3))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(CIRCLE(s_ra, s_dec, 1), CIRCLE(0, 20, 3))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), POLYGON(10, 20, 13, 20, 13, 24))",
        "SELECT i FROM test.sky WHERE 1 = INTERSECTS(s_region, CIRCLE(0, 20, 3))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, r))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, -1))",
        "SELECT i FROM test.sky WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 100))",
        "SELECT i FROM test.sky WHERE 3 < DISTANCE(s_ra, s_dec, 0, 20)",
        "SELECT i FROM test.sky",
    ],
)
def test_what_is_more_than_a_cone_is_not_taken_for_one(sky: Snapshot, query: str) -> None:
    assert asked(sky, query).disc is None


def test_a_rim_belongs_to_a_circle_and_not_to_what_is_nearer(sky: Snapshot) -> None:
    ((i, ra, dec),) = sky.cursor({}).execute("SELECT i, s_ra, s_dec FROM archive.test.sky WHERE i = 400").fetchall()
    for sign, there in (("<=", True), ("<", False)):
        query = asked(sky, f"SELECT i FROM test.sky WHERE DISTANCE(s_ra, s_dec, {ra!r}, {dec!r}) {sign} 0")
        assert by_pages(sky, query) == ([(i,)] if there else [])


def test_duckdb_has_what_is_spread_over_many_pages(sky: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    query = asked(sky, f"SELECT i FROM test.sky WHERE {CONE}")
    assert by_pages(sky, query) is not None
    monkeypatch.setattr(pages, "MOST_PAGES", 1)
    assert by_pages(sky, query) is None


def test_threads_read_at_the_same_time(sky: Snapshot) -> None:
    queries = [
        asked(sky, f"SELECT * FROM test.sky WHERE DISTANCE(s_ra, s_dec, {lon}, {lat}) < 9")
        for lon in range(0, 360, 40)
        for lat in (-80, -20, 0, 30, 89)
    ]
    alone = [by_pages(sky, query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda query: by_pages(sky, query), queries * 5)) == alone * 5


def test_rows_in_another_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the rows of test\.sky are not in the order of _cell"):
        make(tmp_path / "sky.duckdb", in_order=False)


@pytest.mark.parametrize("damage", ["gone", "cut off", "another's", "no file of Arrow's"])
def test_without_its_pages_an_archive_is_as_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "sky.duckdb")
    (beside,) = pages.pages_of(path)
    if damage == "gone":
        beside.unlink()
    elif damage == "cut off":
        beside.write_bytes(beside.read_bytes()[:-100])
    elif damage == "another's":
        monkeypatch.setattr(pages, "PAGE_ROWS", 100)
        shutil.move(pages.pages_of(make(tmp_path / "other.duckdb"))[0], beside)
    else:
        beside.write_text("rows")
    with caplog.at_level(logging.WARNING):
        snapshot = opened(path)
    assert ("cannot be read, so DuckDB finds what lies in a cone" in caplog.text) == (damage != "gone")
    query = asked(snapshot, f"SELECT i FROM test.sky WHERE {CONE}")
    assert query.disc is not None
    assert by_pages(snapshot, query) is None
    assert by_duckdb(snapshot, query)


def test_only_a_file_beside_the_archive_is_read(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = make(tmp_path / "inner" / "sky.duckdb")
    (beside,) = pages.pages_of(path)
    beside.rename(tmp_path / "12345678.arrow")
    (tmp_path / "inner" / "sky.duckdb.").mkdir()
    with duckdb.connect(str(path)) as con:
        con.execute("UPDATE tap_schema._pages SET key = '/../../12345678'")
    snapshot = opened(path)
    assert by_pages(snapshot, asked(snapshot, f"SELECT i FROM test.sky WHERE {CONE}")) is None


@pytest.mark.parametrize(
    ("top", "maxrec", "count", "overflow"), [(2, 99, 2, False), (99, 2, 2, True), (2, 2, 2, False), (99, 99, 7, False)]
)
async def test_top_and_maxrec(archive: Path, top: int, maxrec: int, count: int, overflow: bool) -> None:
    """The rows of the tests' server, whose URLs begin with the root of whoever asks."""
    engine = Engine(archive)
    cone = "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(200, 40, 12))"
    for root in ("http://a/", "http://b/"):
        query = f"SELECT TOP {top} access_url, obs_id FROM ivoa.obscore WHERE {cone}"
        async with engine.query(query, maxrec=maxrec, variables={"root_url": root}) as result:
            writer = find_format("csv").writer(result.fields, "")
            lines = b"".join([piece async for piece in result.written(writer)]).decode().splitlines()[1:]
        assert [line.split(",")[0] for line in lines] == [f"{root}files/{line.split(',o')[1]}" for line in lines]
        assert (len(lines), result.overflow) == (count, overflow)
    snapshot = await engine._current()
    assert snapshot.cone(asked(snapshot, query), {}, 100) is not None
    engine.close()


def test_a_cone_over_http(server: Server) -> None:
    """As VOTable, with all columns, nulls and text that is not ASCII."""
    service = pyvo.dal.TAPService(server.url)
    cone = "SELECT * FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(200, 40, 20))"
    table, again = (service.search(query).to_table() for query in (cone, f"{cone} AND s_ra > -1"))
    assert len(table) > 10
    assert table.colnames == [column.name for column in OBSCORE.columns]
    assert sorted(map(str, table.iterrows())) == sorted(map(str, again.iterrows()))
