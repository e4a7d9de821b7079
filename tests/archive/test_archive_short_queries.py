"""Short queries on a real archive: of few rows and of many, by cursors that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.formats import find_format
from jupyter_uws.tap.snapshot import IDLE_CURSORS

NEAR = (
    "SELECT access_url, obs_id FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(83.63, 22.01, 15))"
    " ORDER BY obs_id"
)


async def texts(engine: Engine, query: str, root: str, maxrec: int = 1000) -> list[str]:
    """The rows of a query as lines of CSV."""
    async with engine.query(query, maxrec=maxrec, variables={"root_url": root}) as result:
        pieces = [piece async for piece in result.written(find_format("csv").writer(result.fields, ""))]
    return b"".join(pieces).decode().splitlines()[1:]


async def test_a_kept_cursor_knows_the_root_of_its_caller(archive: Path) -> None:
    engine = Engine(archive)
    for root in ("http://a/", "http://b/", "http://a/", "http://a/"):
        found = await texts(engine, NEAR, root)
        assert len(found) > 2
        assert all(line.startswith(root) for line in found)
    snapshot = await engine._current()
    assert [given["root_url"] for given, _ in snapshot._idle] == ["http://b/", "http://a/"]
    for number in range(10):
        await texts(engine, NEAR, f"http://{number}/")
    assert len(snapshot._idle) == IDLE_CURSORS
    engine.close()


@pytest.mark.parametrize("query", [NEAR, NEAR.partition(" ORDER")[0]])
async def test_short_queries_of_few_and_of_many_rows(
    archive: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    engine = Engine(archive)
    few = {n: await texts(engine, query, "http://a/", n) for n in (0, 1, 3, 1000)}
    for module in ("engine", "adql"):
        monkeypatch.setattr(f"jupyter_uws.tap.{module}.MOST_GATHERED", 2)
    many = {n: await texts(engine, query, "http://a/", n) for n in few}
    assert [len(rows) for rows in many.values()] == [len(rows) for rows in few.values()]
    assert sorted(many[1000]) == sorted(few[1000])
    assert len(few[1000]) > 3
    engine.close()
