"""What an observer writes (positions, times, energies, spans) as plain values in fixed units."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from numbers import Integral, Real
from typing import Any

import numpy as np
from astropy import units as u
from astropy.time import Time

from . import adql
from .errors import BadValue
from .parameters import is_observations

#: Plain numbers are MJD between these (1941 to 2132): a year or a JD by mistake is neither.
_MJD = (30000, 100000)


def radius(value: Any) -> float:
    """A radius in deg; a plain number is in deg.

    Raises
    ------
    ValueError
        As do all functions here; the text names parameter, value and what is allowed.
    """
    degrees = _quantity("radius", value, u.deg, plain=True)
    if not 0 < degrees <= 180:
        raise BadValue(f"radius={value!s} must be above 0 and at most 180 deg")
    return degrees


def energies(value: Any) -> tuple[float | None, float | None]:
    """Lowest and highest energy in TeV; one may be None."""
    low, high = (None if item is None else _quantity("energy", item, u.TeV) for item in _pair("energy", value))
    for energy in (low, high):
        if energy is not None and energy <= 0:
            raise BadValue(f"energy={value!s} must be above 0")
    if low is not None and high is not None and low > high:
        raise BadValue(f"energy={value!s}: the lower energy comes first")
    return low, high


def times(value: Any) -> tuple[Time | None, Time | None]:
    """Start and stop; one may be None. A date, month or year stands for its beginning, in UTC."""
    start, stop = (None if item is None else _time(item) for item in _pair("time", value))
    if start is not None and stop is not None and start > stop:
        raise BadValue(f"time={value!s}: the earlier time comes first")
    return start, stop


def identifiers(value: Any) -> str:
    """The condition on ``obs_id`` or ``obs_publisher_did``, or both where both kinds are given."""
    if is_observations(value):
        value = value["obs_publisher_did" if "obs_publisher_did" in value.colnames else "obs_id"]
    if hasattr(value, "tolist"):
        value = value.tolist()
    items = [_identifier(item) for item in (value if isinstance(value, (list, tuple, set)) else [value])]
    if not items:
        raise BadValue("obs_ids= is an empty list: it would find nothing")
    by_column = {
        "obs_id": [item for item in items if not item.startswith("ivo://")],
        "obs_publisher_did": [item for item in items if item.startswith("ivo://")],
    }
    conditions = [adql.equals(column, chosen) for column, chosen in by_column.items() if chosen]
    return conditions[0] if len(conditions) == 1 else f"({' OR '.join(conditions)})"


def rows(maxrec: int) -> str:
    """A number of rows."""
    if isinstance(maxrec, bool) or not isinstance(maxrec, Integral) or maxrec < 0:
        raise BadValue(f"maxrec={maxrec!r} must be a whole number, 0 or more")
    return str(int(maxrec))


def _identifier(item: Any) -> str:
    if isinstance(item, str):
        return item.strip()
    if isinstance(item, Real) and not isinstance(item, bool) and float(item).is_integer():
        return str(round(float(item)))
    raise BadValue(f"obs_ids={item!r} must be a number or a text, or a list of these")


def _quantity(name: str, value: Any, unit: u.UnitBase, plain: bool = False) -> float:
    """A value in ``unit``; without a unit of its own only where ``plain`` numbers are understood."""
    try:
        quantity = u.Quantity(value)
        if quantity.unit == u.dimensionless_unscaled and not isinstance(value, u.Quantity):
            if not plain:
                raise BadValue(f"{name}={value!r} needs a unit, as in '2 {unit}'")
            quantity = quantity.value * unit
        result = quantity.to_value(unit)
    except u.UnitConversionError:
        raise BadValue(f"{name}={value!s} cannot be converted to {unit}") from None
    except TypeError:
        raise BadValue(f"{name}={value!r} is not understood, write '2 {unit}'") from None
    if np.ndim(result) or not np.isfinite(result):
        raise BadValue(f"{name}={value!r} must be one finite number with a unit")
    return float(result)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    try:
        low, high = value
    except (TypeError, ValueError):
        raise BadValue(f"{name}={value!r} must be a pair; one of the two may be None") from None
    if isinstance(value, (str, dict)):
        raise BadValue(f"{name}={value!r} must be a pair; one of the two may be None")
    return low, high


def _time(value: Any) -> Time:
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        mjd = float(value)
        if not _MJD[0] <= mjd <= _MJD[1]:
            raise BadValue(
                f"time={value!r}: a plain number is an MJD, {_MJD[0]} to {_MJD[1]}; for all else write '2004-12-04'"
            )
        return Time(mjd, format="mjd", scale="utc")
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, (Time, datetime, np.datetime64)):
        time = Time(value)
        if time.isscalar:
            return time
    raise BadValue(f"time={value!r} is not a time: write '2004-12-04T20:00:00', an MJD or a Time")


def _from_text(text: str) -> Any:
    """A Time or a number from a text, or the text where it is neither."""
    text = text.strip()
    if month := re.fullmatch(r"(\d{4})(?:-(\d\d))?", text):
        text = f"{month[1]}-{month[2] or '01'}-01"
    try:
        return Time(text.removesuffix("Z"), scale="utc")
    except ValueError:
        pass
    try:
        return Time(datetime.fromisoformat(text))  # with an offset from UTC
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
