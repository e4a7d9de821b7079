"""What can go wrong with a request, and the HTTP status that says so (UWS 1.1, section 2.2)."""

from __future__ import annotations


class UWSError(Exception):
    """An error for the client: its text is one clear sentence or more, ``status`` the HTTP code."""

    status = 500


class UsageError(UWSError):
    """The request is malformed: a parameter, a value, a document."""

    status = 400


class NotAllowed(UWSError):
    """The request is illegal in the job's present phase, or the job is somebody else's."""

    status = 403


class NotFound(UWSError):
    """There is no such job, job type, parameter or result."""

    status = 404


class TooBusy(UWSError):
    """A limit of the service is reached; the same request may succeed later."""

    status = 503
