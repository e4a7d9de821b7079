"""Uploaded tables: VOTable, FITS, Parquet and CSV into Arrow, with a description of each column (TAP 1.1, section 2.5).

What a file is, its first bytes say. Everything is bounded by :mod:`.limits`, and nothing that a file refers to is read.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from .errors import TAPError
from .fields import ARROW_TYPES, TEXTS, items
from .limits import DEFAULT, QueryLimits
from .schema import Column, Table
from .scope import sql_identifier

SCHEMA = "TAP_UPLOAD"

Rows = tuple[Table, pa.Table]


def read_upload(name: str, path: Path, limits: QueryLimits = DEFAULT) -> Rows:
    """The table that a query knows as ``TAP_UPLOAD.<name>``, and its rows. Raises :class:`TAPError`."""
    content = path.read_bytes()
    try:
        columns, arrays = _reader(content)(content, limits)
    except TAPError as error:
        raise TAPError(f"the uploaded table {name}: {error}") from None
    except Exception as error:  # what the parsers of four formats may raise at a broken file is not told
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise TAPError(f"the uploaded table {name} cannot be read: {reason or type(error).__name__}") from None
    names = [column.name for column in columns]
    if len({each.lower() for each in names}) < len(names) or not all(names):
        raise TAPError(f"the uploaded table {name}: each column needs a name of its own, without regard to case")
    full = f"{SCHEMA}.{name}"
    table = Table(full, tuple(columns), sql=f"temp.main.{sql_identifier(full.lower())}")
    return table, pa.Table.from_arrays(arrays, names=names)


def _reader(content: bytes) -> Callable[[bytes, QueryLimits], tuple[list[Column], list[pa.Array]]]:
    start = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        return _votable
    if content.startswith(b"SIMPLE  ="):
        return _fits
    if content.startswith(b"PAR1"):
        return _parquet
    if b"\0" in content[:4096]:
        raise TAPError("it is no VOTable, FITS, Parquet or CSV file")
    return _csv


def _check_shape(rows: int, columns: int, limits: QueryLimits) -> None:
    if rows > limits.upload_rows:
        raise TAPError(f"it has {rows} rows, {limits.upload_rows} are allowed")
    if columns > limits.upload_columns:
        raise TAPError(f"it has {columns} columns, {limits.upload_columns} are allowed")


# VOTable


def _votable(content: bytes, limits: QueryLimits) -> tuple[list[Column], list[pa.Array]]:
    from astropy.io import votable  # here: it takes a quarter of a second to load

    _check_votable(content, limits)
    table = votable.parse(io.BytesIO(content), verify="ignore").get_first_table()
    fields = list(table.fields)
    _check_shape(len(table.array), len(fields), limits)
    columns, arrays = [], []
    for field in fields:
        values, mask = table.array[field.ID].data, np.asarray(table.array.mask[field.ID])
        text = field.datatype in TEXTS
        array = _typed(_arrow(field.name, values, mask, text=text), field.datatype, field.xtype)
        unit = None if field.unit is None else str(field.unit)
        columns.append(
            _column(
                field.name,
                array,
                field.description,
                xtype=field.xtype,
                unit=unit,
                ucd=field.ucd,
                utype=field.utype,
                arraysize=field.arraysize,
            )
        )
        arrays.append(array)
    return columns, arrays


def _typed(array: pa.Array, datatype: str, xtype: str | None) -> pa.Array:
    """An array in the type of its FIELD: items of arrays, and times, which can then be compared with times.

    Times that are none of the calendar, or finer than microseconds, or that name their zone, stay texts as they are.
    """
    if pa.types.is_list(array.type) and datatype in ARROW_TYPES:
        return array.cast(pa.list_(ARROW_TYPES[datatype]))
    if xtype == "timestamp" and pa.types.is_string(array.type):
        with suppress(pa.ArrowInvalid):
            return pc.if_else(pc.equal(array, ""), None, array).cast(pa.timestamp("us"))
    return array


def _check_votable(content: bytes, limits: QueryLimits) -> None:
    """Refuse what must not be parsed: what refers to other files, is not well-formed, or would fill the memory."""
    rows = width = promised = 0
    seen: set[str] = set()

    def element(tag: str, attributes: dict[str, str]) -> None:
        nonlocal rows, width, promised
        name = tag.rpartition(":")[2]
        seen.add(name)
        if name == "STREAM" and "href" in attributes:
            raise TAPError("its data is elsewhere (STREAM href); send the data itself")
        if name == "TABLE":
            promised = _number(attributes.get("nrows", "0"))
            _check_shape(promised, 0, limits)
        if name == "FIELD":
            width += _width(attributes)
        if name == "TR":
            rows += 1
            if rows > limits.upload_rows:
                raise TAPError(f"it has more than {limits.upload_rows} rows")

    def declaration(*_: object) -> None:
        raise TAPError("it declares entities, which are not read")

    parser = expat.ParserCreate()
    parser.StartElementHandler = element
    parser.EntityDeclHandler = declaration
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise TAPError(f"it is not well-formed XML: {error}") from None
    if "TABLE" not in seen:
        raise TAPError("there is no TABLE in it")
    if 4 * width * max(rows, promised) > 8 * limits.upload_size:
        raise TAPError("its texts and arrays of fixed size are too long together; send them with arraysize '*'")


def _width(field: dict[str, str]) -> int:
    """What a text or an array of fixed size takes, in characters of 4 bytes."""
    size = field.get("arraysize", "1").strip()
    text = field.get("datatype") in TEXTS
    if text and "x" in size:
        raise TAPError(f"the column {field.get('name', '')} holds arrays of texts: send them as FITS or Parquet")
    if size.endswith("*") or (size == "1" and not text):
        return 0
    return (1 if text else 2) * math.prod(map(_number, size.split("x")))


def _number(text: str) -> int:
    if not re.fullmatch(r"\s*\d{1,12}\s*", text, re.ASCII):
        raise TAPError(f"'{text[:40]}' is no size of a table or of a column")
    return int(text)


# FITS


def _fits(content: bytes, limits: QueryLimits) -> tuple[list[Column], list[pa.Array]]:
    from astropy.io import fits

    with fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=True) as hdus:
        hdu = next((hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)), None)
        if hdu is None:
            raise TAPError("there is no table in the FITS file")
        definitions = hdu.columns
        _check_shape(int(hdu.header["NAXIS2"]), len(definitions), limits)
        columns, arrays = [], []
        for number, definition in enumerate(definitions, 1):
            values = np.asarray(hdu.data[definition.name])
            mask = np.zeros(values.shape, bool)
            if definition.null is not None and values.dtype.kind in "iu":
                mask = values == definition.null
            text = values.dtype.kind in "SU"
            if text:
                values = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
            array = _arrow(definition.name, values, mask, text=text)
            ucd = hdu.header.get(f"TUCD{number}")
            comment = hdu.header.get(f"TCOMM{number}", "")
            columns.append(_column(definition.name, array, str(comment), unit=definition.unit, ucd=ucd and str(ucd)))
            arrays.append(array)
    return columns, arrays


# Parquet and CSV


def _parquet(content: bytes, limits: QueryLimits) -> tuple[list[Column], list[pa.Array]]:
    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    _check_shape(file.metadata.num_rows, len(file.schema_arrow.names), limits)
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if size > 4 * limits.upload_size:
        raise TAPError(f"its rows take {size} bytes, {4 * limits.upload_size} are allowed")
    return _from_arrow(file.read(use_threads=False))


def _csv(content: bytes, limits: QueryLimits) -> tuple[list[Column], list[pa.Array]]:
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    table = pyarrow.csv.read_csv(
        io.BytesIO(content), read_options=pyarrow.csv.ReadOptions(use_threads=False), convert_options=options
    )
    _check_shape(table.num_rows, table.num_columns, limits)
    return _from_arrow(table)


def _from_arrow(table: pa.Table) -> tuple[list[Column], list[pa.Array]]:
    columns, arrays = [], []
    for field, chunks in zip(table.schema, table.columns, strict=True):
        array = chunks.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], field.type)
        array = _plain(field.name, array)
        told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        columns.append(_column(field.name, array, told.get("description"), unit=told.get("unit"), ucd=told.get("ucd")))
        arrays.append(array)
    return columns, arrays


def _plain(name: str, array: pa.Array) -> pa.Array:
    """An Arrow column in one of the types that are served."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if kind in ARROW_TYPES.values() or pa.types.is_timestamp(kind):
        return array
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        array = array.cast(pa.list_(kind.value_type))
        values, counts = items(array)
        values = _plain(name, values)
        if pa.types.is_timestamp(values.type) or pa.types.is_nested(values.type):
            raise TAPError(f"the column {name} is of the type {kind}, which cannot be uploaded")
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, values, mask=array.is_null())
    for known, target in (
        (pa.types.is_null, pa.string()), (pa.types.is_large_string, pa.string()),
        (pa.types.is_string_view, pa.string()),
        (pa.types.is_int8, pa.int16()), (pa.types.is_uint16, pa.int32()), (pa.types.is_uint32, pa.int64()),
        (pa.types.is_uint64, pa.int64()), (pa.types.is_float16, pa.float32()), (pa.types.is_decimal, pa.float64()),
        (pa.types.is_date, pa.timestamp("us")), (pa.types.is_time, pa.string()),
    ):  # fmt: skip
        if known(kind):
            return array.cast(target)
    raise TAPError(f"the column {name} is of the type {kind}, which cannot be uploaded")


# columns


def _arrow(name: str, values: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_], *, text: bool) -> pa.Array:
    """A column of numpy as Arrow; masked values and NaN are nulls."""
    if values.ndim > 1:
        rows = values.reshape(len(values), -1)
        hidden = np.broadcast_to(mask.reshape(len(values), -1), rows.shape)
        flat = _arrow(name, rows.ravel(), hidden.ravel(), text=text)
        # what is null as a whole is no array
        missing = flat.is_null().to_numpy(zero_copy_only=False).reshape(rows.shape).all(axis=1)
        offsets = pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32())
        return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(missing))
    if values.dtype.kind == "O" and not text:
        parts = [np.ma.atleast_1d(np.ma.asanyarray(value)).ravel() for value in values]
        flat_values = np.concatenate([np.ma.getdata(part) for part in parts] or [np.zeros(0, "i4")])
        flat_mask = np.concatenate([np.ma.getmaskarray(part) for part in parts] or [np.zeros(0, bool)])
        flat = _arrow(name, flat_values, flat_mask, text=flat_values.dtype.kind in "SU")
        offsets = pa.array(np.cumsum([0, *map(len, parts)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(mask))
    if text:
        found = [None if hidden else str(value) for value, hidden in zip(values, mask, strict=True)]
        return pa.array(found, pa.string())
    values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "c":
        raise TAPError(f"the column {name} holds complex numbers, which cannot be uploaded")
    if values.dtype.kind == "f":
        mask = mask | np.isnan(values)
    return _plain(name, pa.array(values, mask=mask))


def _column(
    name: str,
    array: pa.Array,
    description: str | None = None,
    *,
    xtype: str | None = None,
    unit: str | None = None,
    ucd: str | None = None,
    utype: str | None = None,
    arraysize: str | None = None,
) -> Column:
    kind = array.type
    if pa.types.is_list(kind):
        return _column_of_arrays(name, array, description, xtype, unit, ucd, utype, arraysize)
    arraysize = None
    if pa.types.is_timestamp(kind):
        datatype, arraysize, xtype = "char", "*", "timestamp"
    elif pa.types.is_string(kind):
        ascii_only = pc.all(pc.string_is_ascii(array)).as_py() is not False
        datatype, arraysize = "char" if ascii_only else "unicodeChar", "*"
    else:
        datatype = next(datatype for datatype, known in ARROW_TYPES.items() if known == kind)
    return Column(name, datatype, description or "", arraysize, xtype or None, unit or None, ucd or None, utype or None)


def _column_of_arrays(
    name: str,
    array: pa.Array,
    description: str | None,
    xtype: str | None,
    unit: str | None,
    ucd: str | None,
    utype: str | None,
    arraysize: str | None,
) -> Column:
    """The shape that was given is kept; else of arrays of one length the length, of others ``*``."""
    values, counts = items(array)
    column = _column(name, values, description, xtype=xtype, unit=unit, ucd=ucd, utype=utype)
    counts = counts[~array.is_null().to_numpy(zero_copy_only=False)]
    size = str(counts[0]) if len(counts) and counts[0] and (counts == counts[0]).all() else "*"
    if column.datatype in TEXTS:
        size = f"{max(pc.max(pc.utf8_length(values)).as_py() or 0, 1)}x{size}"
    elif arraysize:
        size = arraysize
    return replace(column, arraysize=size)
