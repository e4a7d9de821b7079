"""What DuckDB cannot calculate itself: functions on Arrow arrays that its queries call.

Regions are lists of numbers here (see :mod:`~jupyter_uws.tap.regions`). The names are not ADQL's: only translated
queries can call them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import FunctionNullHandling, PythonUDFType

from . import healpix, places, regions, stcs
from .regions import Regions


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to ``con`` and its cursors. To be called once for a database."""
    numbers = con.list_type("DOUBLE")
    functions: list[tuple[str, Callable[..., Any], list[Any], Any]] = [
        ("adql_contains", _contains, [numbers, numbers], "BOOLEAN"),
        ("adql_intersects", _intersects, [numbers, numbers], "BOOLEAN"),
        ("adql_area", _area, [numbers], "DOUBLE"),
        ("adql_centroid", _centroid, [numbers], numbers),
        ("adql_region", _region, ["VARCHAR"], numbers),
        ("adql_box", _box, [numbers], numbers),
        ("adql_cells", _cells, ["DOUBLE", "DOUBLE", "DOUBLE"], con.list_type("INTEGER")),
        ("adql_healpix", _healpix, ["BIGINT", numbers], "BIGINT"),
    ]
    for name, function, takes, gives in functions:
        con.create_function(
            name, function, takes, gives,
            type=PythonUDFType.ARROW, null_handling=FunctionNullHandling.SPECIAL, side_effects=False,
        )  # fmt: skip


def _contains(outer: pa.ChunkedArray, inner: pa.ChunkedArray) -> pa.Array:
    a, b = _regions(outer), _regions(inner)
    return pa.array(regions.contains(a, b), mask=~(a.valid & b.valid))


def _intersects(first: pa.ChunkedArray, second: pa.ChunkedArray) -> pa.Array:
    a, b = _regions(first), _regions(second)
    return pa.array(regions.intersects(a, b), mask=~(a.valid & b.valid))


def _area(array: pa.ChunkedArray) -> pa.Array:
    shapes = _regions(array)
    return pa.array(regions.areas(shapes) * (180 / np.pi) ** 2, mask=~shapes.valid)


def _centroid(array: pa.ChunkedArray) -> pa.Array:
    shapes = _regions(array)
    lon, lat = regions.positions(regions.centroids(shapes))
    pairs = np.stack([lon, lat], axis=1)
    return pa.array([pair if valid else None for pair, valid in zip(pairs.tolist(), shapes.valid, strict=True)], _LIST)


def _region(texts: pa.ChunkedArray) -> pa.Array:
    return _each(texts, stcs.numbers)


def _box(array: pa.ChunkedArray) -> pa.Array:
    def vertices(numbers: list[float | None]) -> list[float] | None:
        known = [number for number in numbers if number is not None and np.isfinite(number)]
        return stcs.icrs("box", known, "ICRS") if len(known) == 4 else None

    return _each(array, vertices)


def _cells(lon: pa.ChunkedArray, lat: pa.ChunkedArray, radius: pa.ChunkedArray) -> pa.Array:
    """The cells that circles touch; none for one with a null."""
    values = np.array([array.to_numpy().astype(np.float64) for array in (lon, lat, radius)])
    valid = np.isfinite(values).all(axis=0) & (np.abs(values[1]) <= 90) & (values[2] >= 0)
    found, counts = places.cells(*values[:, valid])
    sizes = np.zeros(len(valid), np.int64)
    sizes[valid] = counts
    return pa.ListArray.from_arrays(np.append(0, np.cumsum(sizes)).astype(np.int32), pa.array(found, pa.int32()))


def _healpix(order: pa.ChunkedArray, points: pa.ChunkedArray) -> pa.Array:
    shapes = _regions(points)
    lon, lat = regions.positions(shapes.vertices[:, 0])
    valid = shapes.valid & pc.is_valid(order).to_numpy()
    orders = pc.fill_null(order, 0).to_numpy().astype(np.int64)
    return pa.array(healpix.nested_index(orders, lon, lat), mask=~valid)


_LIST = pa.list_(pa.float64())


def _each(array: pa.ChunkedArray, convert: Callable[[Any], list[float] | None]) -> pa.Array:
    known: dict[object, list[float] | None] = {}
    found = []
    for value in array.to_pylist():
        key = tuple(value) if isinstance(value, list) else value
        if key not in known:
            known[key] = None if value is None else convert(value)
        found.append(known[key])
    return pa.array(found, _LIST)


def _regions(array: pa.ChunkedArray) -> Regions:
    return regions.regions(*_flat(array))


def _flat(array: pa.ChunkedArray) -> tuple[regions.Floats, Any]:
    """The numbers of lists, one after the other (NaN for a null), and how many each list has; (0, 0) for a null."""
    lists = array.combine_chunks()
    if lists.null_count:
        lists = pc.if_else(pc.is_null(lists), pa.scalar([None, None], lists.type), lists)
    sizes = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    return pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.float64), sizes
