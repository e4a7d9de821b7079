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
from .observations import ObservationTable
from .resolver import Target, resolve
from .results import Result

__all__ = [
    "Archive",
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
    "resolve",
]
