"""VOTables as astropy Tables, fast: the rows of BINARY and BINARY2 by numpy while they come, all else by astropy."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.parsers import expat

import numpy as np
import pybase64
from astropy.table import MaskedColumn, Table

from .binary import Rows, Unsupported
from .errors import QueryError, ServiceError
from .texts import is_compact

if TYPE_CHECKING:
    from astropy.io.votable.tree import TableElement, VOTableFile

#: Bytes that are read, and decoded, at a time.
PIECE = 4 * 2**20
#: Before its rows a document says no more than this [bytes]; longer ones are left to astropy.
_HEAD = 16 * 2**20
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")

Source = bytes | BinaryIO | Iterable[bytes]


def read_votable(source: Source) -> tuple[Table, bool]:
    """The first table of a VOTable, as the answer of a TAP service, and whether that was truncated.

    ``source`` is the document: its bytes, a file, or pieces as they come, of
    ``response.iter_content(PIECE)``, say; pyvo gives a file by ``service.create_query(adql).execute_stream()``.
    Texts are columns of text, nulls are masked, as NaN is.

    Raises
    ------
    QueryError
        The document says that the query failed.
    ServiceError
        It is not a VOTable, or breaks off.
    """
    pieces = _pieces(source)
    head, opened = bytearray(), None
    finder = _Finder()
    for piece in pieces:
        head += piece
        opened = finder.feed(piece)
        if opened is not None or finder.hopeless or len(head) > _HEAD:
            break
    if opened is not None and opened.element in ("BINARY", "BINARY2") and b"\0" not in head[: opened.at]:
        tag = _TAG.match(head, opened.at)
        if tag is not None and opened.plain and not tag[0].endswith(b"/>"):
            return _binary(bytes(head[: tag.end()]), bytes(head[tag.end() :]), pieces, opened)
    return _whole(b"".join(chain([bytes(head)], pieces)))


def written(table: Table) -> bytes:
    """A table as a VOTable, in BINARY2."""
    document = BytesIO()
    table.write(document, format="votable", tabledata_format="binary2")
    return document.getvalue()


def _pieces(source: Source) -> Iterator[bytes]:
    if isinstance(source, bytes):
        return iter([source])
    if hasattr(source, "read"):
        return iter(lambda: source.read(PIECE), b"")
    return iter(source)


class _Opened:
    """The STREAM with the rows of the first table: where its tag is, and the ``stack`` that ends with it."""

    def __init__(self, at: int, stack: list[str], attributes: dict[str, str]) -> None:
        self.at = at
        self.closing = "".join(f"</{name}>" for name in reversed(stack)).encode()
        self.element = stack[-2].rpartition(":")[2]
        # rows that are elsewhere, or packed in other ways, are astropy's
        self.plain = attributes.get("encoding") == "base64" and "href" not in attributes


class _Finder:
    """Looks for the rows of the first table. A document that it finds none in is ``hopeless``."""

    def __init__(self) -> None:
        self.hopeless = False
        self._found: _Opened | None = None
        self._stack: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._entity

    def feed(self, piece: bytes) -> _Opened | None:
        try:
            self._parser.Parse(piece, False)
        except (expat.ExpatError, LookupError, ValueError):  # of the document, or of its encoding
            self.hopeless = self._found is None
        return self._found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if self._found is None and not self.hopeless:
            if local == "STREAM" and self._stack:
                self._found = _Opened(self._parser.CurrentByteIndex, [*self._stack, name], attributes)
            self.hopeless = local == "TABLEDATA"
        self._stack.append(name)

    def _end(self, name: str) -> None:
        self._stack.pop()
        self.hopeless |= self._found is None and name.rpartition(":")[2] == "TABLE"

    def _entity(self, *_: Any) -> None:
        raise ServiceError("The archive's answer is not a VOTable: it declares entities.")


def _binary(head: bytes, first: bytes, pieces: Iterator[bytes], opened: _Opened) -> tuple[Table, bool]:
    table = _first_table(_parse(head + opened.closing))
    came = [first]
    try:
        rows = Rows(table.fields, flags=opened.element == "BINARY2")
    except Unsupported:
        return _whole(b"".join([head, *came, *pieces]))
    tail: list[bytes] = []
    try:
        for data in _decoded(chain(came, pieces), tail):
            rows.feed(data)
        document = _parse(head + b"".join(tail))
        overflow = _overflow(document)
        if rows.rest:
            raise ServiceError("The archive's answer breaks off in the midst of a row.")
        return filled(_empty(_first_table(document)), rows.columns()), overflow
    except (ValueError, MemoryError) as error:  # pybase64's and numpy's
        raise ServiceError(f"The archive's answer is not a VOTable: {type(error).__name__}.") from None


def _decoded(pieces: Iterator[bytes], tail: list[bytes]) -> Iterator[bytes]:
    """The bytes that a STREAM has in base64; ``tail`` gets the document from its end on."""
    left = b""
    for piece in pieces:
        content, end, after = piece.partition(b"<")
        left += content.translate(None, b" \t\r\n")
        whole = len(left) - (0 if end else len(left) % 4)
        yield pybase64.b64decode(left[:whole], validate=True)
        left = left[whole:]
        if end:
            tail.extend([end + after, *pieces])
            return
    raise ServiceError("The archive's answer breaks off.")


def described(document: bytes) -> tuple[Table, bool]:
    """The columns of a VOTable without rows, and whether it tells of more; raises as :func:`read_votable`."""
    parsed = _parse(document)
    return _empty(_first_table(parsed)), _overflow(parsed)


def filled(empty: Table, columns: Iterable[np.ma.MaskedArray[Any, Any]]) -> Table:
    """A table that is described as ``empty`` is, and has these columns."""
    made = [
        MaskedColumn(
            values, name=like.name, unit=like.unit, description=like.description, format=like.format, meta=like.meta
        )
        for like, values in zip(empty.itercols(), columns, strict=True)
    ]
    return Table(made, meta=empty.meta, copy=False)


def _empty(table: TableElement) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return table.to_table(use_names_over_ids=True)


def _whole(body: bytes) -> tuple[Table, bool]:
    """By astropy, from the whole document."""
    document = _parse(body)
    overflow = _overflow(document)
    table = _empty(_first_table(document))
    _plain_strings(table)
    return table, overflow


def _parse(body: bytes) -> VOTableFile:
    from astropy.io import votable

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return votable.parse(BytesIO(body), verify="ignore")
    except Exception as error:  # the parser raises its own, expat's, and numpy's errors
        raise ServiceError(f"The archive's answer is not a VOTable: {type(error).__name__}.") from None


def _overflow(document: VOTableFile) -> bool:
    """Whether the result was truncated; raises QueryError where the document tells of an error."""
    overflow = False
    for resource in document.iter_resources() if hasattr(document, "iter_resources") else document.resources:
        for info in resource.infos:
            if info.name == "QUERY_STATUS" and info.value.upper() == "ERROR":
                raise QueryError(" ".join(str(info.content or "The query failed").split()))
            overflow |= info.name == "QUERY_STATUS" and info.value.upper() == "OVERFLOW"
    return overflow


def _first_table(document: VOTableFile) -> TableElement:
    try:
        return document.get_first_table()
    except IndexError:
        raise ServiceError("The archive's answer holds no table.") from None


def _plain_strings(table: Table) -> None:
    """Text as columns of text rather than of objects: they sort, compare and can be written."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind != "O":
            continue
        values = np.ma.getdata(column)
        missing = np.array([value is None for value in values], dtype=bool) | np.ma.getmaskarray(column)
        if not all(isinstance(value, str) for value in values[~missing]):
            continue
        texts = ["" if gone else value for value, gone in zip(values, missing, strict=True)]
        lengths = [len(text) for text in texts]
        if is_compact(len(texts), max(lengths, default=0), sum(lengths)):
            kept = {"name": name, "description": column.description, "unit": column.unit, "meta": column.meta}
            table[name] = MaskedColumn(np.array(texts, dtype=str), mask=missing, **kept)
