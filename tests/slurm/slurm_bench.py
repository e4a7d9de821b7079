"""An executor whose workers come from SLURM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from execution_bench import FAMILY, Bench, processes_of, until

from jupyter_uws.execution.allocations import Allocations
from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.uws.model import Job

#: What the workers ask for; the scheduler listens where the virtual nodes can reach it.
OPTIONS = {"interface": "lo", "memory": "500 MiB"}


class SlurmBench(Bench):
    """A bench with a look at its allocations."""

    backend = "slurm"

    def __init__(self, jobs: Path, workers: int = 2, idle_timeout: float = 0, **options: Any) -> None:
        config = ClusterConfig(self.backend, workers, OPTIONS | options, idle_timeout=idle_timeout, start_timeout=20)
        super().__init__(jobs, config)

    @property
    def allocations(self) -> Allocations | None:
        cluster = self.executor._cluster
        return cluster.allocations if cluster else None

    def table(self) -> list[dict[str, Any]]:
        return self.allocations.table() if self.allocations else []

    def up(self) -> list[str]:
        """The ids of the allocations whose worker is there."""
        return [each["job_id"] for each in self.table() if each["state"] == "up"]

    async def busy(self) -> str:
        """The id of the only allocation with a job; that of a job that has just ended may count a moment longer."""

        def found() -> list[str]:
            return [each["job_id"] for each in self.table() if each["busy"]]

        await until(lambda: len(found()) == 1)
        return found()[0]

    async def ready(self, count: int) -> None:
        """As many workers as that are there and run a job each."""
        await until(lambda: len(self.executor._fifo.busy) == count)

    async def running(self, script: str = FAMILY, **parameters: object) -> Job:
        """A job that runs and has said so."""
        job = await self.start(script, **parameters)
        await self.report(job, "progress", timeout=90)
        return job

    async def lost(self, job: Job, timeout: float = 90) -> str:
        """How a lost job ended; nothing of it lives."""
        last = await self.last(job, timeout)
        assert last.kind == "failed"
        assert last.error is not None
        assert last.error.type == "transient"
        await until(lambda: not processes_of(job.job_id))
        return last.error.message

    async def goes_on(self) -> None:
        assert (await self.last(await self.start("true"))).kind == "completed"
