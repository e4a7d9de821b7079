"""An archive of as many ObsCore rows as wanted, of runs that never were: for benchmarks.

``python benchmarks/simulated_archive.py FILE [--rows 1e6]``, then ``jupyter uws serve --archive FILE``. It is written
by the same code as any archive; there are no files behind it. The same number of rows is the same archive.

Pointings are spread evenly over the sky. Nine regions of ten are circles, as those of indexed data stores are; the
others are polygons of four corners, and one row in a hundred has none.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_uws.archive.database import SCHEMAS, VERSION, to_table, write_archive
from jupyter_uws.archive.obscore import AUTHORITY
from jupyter_uws.archive.rows import ACCESS_FORMAT
from jupyter_uws.tap import regions
from jupyter_uws.tap.regions import Floats

COLLECTION = "BENCH"
RADIUS = 2.5  # deg, of the field of view
_HC_EV_M = 1.239841984332e-6


def obscore(rows: int) -> pa.Table:
    """The rows of ``_archive.obscore``."""
    random = np.random.default_rng(rows)
    ra = np.asarray(np.round(random.uniform(0, 360, rows), 6), np.float64)
    dec = np.asarray(np.round(np.degrees(np.arcsin(random.uniform(-1, 1, rows))), 6), np.float64)
    start = np.round(55_000 + random.uniform(0, 5000, rows), 6)
    duration = random.choice([900.0, 1200.0, 1680.0], rows)
    low = random.choice([0.02, 0.05, 0.1, 0.2], rows)
    number = pc.cast(pa.array(np.arange(1, rows + 1)), pa.string())
    did = _joined(f"ivo://{AUTHORITY}/{COLLECTION}?", number)
    target = random.integers(0, 1000, rows)
    values: dict[str, Any] = {
        "dataproduct_type": "event",
        "dataproduct_subtype": "event-list",
        "calib_level": 2,
        "obs_collection": COLLECTION,
        "obs_id": number,
        "obs_publisher_did": did,
        "access_format": ACCESS_FORMAT,
        "access_estsize": random.integers(500, 50_000, rows),
        "target_name": pa.array([f"Sim {i:03d}" for i in range(1000)]).take(pa.array(target)),
        "s_ra": ra,
        "s_dec": dec,
        "s_fov": 2 * RADIUS,
        "s_region": _regions(ra, dec),
        "s_resolution": np.round(random.uniform(180, 400, rows), 2),
        "s_xel1": -1,
        "s_xel2": -1,
        "t_min": start,
        "t_max": start + duration / 86400,
        "t_exptime": np.round(0.95 * duration, 1),
        "t_xel": -1,
        "em_min": _HC_EV_M / 100e12,
        "em_max": _HC_EV_M / (low * 1e12),
        "em_xel": -1,
        "pol_xel": 0,
        "facility_name": pa.array(["H.E.S.S.", "CTAO"]).take(pa.array(random.integers(0, 2, rows))),
        "instrument_name": pa.array(["HESS I", "North", "South"]).take(pa.array(random.integers(0, 3, rows))),
        "_links": _joined(f"datalink/links?ID=ivo%3A%2F%2F{AUTHORITY}%2F{COLLECTION}%3F", number),
    }
    schema = SCHEMAS["obscore"]
    return pa.table([_column(values.get(field.name), field.type, rows) for field in schema], schema=schema)


def make(path: Path, rows: int) -> None:
    """Write the archive."""
    tables = {name: to_table(name, []) for name in SCHEMAS}
    tables["meta"] = to_table("meta", [{"version": VERSION}])
    tables["collection"] = to_table("collection", [{"name": COLLECTION, "store": "/nonexistent", "roots": []}])
    write_archive(path, {**tables, "obscore": obscore(rows)})


def _column(value: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, (str, int, float)):
        return pa.repeat(pa.scalar(value, kind), rows)
    return pa.array(value).cast(kind) if isinstance(value, np.ndarray) else value


def _joined(*parts: str | pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _regions(ra: Floats, dec: Floats) -> pa.Array:
    def text(values: Floats) -> pa.Array:
        return pc.cast(pa.array(np.round(values, 6)), pa.string())

    circles = _joined("CIRCLE ICRS ", text(ra), " ", text(dec), f" {RADIUS}")
    # corners in the four directions from the middle, as vectors
    centre, east = regions.vectors(ra, dec), regions.vectors(ra + 90, np.zeros(len(ra)))
    north = np.cross(centre, east)
    words: list[str | pa.Array] = ["POLYGON ICRS"]
    for across, up in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        lon, lat = regions.positions(centre + np.tan(np.radians(RADIUS / 2)) * (across * east + up * north))
        words += [" ", text(lon), " ", text(lat)]
    number = np.arange(len(ra))
    found = pc.if_else(pa.array(number % 10 == 9), _joined(*words), circles)
    return pc.if_else(pa.array(number % 100 == 50), None, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=float, default=1e6)
    arguments = parser.parse_args()
    began = time.perf_counter()
    make(arguments.file, int(arguments.rows))
    size = arguments.file.stat().st_size / 1e6
    print(f"{arguments.file}: {arguments.rows:.0f} rows, {size:.0f} MB, {time.perf_counter() - began:.1f} s")
