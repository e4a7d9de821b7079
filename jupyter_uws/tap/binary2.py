"""VOTable's BINARY and BINARY2 rows (VOTable 1.4, section 5.4) from Arrow batches: no loop over cells.

A row is: null flags (a bit for each column, the first one highest), then each value, big-endian. Text is
its length in characters (4 bytes) and the characters: one byte each for ``char``, two for ``unicodeChar``.
A null has its flag set, and a value all the same: zero, NaN, or text of length 0. BINARY is the same without the flags,
where the value of a null is that of :mod:`.nulls`.

numpy makes what has one width in all rows, and Arrow joins it with the texts: to put these in their places, numpy takes
a number for each byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .fields import TEXTS, Field, items
from .nulls import NULLS

_Bytes = npt.NDArray[np.uint8]
_Counts = npt.NDArray[np.int64]

_BIG_ENDIAN = {"unsignedByte": "u1", "short": ">i2", "int": ">i4", "long": ">i8", "float": ">f4", "double": ">f8"}


@dataclass(frozen=True)
class _Text:
    data: _Bytes  # all rows, one after the other
    sizes: _Counts  # bytes of each row


def binary_rows(batch: pa.RecordBatch, fields: Sequence[Field]) -> memoryview:
    """The rows of ``batch`` as BINARY; ``fields`` are :func:`.nulls.widened`."""
    columns = [array.cast(field.arrow_type) for array, field in zip(batch.columns, fields, strict=True)]
    return _rows(columns, fields, [], NULLS)


def binary2_rows(batch: pa.RecordBatch, fields: Sequence[Field]) -> memoryview:
    """The rows of ``batch``, whose columns are in the Arrow types of ``fields``."""
    return _rows(batch.columns, fields, [_null_flags(batch)], {})


def _rows(
    columns: Sequence[pa.Array], fields: Sequence[Field], block: list[_Bytes], nulls: Mapping[str, int]
) -> memoryview:
    """``block`` is what each row begins with."""
    count = len(columns[0])
    if not count:
        return memoryview(b"")
    pieces: list[pa.Array] = []  # blocks of one width, with a text, or an array, between them
    for array, field in zip(columns, fields, strict=True):
        if field.is_array and field.length is not None:
            block.append(array_cells(array, field))
        elif field.is_text or field.is_array:
            text, lengths = array_items(array, field) if field.is_array else _text(array, wide=_is_wide(field))
            block.append(lengths.astype(">i4").view(np.uint8).reshape(count, 4))
            pieces += [_block(block), _binary(text.data, np.concatenate([[0], np.cumsum(text.sizes)]))]
            block = []
        else:
            block.append(fixed_cells(array, field.datatype, nulls.get(field.datatype)))
    if block:
        pieces.append(_block(block))
    rows = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))
    _, offsets, data = rows.buffers()
    first, last = np.frombuffer(offsets, np.int64)[[rows.offset, rows.offset + count]].tolist()
    return memoryview(data)[first:last]  # one row after the other


def _block(parts: Sequence[_Bytes]) -> pa.Array:
    cells = np.hstack(parts)
    count, width = cells.shape
    return _binary(cells, np.arange(count + 1) * width)


def _binary(data: _Bytes, offsets: _Counts) -> pa.Array:
    """Bytes that begin at ``offsets``, the last of which is their end."""
    buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _null_flags(batch: pa.RecordBatch) -> _Bytes:
    nulls = np.zeros((batch.num_rows, batch.num_columns), bool)
    for i, array in enumerate(batch.columns):
        if array.null_count:
            nulls[:, i] = array.is_null().to_numpy(zero_copy_only=False)
    return np.packbits(nulls, axis=1)


def fixed_cells(array: pa.Array, datatype: str, null: int | None = None) -> _Bytes:
    """The values of one column, a row each; ``null`` stands for an integer that is not there."""
    if datatype == "boolean":
        values = array.fill_null(False).to_numpy(zero_copy_only=False)
        letters = np.where(values, ord("T"), ord("F")).astype(np.uint8)
        if array.null_count:
            letters[array.is_null().to_numpy(zero_copy_only=False)] = ord("?")
        return letters.reshape(-1, 1)
    kind = np.dtype(_BIG_ENDIAN[datatype])
    if array.null_count:
        array = array.fill_null(float("nan") if kind.kind == "f" else null or 0)
    values = np.ascontiguousarray(array.to_numpy(zero_copy_only=False).astype(kind))
    return values.view(np.uint8).reshape(len(array), kind.itemsize)


def array_items(array: pa.Array, field: Field) -> tuple[_Text, _Counts]:
    """The items of arrays, and how many each row has (letters, of an array of texts). Nulls within are as in BINARY."""
    values, counts = items(array)
    cells = _item_cells(values, field)
    letters = field.width
    return _Text(cells.reshape(-1), counts * cells.shape[1]), counts * letters


def array_cells(array: pa.Array, field: Field) -> _Bytes:
    """Arrays of one length, a row each; a null is made of null items."""
    values, counts = items(array)
    cells = _item_cells(values, field)
    nothing = _item_cells(pa.nulls(1, values.type), field)
    out = np.tile(nothing, (len(array), field.length or 0, 1))
    out[counts > 0] = cells.reshape(-1, field.length or 0, cells.shape[1])
    return out.reshape(len(array), -1)


def _item_cells(values: pa.Array, field: Field) -> _Bytes:
    if field.datatype not in TEXTS:
        return fixed_cells(values, field.datatype, NULLS.get(field.datatype))
    wide = _is_wide(field)
    size = field.width * (2 if wide else 1)
    out = np.zeros((len(values), size), np.uint8)
    scatter_text(out.reshape(-1), np.arange(len(values), dtype=np.int64) * size, _text(values, wide=wide)[0])
    return out


def _is_wide(field: Field) -> bool:
    return field.datatype == "unicodeChar"


def _text(array: pa.Array, *, wide: bool) -> tuple[_Text, _Counts]:
    """The bytes of a column of text, and the length of each row in characters."""
    if array.null_count:
        array = array.fill_null("")
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    buffer = array.buffers()[2]
    raw = np.frombuffer(buffer or b"", np.uint8)[first:last]
    if not wide:
        sizes = np.diff(offsets).astype(np.int64)
        return _Text(raw, sizes), sizes
    encoded = raw.tobytes().decode().encode("utf-16-be")
    lengths = pc.utf8_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
    if 2 * int(lengths.sum()) != len(encoded):  # characters beyond the first plane take two units
        lengths = np.array([len(value.encode("utf-16-be")) // 2 for value in array.to_pylist()], np.int64)
    return _Text(np.frombuffer(encoded, np.uint8), 2 * lengths), lengths


def text_cells(array: pa.Array) -> _Text:
    """The UTF-8 bytes of a column of text."""
    return _text(array, wide=False)[0]


def scatter_text(out: _Bytes, at: _Counts, text: _Text) -> None:
    """Put each row's text where it belongs."""
    starts = np.cumsum(text.sizes) - text.sizes
    out[np.repeat(at - starts, text.sizes) + np.arange(len(text.data))] = text.data
