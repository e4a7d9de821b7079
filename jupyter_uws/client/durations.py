"""Spans of time as a notebook gives them."""

from __future__ import annotations

from typing import Any

from .errors import BadValue


def seconds(name: str, value: Any) -> float:
    """A span of time in s: a number of seconds, a Quantity or a text with a unit."""
    if hasattr(value, "to_value") or isinstance(value, str):
        from astropy import units as u  # a plain number does without

        try:
            quantity = u.Quantity(value)
            value = quantity.value if quantity.unit == u.dimensionless_unscaled else quantity.to_value(u.s)
        except (u.UnitConversionError, TypeError):
            raise BadValue(f"{name}={value!s} is not a time: write a number of seconds, or '10 min'") from None
    try:
        span = float(value)
    except (TypeError, ValueError):
        raise BadValue(f"{name}={value!r} is not a time: write a number of seconds, or '10 min'") from None
    if not 0 <= span < 1e9:
        raise BadValue(f"{name}={value} s must be between 0 and 1e9 s")
    return span
