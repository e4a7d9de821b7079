"""What a query may come to; the service's capabilities tell these."""

from __future__ import annotations

from dataclasses import dataclass, fields

#: Bytes of a result that is kept: of an asynchronous query, or as FITS.
RESULT_BYTES = 4 * 2**30


@dataclass(frozen=True)
class QueryLimits:
    """What the queries of a caller may come to. Times are in seconds, sizes in bytes.

    ``rows``, ``rows_max``: of a result, where MAXREC is not given, and at most. ``duration``: of a query that its
    client waits for; ``job_duration``, ``job_duration_max``: of an asynchronous one, where executionDuration is not
    given, and at most. ``memory``: of a query; the short ones, which find their rows by position, share as much.
    ``disk``: for what a long query sorts or joins beyond its memory, while it works; 0 for nothing.
    ``queries`` run at a time, ``waiting`` more wait, the next is refused. ``uploads``: tables that a query may bring,
    each of ``upload_size`` as it is sent, ``upload_rows`` and ``upload_columns``; ``upload_urls``: whether they may be
    fetched from elsewhere.
    """

    rows: int = 100_000
    rows_max: int = 10_000_000
    duration: int = 60
    job_duration: int = 600
    job_duration_max: int = 3600
    memory: int = 256 * 2**20
    disk: int = 4 * 2**30
    queries: int = 4
    waiting: int = 64
    uploads: int = 10
    upload_size: int = 32 * 2**20
    upload_rows: int = 200_000
    upload_columns: int = 500
    upload_urls: bool = True

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if limit.name == "upload_urls":
                if not isinstance(value, bool):
                    raise ValueError(f"the limit 'upload_urls' is {value!r}, allowed is True or False")
                continue
            least, allowed = (0, "of 0 or more") if limit.name == "disk" else (1, "greater than 0")
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"the limit '{limit.name}' is {value!r}, allowed is a whole number {allowed}")
        for name in ("rows", "job_duration"):
            value, most = getattr(self, name), getattr(self, f"{name}_max")
            if value > most:
                raise ValueError(f"the limit '{name}' is {value}, more than '{name}_max', {most}")


#: Those of callers who are known to the service.
DEFAULT = QueryLimits()
