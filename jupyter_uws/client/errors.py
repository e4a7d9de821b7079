"""What can go wrong, each in one sentence that a notebook user can act on."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .grids import JobGroup


#: The package whose frames a notebook's user did not write.
_PACKAGE = __name__.partition(".")[0]


class ClientError(Exception):
    """The base of every error of this client; its text is one sentence."""

    def _render_traceback_(self) -> list[str]:
        """As IPython shows it: the lines that called this package, and the sentence, without the way in between."""
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        assert shell is not None  # noqa: S101 (only IPython asks)
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(self), self, _outside(self.__traceback__))
        return lines


def _outside(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback up to where it enters this package."""
    if traceback is None or traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        return None
    return TracebackType(_outside(traceback.tb_next), traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


class BadValue(ClientError, ValueError):
    """A name or a value that a function here cannot take."""


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
