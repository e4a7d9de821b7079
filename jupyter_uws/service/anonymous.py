"""Readers of the archive that nobody knows: what they may, and how many of them are served at a time.

They read ``/tap`` but for its jobs, ``/datalink`` and ``/files``, where the operator has opened these; nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tornado.web import HTTPError

from ..tap.limits import QueryLimits

#: What an anonymous request is called in the log.
OWNER = "anonymous"
#: The limits of anonymous readers, where the operator sets none.
LIMITS = QueryLimits(
    rows=10_000,
    rows_max=100_000,
    duration=20,
    queries=2,
    uploads=2,
    upload_size=4 * 2**20,
    upload_rows=20_000,
    upload_columns=100,
    upload_urls=False,
)
#: Those that can be set, beside ``requests``: they have no jobs, and no memory and no queue of their own.
NAMES = (
    "rows", "rows_max", "duration", "queries",
    "uploads", "upload_size", "upload_rows", "upload_columns", "upload_urls",
)  # fmt: skip
REQUESTS = 32


@dataclass
class AnonymousReaders:
    """All of them together: of their ``requests`` that are open at a time, ``limits.queries`` are queries."""

    limits: QueryLimits = LIMITS
    requests: int = REQUESTS
    _open: int = 0
    _queries: int = 0

    @property
    def note(self) -> str:
        """What readers are told."""
        return (
            "Open to anonymous readers, for synchronous queries, links and files: "
            f"{self.limits.rows_max} rows and {self.limits.duration} s at most, "
            f"{self.limits.queries} queries at a time. "
            "Who logs in has larger limits, and asynchronous queries."
        )

    def enter(self, *, query: bool) -> None:
        """Begin a request; raises HTTPError 503 where there are too many."""
        if self._open >= self.requests or (query and self._queries >= self.limits.queries):
            raise HTTPError(503, "too many anonymous readers are served just now: try again in a moment, or log in")
        self._open += 1
        self._queries += query

    def leave(self, *, query: bool) -> None:
        self._open -= 1
        self._queries -= query


def anonymous_readers(options: Mapping[str, Any]) -> AnonymousReaders:
    """As an operator configures them. Raises ValueError that names what is wrong."""
    values = dict(options)
    requests = values.pop("requests", REQUESTS)
    if isinstance(requests, bool) or not isinstance(requests, int) or requests <= 0:
        raise ValueError(f"the limit 'requests' is {requests!r}, allowed is a whole number greater than 0")
    for name in values:
        if name not in NAMES:
            raise ValueError(f"{name!r} is not one of {', '.join((*NAMES, 'requests'))}")
    return AnonymousReaders(replace(LIMITS, **values), requests)
