"""Nulls of integers in formats that have no other way to say it: VOTable's BINARY, and FITS.

The least value of a type stands for null, as the column's description tells. A ``unsignedByte`` has no value to spare
and is sent as ``short``.
"""

from __future__ import annotations

from dataclasses import replace

from .fields import Field

NULLS = {"short": -(2**15), "int": -(2**31), "long": -(2**63)}


def widened(field: Field) -> Field:
    """The field as it is sent."""
    return replace(field, datatype="short") if field.datatype == "unsignedByte" else field
