"""What this room answers to bad input: one clear sentence."""

from __future__ import annotations


class TAPError(Exception):
    """A request that cannot be answered. ``status`` is the HTTP status of the answer."""

    status = 400


class ADQLError(TAPError):
    """A query that is not ADQL, or that asks for what is not there, with the place where it is wrong."""

    def __init__(self, message: str, text: str = "", offset: int | None = None) -> None:
        self.reason = message
        if offset is not None:
            line = text.count("\n", 0, offset) + 1
            column = offset - (text.rfind("\n", 0, offset) + 1) + 1
            message = f"line {line}, column {column}: {message}"
        super().__init__(message)


class QueryTimeout(TAPError):
    """A query that took longer than it may."""


class Overloaded(TAPError):
    """Too many queries at a time."""

    status = 503


class ArchiveUnavailable(TAPError):
    """The archive's file is missing or unreadable."""

    status = 503
