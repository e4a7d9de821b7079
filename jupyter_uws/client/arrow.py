"""Arrow's stream, as our service sends rows, into an astropy Table; what its columns mean a VOTable in it says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from astropy.table import Table

from .errors import QueryError, ServiceError
from .texts import Array, Texts, text_column
from .votable import described, filled

_ARRAYS_OF_TEXTS = re.compile(rb'(datatype="(?:char|unicodeChar)" arraysize=)"\d+x[^"]*"')


class Pieces(io.RawIOBase):
    """A file of the pieces of an answer."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def read_arrow(pieces: Iterable[bytes]) -> tuple[Table, bool]:
    """The table of an answer in pieces, and whether it was truncated.

    Raises
    ------
    QueryError
        The query broke off; the text is the archive's explanation.
    ServiceError
        It is no stream of rows, or breaks off.
    """
    status: dict[bytes, bytes] = {}
    batches = []
    try:
        with pa.PythonFile(io.BufferedReader(Pieces(pieces), 2**20), "r") as file, pa.ipc.open_stream(file) as reader:
            schema = reader.schema
            for batch, told in reader.iter_batches_with_custom_metadata():
                status = dict(told or {})
                batches.append(batch)
    except pa.ArrowException as error:
        raise ServiceError(f"The archive's answer cannot be read: {type(error).__name__}.") from None
    if status.get(b"QUERY_STATUS") == b"ERROR":
        raise QueryError(status.get(b"message", b"the query failed").decode())
    if b"QUERY_STATUS" not in status:
        raise ServiceError("The archive's answer breaks off.")
    # astropy knows no arrays of texts (char[8x*]); for what they mean it takes them for texts
    document = _ARRAYS_OF_TEXTS.sub(rb'\1"*"', (schema.metadata or {}).get(b"VOTABLE", b""))
    empty, _ = described(document)
    table = pa.Table.from_batches(batches, schema)
    columns = (_column(table.column(i), empty.columns[i].shape[1:]) for i in range(table.num_columns))
    return filled(empty, columns), status[b"QUERY_STATUS"] == b"OVERFLOW"


def _column(column: pa.ChunkedArray, shape: tuple[int, ...]) -> np.ma.MaskedArray[Any, Any]:
    """A column; ``shape`` is that of each of its values."""
    chunks = column.chunks or [pa.array([], column.type)]
    mask = np.concatenate([_nulls(chunk) for chunk in chunks])
    if pa.types.is_string(column.type):
        return text_column(Texts.join([_texts(chunk) for chunk in chunks]), mask)
    if pa.types.is_list(column.type):
        return _arrays(chunks, mask, shape)
    values = np.concatenate([_values(chunk) for chunk in chunks])
    return np.ma.MaskedArray(values, mask | _not_a_number(values))


def _nulls(array: pa.Array) -> Array:
    return (
        np.asarray(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else np.zeros(len(array), bool)
    )


def _not_a_number(values: Array) -> Array:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)


def _values(array: pa.Array) -> Array:
    if array.null_count:
        nothing: Any = "" if pa.types.is_string(array.type) else False if pa.types.is_boolean(array.type) else 0
        array = array.fill_null(nothing)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _texts(array: pa.Array) -> Texts:
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    octets = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Texts(octets[bounds[0] : bounds[-1]] if len(bounds) else octets[:0], np.diff(bounds).astype(np.int64))


def _arrays(chunks: list[pa.Array], mask: Array, shape: tuple[int, ...]) -> np.ma.MaskedArray[Any, Any]:
    """Arrays: those of one ``shape`` as axes of the column, else each as an object."""
    parts = [chunk.flatten() for chunk in chunks]
    values, nulls = np.concatenate([_values(part) for part in parts]), np.concatenate([_nulls(part) for part in parts])
    nulls |= _not_a_number(values)
    if shape:
        found, hidden = np.zeros((len(mask), *shape), values.dtype), np.ones((len(mask), *shape), bool)
        found[~mask], hidden[~mask] = values.reshape(-1, *shape), nulls.reshape(-1, *shape)
        return np.ma.MaskedArray(found, hidden)
    sizes = pc.list_value_length(pa.chunked_array(chunks)).to_numpy()
    ends = np.cumsum(np.where(mask, 0, sizes).astype(np.int64))
    rows = np.empty(len(mask), object)
    for number, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
        rows[number] = np.ma.MaskedArray(values[start:end], nulls[start:end])
    return np.ma.MaskedArray(rows, mask)
