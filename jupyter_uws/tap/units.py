"""Units as VOUnits writes them, for IN_UNIT."""

from __future__ import annotations

import functools

_MAX_LENGTH = 100  # characters


@functools.lru_cache(maxsize=256)
def factor(unit: str, wanted: str) -> float:
    """By what a value in ``unit`` is multiplied to have it in ``wanted``. Raises ValueError."""
    from astropy import units as u  # takes a fifth of a second, which only queries with IN_UNIT need

    if len(wanted) > _MAX_LENGTH:
        raise ValueError(f"a unit has at most {_MAX_LENGTH} characters")
    try:
        target = u.Unit(wanted, format="vounit", parse_strict="raise")
    except (ValueError, TypeError):
        raise ValueError(f"{wanted!r} is not a unit of VOUnits") from None
    try:
        return float(u.Unit(unit, format="vounit").to(target))
    except (u.UnitsError, ValueError, TypeError):
        raise ValueError(f"{unit} cannot be converted to {wanted or 'a number without unit'}") from None
