"""VOTable 1.4 documents of results (DALI 1.1, section 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
import pybase64

from ..markup import DECLARATION, leaf, tag, text
from .binary2 import binary2_rows
from .fields import Field
from .nulls import NULLS

_START = (
    DECLARATION + '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n<RESOURCE type="results">\n'
)
_END = "</RESOURCE>\n</VOTABLE>\n"


def head(fields: Sequence[Field], query: str, nulls: Mapping[str, int] | None = None) -> str:
    """Up to and with the FIELDs; the data follows. ``nulls`` are the values that stand for null, by datatype.

    Within arrays there is no other null in any serialisation.
    """
    return "".join(
        [
            _START,
            tag("INFO", name="QUERY_STATUS", value="OK"),
            "\n",
            tag("INFO", name="QUERY", value=query),
            *map(_time_system, sorted({field.timescale for field in fields if field.timescale})),
            "\n<TABLE>\n",
            *(_field(field, (NULLS if field.is_array else nulls or {}).get(field.datatype)) + "\n" for field in fields),
        ]
    )


def tail(*, overflow: bool = False, error: str | None = None) -> str:
    """What follows the data. ``error`` is what broke the rows off after the head had gone out."""
    status = ""
    if error is not None:
        status = tag("INFO", text(error), name="QUERY_STATUS", value="ERROR") + "\n"
    elif overflow:
        status = (
            tag(
                "INFO",
                text("no more rows than these were asked for, or are allowed"),
                name="QUERY_STATUS",
                value="OVERFLOW",
            )
            + "\n"
        )
    return "</TABLE>\n" + status + _END


class Base64Rows:
    """Rows in base64, in pieces: what does not make up three bytes waits for the next piece."""

    def __init__(
        self, fields: Sequence[Field], rows: Callable[[pa.RecordBatch, Sequence[Field]], memoryview] = binary2_rows
    ) -> None:
        self._fields = fields
        self._encoded = rows
        self._rest = b""

    def encode(self, batch: pa.RecordBatch) -> bytes:
        data = self._encoded(batch, self._fields)
        if self._rest:
            data = memoryview(self._rest + data)
        whole = len(data) - len(data) % 3
        self._rest = bytes(data[whole:])
        return pybase64.b64encode(data[:whole]) + b"\n"

    def end(self) -> bytes:
        return pybase64.b64encode(self._rest)


def _time_system(timescale: str) -> str:
    """What FIELDs of times in MJD refer to (VOTable 1.4, section 3.2): without it they could be taken for UTC."""
    return "\n" + tag("TIMESYS", ID=timescale, timescale=timescale, refposition="TOPOCENTER", timeorigin="MJD-origin")


@lru_cache(1000)
def _field(field: Field, null: int | None) -> str:
    return tag(
        "FIELD",
        leaf("DESCRIPTION", field.description),
        *([] if null is None else [tag("VALUES", null=str(null))]),
        name=field.name,
        datatype=field.datatype,
        arraysize=field.arraysize,
        unit=field.unit,
        ucd=field.ucd,
        utype=field.utype,
        xtype=field.xtype,
        ref=field.timescale,
    )
