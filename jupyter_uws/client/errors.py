"""What can go wrong, each in one sentence that a notebook user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sentences import OneSentence

if TYPE_CHECKING:
    from .grids import JobGroup


class ClientError(OneSentence, Exception):
    """The base of every error of this client; its text is one sentence."""


class BadValue(ClientError, ValueError):
    """A name or a value that a function here cannot take."""


class Interrupted(OneSentence, KeyboardInterrupt):
    """Ctrl-C while something was waited for; it goes on."""


class NotConfigured(ClientError):
    """No service was named and none was found."""


class ServiceUnreachable(ClientError):
    """Nothing answered at the service's URL, or not in time."""


class ServiceError(ClientError):
    """The service answered with an error. ``status`` is the HTTP status, or None where it said 200."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class QueryError(ServiceError):
    """The service did not understand, or could not run, an ADQL query."""


class UnknownTarget(ClientError):
    """A target's name is in neither the shipped list nor CDS Sesame, or is not safe to guess."""


class JobFailed(ClientError):
    """A job ended without having completed."""


class JobTimeout(ClientError):
    """A job did not end within the time its caller wanted to wait; it goes on."""


class NotAllStarted(ServiceError):
    """The service refused one of many jobs; ``group`` has those that were started before it."""

    def __init__(self, message: str, status: int | None, group: JobGroup) -> None:
        super().__init__(message, status)
        self.group = group
