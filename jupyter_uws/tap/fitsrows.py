"""Results as a FITS binary table (FITS 4.0, section 7.3), by numpy: no loop over cells.

The header comes first and says how many rows there are, and how wide each text is: the rows wait in a temporary file
until that is known.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from . import limits
from .binary2 import fixed_cells, scatter_text, text_cells
from .errors import TAPError
from .fields import ARROW_TYPES, Field
from .nulls import NULLS, widened

_BLOCK = 2880
_CODES = {"boolean": "L", "short": "I", "int": "J", "long": "K", "float": "E", "double": "D"}
_WIDTHS = {"L": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8}


class FitsRows:
    """One table behind an empty primary HDU. A null text is empty, a null integer the column's TNULL."""

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._fields = [widened(field) for field in fields]
        self._query = query
        schema = pa.schema([pa.field(str(i), ARROW_TYPES[field.datatype]) for i, field in enumerate(fields)])
        self._spool = tempfile.TemporaryFile(prefix="result-")  # noqa: SIM115 (it ends with the writer)
        self._waiting = pyarrow.ipc.new_stream(self._spool, schema)
        self._schema = schema
        self._widths = [0] * len(fields)
        self._rows = 0

    def start(self) -> bytes:
        return b""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        for i, (array, field) in enumerate(zip(batch.columns, self._fields, strict=True)):
            if field.is_text:
                self._widths[i] = max(self._widths[i], pc.max(pc.binary_length(array)).as_py() or 0)
        self._waiting.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))
        self._rows += batch.num_rows
        if self._spool.tell() > limits.RESULT_BYTES or self._rows * sum(self._widths) > limits.RESULT_BYTES:
            raise TAPError(f"the result is larger than {limits.RESULT_BYTES} bytes as FITS: ask for less of it")
        return b""

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        self._waiting.close()
        self._spool.seek(0)
        columns = [
            (width if field.is_text else _WIDTHS[_CODES[field.datatype]])
            for field, width in zip(self._fields, self._widths, strict=True)
        ]
        yield self._header(sum(columns), overflow=overflow)
        size = 0
        for batch in pyarrow.ipc.open_stream(self._spool):
            piece = self._encoded(batch, columns)
            size += len(piece)
            yield piece
        yield b"\0" * (-size % _BLOCK)
        self._spool.close()

    def broken(self, message: str) -> bytes | None:
        return None

    def _encoded(self, batch: pa.RecordBatch, columns: Sequence[int]) -> bytes:
        count, width = batch.num_rows, sum(columns)
        out = np.zeros((count, width), np.uint8)
        flat, starts, at = out.reshape(-1), np.arange(count, dtype=np.int64) * width, 0
        for array, field, size in zip(batch.columns, self._fields, columns, strict=True):
            if field.is_text:
                scatter_text(flat, starts + at, text_cells(array))
            else:
                cells = fixed_cells(array.cast(ARROW_TYPES[field.datatype]), field.datatype, NULLS.get(field.datatype))
                if field.datatype == "boolean":
                    cells = np.where(cells == ord("?"), 0, cells).astype(np.uint8)
                out[:, at : at + size] = cells
            at += size
        return out.tobytes()

    def _header(self, width: int, *, overflow: bool) -> bytes:
        from astropy.io import fits  # here: it takes a quarter of a second to load

        primary = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
        cards: list[tuple[str, object]] = [
            ("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", self._rows),
            ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(self._fields)), *self._cards(),
        ]  # fmt: skip
        header = fits.Header(cards)
        header["QSTATUS"] = ("OVERFLOW" if overflow else "OK", "whether there are more rows")
        return bytes((primary.tostring() + header.tostring()).encode("ascii"))

    def _cards(self) -> Iterator[tuple[str, object]]:
        for number, (field, width) in enumerate(zip(self._fields, self._widths, strict=True), 1):
            yield f"TTYPE{number}", _ascii(field.name)
            yield f"TFORM{number}", f"{width}A" if field.is_text else _CODES[field.datatype]
            if field.datatype in NULLS:
                yield f"TNULL{number}", NULLS[field.datatype]
            told = {"TUNIT": field.unit, "TUCD": field.ucd, "TUTYP": field.utype, "TCOMM": field.description}
            for key, value in told.items():
                if value:
                    yield f"{key}{number}", _ascii(value)


def _ascii(text: str) -> str:
    """A text as a header may hold it."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
