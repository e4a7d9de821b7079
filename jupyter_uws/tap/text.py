"""Rows as text: VOTable's TABLEDATA, CSV and TSV, by Arrow's string kernels: no loop over cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .fields import TEXTS, Field, items
from .nulls import NULLS

# characters that XML 1.0 has no way to write
_NOT_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f]"


def tabledata_rows(batch: pa.RecordBatch, fields: Sequence[Field]) -> bytes:
    """``<TR><TD>…</TD></TR>`` for each row. A null is an empty cell."""
    cells = [_cell(array, field, xml_text) for array, field in zip(batch.columns, fields, strict=True)]
    return _lines(cells, "<TR><TD>", "</TD><TD>", "</TD></TR>\n")


def csv_rows(batch: pa.RecordBatch, fields: Sequence[Field]) -> bytes:
    """Comma-separated values (RFC 4180). A null is nothing, an empty text is ``""``."""
    cells = [_cell(array, field, _csv_text) for array, field in zip(batch.columns, fields, strict=True)]
    return _lines(cells, "", ",", "\r\n")


def tsv_rows(batch: pa.RecordBatch, fields: Sequence[Field]) -> bytes:
    """Tab-separated values, as IANA has them: no quotes, so tabs and line ends in text become blanks."""
    cells = [_cell(array, field, _tsv_text) for array, field in zip(batch.columns, fields, strict=True)]
    return _lines(cells, "", "\t", "\n")


def csv_header(fields: Sequence[Field]) -> bytes:
    names = _csv_text(pa.array([field.name for field in fields])).to_pylist()
    return (",".join(names) + "\r\n").encode()


def tsv_header(fields: Sequence[Field]) -> bytes:
    names = _tsv_text(pa.array([field.name for field in fields])).to_pylist()
    return ("\t".join(names) + "\n").encode()


def xml_text(array: pa.Array) -> pa.Array:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        array = pc.replace_substring(array, character, entity)
    return pc.replace_substring_regex(array, _NOT_XML, "?")


def _csv_text(array: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(array, '[",\r\n]|^$|^ | $')
    inner = pc.replace_substring(array, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', inner, '"', ""), array)


def _tsv_text(array: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(array, "[\t\r\n]", " ")


def _cell(array: pa.Array, field: Field, escape: Callable[[pa.Array], pa.Array]) -> pa.Array:
    if field.is_array:
        return escape(_array_text(array, field))
    if field.is_text:
        return escape(array)
    return _numbers(array, field)


def _array_text(array: pa.Array, field: Field) -> pa.Array:
    """The items with blanks between them; texts filled up with blanks, and nothing between them (VOTable 1.4, 5.1)."""
    values, counts = items(array)
    if field.datatype in TEXTS:
        texts, separator = pc.utf8_rpad(values.fill_null(""), field.width), ""
    else:
        nothing = "NaN" if field.datatype in ("float", "double") else str(NULLS.get(field.datatype, "?"))
        texts, separator = _numbers(values, field).fill_null(nothing), " "
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, texts), separator)


def _numbers(array: pa.Array, field: Field) -> pa.Array:
    written = pc.cast(array, pa.string())
    if field.datatype in ("float", "double"):
        # VOTable writes NaN, +Inf, -Inf; readers of CSV understand them too
        special = pc.invert(pc.is_finite(array))
        if pc.any(special).as_py():
            names = pc.if_else(pc.is_nan(array), "NaN", pc.if_else(pc.greater(array, 0), "+Inf", "-Inf"))
            written = pc.if_else(special, names, written)
    return written


def _lines(cells: list[pa.Array], start: str, separator: str, end: str) -> bytes:
    cells[0] = pc.binary_join_element_wise(start, cells[0], "", null_handling="replace", null_replacement="")
    cells[-1] = pc.binary_join_element_wise(cells[-1], end, "", null_handling="replace", null_replacement="")
    rows = pc.binary_join_element_wise(*cells, separator, null_handling="replace", null_replacement="")
    # the rows lie in the buffer one after the other
    offsets = rows.buffers()[1]
    width = 8 if pa.types.is_large_string(rows.type) else 4
    first = int.from_bytes(offsets.slice(rows.offset * width, width).to_pybytes(), "little")
    last = int.from_bytes(offsets.slice((rows.offset + len(rows)) * width, width).to_pybytes(), "little")
    return bytes(rows.buffers()[2].slice(first, last - first).to_pybytes())
