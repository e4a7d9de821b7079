"""The rows of BINARY2 and BINARY, byte by byte, beside what the standard says (VOTable 1.4, section 5.4)."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jupyter_uws.tap.binary2 import binary2_rows, binary_rows
from jupyter_uws.tap.fields import Field
from jupyter_uws.tap.nulls import NULLS
from jupyter_uws.tap.votable import Base64Rows

_CODES = {"unsignedByte": "B", "short": "h", "int": "i", "long": "q", "float": "f", "double": "d"}


def item(value: Any, field: Field, *, flags: bool) -> bytes:
    if field.datatype == "boolean":
        return b"?" if value is None else b"T" if value else b"F"
    if value is None:
        value = float("nan") if field.datatype in ("float", "double") else 0 if flags else NULLS[field.datatype]
    return struct.pack(f">{_CODES[field.datatype]}", value)


def cell(value: Any, field: Field, *, flags: bool) -> bytes:
    if field.is_text:
        encoded = (value or "").encode("ascii" if field.datatype == "char" else "utf-16-be")
        return struct.pack(">i", len(encoded) // (1 if field.datatype == "char" else 2)) + encoded
    if not field.is_array:
        return item(value, field, flags=flags)
    values = value if value is not None else [None] * (field.length or 0)
    inner = b"".join(item(one, field, flags=False) for one in values)
    return inner if field.length is not None else struct.pack(">i", len(values)) + inner


def expected(batch: pa.RecordBatch, fields: Sequence[Field], *, flags: bool) -> bytes:
    rows = []
    for values in zip(*(array.to_pylist() for array in batch.columns), strict=True):
        bits = "".join("1" if value is None else "0" for value in values)
        head = bytes(int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8)) if flags else b""
        rows.append(head + b"".join(cell(v, f, flags=flags) for v, f in zip(values, fields, strict=True)))
    return b"".join(rows)


def col(name: str, values: list[Any]) -> tuple[Field, pa.Array]:
    datatype, _, arraysize = name.partition(" ")
    field = Field(name, datatype, arraysize or None)
    return field, pa.array(values, field.arrow_type)


def null_with_bytes() -> pa.Array:
    """A column whose null has bytes all the same, as Arrow allows."""
    offsets = pa.py_buffer(np.array([0, 2, 5, 6], np.int32))
    return pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), offsets, pa.py_buffer(b"abXYZc")])


TABLES = {
    "text last": [col("int", [1, None, 3]), col("char *", ["a", None, ""])],
    "text first": [col("char *", ["", "abc", None]), col("double", [1.5, None, -0.0])],
    "texts only": [col("char *", ["x" * 300, None]), col("unicodeChar *", [None, "ä"]), col("char *", ["", "b"])],
    "no text": [col("boolean", [True, False, None]), col("short", [1, -2, None]), col("float", [1.0, None, 2.0])],
    "one boolean": [col("boolean", [True])],
    "nothing but nulls": [col("char *", [None, None]), col("unicodeChar *", [None, None]), col("long", [None, None])],
    "beyond the first plane": [col("unicodeChar *", ["🌟x", "", "grün", None, "ﬀ星"]), col("int", [1, 2, 3, 4, 5])],
    "nine columns": [col("unsignedByte", [n, None]) for n in range(8)] + [col("char *", ["end", None])],
    "arrays": [
        col("int *", [[1, 2], [], None, [None]]), col("char *", ["a", "", None, "b"]),
        col("double 2", [[1.0, None], [0.0, 2.0], None, [3.0, 4.0]]), col("boolean *", [[True], None, [], [None]]),
    ],
    "a null with bytes": [(Field("char *", "char", "*"), null_with_bytes()), col("int", [1, 2, 3])],
}  # fmt: skip


@pytest.mark.parametrize("part", ["all", "middle", "none"])
@pytest.mark.parametrize("table", TABLES)
def test_rows(table: str, part: str) -> None:
    fields, arrays = map(list, zip(*TABLES[table], strict=True))
    batch = pa.RecordBatch.from_arrays(arrays, names=[str(n) for n in range(len(arrays))])
    if part != "all":
        batch = batch.slice(1, 1 if part == "middle" else 0)
    assert bytes(binary2_rows(batch, fields)) == expected(batch, fields, flags=True)
    if all(field.datatype != "unsignedByte" for field in fields):  # which BINARY sends as short
        assert bytes(binary_rows(batch, fields)) == expected(batch, fields, flags=False)


def test_base64_goes_on_from_batch_to_batch() -> None:
    """Batches of any number of bytes make one text: nothing is filled up before the end."""
    field = Field("n", "boolean")
    rows = Base64Rows([field])
    sizes = [1, 1, 1, 2, 3, 0, 4, 5, 1]
    text = b"".join(
        rows.encode(pa.RecordBatch.from_arrays([pa.array([True] * n, pa.bool_())], names=["n"])) for n in sizes
    )
    text += rows.end()
    assert b"=" not in text.rstrip(b"=\n")
    assert base64.b64decode(text, validate=False) == b"\x00T" * sum(sizes)
