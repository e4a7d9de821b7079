"""The notebook side: a small client for TAP archives and UWS services, over plain HTTP.

>>> from jupyter_uws import Archive, JobService
>>> runs = Archive().search("Crab", radius="2 deg")
>>> job = JobService().submit("quicklook", position="Crab", obs_ids=runs).wait()
>>> job.results["image"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .observations import ObservationTable
    from .resolver import Target, resolve
    from .samp import send_samp
    from .votable import read_votable

from .archive import Archive
from .connection import Connection, connect
from .errors import (
    BadValue,
    ClientError,
    JobFailed,
    JobTimeout,
    NotAllStarted,
    NotConfigured,
    QueryError,
    ServiceError,
    ServiceUnreachable,
    UnknownTarget,
)
from .grids import JobGroup
from .job import Job
from .jobs import JobService
from .results import Result

__all__ = [
    "Archive",
    "BadValue",
    "ClientError",
    "Connection",
    "Job",
    "JobFailed",
    "JobGroup",
    "JobService",
    "JobTimeout",
    "NotAllStarted",
    "NotConfigured",
    "ObservationTable",
    "QueryError",
    "Result",
    "ServiceError",
    "ServiceUnreachable",
    "Target",
    "UnknownTarget",
    "connect",
    "read_votable",
    "resolve",
    "send_samp",
]

#: What needs astropy is imported when it is asked for (PEP 562): half a second and 40 MB that jobs do without.
_LATER = {
    "ObservationTable": "observations",
    "Target": "resolver",
    "read_votable": "votable",
    "resolve": "resolver",
    "send_samp": "samp",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
