"""The engine's bounds: time, number, memory, and a file that comes and goes."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from tap_server import make_archive

from jupyter_uws.tap.engine import Engine, Result
from jupyter_uws.tap.errors import ADQLError, ArchiveUnavailable, Overloaded, QueryTimeout, TAPError
from jupyter_uws.tap.formats import find_format
from jupyter_uws.tap.limits import QueryLimits
from jupyter_uws.tap.schema import Column, Table, write_tap_schema

HEAVY = "SELECT COUNT(*) FROM test.numbers AS a, test.numbers AS b WHERE MOD(a.n * b.n, 7) = 3"


async def count(result: Result) -> int:
    async for _ in result.written(find_format("csv").writer(result.fields, "")):
        pass
    return result.rows


async def rows(engine: Engine, query: str, maxrec: int = 10) -> int:
    async with engine.query(query, maxrec=maxrec) as result:
        return await count(result)


async def test_a_query_that_takes_too_long_is_interrupted(archive: Path) -> None:
    engine = Engine(archive, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"longer than 0.5 s"):
        await rows(engine, HEAVY)
    assert time.monotonic() - began < 5
    assert await rows(engine, "SELECT n FROM test.numbers") == 10  # and its thread is free again
    engine.close()


async def test_a_cancelled_query_is_interrupted(archive: Path) -> None:
    engine = Engine(archive, max_queries=1)
    task = asyncio.create_task(rows(engine, HEAVY))
    await asyncio.wait([task], timeout=0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # the only thread and the only slot are free
    async with asyncio.timeout(10):
        assert await rows(engine, "SELECT n FROM test.numbers") == 10
    engine.close()


async def test_a_query_that_is_cancelled_again_while_it_ends_gives_back_all_it_had(archive: Path) -> None:
    """As where a client has left: first its rows cannot be written, then its connection is found closed."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    engine = Engine(archive, max_queries=1)
    ending, may_end = asyncio.Event(), threading.Event()

    async def leave() -> None:
        async with engine.query("SELECT n FROM test.numbers", maxrec=10_000_000) as result:
            assert engine.active == {result}
            # nothing else is done in threads until then
            asyncio.get_running_loop().run_in_executor(None, may_end.wait, 60)
            ending.set()

    task = asyncio.create_task(leave())
    await ending.wait()
    for _ in range(3):
        task.cancel()
        for _ in range(10):  # turns of the loop
            await asyncio.sleep(0)
        assert not task.done()
    assert engine.active
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not engine.active
    assert not (await engine._current())._is_lent
    engine.close()


async def test_who_stops_reading_leaves_nothing_behind(archive: Path) -> None:
    """The next piece is made while one is sent; where nobody wants it, neither its task nor its thread stays."""
    engine = Engine(archive, max_queries=1)
    async with engine.query("SELECT n FROM test.numbers", maxrec=1_000_000) as result:
        pieces = result.written(find_format("votable").writer(result.fields, ""))
        assert len(await anext(pieces)) > 8192
    await pieces.aclose()  # type: ignore[attr-defined]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    # one that fails, mostly when some pieces are out: the engine's threads begin in several places
    with pytest.raises(TAPError, match="Division by zero"):
        async with engine.query("SELECT MOD(n, 900000 - n) AS m FROM test.numbers", maxrec=1_000_000) as result:
            await count(result)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await rows(engine, "SELECT n FROM test.numbers") == 10
    engine.close()


async def test_closing_the_engine_ends_its_queries(archive: Path) -> None:
    engine = Engine(archive)
    task = asyncio.create_task(rows(engine, HEAVY))
    await asyncio.wait([task], timeout=0.2)
    engine.close()
    with pytest.raises(QueryTimeout, match="stopped"):
        async with asyncio.timeout(10):
            await task


async def test_the_number_of_queries_is_bounded(archive: Path) -> None:
    engine = Engine(archive, max_queries=1, max_waiting=1, timeout=30)
    async with engine.query("SELECT n FROM test.numbers", maxrec=5) as first:
        waiting = asyncio.create_task(rows(engine, "SELECT n FROM test.numbers"))
        async with asyncio.timeout(10):
            while not engine.waiting:
                await asyncio.sleep(0.005)
        with pytest.raises(Overloaded, match="too many queries are waiting"):
            await rows(engine, "SELECT n FROM test.numbers")
        assert not waiting.done()
        assert await count(first) == 5
    assert await waiting == 10
    engine.close()


async def test_short_queries_do_not_wait_for_long_ones(archive: Path) -> None:
    engine = Engine(archive, max_queries=1, timeout=30)
    heavy = [asyncio.create_task(rows(engine, HEAVY)) for _ in range(2)]
    async with asyncio.timeout(10):
        while not engine.waiting:
            await asyncio.sleep(0.005)
    cone = "SELECT obs_id FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 8))"
    assert await rows(engine, cone) > 0
    assert engine.waiting == 1
    assert not any(task.done() for task in heavy)
    for task in heavy:  # the one that waits as well
        task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*heavy, return_exceptions=True)
    assert not engine.waiting
    engine.close()


@pytest.mark.parametrize(
    ("top", "maxrec", "given", "overflow"),
    [(20_000, 30_000, 20_000, False), (20_000, 20_000, 20_000, False), (20_000, 15_000, 15_000, True),
     (None, 15_000, 15_000, True), (2_000_000, 1_500_000, 1_000_000, False)],
)  # fmt: skip
async def test_long_results_end_where_they_are_asked_to(
    archive: Path, top: int | None, maxrec: int, given: int, overflow: bool
) -> None:
    engine = Engine(archive)
    query = f"SELECT {f'TOP {top} ' if top else ''}n FROM test.numbers"  # noqa: S608
    async with engine.query(query, maxrec=maxrec) as result:
        assert await count(result) == given
        assert result.overflow == overflow
    engine.close()


SORTED = "SELECT n, x FROM test.numbers ORDER BY MOD(n * 7919, 1000003)"  # in 40 MB, held until the last row is read
GREEDY = SORTED.replace("test.numbers", f"({' UNION ALL '.join(4 * ['SELECT n, x FROM test.numbers'])}) AS t")  # noqa: S608


async def test_memory_is_bounded_and_the_bound_is_told(archive: Path) -> None:
    engine = Engine(archive, memory=20 * 2**20)
    with pytest.raises(TAPError, match=r"more than the 20 MiB of memory that a query may use here: narrow it"):
        await rows(engine, SORTED, 1_000_000)
    assert await rows(engine, "SELECT n FROM test.numbers") == 10
    engine.close()


async def test_what_memory_does_not_hold_is_put_on_disk(archive: Path, tmp_path: Path) -> None:
    spill = tmp_path / "queries"
    (spill / "left by one that was killed").mkdir(parents=True)
    engine = Engine(archive, memory=20 * 2**20, spill=spill)
    assert not list(spill.iterdir())
    assert stat.S_IMODE(spill.stat().st_mode) == 0o700
    everything = 1_000_000
    most = 0
    async with engine.query(SORTED, maxrec=everything) as result:
        async for _ in result.written(find_format("csv").writer(result.fields, "")):
            most = max(most, on_disk(spill))
        assert result.rows == everything
    assert most > 2**20
    assert on_disk(spill) < 2**12


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def test_the_bound_of_the_disk_is_told(archive: Path, tmp_path: Path) -> None:
    limits = QueryLimits(disk=2**20)
    engine = Engine(archive, memory=20 * 2**20, spill=tmp_path / "queries", limits=limits)
    with pytest.raises(TAPError, match="more than the 20 MiB of memory, and 1 MiB on disk, that a query may use here"):
        await rows(engine, SORTED, 1_000_000)
    engine.close()


async def test_a_query_has_its_memory_for_itself(archive: Path) -> None:
    engine = Engine(archive, memory=60 * 2**20)
    everything = 1_000_000
    async with engine.query(SORTED, maxrec=everything) as first, engine.query(SORTED, maxrec=everything) as second:
        with pytest.raises(TAPError, match="more than the 60 MiB"):
            await rows(engine, GREEDY, everything)
        cone = "SELECT obs_id FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10, 20, 8))"
        assert await rows(engine, cone) > 0
        assert [await count(second), await count(first)] == [everything, everything]
    engine.close()


async def test_errors_of_the_engine_are_one_sentence(archive: Path) -> None:
    engine = Engine(archive)
    for query, message in [
        ("SELECT CAST('abc' AS DOUBLE PRECISION) FROM test.numbers", "Could not convert string 'abc' to DOUBLE"),
        ("SELECT BIT_AND(x, 1) FROM test.numbers", r"^BIT_AND takes whole numbers: CAST\(value AS BIGINT\)"),
        ("SELECT SUM((SELECT MAX(t) FROM test.kinds)) AS s FROM test.numbers", "^SUM does not take a text"),
        (
            "SELECT t FROM test.kinds WHERE (SELECT MAX(t) FROM test.kinds) < TIMESTAMP('2020-01-01')",
            r"^a text and a time cannot be compared: CAST\(",
        ),
        ("SELECT n FROM test.numbers WHERE n = (SELECT n FROM test.numbers)", "gives several rows: write IN"),
        ("SELECT i * i * i * i FROM test.kinds", "^a whole number becomes too large, "),
        ("SELECT MOD(n, 0) FROM test.numbers", r"Division by zero in expression \S+ \S+$"),
        ("SELECT " + "n + " * 990 + "n FROM test.numbers", "nested too deeply"),
    ]:
        with pytest.raises(TAPError, match=message) as caught:
            await rows(engine, query, maxrec=1000)
        assert "LINE" not in str(caught.value)
        assert "\n" not in str(caught.value)
    engine.close()


async def test_views_know_the_root_of_the_caller(archive: Path) -> None:
    engine = Engine(archive)

    async def first_url(root: str) -> str:
        variables = {"root_url": root}
        async with engine.query("SELECT access_url FROM ivoa.obscore", maxrec=1, variables=variables) as result:
            pieces = [piece async for piece in result.written(find_format("csv").writer(result.fields, ""))]
            return b"".join(pieces).decode().split("\r\n")[1]

    assert await first_url("http://a/'x/") == "http://a/'x/files/0"
    assert await asyncio.gather(first_url("http://b/"), first_url("http://c/")) == [
        "http://b/files/0", "http://c/files/0",
    ]  # fmt: skip
    engine.close()


async def test_a_query_that_waited_asks_the_file_that_is_there(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.duckdb")
    engine = Engine(path, max_queries=1)
    query = "SELECT n FROM test.numbers ORDER BY x"
    async with engine.query(query, maxrec=10):
        waiting = asyncio.create_task(rows(engine, query))
        async with asyncio.timeout(10):
            while not engine.waiting:
                await asyncio.sleep(0.005)
        with duckdb.connect(str(tmp_path / "new.duckdb")) as con:
            con.execute("CREATE SCHEMA test; CREATE TABLE test.numbers AS SELECT 1::BIGINT AS n, 2::BIGINT AS x")
            write_tap_schema(con, [Table("test.numbers", (Column("n", "long"), Column("x", "long")))])
        os.replace(tmp_path / "new.duckdb", path)
    assert await waiting == 1
    engine.close()


async def test_a_replaced_file_is_seen_and_running_queries_keep_the_old_one(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.duckdb")
    engine = Engine(path)
    async with engine.query("SELECT n FROM test.numbers", maxrec=100_000) as old:
        with duckdb.connect(str(tmp_path / "new.duckdb")) as con:
            con.execute("CREATE SCHEMA test; CREATE TABLE test.other AS SELECT 1::INTEGER AS one")
            write_tap_schema(con, [Table("test.other", (Column("one", "int"),))])
        os.replace(tmp_path / "new.duckdb", path)
        assert await rows(engine, "SELECT one FROM test.other") == 1
        with pytest.raises(ADQLError, match=r"no table 'test.numbers'"):
            await rows(engine, "SELECT n FROM test.numbers")
        assert await count(old) == 100_000
    path.unlink()
    with pytest.raises(ArchiveUnavailable, match="archive.duckdb cannot be read: No such file"):
        await rows(engine, "SELECT one FROM test.other")
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(ArchiveUnavailable, match="archive.duckdb cannot be opened"):
        await rows(engine, "SELECT one FROM test.other")
    engine.close()


async def test_a_file_without_tap_schema_is_refused(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "plain.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT 1")
    engine = Engine(tmp_path / "plain.duckdb")
    with pytest.raises(ArchiveUnavailable, match="plain.duckdb cannot be opened"):
        await engine.tables()
    engine.close()
