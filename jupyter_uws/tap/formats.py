"""The formats of a result: what they are called, and a writer for each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from . import text, votable
from .binary2 import binary_rows
from .columnar import ArrowRows, ParquetRows
from .errors import TAPError
from .fields import Field
from .fitsrows import FitsRows
from .nulls import NULLS, widened


class Writer(Protocol):
    """Writes one result: ``start``, ``rows`` for each batch, ``end``."""

    def start(self) -> bytes: ...

    def rows(self, batch: pa.RecordBatch) -> bytes: ...

    def end(self, *, overflow: bool) -> Iterable[bytes]: ...

    def broken(self, message: str) -> bytes | None:
        """What tells the reader that the rows broke off; None where the format has no way to say so."""


@dataclass(frozen=True)
class Format:
    """``names`` are what clients may ask for, beside its MIME type; the first is the format's own.

    ``types`` are other MIME types of it, by which an answer is called where it was asked for by them.
    """

    content_type: str
    names: tuple[str, ...]
    extension: str
    writer: Callable[[Sequence[Field], str], Writer]
    ivo_id: str | None = None
    types: tuple[str, ...] = ()

    def asked_by(self) -> tuple[str, ...]:
        """All that RESPONSEFORMAT may say for it."""
        return (self.content_type, *self.names, *self.types)

    def called(self, wanted: str | None) -> str:
        """The Content-Type of an answer: the MIME type that was asked for, if it was one (DALI 1.1, section 3.4.3).

        A text says that it is UTF-8: HTTP took others for ISO-8859-1 or ASCII, and many a client does so still.
        """
        kind, parameters = _key(wanted or ""), _read(wanted or "")[1]
        name = next((name for name in self.types if _key(name) == kind), self.content_type)
        return f"{name};{_CHARSET}" if name.startswith("text/") or _CHARSET in parameters else name


class _Binary2:
    element = "BINARY2"

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._head = votable.head(fields, query)
        self._rows = votable.Base64Rows(fields)

    def start(self) -> bytes:
        return f'{self._head}<DATA><{self.element}><STREAM encoding="base64">\n'.encode()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        return self._rows.encode(batch)

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        yield self._rows.end() + f"</STREAM></{self.element}></DATA>\n{votable.tail(overflow=overflow)}".encode()

    def broken(self, message: str) -> bytes | None:
        return self._rows.end() + f"</STREAM></{self.element}></DATA>\n{votable.tail(error=message)}".encode()


class _Binary(_Binary2):
    element = "BINARY"

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        fields = [widened(field) for field in fields]
        self._head = votable.head(fields, query, NULLS)
        self._rows = votable.Base64Rows(fields, binary_rows)


class _Tabledata:
    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._fields = fields
        self._head = votable.head(fields, query)

    def start(self) -> bytes:
        return (self._head + "<DATA><TABLEDATA>\n").encode()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        return text.tabledata_rows(batch, self._fields)

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        yield ("</TABLEDATA></DATA>\n" + votable.tail(overflow=overflow)).encode()

    def broken(self, message: str) -> bytes | None:
        return ("</TABLEDATA></DATA>\n" + votable.tail(error=message)).encode()


class _Csv:
    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._fields = fields

    def start(self) -> bytes:
        return text.csv_header(self._fields)

    def rows(self, batch: pa.RecordBatch) -> bytes:
        return text.csv_rows(batch, self._fields)

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        return ()

    def broken(self, message: str) -> bytes | None:
        return None


class _CsvRows(_Csv):
    """Without the line of names (RFC 4180, section 3)."""

    def start(self) -> bytes:
        return b""


class _Tsv(_Csv):
    def start(self) -> bytes:
        return text.tsv_header(self._fields)

    def rows(self, batch: pa.RecordBatch) -> bytes:
        return text.tsv_rows(batch, self._fields)


class _Json:
    """``{"metadata": [fields], "data": [rows]}``; numbers that JSON has not, such as NaN, are null."""

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._fields = fields
        self._first = True

    def start(self) -> bytes:
        keys = ("name", "datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")
        # astroquery wants all of them, and null where there is nothing to tell
        metadata = [{key: getattr(f, key) or None for key in keys} for f in self._fields]
        return f'{{"metadata": {json.dumps(metadata)}, "data": ['.encode()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        columns = [_finite(array) for array in batch.columns]
        rows = json.dumps([list(row) for row in zip(*columns, strict=True)])[1:-1]
        first, self._first = self._first, False
        return (rows if first else ", " + rows).encode()

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        yield f'], "overflow": {json.dumps(overflow)}}}\n'.encode()

    def broken(self, message: str) -> bytes | None:
        return f'], "error": {json.dumps(message)}}}\n'.encode()


def _finite(array: pa.Array) -> list[object]:
    """The values, with None for those that JSON cannot say."""
    if pa.types.is_list(array.type) and pa.types.is_floating(array.type.value_type):
        return [None if row is None else _finite(pa.array(row, array.type.value_type)) for row in array.to_pylist()]
    if pa.types.is_floating(array.type):
        return [value if value is None or math.isfinite(value) else None for value in array.to_pylist()]
    return list(array.to_pylist())


_TAPREGEXT = "ivo://ivoa.net/std/TAPRegExt#output-votable-"

FORMATS: tuple[Format, ...] = (
    Format(
        "application/x-votable+xml;serialization=binary2",
        ("votable", "votable/b2"),
        "vot",
        _Binary2,
        _TAPREGEXT + "binary2",
        ("application/x-votable+xml", "text/xml", "text/xml;serialization=binary2"),
    ),
    Format(
        "application/x-votable+xml;serialization=tabledata",
        ("votable/td",),
        "vot",
        _Tabledata,
        _TAPREGEXT + "td",
        ("text/xml;serialization=tabledata",),
    ),
    Format(
        "application/x-votable+xml;serialization=binary",
        ("votable/b1", "votable/b"),
        "vot",
        _Binary,
        _TAPREGEXT + "binary",
        ("text/xml;serialization=binary",),
    ),
    # its type tells of the line of names, however it is asked for (TAP 1.1, section 3.2)
    Format("text/csv;header=present", ("csv", "text/csv"), "csv", _Csv),
    Format("text/csv;header=absent", (), "csv", _CsvRows),
    Format("text/tab-separated-values", ("tsv",), "tsv", _Tsv),
    Format("application/json", ("json",), "json", _Json),
    Format("application/fits", ("fits",), "fits", FitsRows, types=("image/fits",)),
    Format("application/vnd.apache.parquet", ("parquet",), "parquet", ParquetRows, types=("application/x-parquet",)),
    Format("application/vnd.apache.arrow.stream", ("arrow",), "arrow", ArrowRows),
)

#: A parameter of a MIME type that holds for all texts here.
_CHARSET = "charset=utf-8"


def find_format(wanted: str | None) -> Format:
    """The format that RESPONSEFORMAT names; BINARY2 by default. Raises :class:`TAPError`."""
    if not wanted:
        return FORMATS[0]
    key = _key(wanted)
    for candidate in FORMATS:
        if key in map(_key, candidate.asked_by()):
            return candidate
    names = ", ".join(candidate.names[0] for candidate in FORMATS if candidate.names)
    raise TAPError(f"RESPONSEFORMAT: {wanted[:100]!r} is not known; {names} are, and their MIME types")


def _key(name: str) -> str:
    """What tells a format from others: parameters of MIME types in any order, and without what holds for all."""
    kind, parameters = _read(name)
    return ";".join([kind, *sorted(parameters - {_CHARSET})])


def _read(name: str) -> tuple[str, set[str]]:
    """A MIME type and its parameters. A + that its client did not encode arrives as a blank, so neither counts."""
    kind, *parameters = "".join(name.lower().split()).replace('"', "").replace("+", "").split(";")
    return kind, {*parameters} - {""}
