# ruff: noqa: S608
"""What queries on an archive of a million rows cost, over HTTP, beside their targets; and beside another TAP service.

``python benchmarks/tap.py`` makes a simulated archive and serves it; ``--archive FILE`` takes one that is there, and
``--large FILE`` one more of ten times as many rows, which is asked the same, in turns.
``--other URL`` asks a TAP service that has the same rows the same, in turns, so that both meet the same machine:
see compare_dachs.py.

Wall time counts here, as it does for who waits: of a machine with nothing else to do. Only for what happens inside the
engine it is CPU time, of all its threads.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus, urlsplit

import numpy as np
import psutil
import pyarrow as pa
from simulated_archive import make
from uws import Table, p95

TOKEN = "benchmark"  # noqa: S105 (of a service that lives for this benchmark)
COLUMNS = (
    "dataproduct_type, calib_level, obs_collection, obs_id, obs_publisher_did, access_url, access_format,"
    " access_estsize, target_name, s_ra, s_dec, s_fov, t_min, facility_name, instrument_name"
)
RADII = (0.1, 1.0, 5.0)
ROOT = {"root_url": "http://localhost/"}
HEAVY = (
    "SELECT a.target_name, COUNT(*) AS n, AVG(b.t_min) AS t FROM ivoa.obscore AS a JOIN ivoa.obscore AS b"
    " ON a.calib_level = b.calib_level WHERE a.t_min < b.t_max GROUP BY a.target_name"
)


@dataclass(frozen=True)
class Answer:
    body: bytes
    first: float  # s until the first byte of the body
    seconds: float
    size: int


@dataclass(frozen=True)
class Service:
    """A TAP service by URL, and its process where it is known."""

    url: str
    pid: int | None = None

    def get(self, path: str, keep: bool = True) -> Answer:
        return self._ask("GET", path, None, {}, keep)

    def query(
        self,
        adql: str,
        maxrec: int = 2_000_000,
        format: str = "votable",
        upload: str | None = None,
        keep: bool = True,
    ) -> Answer:
        fields = {"LANG": "ADQL", "REQUEST": "doQuery", "QUERY": adql, "MAXREC": str(maxrec), "FORMAT": format}
        if upload is None:
            body = "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()
            return self._ask("POST", "/sync", body, {"Content-Type": "application/x-www-form-urlencoded"}, keep)
        line = uuid.uuid4().hex
        parts = [f'--{line}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
        parts.append(
            f'--{line}\r\nContent-Disposition: form-data; name="UPLOAD"\r\n\r\npoints,param:points\r\n'
            f'--{line}\r\nContent-Disposition: form-data; name="points"; filename="points.vot"\r\n'
            f"Content-Type: application/x-votable+xml\r\n\r\n{upload}\r\n--{line}--\r\n"
        )
        return self._ask(
            "POST", "/sync", "".join(parts).encode(), {"Content-Type": f"multipart/form-data; boundary={line}"}, keep
        )

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str], keep: bool) -> Answer:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)
        began = time.perf_counter()
        connection.request(method, parts.path + path, body, {**headers, "Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        pieces, size, first = [], 0, 0.0
        while piece := response.read1(2**20):
            first = first or time.perf_counter() - began
            size += len(piece)
            if keep:
                pieces.append(piece)
        seconds = time.perf_counter() - began
        connection.close()
        if response.status != 200:
            raise OSError(f"{self.url}{path} answered {response.status}: {b''.join(pieces)[:500]!r}")
        return Answer(b"".join(pieces), first, seconds, size)


def cone(lon: float, lat: float, radius: float) -> str:
    return f"SELECT {COLUMNS} FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({lon}, {lat}, {radius}))"


def centres(count: int) -> list[tuple[float, float]]:
    random = np.random.default_rng(20261125)
    lon, lat = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    return list(zip(lon.round(4).tolist(), lat.round(4).tolist(), strict=True))


def points(count: int = 1000) -> str:
    """Points spread over the sky, as a VOTable."""
    index = np.arange(count)
    lon, lat = index * 137.507764 % 360, np.degrees(np.arcsin(2 * (index + 0.5) / count - 1))
    rows = "".join(
        f"<TR><TD>{i}</TD><TD>{a:.6f}</TD><TD>{b:.6f}</TD></TR>"
        for i, a, b in zip(index.tolist(), lon.tolist(), lat.tolist(), strict=True)
    )
    fields = "".join(f'<FIELD name="{name}" datatype="{kind}"/>' for name, kind in (
        ("i", "int"), ("ra", "double"), ("dec", "double"),
    ))  # fmt: skip
    return (
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        f"{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )


CROSSMATCH = (
    "SELECT p.i, o.obs_id FROM TAP_UPLOAD.points AS p JOIN ivoa.obscore AS o"
    " ON 1 = CONTAINS(POINT(o.s_ra, o.s_dec), CIRCLE(p.ra, p.dec, 0.1))"
)
WHOLE = f"SELECT TOP 1000000 {COLUMNS} FROM ivoa.obscore"


def small_queries(service: Service, count: int) -> dict[str, Callable[[int], float]]:
    """The seconds of one of each kind of query that finds its rows by an index."""
    where, upload = centres(count + 1), points()
    lon, lat = where[0]
    service.query(cone(lon, lat, 1.0))
    queries: dict[str, Callable[[int], float]] = {
        f"cone of {radius:g} deg": lambda n, r=radius: service.query(cone(*where[n + 1], r)).seconds  # type: ignore[misc]
        for radius in RADII
    }
    queries["regions that meet a circle of 1 deg"] = lambda n: (
        service.query(
            f"SELECT {COLUMNS}, s_region FROM ivoa.obscore"
            f" WHERE 1 = INTERSECTS(s_region, CIRCLE({where[n + 1][0]}, {where[n + 1][1]}, 1))"
        ).seconds
    )
    queries["crossmatch of 1000 points"] = lambda n: service.query(CROSSMATCH, upload=upload).seconds
    return queries


def compare(table: Table, ours: Service, other: Service | None, count: int) -> None:
    """Medians of small queries [s], each asked of both in turns."""
    asked = small_queries(ours, count)
    others = small_queries(other, count) if other else {}
    for name, query in asked.items():
        times = max(3, count // 6) if name.startswith("crossmatch") else count
        spent: list[float] = []
        theirs: list[float] = []
        for number in range(times):
            spent.append(query(number))
            if name in others and not name.startswith("regions"):
                with contextlib.suppress(OSError):  # a service that gives up has no time
                    theirs.append(others[name](number))
        median = statistics.median(spent)
        table.add(name, median, "s", 1.0 if name.startswith("crossmatch") else None)
        table.add(f"{name}, p95", p95(spent) if len(spent) > 3 else max(spent), "s")
        if theirs:
            table.add(f"{name}, other, median of {len(theirs)}", statistics.median(theirs), "s")
            table.add(f"{name}, ours / other", median / statistics.median(theirs), "", 0.2)


def growth(table: Table, small: Service, large: Service, count: int) -> None:
    """Small queries on two archives in turns."""
    asked, of_large = small_queries(small, count), small_queries(large, count)
    for name in asked:
        spent: tuple[list[float], list[float]] = ([], [])
        for number in range(max(3, count // 6) if name.startswith("crossmatch") else count):
            for query, seconds in zip((asked[name], of_large[name]), spent, strict=True):
                seconds.append(query(number))
        medians = list(map(statistics.median, spent))
        table.add(f"{name}, large archive", medians[1], "s")
        table.add(f"{name}, large / small", medians[1] / medians[0], "", 3.0)


@contextlib.contextmanager
def watched(pid: int | None) -> Iterator[list[float]]:
    """The process's memory [MB] every 20 ms; the first one is before."""
    seen = [psutil.Process(pid).memory_info().rss / 1e6 if pid else float("nan")]
    done = threading.Event()

    def watch() -> None:
        while pid and not done.wait(0.02):
            seen.append(psutil.Process(pid).memory_info().rss / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def whole(table: Table, ours: Service, other: Service | None, rows: int, idle: float) -> None:
    """A million rows of 15 columns as VOTable."""
    with watched(ours.pid) as memory:
        answer = ours.query(WHOLE, keep=False)
    count = min(rows, 1_000_000)
    table.add(f"first byte of {count} rows as VOTable", answer.first, "s", 0.3)
    table.add("memory above that of the idle service", max(memory) - idle, "MB", 300.0)
    rate = count / answer.seconds
    table.add(f"{count} rows of 15 columns, {answer.size / 1e6:.0f} MB", rate / 1000, "1000 rows/s")
    if other:
        theirs = other.query(WHOLE, keep=False)
        table.add("the same, other", count / theirs.seconds / 1000, "1000 rows/s")
        table.add("the same, other, first byte", theirs.first, "s")
        table.add("other / ours", count / theirs.seconds / rate, "", 0.1)


def inside(table: Table, archive: Path, label: str, count: int = 40) -> None:
    """Cones inside the engine, without HTTP: translated, found, and written. Only to find them is up to the archive's
    size alone; ten times the rows on the same sky are ten times as many to be written.
    """
    from jupyter_uws.tap.adql import translate
    from jupyter_uws.tap.fields import conform, field_of
    from jupyter_uws.tap.formats import find_format
    from jupyter_uws.tap.snapshot import Snapshot

    snapshot = Snapshot(archive, threads=2, memory=512 * 2**20)
    cursor = snapshot.cursor(ROOT)
    for radius in RADII:
        parts: list[tuple[float, float, float, float]] = []
        for lon, lat in centres(count + 5):
            began = time.process_time()
            query = translate(cone(lon, lat, radius), snapshot.tables, limit=2_000_000)
            translated = time.process_time()
            batches = snapshot.cone(query, ROOT, 8192) or cursor.sql(query.sql).to_arrow_reader(8192)
            found = [batch for batch in batches if batch.num_rows]
            read = time.process_time()
            fields = [
                field_of(value, value.name, kind, ascii_only=True)
                for value, kind in zip(query.values, batches.schema.types, strict=True)
            ]
            writer = find_format("votable").writer(fields, "")
            writer.start()
            for batch in found:
                arrays = [conform(array, field) for array, field in zip(batch.columns, fields, strict=True)]
                writer.rows(pa.RecordBatch.from_arrays(arrays, names=[field.name for field in fields]))
            done = time.process_time()
            rows = sum(batch.num_rows for batch in found)
            parts.append((rows, *(1000 * spent for spent in (translated - began, read - translated, done - read))))
        rows, translating, finding, writing = (statistics.median(values) for values in zip(*parts[5:], strict=True))
        name = f"cone of {radius:g} deg inside the engine, {label}"
        table.add(f"{name}: rows", rows, "")
        table.add("  translated in", translating, "ms CPU")
        table.add("  found in", finding, "ms CPU", 2.0)
        table.add("  written in", writing, "ms CPU")


def crowd(table: Table, ours: Service, count: int = 64) -> None:
    """So many heavy queries at once, while a cone and a job list are asked for."""
    jobs = Service(ours.url.removesuffix("/tap"))
    where = centres(200)
    with ThreadPoolExecutor(count) as pool:
        heavy = [pool.submit(_outcome, ours) for _ in range(count)]
        time.sleep(2)
        cones: list[float] = []
        lists: list[float] = []
        for lon, lat in where[:20]:
            cones.append(ours.query(cone(lon, lat, 1.0)).seconds)
            lists.append(jobs.get("/uws/sleeper?LAST=10").seconds)
        running = sum(not future.done() for future in heavy)
        table.add(f"cone of 1 deg beside {running} heavy queries, median", statistics.median(cones), "s", 1.0)
        table.add("the same, slowest of 20", max(cones), "s", 1.0)
        table.add("job list meanwhile, median", statistics.median(lists), "s", 0.2)
        table.add("job list meanwhile, slowest", max(lists), "s", 1.0)
        began = time.perf_counter()
        outcomes = [future.result() for future in heavy]
        table.add("and the last of the heavy ones was told of its end after", time.perf_counter() - began, "s")
    for outcome in sorted(set(outcomes)):
        print(f"    {outcomes.count(outcome)} heavy queries: {outcome}")


def _outcome(service: Service) -> str:
    try:
        service.query(HEAVY)
    except OSError as error:
        found = re.search(r'value="ERROR"[^>]*>([^<]*)', str(error))
        return found[1] if found else str(error)[:200]
    return "rows"


@contextlib.contextmanager
def served(archive: Path) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--serve", str(archive), folder]
        with (Path(folder) / "stderr").open("w") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            if not url:
                sys.exit((Path(folder) / "stderr").read_text())
            yield Service(f"{url}tap", process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def serve(archive: Path, folder: Path) -> None:
    """The real service, in a process of its own."""
    import asyncio

    from jupyter_uws import rendezvous
    from jupyter_uws.service.app import Service as Application
    from jupyter_uws.service.app import Settings

    settings = Settings(state_dir=folder, socket=folder / "socket", port=0, token=TOKEN, archive=archive)
    with rendezvous.hold_lock(folder):
        asyncio.run(Application(settings).run(lambda url: print(url, flush=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e6, help="of the archive that is made")
    parser.add_argument("--archive", type=Path, help="one that is there")
    parser.add_argument("--large", type=Path, help="one of more rows")
    parser.add_argument("--other", help="URL of another TAP service with the rows of the first")
    parser.add_argument("--count", type=int, default=20, help="how often each small query is asked")
    parser.add_argument("--serve", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
        return
    table, other = Table(), Service(arguments.other.rstrip("/")) if arguments.other else None
    with tempfile.TemporaryDirectory() as folder:
        archive = arguments.archive or Path(folder) / "archive.duckdb"
        if arguments.archive is None:
            make(archive, int(arguments.rows))
        inside(table, archive, "small archive")
        if arguments.large:
            inside(table, arguments.large, "large archive")
        with served(archive) as ours:
            ours.query("SELECT COUNT(*) AS n FROM tap_schema.tables")
            idle = psutil.Process(ours.pid).memory_info().rss / 1e6
            table.add("memory of the service, idle", idle, "MB")
            whole(table, ours, other, int(arguments.rows), idle)
            compare(table, ours, other, arguments.count)
            crowd(table, ours)
            if arguments.large:
                with served(arguments.large) as large:
                    growth(table, ours, large, arguments.count)
    table.print()


if __name__ == "__main__":
    main()
