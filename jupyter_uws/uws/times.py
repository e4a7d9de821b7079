"""Times of the standard: ISO 8601 with ``T``, in UTC with ``Z`` (UWS 1.1, section 2.1.5; DALI 1.1, section 3.3.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)


def utcnow() -> datetime:
    return datetime.now(UTC)


def format_time(time: datetime) -> str:
    """``2026-11-22T01:02:03.456Z``"""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    # a third of isoformat's time, and lists of jobs have thousands of them
    date = (time.year, time.month, time.day, time.hour, time.minute, time.second, time.microsecond // 1000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % date  # noqa: UP031


def parse_time(text: str) -> datetime:
    """A DALI timestamp as an aware time in UTC; without a zone it is UTC, a date alone its midnight.

    Raises ValueError for anything else.
    """
    text = text.strip()
    if not _FORM.fullmatch(text):
        raise ValueError(f"'{text[:60]}' is not a time of the form 2026-11-22T01:02:03Z")
    try:
        # datetime keeps six digits of a second
        time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or none in UTC
        raise ValueError(f"'{text}' is not a time that exists, between the years 1 and 9999") from None
