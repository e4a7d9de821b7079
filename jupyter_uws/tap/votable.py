"""VOTable 1.4 documents of results and of errors (DALI 1.1, sections 4.2 and 4.4)."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import pyarrow as pa

from ..markup import DECLARATION, leaf, tag, text
from .binary2 import binary2_rows
from .fields import Field

_START = (
    DECLARATION + '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n<RESOURCE type="results">\n'
)
_END = "</RESOURCE>\n</VOTABLE>\n"


def head(fields: Sequence[Field], query: str) -> str:
    """Up to and with the FIELDs; the data follows."""
    return "".join(
        [
            _START,
            tag("INFO", name="QUERY_STATUS", value="OK"),
            "\n",
            tag("INFO", name="QUERY", value=query),
            "\n<TABLE>\n",
            *(_field(field) + "\n" for field in fields),
        ]
    )


def tail(*, overflow: bool = False, error: str | None = None) -> str:
    """What follows the data. ``error`` is what broke the rows off after the head had gone out."""
    status = ""
    if error is not None:
        status = tag("INFO", text(error), name="QUERY_STATUS", value="ERROR") + "\n"
    elif overflow:
        status = tag("INFO", text("more rows match than were asked for"), name="QUERY_STATUS", value="OVERFLOW") + "\n"
    return "</TABLE>\n" + status + _END


def error_document(message: str) -> str:
    return _START + tag("INFO", text(message), name="QUERY_STATUS", value="ERROR") + "\n" + _END


class Base64Rows:
    """BINARY2 in base64, in pieces: what does not make up three bytes waits for the next piece."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._rest = b""

    def encode(self, batch: pa.RecordBatch) -> bytes:
        data = self._rest + binary2_rows(batch, self._fields)
        whole = len(data) - len(data) % 3
        self._rest = data[whole:]
        return binascii.b2a_base64(data[:whole])

    def end(self) -> bytes:
        return binascii.b2a_base64(self._rest) if self._rest else b""


def _field(field: Field) -> str:
    return tag(
        "FIELD",
        leaf("DESCRIPTION", field.description),
        name=field.name,
        datatype=field.datatype,
        arraysize=field.arraysize,
        unit=field.unit,
        ucd=field.ucd,
        utype=field.utype,
        xtype=field.xtype,
    )
