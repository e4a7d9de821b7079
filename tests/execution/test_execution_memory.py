"""What is over leaves nothing behind: a service is not larger after a million jobs than after a thousand."""

from __future__ import annotations

import gc
import statistics
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from execution_bench import until
from execution_service import shell

from jupyter_uws.execution import submission
from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.executor import DaskExecutor
from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.jobtype import Control, JobType
from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.phases import TERMINAL, Phase
from jupyter_uws.uws.store import JobStore

JOBS, BATCHES = 30, 6


async def test_jobs_that_are_over_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch after batch of jobs on a real cluster, each when all is idle: then Dask begins something new for it.

    What is counted are small pieces of memory (up to 512 bytes; an object is one or more), in the service and in the
    worker. The smallest thing that was ever kept, the name of a task, is three of them. One for each job is too many;
    the median over the batches does not see what grows once, or shrinks.
    """
    monkeypatch.setattr(submission, "KEPT", 0.0)

    def report(report: Report) -> None:
        manager.report(report)

    executor = DaskExecutor(tmp_path / "jobs", shell, report, ClusterConfig(workers=1))
    kind = JobType("shell", executor, lambda values, complete: {name: list(texts) for name, texts in values.items()})
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    manager = JobManager(store, {"shell": kind})
    manager.events.journal.keep = JOBS // 2  # full after the first batch

    async def do_jobs() -> None:
        for _ in range(JOBS):
            job = await manager.run(manager.create("me", "shell", {"script": ["true"]}, Control()))
            while job.phase not in TERMINAL:
                job = await manager.wait(job, 60)
            assert job.phase is Phase.COMPLETED
            await until(lambda: not executor.scheduler.tasks)

    async def pieces() -> tuple[int, int]:
        assert executor._cluster is not None
        counts = await executor._cluster.submission.client.run(lambda: (gc.collect(), sys.getallocatedblocks())[1])
        gc.collect()
        return sys.getallocatedblocks(), sum(counts.values())

    try:
        counts = []
        await do_jobs()
        for _ in range(BATCHES):
            await do_jobs()
            counts.append(await pieces())
        for where, course in zip(("service", "worker"), zip(*counts, strict=True), strict=True):
            growth = [after - before for before, after in pairwise(course)]
            assert statistics.median(growth) < JOBS, f"the {where} grew by {growth} pieces with {JOBS} jobs each time"
    finally:
        await manager.close()
        await executor.close()
        store.close()
