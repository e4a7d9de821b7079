# ruff: noqa: S608
"""Cones inside the engine and inside PostgreSQL with pgSphere's index, on the same rows and in turns: no HTTP, no ADQL.

The engine finds them by pages beside the archive (``jupyter_uws/tap/pages.py``); DuckDB's own way is told as well.

``python benchmarks/cones.py FILE --postgres URL`` takes an archive of simulated_archive.py. Its rows go to a temporary
table, so the database keeps nothing; it must have pgSphere (``postgresql-15-pgsphere`` in Debian, then ``CREATE
EXTENSION pg_sphere``), and its server run here, for the CPU time of its process is read.

Each side gets the query and gives its rows to a client: as Arrow, or as PostgreSQL's own text, which psycopg takes in.
CPU time is that of the side which finds the rows: of all threads of this process, or of PostgreSQL's server.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import psycopg
from tap import COLUMNS, RADII, ROOT, centres, cone
from uws import Table

from jupyter_uws.tap.adql import MOST_GATHERED, Query, translate
from jupyter_uws.tap.engine import BATCH_ROWS
from jupyter_uws.tap.snapshot import Snapshot

_TYPES = {"VARCHAR": "text", "INTEGER": "int", "BIGINT": "bigint", "DOUBLE": "double precision"}
_WARM = 5


def fill(con: psycopg.Connection, cursor: duckdb.DuckDBPyConnection) -> None:
    """The columns that are asked for, as the view gives them, and pgSphere's index on the positions."""
    rows = cursor.execute(f"SELECT {COLUMNS} FROM ivoa.obscore")
    columns = ", ".join(f"{name} {_TYPES[str(kind)]}" for name, kind, *_ in rows.description or ())
    run(con, f"CREATE TEMPORARY TABLE obs ({columns})")
    with con.cursor().copy(f"COPY obs ({COLUMNS}) FROM STDIN") as copy:
        while some := rows.fetchmany(10_000):
            for row in some:
                copy.write_row(row)
    run(con, "CREATE INDEX ON obs USING gist (spoint(radians(s_ra), radians(s_dec)))")
    run(con, "ANALYZE obs")


def run(con: psycopg.Connection, sql: str) -> psycopg.Cursor:
    return con.execute(sql, prepare=False)


def pgsphere(lon: float | str, lat: float | str, radius: float | str) -> str:
    centre = f"spoint(radians({lon}), radians({lat}))"
    condition = f"spoint(radians(s_ra), radians(s_dec)) <@ scircle({centre}, radians({radius}))"
    return f"SELECT {COLUMNS} FROM obs WHERE {condition}"


def cpu_of(pid: int) -> float:
    """Seconds that a process of one thread has worked so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def measured(ask: Callable[[], int], cpu: Callable[[], float]) -> tuple[int, float, float]:
    """Rows, CPU time and time that passed (ms)."""
    began, worked = time.perf_counter(), cpu()
    rows = ask()
    return rows, 1000 * (cpu() - worked), 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--postgres", required=True, help="URL of a database with pgSphere")
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
    snapshot = Snapshot(arguments.file, threads=2, memory=512 * 2**20)
    cursor, table = snapshot.cursor(ROOT), Table()
    con = psycopg.connect(arguments.postgres, autocommit=True)
    with snapshot.cursor(ROOT) as reading:
        reading.execute("USE archive")
        fill(con, reading)
    run(con, f"PREPARE near (float8, float8, float8) AS {pgsphere('$1', '$2', '$3')}")
    server = con.info.backend_pid

    def ours(query: Query) -> int:
        reader = snapshot.cone(query, ROOT, BATCH_ROWS)
        if reader is None:
            raise SystemExit(f"{arguments.file} has no pages beside it")
        return sum(batch.num_rows for batch in reader)

    def engine(query: Query) -> int:
        return sum(batch.num_rows for batch in cursor.execute(query.sql).to_arrow_reader(BATCH_ROWS))

    def theirs(sql: str) -> int:
        return len(run(con, sql).fetchall())

    def server_cpu() -> float:
        return cpu_of(server)

    for radius in RADII:
        sides = ("ours", "DuckDB", "pgSphere", "pgSphere, prepared")
        found: dict[str, list[tuple[int, float, float]]] = {side: [] for side in sides}
        for lon, lat in centres(arguments.count + _WARM):
            query = translate(cone(lon, lat, radius), snapshot.tables, limit=MOST_GATHERED)
            text, prepared = pgsphere(lon, lat, radius), f"EXECUTE near ({lon}, {lat}, {radius})"
            found["ours"].append(measured(partial(ours, query), time.process_time))
            found["DuckDB"].append(measured(partial(engine, query), time.process_time))
            found["pgSphere"].append(measured(partial(theirs, text), server_cpu))
            found["pgSphere, prepared"].append(measured(partial(theirs, prepared), server_cpu))
        counts = [[rows for rows, *_ in values] for values in found.values()]
        if any(count != counts[0] for count in counts):
            raise SystemExit(f"the numbers of rows differ: {counts}")
        table.add(f"cone of {radius:g} deg: rows", statistics.median(counts[0]), "")
        medians: dict[str, tuple[float, float]] = {}
        for name, values in found.items():
            _, cpu, passed = (statistics.median(part) for part in zip(*values[_WARM:], strict=True))
            medians[name] = cpu, passed
            table.add(f"  {name}", cpu, "ms CPU")
            table.add(f"  {name}, time that passed", passed, "ms")
        for name in ("pgSphere", "pgSphere, prepared"):
            table.add(f"  ours / {name}, CPU", medians["ours"][0] / medians[name][0], "", 5.0)
            table.add(f"  ours / {name}, time that passed", medians["ours"][1] / medians[name][1], "", 5.0)
    table.print()


if __name__ == "__main__":
    main()
