"""The index tables of a GADF data store, as packed FITS files of a few kilobytes, written without astropy.

The service writes them into the bundles it sends, and astropy would be half of its memory.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .links import StoredRun

if TYPE_CHECKING:
    from .reader import Run

_BLOCK = 2880
#: MJD (TT) that the times of the observation index count from, and what its header says of times and positions.
MJDREF = 51544
TIME_CARDS: Mapping[str, str | float] = {
    "MJDREFI": MJDREF, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "TT", "TIMEREF": "LOCAL", "RADECSYS": "ICRS",
    "EQUINOX": 2000.0,
}  # fmt: skip
_DOC = "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"


@dataclass(frozen=True)
class Column:
    """A column of integers, numbers or texts; ``unit`` in the FITS standard's spelling."""

    name: str
    values: Sequence[object]
    unit: str = ""

    def cells(self) -> tuple[str, list[bytes]]:
        """Its TFORM, and its cells as they are in the file."""
        if all(isinstance(value, int) for value in self.values):
            return "K", [struct.pack(">q", value) for value in self.values]
        if all(isinstance(value, float) for value in self.values):
            return "D", [struct.pack(">d", value) for value in self.values]
        texts = [str(value or "").encode("ascii", "replace") for value in self.values]
        width = max(1, *map(len, texts))
        return f"{width}A", [value.ljust(width) for value in texts]


def observation_columns(runs: Sequence[StoredRun] | Sequence[Run]) -> list[Column]:
    """What GADF's observation index tells of runs, one row each."""
    return [
        Column("OBS_ID", [run.obs_id for run in runs]),
        Column("OBJECT", [run.target_name or "" for run in runs]),
        Column("RA_PNT", [run.ra for run in runs], "deg"),
        Column("DEC_PNT", [run.dec for run in runs], "deg"),
        Column("TSTART", [_since_reference(run.t_min) for run in runs], "s"),
        Column("TSTOP", [_since_reference(run.t_max) for run in runs], "s"),
        Column("LIVETIME", [math.nan if run.livetime is None else run.livetime for run in runs], "s"),
    ]


def observation_index(runs: Sequence[StoredRun]) -> bytes:
    """``obs-index.fits.gz``: one row for each run."""
    return _table("OBS_INDEX", "OBS", observation_columns(runs), TIME_CARDS)


def hdu_index(runs: Sequence[StoredRun]) -> bytes:
    """``hdu-index.fits.gz``: one row for each HDU of the runs, with the files below the index's folder."""
    rows = [(run.obs_id, hdu) for run in runs for hdu in run.hdus]
    columns = [
        Column("OBS_ID", [obs_id for obs_id, _ in rows]),
        Column("HDU_TYPE", [hdu.hdu_type for _, hdu in rows]),
        Column("HDU_CLASS", [hdu.hdu_class for _, hdu in rows]),
        Column("FILE_DIR", [hdu.name.rpartition("/")[0] for _, hdu in rows]),
        Column("FILE_NAME", [hdu.name.rpartition("/")[2] for _, hdu in rows]),
        Column("HDU_NAME", [hdu.hdu_name for _, hdu in rows]),
    ]
    return _table("HDU_INDEX", "HDU", columns)


def _since_reference(mjd: float) -> float:
    """A time as the index tables have it: in s since the reference of :data:`TIME_CARDS`, to the microsecond."""
    return round((mjd - MJDREF) * 86400, 6)


def _table(name: str, kind: str, columns: Sequence[Column], more: Mapping[str, str | float] | None = None) -> bytes:
    made = [(column, *column.cells()) for column in columns]
    rows = [b"".join(row) for row in zip(*(cells for _, _, cells in made), strict=True)]
    cards = [
        _card("XTENSION", "BINTABLE"), _card("BITPIX", 8), _card("NAXIS", 2),
        _card("NAXIS1", len(rows[0])), _card("NAXIS2", len(rows)), _card("PCOUNT", 0), _card("GCOUNT", 1),
        _card("TFIELDS", len(columns)),
    ]  # fmt: skip
    for number, (column, form, _) in enumerate(made, 1):
        cards += [_card(f"TTYPE{number}", column.name), _card(f"TFORM{number}", form)]
        cards += [_card(f"TUNIT{number}", column.unit)] if column.unit else []
    cards += [
        _card("EXTNAME", name), _card("HDUCLASS", "GADF"), _card("HDUDOC", _DOC), _card("HDUVERS", "0.3"),
        _card("HDUCLAS1", "INDEX"), _card("HDUCLAS2", kind),
        *(_card(key, value) for key, value in (more or {}).items()),
    ]  # fmt: skip
    primary = [_card("SIMPLE", True), _card("BITPIX", 8), _card("NAXIS", 0), _card("EXTEND", True)]
    # the time of now would make each bundle of the same runs another one
    return gzip.compress(_header(primary) + _header(cards) + _padded(b"".join(rows), b"\0"), mtime=0)


def _card(key: str, value: str | float | bool) -> bytes:
    text = f"'{value:8}'" if isinstance(value, str) else f"{'T' if value is True else value:>20}"
    return f"{key:8}= {text}".ljust(80).encode("ascii")


def _header(cards: Sequence[bytes]) -> bytes:
    return _padded(b"".join([*cards, b"END".ljust(80)]), b" ")


def _padded(data: bytes, fill: bytes) -> bytes:
    return data + fill * (-len(data) % _BLOCK)
