"""Results as Parquet and as Arrow's stream, with the descriptions of the columns inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from . import votable
from .fields import Field

#: Rows of a group in a Parquet file: more make it smaller and quicker to read, and take memory here.
GROUP_ROWS = 16 * 8192


class _Pipe:
    """A file for writers that takes bytes at one end and gives them away at the other."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.closed = False

    def write(self, piece: pa.Buffer | bytes) -> int:
        data = bytes(piece)
        self._pieces.append(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def drain(self) -> bytes:
        found, self._pieces = b"".join(self._pieces), []
        return found


def _schema(fields: Sequence[Field]) -> pa.Schema:
    keys = ("description", "unit", "ucd", "utype", "xtype", "arraysize")
    return pa.schema(
        [
            pa.field(
                field.name,
                field.arrow_type,
                metadata={key: str(getattr(field, key)) for key in keys if getattr(field, key)},
            )
            for field in fields
        ]
    )


class ParquetRows:
    """A Parquet file by the VOParquet convention: its metadata hold a VOTable without rows that describes it."""

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        self._head = votable.head(fields, query)
        self._schema = _schema(fields)
        self._pipe = _Pipe()
        self._writer = pyarrow.parquet.ParquetWriter(self._pipe, self._schema)
        self._kept: list[pa.RecordBatch] = []
        self._rows = 0

    def start(self) -> bytes:
        return self._pipe.drain()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        self._kept.append(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))
        self._rows += batch.num_rows
        if self._rows >= GROUP_ROWS:
            self._write()
        return self._pipe.drain()

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._kept, self._schema), row_group_size=GROUP_ROWS)
        self._kept, self._rows = [], 0

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        if self._kept:
            self._write()
        told = {
            "IVOA.VOTable-Parquet.version": "1.0",
            "IVOA.VOTable-Parquet.content": self._head + votable.tail(overflow=overflow),
        }
        self._writer.add_key_value_metadata(told)
        self._writer.close()
        yield self._pipe.drain()

    def broken(self, message: str) -> bytes | None:
        return None


class ArrowRows:
    """Arrow's IPC stream, with a VOTable without rows in its metadata that describes it.

    An empty batch at the end tells of an overflow or an error, in its own metadata.
    """

    def __init__(self, fields: Sequence[Field], query: str) -> None:
        described = votable.head(fields, query) + votable.tail()
        self._schema = _schema(fields).with_metadata({"QUERY": query, "VOTABLE": described})
        self._pipe = _Pipe()
        self._writer = pyarrow.ipc.new_stream(self._pipe, self._schema)

    def start(self) -> bytes:
        return self._pipe.drain()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        self._writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))
        return self._pipe.drain()

    def end(self, *, overflow: bool) -> Iterable[bytes]:
        yield self._last({"QUERY_STATUS": "OVERFLOW" if overflow else "OK"})

    def broken(self, message: str) -> bytes | None:
        return self._last({"QUERY_STATUS": "ERROR", "message": message})

    def _last(self, told: dict[str, str]) -> bytes:
        self._writer.write_batch(pa.RecordBatch.from_pylist([], schema=self._schema), custom_metadata=told)
        self._writer.close()
        return self._pipe.drain()
