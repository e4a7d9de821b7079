# ruff: noqa: S608
"""The same questions to our TAP service and to DaCHS, on the same rows: do they give the same answers?

``python benchmarks/compare_dachs.py FILE --other http://localhost:8080/tap`` serves FILE, an archive of
simulated_archive.py, and asks 200 generated queries of both. With ``--export OBS.csv`` it writes the rows for
PostgreSQL's ``\\copy`` instead, and prints the resource descriptor to import them with (``dachs imp``).

What may differ, and why:

- the order of rows where no ORDER BY asks for one: SQL leaves it open, so rows are compared as sets;
- the last digits of averages and sums: they depend on the order of the summands, so numbers are compared to 1e-9;
- ``access_url``: ours begins with the service's own address; and ``s_region``, which DaCHS has as polygons only.
  Neither is asked for.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
from tap import Service, served

COLUMNS = (
    "obs_id", "obs_publisher_did", "obs_collection", "target_name", "s_ra", "s_dec", "s_fov", "t_min", "t_max",
    "t_exptime", "facility_name", "instrument_name", "em_min", "em_max", "s_resolution", "access_estsize",
)  # fmt: skip
_LINKS = ("access_url", "access_format")
_TEXT = {
    "obs_id", "obs_publisher_did", "obs_collection", "target_name", "facility_name", "instrument_name", *_LINKS,
}  # fmt: skip
# what an access_url begins with there: as long as ours, so that both send the same bytes
_ROOT = "http://127.0.0.1:08080/"
# rows of an answer at most: DaCHS takes its time over large ones
_MOST = 20_000


def queries(count: int, seed: int = 20261125) -> Iterator[str]:
    """Queries of all kinds, in turns; everywhere on the sky, the poles and the wrap among them."""
    rng = random.Random(seed)
    obscore = "FROM ivoa.obscore"

    def place() -> tuple[float, float]:
        lon = rng.choice([rng.uniform(0, 360), rng.uniform(0, 360), 0.0, 359.999])
        lat = rng.choice([math.degrees(math.asin(rng.uniform(-1, 1))), 89.5, -90.0, rng.uniform(-60, 60)])
        return round(lon, 5), round(lat, 5)

    def cone(radius: float) -> str:
        lon, lat = place()
        return f"1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', {lon}, {lat}, {radius}))"

    def polygon() -> str:
        lon, lat = round(rng.uniform(5, 350), 4), round(rng.uniform(-70, 65), 4)
        corners = f"{lon}, {lat}, {lon + 3}, {lat + 0.5}, {lon + 2.5}, {lat + 3}, {lon - 1}, {lat + 2}"
        return f"1 = CONTAINS(POINT('ICRS', s_ra, s_dec), POLYGON('ICRS', {corners}))"

    for number in range(count):
        start = round(rng.uniform(55_000, 60_000), 3)
        match number % 10:
            case 0 | 1:
                yield f"SELECT obs_id, s_ra, s_dec, t_min {obscore} WHERE {cone(rng.choice([0.1, 0.5, 1, 2, 5]))}"
            case 2:
                yield f"SELECT obs_id, target_name {obscore} WHERE {polygon()}"
            case 3:
                yield (
                    f"SELECT obs_id, t_max {obscore} WHERE t_min BETWEEN {start} AND {start + 0.3}"
                    f" AND facility_name = '{rng.choice(['CTAO', 'H.E.S.S.'])}'"
                )
            case 4:
                yield (
                    "SELECT target_name, COUNT(*) AS n, MIN(t_min) AS a, MAX(t_max) AS b, AVG(t_exptime) AS t"
                    f" {obscore} WHERE target_name LIKE 'Sim {rng.randrange(100):02d}%' GROUP BY target_name"
                )
            case 5:
                yield (
                    f"SELECT TOP {rng.randrange(1, 300)} obs_id, t_min, access_estsize {obscore}"
                    f" WHERE {cone(10)} ORDER BY t_min DESC, obs_id"
                )
            case 6:
                lon, lat = place()
                yield (
                    f"SELECT obs_id, DISTANCE(POINT('ICRS', s_ra, s_dec), POINT('ICRS', {lon}, {lat})) AS d {obscore}"
                    f" WHERE DISTANCE(POINT('ICRS', s_ra, s_dec), POINT('ICRS', {lon}, {lat})) < 1"
                )
            case 7:
                yield (
                    f"SELECT instrument_name, COUNT(*) AS n, SUM(access_estsize) AS s {obscore}"
                    f" WHERE NOT (t_min < {start}) AND s_dec > {round(rng.uniform(-60, 60), 2)}"
                    " GROUP BY instrument_name HAVING COUNT(*) > 10"
                )
            case 8:
                ids = ", ".join(f"'{rng.randrange(1, 1_000_000)}'" for _ in range(5))
                yield f"SELECT {', '.join(COLUMNS)} {obscore} WHERE obs_id IN ({ids}) OR ({cone(0.2)})"
            case _:
                yield (
                    "SELECT a.obs_id, b.obs_id AS other FROM"
                    f" (SELECT obs_id, s_ra, s_dec {obscore} WHERE {cone(1)}) AS a JOIN"
                    f" (SELECT obs_id, t_min {obscore} WHERE t_min BETWEEN {start} AND {start + 40}) AS b"
                    " ON a.obs_id = b.obs_id"
                )


def answer(service: Service, query: str) -> list[tuple[str, ...]]:
    """The rows, sorted, as they stand in CSV."""
    body = service.query(query, maxrec=_MOST, format="csv").body.decode()
    return sorted(tuple(row) for row in list(csv.reader(io.StringIO(body)))[1:])


def same(a: str, b: str) -> bool:
    if a == b:
        return True
    try:
        return math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9)
    except ValueError:
        return False


def difference(ours: list[tuple[str, ...]], theirs: list[tuple[str, ...]]) -> str | None:
    if len(ours) != len(theirs):
        return f"{len(ours)} and {len(theirs)} rows"
    for one, other in zip(ours, theirs, strict=True):
        if len(one) != len(other) or not all(map(same, one, other)):
            return f"{one} and {other}"
    return None


def compare(archive: Path, url: str, count: int) -> int:
    """How many answers differ."""
    other, wrong, rows = Service(url.rstrip("/")), 0, 0
    with served(archive) as ours:
        for query in queries(count):
            here = answer(ours, query)
            try:
                found = difference(here, answer(other, query))
            except OSError as error:
                found = str(error)[:500]
            rows += len(here)
            if found:
                wrong += 1
                print(f"{query}\n    {found}")
    print(f"{count} queries, {rows} rows: {wrong} answers differ")
    return wrong


def export(archive: Path, path: Path) -> None:
    """The rows as CSV, and on standard output a resource descriptor for them."""
    columns = (*COLUMNS, *_LINKS)
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{archive}' AS a (READ_ONLY)")
        con.execute(f"SET VARIABLE root_url = '{_ROOT}'")
        con.execute(f"COPY (SELECT {', '.join(columns)} FROM a.ivoa.obscore) TO '{path}' (HEADER)")
    described = "\n".join(
        f'    <column name="{name}" type="{_type(name)}" required="{name in ("obs_id", "access_estsize")}"/>'
        for name in columns
    )
    values = " ".join(f'{name}="{name}"' for name in columns)
    constants = {
        "dataproduct_type": "'event'", "calib_level": "2", "obs_title": "NULL",
        "s_region": "NULL", "o_ucd": "NULL", "obs_creator_did": "NULL", "preview": "NULL",
    }  # fmt: skip
    fixed = " ".join(f'{name}="{value}"' for name, value in constants.items())
    metas = {"title": "Simulated", "creationDate": "2026-11-25T00:00:00Z", "description": "Rows of a benchmark"}
    print(
        '<resource schema="bench">\n'
        + "".join(f'  <meta name="{name}">{text}</meta>\n' for name, text in metas.items())
        + '  <meta name="subject">surveys</meta>\n  <table id="obs" onDisk="True" adql="True">\n'
        + f'    <mixin {values} {fixed}>//obscore#publish</mixin>\n{described}\n    <index columns="obs_id"/>\n'
        '    <index columns="s_ra,s_dec" method="GIST" name="pos">spoint(RADIANS(s_ra),RADIANS(s_dec))</index>\n'
        '    <index columns="s_ra,s_dec" name="q3c">q3c_ang2ipix(s_ra,s_dec)</index>\n'  # DaCHS asks cones by it
        f'  </table>\n  <data id="import"><sources pattern="{path.name}"/><csvGrammar/><make table="obs">'
        '<rowmaker idmaps="*"/></make></data>\n</resource>'
    )


def _type(name: str) -> str:
    return "text" if name in _TEXT else "bigint" if name == "access_estsize" else "double precision"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--other", default="http://localhost:8080/tap", help="the TAP URL of DaCHS")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--export", type=Path)
    arguments = parser.parse_args()
    if arguments.export:
        export(arguments.archive, arguments.export)
    else:
        sys.exit(1 if compare(arguments.archive, arguments.other, arguments.count) else 0)
