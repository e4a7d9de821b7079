"""A small archive, and a tornado server with the TAP routes alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import tornado.httpserver
import tornado.netutil
import tornado.web

from jupyter_uws.service.jobs import Files
from jupyter_uws.tap import places
from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.handlers import make_routes
from jupyter_uws.tap.jobs import TAP, QueryExecutor, job_type
from jupyter_uws.tap.pages import write_pages
from jupyter_uws.tap.schema import Column, Table, write_tap_schema
from jupyter_uws.uws import handlers as uws_handlers
from jupyter_uws.uws.errors import UWSError
from jupyter_uws.uws.fetch import Fetched, fetch
from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.store import JobStore


def _text(name: str, **values: object) -> Column:
    return Column(name, "char", arraysize="*", **values)  # type: ignore[arg-type]


OBSCORE = Table(
    "ivoa.obscore",
    (
        _text("obs_id", description="identifier", ucd="meta.id", utype="obscore:DataID.observationID"),
        _text("target_name", ucd="meta.id;src"),
        Column("s_ra", "double", "right ascension", unit="deg", ucd="pos.eq.ra", principal=True, std=True),
        Column("s_dec", "double", "declination", unit="deg", ucd="pos.eq.dec", principal=True, std=True),
        _text("s_region", xtype="adql:REGION"),
        Column("t_min", "double", unit="d"),
        Column("calib_level", "int"),
        Column("access_estsize", "long", unit="kbyte"),
        _text("access_url", ucd="meta.ref.url"),
    ),
    "observations",
    "ivo://ivoa.net/std/obscore#core-1.1",
    "view",
)
KINDS = Table(
    "test.kinds",
    (
        Column("id", "int"),
        Column("b", "boolean"),
        Column("ub", "unsignedByte"),
        Column("s", "short"),
        Column("i", "int"),
        Column("l", "long"),
        Column("f", "float"),
        Column("d", "double"),
        _text("t"),
        _text("u"),
        Column("w", "unicodeChar", arraysize="*"),
        Column("when", "char", arraysize="*", xtype="timestamp"),
        Column("size", "int"),
        Column("Mixed Name", "int"),
    ),
    "one column of each kind",
)
NUMBERS = Table("test.numbers", (Column("n", "long"), Column("x", "double")), "a million rows")


def make_archive(path: Path) -> Path:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA _archive; CREATE SCHEMA ivoa; CREATE SCHEMA test")
        con.execute(
            """CREATE TABLE _archive.rows AS SELECT 'o' || range AS obs_id,
                 CASE WHEN range % 7 = 0 THEN NULL ELSE 'Källa ' || range % 5 END AS target_name,
                 (range * 137.507764) % 360 AS s_ra, degrees(asin(2 * (range + 0.5) / 500 - 1)) AS s_dec,
                 53000.0 + range AS t_min, 1 AS calib_level, 100 * range AS access_estsize,
                 'files/' || range AS _file, 1.0 AS _x FROM range(500)"""
        )
        con.execute(
            "ALTER TABLE _archive.rows ADD COLUMN s_region VARCHAR;"
            "UPDATE _archive.rows SET s_region = 'CIRCLE ICRS ' || s_ra || ' ' || s_dec || ' 2.5'"
        )
        add_places(con, "_archive.rows")
        con.execute(
            f"""CREATE VIEW ivoa.obscore AS SELECT obs_id, target_name, s_ra, s_dec, s_region, t_min, calib_level,
                 access_estsize, coalesce(getvariable('root_url')::VARCHAR, '') || _file AS access_url, _x,
                 {", ".join(places.TYPES)} FROM _archive.rows"""  # noqa: S608
        )
        con.execute(
            """CREATE TABLE test.kinds (id INTEGER, b BOOLEAN, ub UTINYINT, s SMALLINT, i INTEGER, l BIGINT, f FLOAT,
                 d DOUBLE, t VARCHAR, u VARCHAR, w VARCHAR, "when" TIMESTAMP, size INTEGER, "Mixed Name" INTEGER)"""
        )
        con.execute(
            r"""INSERT INTO test.kinds VALUES
                 (1, true, 255, -32768, 2147483647, 9223372036854775807, 1.5, 0.1, 'a<b & "c", d', 'grün', '星🌟x',
                  '2020-01-02T03:04:05', 7, 8),
                 (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                 (3, false, 0, 32767, -2147483648, -9223372036854775807, 'NaN', '-Infinity', '', 'plain', '',
                  '1999-12-31T23:59:59.25', 0, -1)"""
        )
        con.execute("CREATE TABLE test.numbers AS SELECT range AS n, (range * 0.5)::DOUBLE AS x FROM range(1000000)")
        write_tap_schema(con, [OBSCORE, KINDS, NUMBERS], schemas={"test": "tables of the tests"})
        write_pages(con, OBSCORE, path, variables={"access_url": "root_url"})
    return path


def add_places(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Give a table with s_ra, s_dec and s_region its hidden columns, and sort it by them."""
    rows = con.sql(f"SELECT * FROM {table}").to_arrow_table()  # noqa: S608
    found = places.columns(*(rows[name].combine_chunks() for name in ("s_ra", "s_dec", "s_region")))
    for name, values in found.items():
        rows = rows.append_column(name, values)
    con.register("_placed", rows)
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM _placed ORDER BY {places.CELL}")  # noqa: S608
    con.unregister("_placed")


class Base(tornado.web.RequestHandler):
    """What the service does for every handler, in short."""

    owner = "tester"

    def prepare(self) -> None:
        self.root = f"http://{self.request.host}/svc/"

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, UWSError):
            self.set_status(error.status)
            self.finish(str(error))
        else:
            super().write_error(status_code, **kwargs)


async def fetch_here(url: str, target: Path, max_size: int) -> Fetched:
    return await fetch(url, target, max_size=max_size, timeout=10, allowed={"127.0.0.1"})


class Jobs:
    """The UWS of the server, on a store in ``folder``."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        (folder / "jobs").mkdir(exist_ok=True)

        async def opened() -> Engine:
            return engine

        self.store = JobStore(f"sqlite:///{folder / 'jobs.sqlite'}")
        self.executor = QueryExecutor(folder / "jobs", opened, lambda report: self.manager.report(report))
        self.manager = JobManager(self.store, {TAP: job_type(self.executor)})
        self.files = Files(folder / "jobs", {"127.0.0.1"}, 10)

    async def open(self) -> JobManager:
        await self.manager.open()
        return self.manager

    async def close(self) -> None:
        await self.manager.close()
        await self.executor.close()
        self.store.close()


@dataclass
class Server:
    """A running server: its TAP URL, its engine, and its event loop in a thread of its own."""

    url: str
    engine: Engine
    loop: asyncio.AbstractEventLoop
    jobs: Jobs | None = None


def run_server(engine: Engine, folder: Path | None = None) -> Iterator[Server]:
    """The TAP routes; with a ``folder`` for its jobs, also ``/tap/async``."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    jobs = Jobs(engine, folder) if folder else None

    async def start() -> tuple[tornado.httpserver.HTTPServer, int]:
        made = make_routes(Base, engine, fetch_here)
        if jobs is not None:
            made += uws_handlers.make_routes(Base, await jobs.open(), jobs.files)
        routes = [("/svc" + pattern, handler, arguments) for pattern, handler, arguments in made]
        server = tornado.httpserver.HTTPServer(tornado.web.Application(routes))  # type: ignore[arg-type]
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        return server, sockets[0].getsockname()[1]

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)

    async def stop() -> None:
        server.stop()
        if jobs is not None:
            await jobs.close()
        engine.close()
        await server.close_all_connections()

    yield Server(f"http://127.0.0.1:{port}/svc/tap", engine, loop, jobs)
    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
