"""The notebook side: a small client for TAP archives and UWS services, over plain HTTP.

>>> from jupyter_uws import Archive, JobService
>>> runs = Archive().search("Crab", radius="2 deg")
>>> job = JobService().submit("quicklook", position="Crab", obs_ids=runs).wait()
>>> job.results["image"]
"""

from __future__ import annotations

from .archive import Archive
from .connection import Connection, connect
from .errors import (
    ClientError,
    JobFailed,
    JobTimeout,
    NotConfigured,
    QueryError,
    ServiceError,
    ServiceUnreachable,
    UnknownTarget,
)
from .jobs import Job, JobService
from .observations import ObservationTable
from .resolver import Target, resolve
from .results import Result
from .votable import read_votable

__all__ = [
    "Archive",
    "ClientError",
    "Connection",
    "Job",
    "JobFailed",
    "JobService",
    "JobTimeout",
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
]
