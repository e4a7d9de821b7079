"""Results as a FITS binary table (FITS 4.0, section 7.3), by numpy: no loop over cells.

The header comes first and says how many rows there are, and how wide each text is: the rows wait in a temporary file
until that is known. Arrays whose length varies lie in the heap behind the rows (section 7.3.5); arrays of texts are
filled up to the longest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from . import limits
from .binary2 import array_cells, array_items, fixed_cells, scatter_text, text_cells
from .errors import TAPError
from .fields import TEXTS, Field, items
from .nulls import NULLS, widened

_BLOCK = 2880
_CODES = {"boolean": "L", "short": "I", "int": "J", "long": "K", "float": "E", "double": "D"}
_DESCRIPTOR = 16
_WIDTHS = {"L": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8}


class FitsRows:
    """One table behind an empty primary HDU. A null text is empty, a null integer the column's TNULL."""

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._fields = [widened(field) for field in fields]
        self._query = query
        schema = pa.schema([pa.field(str(i), field.arrow_type) for i, field in enumerate(fields)])
        self._spool = tempfile.TemporaryFile(prefix="result-")  # noqa: SIM115 (it ends with the writer)
        self._waiting = pyarrow.ipc.new_stream(self._spool, schema)
        self._schema = schema
        self._widths = [0] * len(fields)  # bytes of the longest text
        self._lengths = [field.length or 0 if field.is_array else 1 for field in fields]  # items of the longest array
        self._rows = 0
        self._used = 0  # bytes of the heap that are described so far

    def start(self) -> bytes:
        return b""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        for i, (array, field) in enumerate(zip(batch.columns, self._fields, strict=True)):
            if field.is_array:
                array, counts = items(array)
                self._lengths[i] = max(self._lengths[i], int(counts.max(initial=0)))
            if field.datatype in TEXTS:
                self._widths[i] = max(self._widths[i], pc.max(pc.binary_length(array)).as_py() or 0)
        self._waiting.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))
        self._rows += batch.num_rows
        if self._spool.tell() > limits.RESULT_BYTES or self._rows * sum(self._sizes()) > limits.RESULT_BYTES:
            raise TAPError(f"the result is larger than {limits.RESULT_BYTES} bytes as FITS: ask for less of it")
        return b""

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        self._waiting.close()
        columns = self._sizes()
        heap = sum(len(piece) for piece in self._heap())
        yield self._header(sum(columns), heap, overflow=overflow)
        size = heap
        self._used = 0
        self._spool.seek(0)
        for batch in pyarrow.ipc.open_stream(self._spool):
            piece = self._encoded(batch, columns)
            size += len(piece)
            yield piece
        yield from self._heap()
        yield b"\0" * (-size % _BLOCK)
        self._spool.close()

    def broken(self, message: str) -> bytes | None:
        return None

    def _sizes(self) -> list[int]:
        """Bytes of each column in a row: as many as the longest value takes, or a descriptor of what is in the heap."""
        return [
            width * length if field.datatype in TEXTS
            else _DESCRIPTOR if _in_heap(field)
            else length * _WIDTHS[_CODES[field.datatype]]
            for field, width, length in zip(self._fields, self._widths, self._lengths, strict=True)
        ]  # fmt: skip

    def _heap(self) -> Iterator[bytes]:
        """The arrays whose length varies: of each batch a column after the other."""
        if not any(map(_in_heap, self._fields)):
            return
        self._spool.seek(0)
        for batch in pyarrow.ipc.open_stream(self._spool):
            for array, field in zip(batch.columns, self._fields, strict=True):
                if _in_heap(field):
                    yield _letters(array_items(array, field)[0].data, field).tobytes()

    def _described(self, array: pa.Array, field: Field) -> npt.NDArray[np.uint8]:
        """How many items each array has, and where they begin in the heap."""
        found, counts = array_items(array, field)
        places = self._used + np.cumsum(found.sizes) - found.sizes
        self._used += int(found.sizes.sum())
        return np.stack([counts, places], axis=1).astype(">i8").view(np.uint8)

    def _encoded(self, batch: pa.RecordBatch, columns: Sequence[int]) -> bytes:
        count, width = batch.num_rows, sum(columns)
        out = np.zeros((count, width), np.uint8)
        flat, starts, at = out.reshape(-1), np.arange(count, dtype=np.int64) * width, 0
        for array, field, size in zip(batch.columns, self._fields, columns, strict=True):
            if field.is_text:
                scatter_text(flat, starts + at, text_cells(array))
            elif field.datatype in TEXTS:
                self._scatter_texts(flat, starts + at, array, field)
            elif _in_heap(field):
                out[:, at : at + size] = self._described(array, field)
            elif field.is_array:
                out[:, at : at + size] = _letters(array_cells(array.cast(field.arrow_type), field), field)
            else:
                cells = fixed_cells(array.cast(field.arrow_type), field.datatype, NULLS.get(field.datatype))
                out[:, at : at + size] = _letters(cells, field)
            at += size
        return out.tobytes()

    def _scatter_texts(
        self, flat: npt.NDArray[np.uint8], at: npt.NDArray[np.int64], array: pa.Array, field: Field
    ) -> None:
        """Put each text of each array where it belongs."""
        values, counts = items(array)
        number = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)  # of the item in its row
        width = self._widths[self._fields.index(field)]
        scatter_text(flat, np.repeat(at, counts) + number * width, text_cells(values))

    def _header(self, width: int, heap: int, *, overflow: bool) -> bytes:
        from astropy.io import fits  # here: it takes a quarter of a second to load

        primary = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
        cards: list[tuple[str, object]] = [
            ("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", self._rows),
            ("PCOUNT", heap), ("GCOUNT", 1), ("TFIELDS", len(self._fields)), *self._cards(),
        ]  # fmt: skip
        header = fits.Header(cards)
        header["QSTATUS"] = ("OVERFLOW" if overflow else "OK", "whether there are more rows")
        return bytes((primary.tostring() + header.tostring()).encode("ascii"))

    def _cards(self) -> Iterator[tuple[str, object]]:
        columns = zip(self._fields, self._widths, self._lengths, strict=True)
        for number, (field, width, length) in enumerate(columns, 1):
            yield f"TTYPE{number}", _ascii(field.name)
            yield f"TFORM{number}", _form(field, width, length)
            if field.is_array and not _in_heap(field):
                shape = (width, length) if field.datatype in TEXTS else str(field.arraysize).split("x")
                if len(shape) > 1:
                    yield f"TDIM{number}", f"({','.join(map(str, shape))})"
            if field.datatype in NULLS:
                yield f"TNULL{number}", NULLS[field.datatype]
            told = {"TUNIT": field.unit, "TUCD": field.ucd, "TUTYP": field.utype, "TCOMM": field.description}
            for key, value in told.items():
                if value:
                    yield f"{key}{number}", _ascii(value)


def _in_heap(field: Field) -> bool:
    return field.is_array and field.length is None and field.datatype not in TEXTS


def _form(field: Field, width: int, length: int) -> str:
    if field.datatype in TEXTS:
        return f"{width * length}A"
    code = _CODES[field.datatype]
    if _in_heap(field):
        return f"1Q{code}({length})"
    return f"{length}{code}" if field.is_array else code


def _letters(cells: npt.NDArray[np.uint8], field: Field) -> npt.NDArray[np.uint8]:
    """Values as FITS has them: a null boolean is 0."""
    return np.where(cells == ord("?"), 0, cells).astype(np.uint8) if field.datatype == "boolean" else cells


def _ascii(text: str) -> str:
    """A text as a header may hold it."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
