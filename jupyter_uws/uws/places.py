"""Where the job lists are, below the root of the service.

A job type has its list at ``uws/<type>``; the jobs of a service with another interface (DALI 1.1, section 2) have
theirs at ``<type>/async``, where its clients look for them.
"""

from __future__ import annotations

from .model import Job, JobRef

#: The job types of such services; the routes of each are made by :func:`jupyter_uws.uws.handlers.make_routes`.
SERVICES = frozenset({"tap"})


def list_path(job_type: str) -> str:
    """
    >>> list_path("spectrum"), list_path("tap")
    ('uws/spectrum', 'tap/async')
    """
    return f"{job_type}/async" if job_type in SERVICES else f"uws/{job_type}"


def job_url(job: Job | JobRef, root: str) -> str:
    """The job's address; ``root`` is the service's, with its last slash."""
    return f"{root}{list_path(job.job_type)}/{job.job_id}"
