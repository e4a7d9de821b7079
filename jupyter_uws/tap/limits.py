"""What a query may come to; the service's capabilities tell these."""

from __future__ import annotations

#: Rows of a result: where MAXREC is not given, and at most.
DEFAULT_MAXREC = 100_000
HARD_MAXREC = 10_000_000
#: Seconds that an asynchronous query may take: where executionDuration is not given, and at most.
JOB_DURATION = 600
JOB_DURATION_MAX = 3600
#: Bytes of the result of an asynchronous query.
RESULT_BYTES = 4 * 2**30
#: Of each uploaded table: bytes as it is sent, rows, columns; and how many tables a query may bring.
UPLOAD_BYTES = 32 * 2**20
UPLOAD_ROWS = 200_000
UPLOAD_COLUMNS = 500
UPLOAD_TABLES = 10
