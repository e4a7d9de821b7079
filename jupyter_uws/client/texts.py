"""Columns of text from their characters, which lie one row after the other: by numpy, with no loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Rows that are spread out at a time.
_SLICE = 65536


@dataclass(frozen=True)
class Texts:
    """Rows of text: ``codes`` are UTF-8 (8 bit) or UTF-16 units, ``counts`` how many of them belong to each row."""

    codes: Array
    counts: Array

    @classmethod
    def join(cls, pieces: Sequence[Texts]) -> Texts:
        return cls(np.concatenate([piece.codes for piece in pieces]), np.concatenate([each.counts for each in pieces]))


def text_column(texts: Texts, mask: Array) -> np.ma.MaskedArray[Any, Any]:
    """A column of plain text; one of objects where a few long texts would blow all rows up."""
    counts = np.where(mask, 0, texts.counts)
    codes = texts.codes
    if counts.sum() != len(codes):  # there is text where there is none
        codes = codes[np.repeat(~mask, texts.counts)]
    points, counts = _points(codes, counts)
    ends = np.cumsum(counts)
    if not is_compact(len(counts), int(counts.max(initial=0)), len(points)):
        text = points.astype("<u4").tobytes().decode("utf-32-le", "replace")
        rows = np.empty(len(counts), object)
        rows[:] = [text[end - count : end] for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]
        return np.ma.MaskedArray(rows, mask)
    width = max(int(counts.max(initial=0)), 1)
    out = np.zeros((len(counts), width), "<u4")
    places = np.arange(width)
    for low in range(0, len(counts), _SLICE):
        some = counts[low : low + _SLICE]
        first, last = ends[low] - counts[low], ends[low + len(some) - 1]
        out[low : low + _SLICE][places < some[:, None]] = points[first:last]
    return np.ma.MaskedArray(out.view(f"<U{width}").ravel(), mask)


def is_compact(rows: int, longest: int, characters: int) -> bool:
    """Whether rows as wide as the longest are no waste of memory."""
    return rows * longest <= 8 * characters + 64 * rows


def _points(codes: Array, counts: Array) -> tuple[Array, Array]:
    """The code points, and how many of them there are in each row."""
    if codes.dtype.itemsize == 1:
        encoding, inner = "utf-8", (codes & 0xC0) == 0x80
        plain = codes.max(initial=0) < 0x80
    else:
        encoding, inner = "utf-16-be", (codes & 0xFC00) == 0xDC00
        plain = not ((codes & 0xF800) == 0xD800).any()
    if plain:
        return codes, counts
    raw, ends = codes.astype("u1" if encoding == "utf-8" else ">u2").tobytes(), np.cumsum(counts)
    try:
        points = np.frombuffer(raw.decode(encoding).encode("utf-32-le"), "<u4")
    except UnicodeDecodeError:
        size = codes.dtype.itemsize
        bounds = zip((size * (ends - counts)).tolist(), (size * ends).tolist(), strict=True)
        rows = [raw[start:stop].decode(encoding, "replace") for start, stop in bounds]
        return np.frombuffer("".join(rows).encode("utf-32-le"), "<u4"), np.array([len(row) for row in rows])
    so_far = np.concatenate([[0], np.cumsum(~inner)])
    return points, so_far[ends] - so_far[ends - counts]
