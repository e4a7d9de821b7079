"""Where the rows of a table lie on the sky, in hidden columns: what a cone need not read, and which pairs can match.

The sky is cut into cells of one degree: zones of declination, and steps of right ascension within them. A cell's
number is ``360 * (floor(lat) + 90) + floor(lon)``. Whoever makes a table for this room may give it, in the view that
queries read, the columns that :func:`columns` makes, and sort it by ``_cell``; the engine finds them by their names:

``_cell``
    that of the row's position: its columns with the UCDs ``pos.eq.ra`` and ``pos.eq.dec``.
``_region_lon``, ``_region_lat``, ``_region_radius`` (deg), ``_region_is_circle``
    a circle around the row's region, its one column with the xtype ``adql:REGION``, and whether that is all of it.
``_region_reach``
    how far the region comes to lie from the row's position (deg), 180 at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from . import regions, stcs
from .regions import Floats
from .schema import Sky, Table
from .sphere import CIRCLE

Integers = npt.NDArray[np.int64]

CELL = "_cell"
LON, LAT, RADIUS = "_region_lon", "_region_lat", "_region_radius"
IS_CIRCLE, REACH = "_region_is_circle", "_region_reach"

TYPES: dict[str, pa.DataType] = {
    CELL: pa.int32(), LON: pa.float64(), LAT: pa.float64(), RADIUS: pa.float64(), IS_CIRCLE: pa.bool_(),
    REACH: pa.float64(),
}  # fmt: skip

#: The largest circle (deg) whose cells are looked up; to read all rows costs little more.
WIDEST = 20.0

_STEPS = 360
_ZONES = 181  # the last one is the pole
_MOST_RANGES = 32
# by how much (deg) a circle is widened, in latitude and longitude: more than rounding
_MARGIN = 1e-9
_LON_MARGIN = 1e-5
_REGION_ROWS = 10_000  # regions that are worked on at a time


def cell_of(lon: Floats, lat: Floats) -> Integers:
    """The cells of positions in degrees."""
    zone = np.clip(np.floor(lat).astype(np.int64) + 90, 0, _ZONES - 1)
    return zone * _STEPS + np.floor(lon % 360.0).astype(np.int64) % _STEPS


def cells(lon: Floats, lat: Floats, radius: Floats) -> tuple[Integers, Integers]:
    """The cells that circles (deg) touch, each once, one circle after the other; and how many each has."""
    low, high = np.maximum(lat - radius - _MARGIN, -90), np.minimum(lat + radius + _MARGIN, 90)
    first = np.clip(np.floor(low).astype(np.int64) + 90, 0, _ZONES - 1)
    zones = np.maximum(np.clip(np.floor(high).astype(np.int64) + 90, 0, _ZONES - 1) - first + 1, 0)
    whole = np.abs(lat) + radius > 90 - _LON_MARGIN
    with np.errstate(invalid="ignore"):
        sine = np.sin(np.radians(radius)) / np.cos(np.radians(lat))
    reach = np.degrees(np.arcsin(np.where(whole, 1.0, np.clip(sine, 0, 1)))) + _LON_MARGIN
    start = np.floor(lon % 360.0 - reach).astype(np.int64)
    steps = np.floor(lon % 360.0 + reach).astype(np.int64) - start + 1
    steps = np.where(whole, _STEPS, np.minimum(steps, _STEPS))
    sizes = zones * steps
    row = np.repeat(np.arange(len(sizes)), sizes)
    number = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    zone, step = first[row] + number // steps[row], start[row] + number % steps[row]
    return zone * _STEPS + step % _STEPS, sizes


def ranges(lon: float, lat: float, radius: float) -> list[tuple[int, int]]:
    """The cells that one circle touches, as ranges (both ends are in); for a large one, more than these.

    As :func:`cells` has them, but numpy takes longer to begin with one circle than Python to be done.
    """
    low, high = max(lat - radius - _MARGIN, -90.0), min(lat + radius + _MARGIN, 90.0)
    first, last = (min(max(math.floor(end) + 90, 0), _ZONES - 1) for end in (low, high))
    if last < first:
        return []
    start, steps = 0, _STEPS
    if abs(lat) + radius <= 90 - _LON_MARGIN:
        sine = math.sin(math.radians(radius)) / math.cos(math.radians(lat))
        reach = math.degrees(math.asin(min(max(sine, 0.0), 1.0))) + _LON_MARGIN
        start = math.floor(lon % 360.0 - reach)
        steps = min(math.floor(lon % 360.0 + reach) - start + 1, _STEPS)
    if steps == _STEPS:
        return [(first * _STEPS, (last + 1) * _STEPS - 1)]
    start %= _STEPS
    end = start + steps - 1
    parts = [(start, end)] if end < _STEPS else [(0, end - _STEPS), (start, _STEPS - 1)]
    found: list[tuple[int, int]] = []
    for zone in range(first, last + 1):
        for low_step, high_step in parts:
            begin, until = zone * _STEPS + low_step, zone * _STEPS + high_step
            if found and found[-1][1] + 1 == begin:  # beyond 360 deg comes 0 deg of the next zone
                found[-1] = (found[-1][0], until)
            else:
                found.append((begin, until))
    return found if len(found) <= _MOST_RANGES else [(found[0][0], found[-1][1])]


def columns(lon: pa.Array, lat: pa.Array, texts: pa.Array) -> dict[str, pa.Array]:
    """The hidden columns of rows with these positions (deg) and regions (STC-S). Each may be null.

    A row without a position has the cell of its region's middle. Raises ValueError for a text that is no region.
    """
    x, y = (values.to_numpy(zero_copy_only=False).astype(np.float64) for values in (lon, lat))
    circle, is_circle = _around(texts)
    has_region = np.isfinite(circle[2])
    has_place = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(has_place, x, circle[0]), np.where(has_place, y, circle[1])
    apart = np.degrees(regions.separation(regions.vectors(x, y), regions.vectors(circle[0], circle[1])))
    reach = np.clip(apart + circle[2], 0, 180)
    no_place = ~(has_place | has_region)
    values: dict[str, tuple[Any, Any]] = {
        CELL: (cell_of(np.where(no_place, 0.0, x), np.where(no_place, 0.0, y)), no_place),
        LON: (circle[0], ~has_region),
        LAT: (circle[1], ~has_region),
        RADIUS: (circle[2], ~has_region),
        IS_CIRCLE: (is_circle, ~has_region),
        REACH: (reach, ~has_region),
    }
    return {name: pa.array(array, TYPES[name], mask=mask) for name, (array, mask) in values.items()}


def _around(texts: pa.Array) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Longitude, latitude and radius (3, n) of circles around regions, NaN where there is none; whether these are
    the regions themselves."""
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    found = pc.extract_regex(texts, CIRCLE)
    plain = pc.is_valid(found).to_numpy(zero_copy_only=False)
    circle = np.full((3, len(texts)), np.nan)
    for number, name in enumerate(("lon", "lat", "radius")):
        part = pc.struct_field(found, name).filter(pa.array(plain))
        circle[number, plain] = pc.cast(part, pa.float64()).to_numpy(zero_copy_only=False)
    others = np.flatnonzero(~plain & pc.is_valid(texts).to_numpy(zero_copy_only=False))
    is_circle = plain
    for start in range(0, len(others), _REGION_ROWS):
        rows = others[start : start + _REGION_ROWS]
        numbers = [stcs.numbers(text) for text in texts.take(pa.array(rows)).to_pylist()]
        rows = rows[[n is not None for n in numbers]]
        known = [n for n in numbers if n is not None]
        if not known:
            continue
        shapes = regions.regions(np.concatenate([np.array(n) for n in known]), np.array([len(n) for n in known]))
        circle[0, rows], circle[1, rows] = regions.positions(shapes.centre)
        extent = np.degrees(regions.separation(shapes.centre[:, None], shapes.vertices)).max(axis=1) + _MARGIN
        circle[2, rows] = np.where(shapes.is_polygon, extent, np.degrees(shapes.radius))
        is_circle[rows] = ~shapes.is_polygon
    return circle, is_circle


def read_sky(con: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> dict[str, Table]:
    """``tables`` of the database that ``con`` uses, each with what it has of these columns."""
    hidden: dict[str, set[str]] = {}
    for name, column in con.execute(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns()"
        " WHERE database_name = current_database() AND column_name[1] = '_'"
    ).fetchall():
        hidden.setdefault(name, set()).add(column)
    return {
        name: replace(table, sky=_sky(con, table, hidden[name])) if CELL in hidden.get(name, ()) else table
        for name, table in tables.items()
    }


def _sky(con: duckdb.DuckDBPyConnection, table: Table, hidden: Iterable[str]) -> Sky | None:
    lon, lat = (
        next((c.name for c in table.columns if (c.ucd or "").split(";")[0] == ucd), None)
        for ucd in ("pos.eq.ra", "pos.eq.dec")
    )
    if lon is None or lat is None:
        return None
    of_regions = [c.name for c in table.columns if (c.xtype or "").lower() == "adql:region"]
    if len(of_regions) != 1 or not TYPES.keys() <= set(hidden):
        return Sky(lon, lat)
    [(reach,)] = con.execute(f"SELECT max({REACH}) FROM {table.name}").fetchall()  # noqa: S608
    return Sky(lon, lat, of_regions[0], 0.0 if reach is None else reach)


def in_ranges(cell: str, lon: float, lat: float, radius: float) -> str:
    """The condition that ``cell`` is one that the circle (deg) touches."""
    found = ranges(lon, lat, radius)
    return "(" + (" OR ".join(f"{cell} BETWEEN {first} AND {last}" for first, last in found) or "FALSE") + ")"
