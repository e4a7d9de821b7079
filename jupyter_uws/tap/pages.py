"""The rows of a table once more, in pages in the order of their cells, where a cone finds them without the engine.

To plan a query of 15 columns takes DuckDB 2 ms, however few rows it finds. A cone needs no plan: the cells that it
touches (see :mod:`.places`) tell the pages to read, and of their rows those are taken that lie in it.

The pages are the record batches of a file of Arrow's (IPC) beside the archive's, which notes a part of its name and the
first cell of each page, so that the two belong together; where there is no such file, DuckDB finds the rows. It is read
and not mapped into memory: where another host replaces it on a shared disk, a query fails, and not the whole process.
"""

from __future__ import annotations

import glob
import logging
import math
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from . import places
from .narrowing import Disc
from .places import Integers
from .regions import Floats
from .schema import Sky, Table, rows_of
from .scope import sql_identifier

logger = logging.getLogger(__name__)

PAGE_ROWS = 512

#: Of more pages than these, DuckDB finds the rows faster.
MOST_PAGES = 128

_NOTES = "tap_schema._pages"
_SUFFIX = ".arrow"
_VARIABLE = b"variable"
_NOWHERE = np.iinfo(np.int32).max  # the cell of rows that have none, which come last


class Pages:
    """The pages of one table. Threads may read them at the same time."""

    def __init__(self, path: Path, first: Integers, sky: Sky) -> None:
        """``first`` has the first cell of each page. Raises OSError and pyarrow.ArrowInvalid."""
        self._file = pa.ipc.open_file(pa.OSFile(str(path)))
        if self._file.num_record_batches != len(first):
            raise pa.ArrowInvalid(f"there are {self._file.num_record_batches} pages, not {len(first)}")
        self._fields = {field.name: field.remove_metadata() for field in self._file.schema}
        told = ((field.name, (field.metadata or {}).get(_VARIABLE)) for field in self._file.schema)
        self._variables = {name: variable.decode() for name, variable in told if variable}
        self._first = first
        self._sky = sky
        self._reading = threading.Lock()

    def within(
        self, disc: Disc, columns: Sequence[str], variables: Mapping[str, str], most: int | None, batch_rows: int
    ) -> pa.RecordBatchReader | None:
        """The rows whose position is in ``disc``, ``most`` of them, in batches of about ``batch_rows``.

        None where DuckDB is faster.
        """
        numbers = self._touched(disc)
        if len(numbers) > MOST_PAGES:
            return None
        schema = pa.schema([self._fields[name] for name in columns])
        before = [variables.get(self._variables.get(name, ""), "") for name in columns]
        at_once = max(batch_rows // PAGE_ROWS, 1)
        needed = list({*columns, self._sky.lon, self._sky.lat})

        def batches() -> Iterator[pa.RecordBatch]:
            left = sys.maxsize if most is None else most
            for start in range(0, len(numbers), at_once):
                near = pa.concat_batches(
                    [self._page(number).select(needed) for number in numbers[start : start + at_once]]
                )
                lon, lat = (_numbers(near.column(name)) for name in (self._sky.lon, self._sky.lat))
                inside = np.flatnonzero(_is_within(lon, lat, disc))[:left]
                if not len(inside):
                    continue
                rows = near.select(columns).take(inside)
                arrays = [
                    pc.binary_join_element_wise(text, array, "") if text else array
                    for text, array in zip(before, rows.columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                left -= len(inside)
                if not left:
                    return

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _touched(self, disc: Disc) -> list[int]:
        """The numbers of the pages that have rows of the disc's cells."""
        numbers: set[int] = set()
        for low, high in places.ranges(disc.lon, disc.lat, disc.radius):
            # the page before the first that begins with the cell may end with it
            start = max(int(np.searchsorted(self._first, low)) - 1, 0)
            numbers.update(range(start, int(np.searchsorted(self._first, high, side="right"))))
        return sorted(numbers)

    def _page(self, number: int) -> pa.RecordBatch:
        with self._reading:
            return self._file.get_batch(number)


def write_pages(
    con: duckdb.DuckDBPyConnection, table: Table, archive: Path, *, variables: Mapping[str, str] | None = None
) -> None:
    """Write the rows of ``table``, which are in the order of their cells, beside ``archive``, which ``con`` uses.

    ``variables`` tells of columns which the view begins with the variable of that name, as it is when they are read.
    Raises OSError, and ValueError for rows that are not in this order.
    """
    key = secrets.token_hex(4)
    names = [column.name for column in table.columns]
    columns = ", ".join(map(sql_identifier, (*names, places.CELL)))
    reader = con.sql(f"SELECT {columns} FROM {table.name}").to_arrow_reader(PAGE_ROWS * 64)  # noqa: S608
    schema = pa.schema(
        field.with_metadata({_VARIABLE: variables[field.name]}) if variables and field.name in variables else field
        for field in reader.schema
        if field.name != places.CELL
    )
    first: list[int] = []
    last = 0
    with _beside(archive, key).open("wb") as file:
        with pa.ipc.new_file(file, schema) as writer:
            for batch in reader:
                for page in (batch.slice(start, PAGE_ROWS) for start in range(0, batch.num_rows, PAGE_ROWS)):
                    cells = pc.fill_null(page.column(places.CELL), _NOWHERE).to_numpy()
                    if cells[0] < last or (np.diff(cells) < 0).any():
                        raise ValueError(f"the rows of {table.name} are not in the order of {places.CELL}")
                    first.append(int(cells[0]))
                    last = int(cells[-1])
                    writer.write_batch(pa.RecordBatch.from_arrays(page.select(names).columns, schema=schema))
        file.flush()
        os.fsync(file.fileno())
    con.execute(f"CREATE OR REPLACE TABLE {_NOTES} (table_name VARCHAR, key VARCHAR, first INTEGER[])")
    con.execute(f"INSERT INTO {_NOTES} VALUES (?, ?, ?)", [table.name, key, first])  # noqa: S608


def read_pages(con: duckdb.DuckDBPyConnection, archive: Path, tables: Mapping[str, Table]) -> dict[str, Pages]:
    """The pages beside ``archive``, which ``con`` uses, of those of its ``tables`` that have some."""
    found = {}
    for name, key, first in rows_of(con, _NOTES):
        sky, path = tables[name].sky if name in tables else None, _beside(archive, key)
        if sky is None or path not in pages_of(archive):  # what the file notes leads nowhere else
            continue
        try:
            found[name] = Pages(path, np.array(first, np.int64), sky)
        except (OSError, pa.ArrowException) as error:
            logger.warning("%s cannot be read, so DuckDB finds what lies in a cone: %s", path, error)
    return found


def pages_of(archive: Path) -> list[Path]:
    """The files of pages beside an archive."""
    return sorted(archive.parent.glob(f"{glob.escape(archive.name)}.{'[0-9a-f]' * 8}{_SUFFIX}"))


def move_archive(archive: Path, target: Path) -> None:
    """Put an archive in the place of another, with its pages."""
    moved = {
        pages: target.with_name(target.name + pages.name.removeprefix(archive.name)) for pages in pages_of(archive)
    }
    for pages, place in moved.items():
        pages.replace(place)
    archive.replace(target)
    for former in pages_of(target):
        if former not in moved.values():
            former.unlink(missing_ok=True)


def _beside(archive: Path, key: str) -> Path:
    return archive.parent / f"{archive.name}.{key}{_SUFFIX}"


def _numbers(column: pa.Array) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _is_within(lon: Floats, lat: Floats, disc: Disc) -> npt.NDArray[np.bool_]:
    """As :func:`jupyter_uws.tap.sphere.within`; false for a position that is not there."""
    across = np.sin(np.radians(lon - disc.lon) / 2) ** 2 * np.cos(np.radians(lat)) * math.cos(math.radians(disc.lat))
    haversine = np.sin(np.radians(lat - disc.lat) / 2) ** 2 + across
    most = math.sin(math.radians(disc.radius) / 2) ** 2
    return haversine < most if disc.is_open else haversine <= most
