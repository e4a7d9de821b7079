"""A job that does nothing for a while: to try a service out, and to test one."""

from __future__ import annotations

import time
from typing import Annotated

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

#: Seconds between two reports of progress, and the most reports of one job: its log stays short.
STEP, REPORTS = 0.1, 100


@job_type(
    title="Sleeper",
    generated=[Generated(name="report", content_type="text/plain", description="How long it slept")],
    execution_duration=3600,
    execution_duration_max=86400,
    memory_limit=512,
)
def sleeper(
    job: JobContext,
    *,
    duration: Annotated[
        float, Parameter(title="Duration", unit="s", ucd="time.duration", minimum=0, maximum=86400)
    ] = 5,
    fail: Annotated[bool, Parameter(title="Fail", description="End with an error instead of a result")] = False,
) -> None:
    """Sleep for a while, report progress, and write one line of text, or fail if asked to."""
    step = max(STEP, duration / REPORTS)
    start = time.monotonic()
    print(f"sleeping for {duration:g} s", flush=True)
    while (elapsed := time.monotonic() - start) < duration:
        job.progress(elapsed / duration, f"{elapsed:.1f} s of {duration:g} s")
        time.sleep(min(step, duration - elapsed))
    if fail:
        raise JobError(f"the sleeper was asked to fail after {duration:g} s")
    (job.work / "report.txt").write_text(f"slept for {duration:g} s\n")
    job.result("report", "report.txt", description="How long it slept")
    job.progress(1, "awake")
