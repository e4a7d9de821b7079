"""From what an observer asks to ADQL on ``ivoa.obscore`` (ADQL 2.1, ObsCore 1.1)."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any

from .errors import BadValue

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

#: Planck's constant times the speed of light, in TeV m: em_min = HC / highest energy.
HC_TEV_M = 1.239841984332e-18

#: The columns of a search, the ones that an observer looks at first in front.
COLUMNS = (
    "obs_id",
    "target_name",
    "obs_collection",
    "t_exptime",
    "s_ra",
    "s_dec",
    "t_min",
    "t_max",
    "s_fov",
    "em_min",
    "em_max",
    "dataproduct_type",
    "calib_level",
    "facility_name",
    "instrument_name",
    "access_url",
    "access_format",
    "access_estsize",
    "s_region",
    "obs_publisher_did",
)
ALL_COLUMNS = ", ".join(COLUMNS)
OBSCORE_TABLE = "ivoa.obscore"
#: The same for each of many targets.
TARGET_COLUMNS = (
    "target, DISTANCE(POINT('ICRS', s_ra, s_dec), POINT('ICRS', target_ra, target_dec)) AS separation, " + ALL_COLUMNS
)
#: Every mandatory column of ObsCore 1.1: what a search may be constrained by.
OBSCORE = frozenset(COLUMNS) | {
    "s_resolution", "s_xel1", "s_xel2", "t_resolution", "t_xel", "em_res_power", "em_xel",
    "o_ucd", "pol_states", "pol_xel", "dataproduct_subtype",
}  # fmt: skip
#: Those of them that are numbers; the others are text.
NUMBERS = frozenset({
    "calib_level", "access_estsize", "s_ra", "s_dec", "s_fov", "s_resolution", "s_xel1", "s_xel2", "t_min", "t_max",
    "t_exptime", "t_resolution", "t_xel", "em_min", "em_max", "em_res_power", "em_xel", "pol_xel",
})  # fmt: skip
#: What a search takes beside columns.
PARAMETERS = (
    *("target", "radius", "position", "targets", "time", "energy"),
    *("collection", "obs_ids", "product_type", "maxrec"),
)
#: Event lists by any of the words that archives have for them (ObsCore 1.1, IVOA vocabulary, high-energy draft).
EVENTS = ("event", "event-list", "hea-event-list", "hea-event-bundle")


def quoted(text: str) -> str:
    """A string literal of ADQL: quotes doubled, so no value can end the literal.

    Raises
    ------
    ValueError
        The text holds a control character, which no name has.
    """
    if not text.isprintable():
        raise BadValue(f"{text!r} holds characters that cannot be searched for")
    return "'" + text.replace("'", "''") + "'"


def cone(position: SkyCoord, radius: float) -> str:
    """Pointings within ``radius`` (deg) of a position."""
    icrs = position.icrs
    ra, dec = float(icrs.ra.deg), float(icrs.dec.deg)
    return f"CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', {ra:.8f}, {dec:.8f}, {radius:.8g})) = 1"


def targets_join(radius: float) -> str:
    """Pointings within ``radius`` (deg) of each target of the table that is uploaded as ``targets``."""
    return (
        f"TAP_UPLOAD.targets JOIN {OBSCORE_TABLE} ON CONTAINS(POINT('ICRS', s_ra, s_dec), "
        f"CIRCLE('ICRS', target_ra, target_dec, {radius:.8g})) = 1"
    )


def time_overlap(start: Time | None, stop: Time | None) -> list[str]:
    """Observations that overlap an interval; ObsCore's times are MJD in TT."""
    constraints = []
    if start is not None:
        constraints.append(f"t_max >= {float(start.tt.mjd):.9f}")
    if stop is not None:
        constraints.append(f"t_min <= {float(stop.tt.mjd):.9f}")
    return constraints


def energy_overlap(low: float | None, high: float | None) -> list[str]:
    """Observations whose energy range overlaps one (TeV); ObsCore has wavelengths in m."""
    constraints = []
    if low is not None:
        constraints.append(f"em_min <= {HC_TEV_M / low:.9e}")
    if high is not None:
        constraints.append(f"em_max >= {HC_TEV_M / high:.9e}")
    return constraints


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError for a name that is no column; the text names what may have been meant."""
    for name in names:
        if name in OBSCORE:
            continue
        known = (*PARAMETERS, *sorted(OBSCORE))
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.85)
        near = near or [parameter for parameter in PARAMETERS if name.lower().startswith(parameter)]  # energy_min
        near = near or difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"a search takes {', '.join(PARAMETERS)} and columns of ObsCore"
        raise BadValue(f"{name!r} is no parameter of a search and not a column of ObsCore; {hint}")


def equals(column: str, value: Any, name: str | None = None) -> str:
    """``column = value``, or ``IN`` for a list of values; ``name`` is the column's in messages."""
    name = name or column
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes)):
        if not value:
            raise BadValue(f"{name}= is an empty list: it would find nothing")
        return f"{column} IN ({', '.join(_literal(column, item, name) for item in value)})"
    return f"{column} = {_literal(column, value, name)}"


def _literal(column: str, value: Any, name: str) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if column in NUMBERS:
        if not is_number:
            raise BadValue(f"{name}={value!r} must be a number, or a list of numbers")
        return repr(value)
    if not is_number and not isinstance(value, str):
        raise BadValue(f"{name}={value!r} must be a text, or a list of texts")
    return quoted(str(value))


def select(
    constraints: Sequence[str],
    what: str = ALL_COLUMNS,
    order: str | None = "t_min",
    tables: str = OBSCORE_TABLE,
) -> str:
    """The query on ``ivoa.obscore``, or on what it is joined with."""
    lines = [f"SELECT {what}", f"FROM {tables}"]
    if constraints:
        lines.append("WHERE " + "\n  AND ".join(constraints))
    if order:
        lines.append(f"ORDER BY {order}")
    return "\n".join(lines)
