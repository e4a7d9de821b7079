"""Rows of VOTable's BINARY and BINARY2 (VOTable 1.4, section 5.4) as columns of numpy, piece by piece as they come."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .texts import Array, Texts, text_column

if TYPE_CHECKING:
    from astropy.io.votable.tree import Field

_KINDS = {
    "boolean": "u1", "unsignedByte": "u1", "short": ">i2", "int": ">i4", "long": ">i8", "char": "u1",
    "unicodeChar": ">u2", "float": ">f4", "double": ">f8", "floatComplex": ">c8", "doubleComplex": ">c16",
}  # fmt: skip
_TRUE, _FALSE, _UNKNOWN = (np.frombuffer(letters, "u1") for letters in (b"Tt1", b"Ff0", b"\0 ?"))
_COUNT = struct.Struct(">I")


class Unsupported(Exception):
    """A field is of a kind that only astropy reads."""


@dataclass(frozen=True)
class _Cell:
    """How the values of a field lie in a row: items of ``kind`` in the ``shape`` of an array, or, with ``variable``,
    a count and as many items.
    """

    field: Field
    kind: np.dtype[Any]
    shape: tuple[int, ...]
    variable: bool

    @property
    def is_text(self) -> bool:
        return bool(self.field.datatype in ("char", "unicodeChar"))

    @property
    def width(self) -> int:
        """Bytes in each row; of a variable one those of the count."""
        return _COUNT.size if self.variable else self.kind.itemsize * prod(self.shape)


def _cell(field: Field) -> _Cell:
    text = field.datatype in ("char", "unicodeChar")
    size = (field.arraysize or ("1" if text else "")).strip()
    variable = size.endswith("*")
    lengths = size.split("x") if size and not variable else []
    # of arrays of arrays, readers and writers disagree what the count before them counts
    if field.datatype not in _KINDS or ("x" in size and (variable or text)) or not all(map(_is_length, lengths)):
        raise Unsupported(f"{field.datatype}[{size}]")
    return _Cell(field, np.dtype(_KINDS[field.datatype]), tuple(int(n) for n in reversed(lengths)), variable)


def _is_length(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


class Rows:
    """Takes the bytes of rows as they come, and makes columns of them.

    Raises :class:`Unsupported` for fields that it does not know.
    """

    def __init__(self, fields: Sequence[Field], *, flags: bool) -> None:
        self._cells = [_cell(field) for field in fields]
        self._flags = (len(fields) + 7) // 8 if flags else 0
        self._rest = b""
        self._pieces: list[list[Any]] = [[] for _ in fields]
        self._nulls: list[Array] = []
        # a row is blocks of fixed width; behind each but the last are the items of a variable cell
        self._blocks, self._items = [self._flags], list[int]()
        for cell in self._cells:
            self._blocks[-1] += cell.width
            if cell.variable:
                self._items.append(cell.kind.itemsize)
                self._blocks.append(0)

    @property
    def rest(self) -> int:
        """Bytes of a row that is not whole."""
        return len(self._rest)

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        starts, counts = self._scan(data)
        if not len(starts):
            self._rest = data
            return
        octets = np.frombuffer(data, "u1")
        last = starts[-1] + sum(self._blocks) + int((counts[-1] * np.array(self._items, np.int64)).sum())
        self._rest = data[last:]
        self._take(octets, starts, counts)

    def _scan(self, data: bytes) -> tuple[Array, Array]:
        """Where the whole rows of ``data`` begin, and the counts of their variable cells: shapes (n,), (n, k)."""
        if not self._items:
            width = sum(self._blocks)
            count = len(data) // width if width else 0
            return np.arange(count) * width, np.empty((count, 0), np.int64)
        steps = list(zip(self._blocks, self._items, strict=False))
        last, end, at = self._blocks[-1], len(data), 0
        counted, unpack = _COUNT.size, _COUNT.unpack_from
        starts, counts = list[int](), list[int]()
        while True:
            position = at
            for block, item in steps:
                position += block
                if position > end:
                    break
                (count,) = unpack(data, position - counted)
                counts.append(count)
                position += count * item
            else:
                position += last
                if position <= end:
                    starts.append(at)
                    at = position
                    continue
            break
        whole = counts[: len(starts) * len(steps)]
        return np.array(starts, np.int64), np.array(whole, np.int64).reshape(-1, len(steps))

    def _take(self, octets: Array, starts: Array, counts: Array) -> None:
        """Part the rows into cells."""
        count, at, variables = len(starts), starts, 0
        cells = iter(zip(self._cells, self._pieces, strict=True))
        for number, width in enumerate(self._blocks):
            block = octets[at[:, None] + np.arange(width)]
            at = at + width
            place = 0
            if number == 0 and self._flags:
                self._nulls.append(np.unpackbits(block[:, : self._flags], axis=1)[:, : len(self._cells)].astype(bool))
                place = self._flags
            while place < width:
                cell, pieces = next(cells)
                place += cell.width
                if not cell.variable:
                    bytes_ = np.ascontiguousarray(block[:, place - cell.width : place])
                    pieces.append(bytes_.view(cell.kind).reshape(count, *cell.shape))
                    continue
                sizes = counts[:, variables] * cell.kind.itemsize
                shifts = np.cumsum(sizes) - sizes
                found = octets[np.repeat(at - shifts, sizes) + np.arange(int(sizes.sum()))]
                pieces.append(Texts(found.view(cell.kind), counts[:, variables]))
                at = at + sizes
                variables += 1

    def columns(self) -> list[np.ma.MaskedArray[Any, Any]]:
        """A column of each field, nulls masked: integers by their flag or VALUES null, floats that are NaN, too."""
        nulls = np.concatenate(self._nulls) if self._nulls else None
        columns = []
        for number, (cell, pieces) in enumerate(zip(self._cells, self._pieces, strict=True)):
            rows = sum(len(piece.counts if cell.variable else piece) for piece in pieces)
            missing = np.zeros(rows, bool) if nulls is None else nulls[:, number]
            columns.append(_column(cell, pieces, missing))
            pieces.clear()
        return columns


def _column(cell: _Cell, pieces: list[Any], missing: Array) -> np.ma.MaskedArray[Any, Any]:
    if cell.variable:
        items = Texts.join(pieces) if pieces else Texts(np.empty(0, cell.kind), np.empty(0, np.int64))
        return text_column(items, missing) if cell.is_text else _arrays(cell, items, missing)
    values = np.concatenate(pieces) if pieces else np.empty((0, *cell.shape), cell.kind)
    if cell.is_text:
        return text_column(_up_to_the_end(values.reshape(len(values), -1)), missing)
    found, mask = _values(cell, values)
    return np.ma.MaskedArray(found, mask | missing.reshape(-1, *(1,) * len(cell.shape)))


def _up_to_the_end(letters: Array) -> Texts:
    """Texts of fixed width, which end at the first NUL."""
    ended = letters == 0
    counts = np.where(ended.any(axis=1), ended.argmax(axis=1), letters.shape[1])
    return Texts(letters[np.arange(letters.shape[1]) < counts[:, None]], counts)


def _values(cell: _Cell, values: Array) -> tuple[Array, Array]:
    """Values as this machine has them, and which of them are null."""
    if cell.field.datatype == "boolean":
        true, unknown = np.isin(values, _TRUE), np.isin(values, _UNKNOWN)
        if not (true | unknown | np.isin(values, _FALSE)).all():
            raise ValueError(f"the column {cell.field.name} holds what is no boolean")
        return true, unknown
    values = values.astype(values.dtype.newbyteorder("="))
    null = cell.field.values.null
    if null is not None:
        return values, values == np.asarray(null, values.dtype)
    return values, np.isnan(values) if values.dtype.kind in "fc" else np.zeros(values.shape, bool)


def _arrays(cell: _Cell, items: Texts, missing: Array) -> np.ma.MaskedArray[Any, Any]:
    """A column of masked arrays, each of its own length."""
    values, mask = _values(cell, items.codes)
    rows = np.empty(len(items.counts), object)
    ends = np.cumsum(items.counts)
    for number, (end, count) in enumerate(zip(ends.tolist(), items.counts.tolist(), strict=True)):
        rows[number] = np.ma.MaskedArray(values[end - count : end], mask[end - count : end])
    return np.ma.MaskedArray(rows, missing)
