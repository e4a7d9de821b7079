"""For the code of jobs, functions and programs alike: ``from jupyter_uws import job``.

``job.progress(0.5, "half")`` tells how far the job is; ``with job.client() as dask:`` fans out to more workers.
"""

from __future__ import annotations

import functools
import os

from .execution.fanout import client, workers_there
from .jobs.context import JobContext

__all__ = ["client", "progress", "workers_there"]


def progress(fraction: float, message: str = "") -> None:
    """Tell how far the job is (0..1) and what it does now. Never blocks and never fails; nothing outside of a job."""
    if job := _job():
        job.progress(fraction, message)


@functools.cache
def _job() -> JobContext | None:
    return JobContext.from_environment() if "UWS_JOB_ID" in os.environ else None
