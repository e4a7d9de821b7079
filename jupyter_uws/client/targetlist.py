"""Many targets at once: names, positions, tables, and files as TOPCAT, SIMBAD, ASPRO and spreadsheets write them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table

from .errors import BadValue
from .resolver import as_target
from .votable import written

#: Most targets of a search.
TARGETS = 10_000
#: Suffix of a file -> the format that astropy reads it by.
FORMATS = {
    ".vot": "votable", ".votable": "votable", ".xml": "votable", ".fits": "fits", ".fit": "fits",
    ".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".tsv": "ascii.tab", ".txt": "ascii", ".dat": "ascii",
}  # fmt: skip
#: UCDs (1+, and 1 of old services) and names of the columns of a list, the likeliest first; in small letters.
_RA = ("pos.eq.ra;meta.main", "pos_eq_ra_main", "pos.eq.ra"), ("ra", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "s_ra")
_DEC = (
    ("pos.eq.dec;meta.main", "pos_eq_dec_main", "pos.eq.dec"),
    ("dec", "dej2000", "decj2000", "_dej2000", "de_icrs", "dec_icrs", "dec_deg", "s_dec", "de"),
)
_NAME = (
    ("meta.id;meta.main", "id_main"),
    ("name", "target", "target_name", "main_id", "source", "source_name", "object", "id"),
)


@dataclass(frozen=True)
class TargetList:
    """Names and positions (ICRS), one beside the other."""

    names: list[str]
    positions: SkyCoord

    def __len__(self) -> int:
        return len(self.names)

    def votable(self) -> bytes:
        """The list as a table to upload: ``target_number`` from 0, ``target``, ``target_ra``, ``target_dec`` [deg]."""
        icrs = self.positions.icrs
        table = Table(
            {
                "target_number": np.arange(len(self), dtype=np.int32),
                "target": np.asarray(self.names, str),
                "target_ra": icrs.ra.deg * u.deg,
                "target_dec": icrs.dec.deg * u.deg,
            }
        )
        return written(table)


def as_target_list(value: Any) -> TargetList:
    """The targets that are meant by a list, a SkyCoord, a table, or a file (Path, or its name as text).

    Parameters
    ----------
    value
        A list of names, coordinates as text, SkyCoords or Targets; a SkyCoord of shape (n,); a table with the columns
        of right ascension and declination, found by UCD or name, in their units (texts are sexagesimal, numbers
        without a unit degrees), and the name of each target; a table with names only; or a file with such a table.

    Raises
    ------
    ValueError
        Something that is no target, naming which; no target, or more than 10 000.
    UnknownTarget
        The name of one is not known.
    """
    if isinstance(value, (str, Path)):
        value = _read(Path(value).expanduser())
    if isinstance(value, SkyCoord):
        positions = value.reshape(-1).icrs
        found = TargetList(_written(positions), positions)
    elif hasattr(value, "colnames"):
        table = Table(value)
        table.convert_bytestring_to_unicode()  # as FITS has them
        found = _of_table(table)
    elif isinstance(value, Iterable) and not isinstance(value, (bytes, dict)):
        found = _of_items(list(value))
    else:
        kind = type(value).__name__
        raise BadValue(f"targets= must be a list, a table, a SkyCoord or the name of a file, not {kind}")
    if not 0 < len(found) <= TARGETS:
        raise BadValue(f"targets= has {len(found)} targets, allowed are 1 to {TARGETS}")
    return found


def _of_items(items: Sequence[Any]) -> TargetList:
    targets = [as_target(item, f"targets[{index}]") for index, item in enumerate(items[: TARGETS + 1])]
    positions = SkyCoord([target.position.icrs for target in targets]) if targets else SkyCoord([], [], unit="deg")
    return TargetList([target.name for target in targets], positions)


def _read(path: Path) -> Table:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadValue(f"targets={str(path)!r}: a list of targets is a file with one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise BadValue(f"targets={str(path)!r}: there is no such file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # others' VOTables are seldom what the standard wants, and can be read
        try:
            return Table.read(path, format=kind)
        except Exception as error:  # astropy's readers raise what they like
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise BadValue(f"targets={str(path)!r} cannot be read as {kind}: {reason}") from None


def _of_table(table: Table) -> TargetList:
    ra, dec, name = (_column(table, *known) for known in (_RA, _DEC, _NAME))
    if ra is None or dec is None:
        if name is None:
            names = ", ".join(table.colnames[:20])
            raise BadValue(f"targets= has no columns of right ascension and declination, and none of names: {names}")
        return _of_items([str(item) for item in table[name]])
    longitude, latitude = _angles(table[ra], u.hourangle), _angles(table[dec], u.deg)
    for number, (one, other) in enumerate(zip(longitude, latitude, strict=True), 1):
        if not (np.isfinite(one) and np.isfinite(other) and -90 <= other <= 90):
            raise BadValue(f"targets=, row {number}: {table[ra][number - 1]}, {table[dec][number - 1]} is no position")
    positions = SkyCoord(longitude, latitude, unit="deg", frame="icrs")
    return TargetList(_written(positions) if name is None else [str(item) for item in table[name]], positions)


def _written(positions: SkyCoord) -> list[str]:
    return [str(text) for text in positions.to_string("hmsdms", precision=1)]


def _column(table: Table, ucds: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the likeliest UCD, or else the likeliest name; of several the first."""
    by_ucd = {_ucd(table[column]): column for column in reversed(table.colnames)}
    by_name = {column.lower(): column for column in reversed(table.colnames)}
    found = [by_ucd[ucd] for ucd in ucds if ucd in by_ucd] + [by_name[name] for name in names if name in by_name]
    return found[0] if found else None


def _ucd(column: Any) -> str:
    """As astropy's reader of VOTables keeps it, in small letters."""
    return str(column.info.meta.get("ucd", "") if column.info.meta else "").lower()


def _angles(column: Any, sexagesimal: u.UnitBase) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column in degrees: by its unit; texts as ``05:34:31``, ``5h34m31s`` or degrees; NaN where it is none."""
    values = np.ma.asarray(getattr(column, "value", column))
    if values.dtype.kind in "fiu":
        unit = getattr(column, "unit", None) or u.deg
        try:
            found = u.Quantity(np.ma.filled(values.astype(float), np.nan), unit).to_value(u.deg)
        except u.UnitConversionError:
            raise BadValue(f"targets=, column {column.info.name}: {unit} is no unit of an angle") from None
        return np.asarray(found, float)
    return np.array([np.nan if item is np.ma.masked else _angle(str(item), sexagesimal) for item in values], float)


def _angle(text: str, sexagesimal: u.UnitBase) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(Angle(text, unit=None if any(letter in text for letter in "hd") else sexagesimal).deg)
    except (ValueError, u.UnitsError):
        return float("nan")
