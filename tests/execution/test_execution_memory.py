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

JOBS, BATCHES = 40, 6
#: Batches after which all that is bounded is full.
WARM = 2


async def test_jobs_that_are_over_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch after batch of jobs on a real cluster, each when all is idle: then Dask begins something new for it.

    What is counted are small pieces of memory (up to 512 bytes; an object is one or more). A change kept for event
    streams is five of them for each job, Dask's span forty; some dozens come and go with time. The median over the
    batches does not see what grows once, or shrinks.
    """
    from dask.utils import key_split

    monkeypatch.setattr(submission, "KEPT", 0.0)

    def report(report: Report) -> None:
        manager.report(report)

    executor = DaskExecutor(tmp_path / "jobs", shell, report, ClusterConfig(workers=1))
    kind = JobType("shell", executor, lambda values, complete: {name: list(texts) for name, texts in values.items()})
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    manager = JobManager(store, {"shell": kind})
    manager.events.journal.keep = JOBS // 2  # full before anything is counted

    async def do_jobs() -> None:
        for _ in range(JOBS):
            job = await manager.run(manager.create("me", "shell", {"script": ["true"]}, Control()))
            while job.phase not in TERMINAL:
                job = await manager.wait(job, 60)
            assert job.phase is Phase.COMPLETED
            await until(lambda: not executor.scheduler.tasks)
        gc.collect()

    async def of_worker() -> tuple[int, int]:
        """What it has measured of tasks, by span and name; how many names of tasks it knows."""
        assert executor._cluster is not None
        (found,) = (
            await executor._cluster.submission.client.run(
                lambda dask_worker: (len(dask_worker.digests_total), key_split.cache_info().currsize)
            )
        ).values()
        return tuple(found)

    try:
        for _ in range(WARM):
            await do_jobs()
        measures, _ = await of_worker()
        counts = []
        for _ in range(BATCHES):
            await do_jobs()
            counts.append(sys.getallocatedblocks())
        growth = [after - before for before, after in pairwise(counts)]
        assert statistics.median(growth) < 3 * JOBS, f"it grew by {growth} pieces, with {JOBS} jobs each time"
        assert key_split.cache_info().currsize < JOBS
        more_measures, names = await of_worker()
        assert more_measures < measures + JOBS
        assert names < JOBS
    finally:
        await manager.close()
        await executor.close()
        store.close()
