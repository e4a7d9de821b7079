"""Rows from the service into an astropy Table: this client beside stock pyvo, on the same service in the same run.

``make bench ARGS="client --rows 1000000"``. The table has 15 columns, 7 of them text, as a query on ObsCore gives. The
readers run in processes of their own, one after the other; their peak memory is told, too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from running import run_service

from jupyter_uws.archive import ensure_archive
from jupyter_uws.tap.schema import Column, Table, write_tap_schema

TEXTS = ("obs_id", "target_name", "obs_collection", "obs_publisher_did", "access_url", "facility_name", "s_region")
NUMBERS = ("s_ra", "s_dec", "t_min", "t_max", "t_exptime", "em_min", "em_max", "calib_level")
QUERY = "SELECT * FROM bench.runs"


def make_archive(path: Path, rows: int) -> None:
    """An archive with so many rows in ``bench.runs``."""
    ensure_archive(path)
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA bench")
        con.execute(
            f"""CREATE TABLE bench.runs AS SELECT 'run ' || range AS obs_id, 'Target ' || range % 997 AS target_name,
                'COLLECTION-' || range % 9 AS obs_collection, 'ivo://jupyter-uws/COLLECTION?' || range AS
                obs_publisher_did, 'https://archive.example.org/links?ID=ivo%3A%2F%2Fx%2F' || range AS access_url,
                'CTAO' AS facility_name, 'CIRCLE ICRS ' || round(random() * 360, 6) || ' 22.014 2.5' AS s_region,
                random() * 360 AS s_ra, random() * 180 - 90 AS s_dec, 53000 + random() AS t_min,
                53001 + random() AS t_max, 1680.0 + random() AS t_exptime,
                random() * 1e-20 AS em_min, random() * 1e-18 AS em_max,
                (range % 4)::INTEGER AS calib_level FROM range({rows})"""  # noqa: S608
        )
        columns = [Column(name, "char", "a text", arraysize="*", ucd="meta.id") for name in TEXTS]
        columns += [Column(name, "double", "a number", unit="deg", ucd="pos.eq.ra") for name in NUMBERS[:-1]]
        write_tap_schema(con, [Table("bench.runs", (*columns, Column("calib_level", "int")))])


def by_client(url: str, token: str, rows: int) -> int:
    from jupyter_uws.client import Archive

    return len(Archive(url, token).adql(QUERY, maxrec=rows))


def by_binary2(url: str, token: str, rows: int) -> int:
    from jupyter_uws.client import Archive
    from jupyter_uws.client.votable import PIECE, read_votable

    archive = Archive(url, token)
    form = {"LANG": "ADQL", "QUERY": QUERY, "MAXREC": str(rows)}
    with archive.connection.post("tap/sync", data=form, stream=True) as answer:
        return len(read_votable(answer.iter_content(PIECE))[0])


def by_pyvo(url: str, token: str, rows: int) -> int:
    import pyvo
    import requests

    session = requests.Session()
    session.headers["Authorization"] = f"token {token}"
    return len(pyvo.dal.TAPService(url + "tap", session=session).search(QUERY, maxrec=rows).to_table())


READERS = {"client": by_client, "client, BINARY2": by_binary2, "pyvo": by_pyvo}


def measure(reader: str, url: str, token: str, rows: int) -> dict[str, float]:
    import astropy.io.votable  # noqa: F401 (loading is not reading)
    import pyarrow.ipc  # noqa: F401
    import pyvo  # noqa: F401

    READERS[reader](url, token, 10)
    began, cpu = time.perf_counter(), time.process_time()
    found = READERS[reader](url, token, rows)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if found != rows:
        raise SystemExit(f"{reader}: {found} rows, not {rows}")
    return {"seconds": seconds, "cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reader:
        print(json.dumps(measure(args.reader, args.url, sys.stdin.read(), args.rows)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_archive(Path(folder) / "archive.duckdb", args.rows)
        limit = "--ServeApp.tap_limits={'duration': 3600}"
        with run_service(Path(folder), Path(folder) / "archive.duckdb", limit) as service:
            found = {}
            for reader in READERS:
                command = [sys.executable, __file__, "--reader", reader, "--url", service.url, "--rows", str(args.rows)]
                done = subprocess.run(command, input=service.token, capture_output=True, text=True, check=True)
                found[reader] = json.loads(done.stdout.splitlines()[-1])
    print(f"{args.rows} rows of 15 columns\n{'':16} seconds    CPU s    rows/s   peak MiB   faster than pyvo (CPU)")
    slow = found["pyvo"]
    for reader, took in found.items():
        ratio = f"{slow['seconds'] / took['seconds']:.1f} ({slow['cpu'] / took['cpu']:.1f})"
        print(
            f"{reader:16} {took['seconds']:7.2f}  {took['cpu']:7.2f}  {args.rows / took['seconds']:8.0f}"
            f"  {took['peak']:9.0f}   {ratio}"
        )


if __name__ == "__main__":
    main()
