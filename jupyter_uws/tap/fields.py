"""The columns of a result as VOTable FIELDs, and their values in the Arrow type that belongs to each."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from .errors import TAPError
from .scope import Value

# VOTable datatype -> Arrow type of the values; other datatypes are not served
ARROW_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "unsignedByte": pa.uint8(),
    "short": pa.int16(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "char": pa.string(),
    "unicodeChar": pa.string(),
}


@dataclass(frozen=True)
class Field:
    """A column of a result, with VOTable's attributes."""

    name: str
    datatype: str
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str = ""

    @property
    def is_text(self) -> bool:
        return self.datatype in ("char", "unicodeChar")


def field_of(value: Value, name: str, kind: pa.DataType, *, ascii_only: bool) -> Field:
    """The FIELD of one column: TAP_SCHEMA's description where it is a plain column, else by its Arrow type.

    Text that is not known to be ASCII is unicodeChar: clients read ``char`` as ASCII.
    """
    column = value.column
    datatype, arraysize, xtype = _by_type(name, kind)
    if column is None:
        unit = ucd = utype = None
        description = ""
    else:
        unit, ucd, utype, description = column.unit, column.ucd, column.utype, column.description
        xtype = column.xtype
        if column.datatype in ARROW_TYPES and (column.datatype in ("char", "unicodeChar")) == (datatype == "char"):
            datatype = column.datatype
    if datatype in ("char", "unicodeChar"):
        arraysize = "*"
        if not ascii_only:
            datatype = "unicodeChar"
    return Field(name, datatype, arraysize, xtype, unit, ucd, utype, description)


def conform(array: pa.Array, field: Field) -> pa.Array:
    """``array`` in the Arrow type of ``field``. Raises :class:`TAPError` where a value does not fit."""
    wanted = ARROW_TYPES[field.datatype]
    if array.type == wanted:
        return array
    try:
        if pa.types.is_timestamp(array.type):
            return pc.strftime(array, "%Y-%m-%dT%H:%M:%S")
        if pa.types.is_floating(wanted) and pa.types.is_decimal(array.type):
            return pc.cast(array, pa.float64()).cast(wanted)
        return pc.cast(array, wanted)
    except pa.ArrowInvalid as error:
        raise TAPError(f"column {field.name}: a value does not fit into {field.datatype}: {error}") from None


def _by_type(name: str, kind: pa.DataType) -> tuple[str, str | None, str | None]:
    """datatype, arraysize and xtype for a computed column."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return "char", "*", None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "char", "*", "timestamp"
    if pa.types.is_boolean(kind):
        return "boolean", None, None
    if pa.types.is_int8(kind) or pa.types.is_int16(kind) or pa.types.is_uint8(kind):
        return "short", None, None
    if pa.types.is_int32(kind) or pa.types.is_uint16(kind):
        return "int", None, None
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0 and kind.precision > 18):
        return "long", None, None  # sums of integers are HUGEINT, which Arrow has as a decimal of 38 digits
    if pa.types.is_float32(kind):
        return "float", None, None
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "double", None, None
    raise TAPError(f"column {name}: values of type {kind} cannot be served")
