"""An executor with all that it reports, and looks at the processes of its jobs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from execution_service import shell

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.executor import DaskExecutor
from jupyter_uws.execution.folder import JobFolder
from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase

#: A shell with a child, a grandchild in a session of its own, and one that was daemonised twice.
FAMILY = """
sleep 300 &
setsid sleep 300 &
(setsid sh -c 'setsid sleep 300 &' &)
sleep 0.1
echo '{"progress": 0.1}' >&3
wait
"""

LAST = ("completed", "failed", "aborted")
_numbers = count()


def processes_of(job_id: str) -> list[int]:
    """Live processes that were started with this job's id in their environment."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and f"UWS_JOB_ID={job_id}\0".encode() in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
    return found


async def until(condition: Callable[[], object], timeout: float = 90.0) -> None:
    """Wait for what no event tells of; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        await asyncio.sleep(0.01)


class Bench:
    """An executor and all that it reported."""

    def __init__(self, jobs: Path, cluster: ClusterConfig) -> None:
        self.reports: dict[str, list[Report]] = {}
        self.executor = DaskExecutor(jobs, shell, self._take, cluster, settle_timeout=10)
        self._changed = asyncio.Event()

    def _take(self, report: Report) -> None:
        self.reports.setdefault(report.job_id, []).append(report)
        self._changed.set()

    def job(self, script: str = "", phase: Phase = Phase.QUEUED, **parameters: object) -> Job:
        """A job that runs a shell script; the other parameters of ``shell`` change that."""
        return Job(
            job_id=f"{datetime.now(UTC):%Y%m%d}-{os.getpid()}-{next(_numbers)}",
            job_type="shell",
            owner="me",
            phase=phase,
            creation_time=datetime.now(UTC),
            parameters={"script": [script], **{name: [str(value)] for name, value in parameters.items()}},
        )

    async def start(self, script: str = "", **parameters: object) -> Job:
        job = self.job(script, **parameters)
        await self.executor.start(job)
        return job

    async def report(self, job: Job, *kinds: str, timeout: float = 90.0) -> Report:
        """The first report of one of these kinds on the job's run."""
        async with asyncio.timeout(timeout):
            while True:
                for report in self.reports.get(job.job_id, ()):
                    if report.kind in kinds and report.run == job.run:
                        return report
                self._changed.clear()
                await self._changed.wait()

    async def last(self, job: Job, timeout: float = 90.0) -> Report:
        return await self.report(job, *LAST, timeout=timeout)

    def folder(self, job: Job) -> JobFolder:
        return self.executor.folder(job.job_id)

    def pids(self, job: Job) -> tuple[int, int]:
        """The pids of the job's first process and of its supervisor."""
        started = self.folder(job).events(job.run)[0]
        return started["pid"], started["supervisor"]

    def worker_pid(self, job: Job) -> int:
        return parent(self.pids(job)[1])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
