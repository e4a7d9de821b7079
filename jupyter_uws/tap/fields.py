"""The columns of a result as VOTable FIELDs, and their values in the Arrow type that belongs to each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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
TEXTS = ("char", "unicodeChar")


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
    timescale: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether a value is one text."""
        return self.datatype in TEXTS and not self.is_array

    @property
    def is_array(self) -> bool:
        """Whether a value is an array, of numbers, booleans, or texts (``8x*``: any number of texts of 8 letters)."""
        return "x" in (self.arraysize or "") if self.datatype in TEXTS else self.arraysize not in (None, "1")

    @property
    def width(self) -> int:
        """The letters of each text of an array of texts; 1 for others."""
        return int(str(self.arraysize).partition("x")[0]) if self.datatype in TEXTS else 1

    @property
    def length(self) -> int | None:
        """How many items each array has; None where it varies."""
        size = str(self.arraysize).partition("x")[2] if self.datatype in TEXTS else str(self.arraysize)
        return None if size.endswith("*") else math.prod(map(int, size.split("x")))

    @property
    def arrow_type(self) -> pa.DataType:
        return pa.list_(ARROW_TYPES[self.datatype]) if self.is_array else ARROW_TYPES[self.datatype]


def field_of(value: Value, name: str, kind: pa.DataType, *, ascii_only: bool) -> Field:
    """The FIELD of one column: TAP_SCHEMA's description where it is a plain column, else by its Arrow type.

    Text that is not known to be ASCII is unicodeChar: clients read ``char`` as ASCII.
    """
    column = value.column
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    datatype, arraysize, xtype = _by_type(name, kind.value_type if is_list else kind)
    if column is None:
        unit = ucd = utype = timescale = None
        description = ""
    else:
        unit, ucd, utype, description = column.unit, column.ucd, column.utype, column.description
        timescale = column.timescale
        xtype = column.xtype
        if column.datatype in ARROW_TYPES and (column.datatype in TEXTS) == (datatype == "char"):
            datatype = column.datatype
    if is_list:
        arraysize = column.arraysize if column is not None else "*"
        if datatype in TEXTS and "x" not in (arraysize or ""):
            raise TAPError(f"column {name}: how long its texts are is not known, so arrays of them cannot be served")
    elif datatype in TEXTS:
        arraysize = "*"
    if datatype in TEXTS and not ascii_only:
        datatype = "unicodeChar"
    return Field(name, datatype, arraysize, xtype, unit, ucd, utype, description, timescale)


def conform(array: pa.Array, field: Field) -> pa.Array:
    """``array`` in the Arrow type of ``field``. Raises :class:`TAPError` where a value does not fit."""
    wanted = field.arrow_type
    if field.is_array:
        return _conform_arrays(array, field)
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


def _conform_arrays(array: pa.Array, field: Field) -> pa.Array:
    array = pc.cast(array, field.arrow_type)
    sizes = pc.list_value_length(array)
    if field.length is not None and pc.any(pc.not_equal(sizes, field.length)).as_py():
        raise TAPError(f"column {field.name}: an array has not {field.length} items, as {field.arraysize} says")
    if field.datatype in TEXTS and (pc.max(pc.utf8_length(array.flatten())).as_py() or 0) > field.width:
        raise TAPError(f"column {field.name}: a text is longer than {field.width}, as {field.arraysize} says")
    return array


def items(array: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The items of a column of arrays, one row after the other, and how many each row has; a null has none."""
    counts = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return array.flatten(), counts


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
