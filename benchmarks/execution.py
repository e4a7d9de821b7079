"""Jobs per second and latencies of the executor on the local cluster, beside bare Dask.

``python benchmarks/execution.py [--jobs 200] [--workers 2]``. All in one run, on one machine, as the
machine's load decides much of it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.executor import DaskExecutor
from jupyter_uws.execution.launch import Launch
from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase

FAMILY = "sleep 300 & setsid sleep 300 & (setsid sh -c 'setsid sleep 300 &' &) ; echo '{\"progress\": 0}' >&3; wait"


class Bench:
    def __init__(self, jobs: Path, cluster: ClusterConfig) -> None:
        self.executor = DaskExecutor(jobs, self.describe, self.take, cluster)
        self.times: dict[str, dict[str, float]] = {}
        self.changed = asyncio.Event()
        self.number = 0

    @staticmethod
    def describe(job: Job) -> Launch:
        return Launch(argv=("sh", "-c", FAMILY) if job.parameters else ("true",))

    def take(self, report: Report) -> None:
        self.times[report.job_id].setdefault(report.kind, time.perf_counter())
        self.changed.set()

    async def start(self, family: bool = False) -> Job:
        self.number += 1
        parameters = {"family": ["1"]} if family else {}
        job = Job(f"{self.number}", "bench", "me", Phase.QUEUED, datetime.now(UTC), parameters=parameters)
        self.times[job.job_id] = {"submitted": time.perf_counter()}
        await self.executor.start(job)
        return job

    async def until(self, job: Job, kind: str) -> float:
        while kind not in self.times[job.job_id]:
            self.changed.clear()
            await self.changed.wait()
        return self.times[job.job_id][kind]


def show(name: str, seconds: list[float]) -> None:
    print(f"{name}: median {statistics.median(seconds) * 1e3:.1f} ms, max {max(seconds) * 1e3:.1f} ms")


async def bare(bench: Bench, jobs: int) -> float:
    """The same number of plain Dask tasks that run the program, on the same workers."""
    from distributed import Client

    opened = bench.executor._cluster
    assert opened is not None
    run: Callable[..., object] = subprocess.run
    async with Client(opened.cluster, asynchronous=True, set_as_default=False) as client:
        begin = time.perf_counter()
        futures = [client.submit(run, ["true"], pure=False) for _ in range(jobs)]
        for future in futures:
            await future.exception()
        return jobs / (time.perf_counter() - begin)


async def ours(bench: Bench, jobs: int) -> tuple[float, float]:
    """Jobs per second, and milliseconds of this process's CPU per job."""
    begin, cpu = time.perf_counter(), time.process_time()
    for job in [await bench.start() for _ in range(jobs)]:
        await bench.until(job, "completed")
    return jobs / (time.perf_counter() - begin), (time.process_time() - cpu) / jobs * 1e3


async def latencies(bench: Bench) -> None:
    """How long it takes until a job runs, has ended, and has been stopped, one at a time on warm workers."""
    executing, completed, aborted = [], [], []
    for _ in range(30):
        job = await bench.start()
        submitted = bench.times[job.job_id]["submitted"]
        executing.append(await bench.until(job, "started") - submitted)
        completed.append(await bench.until(job, "completed") - submitted)
    for _ in range(20):
        job = await bench.start(family=True)
        await bench.until(job, "progress")
        begin = time.perf_counter()
        await bench.executor.abort(job)
        aborted.append(await bench.until(job, "aborted") - begin)
    show("submit -> EXECUTING", executing)
    show("submit -> COMPLETED", completed)
    show("abort -> ABORTED, a shell with 3 descendants", aborted)


async def main(jobs: int, workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), ClusterConfig(workers=workers))
        first = await bench.start()
        await bench.until(first, "completed")
        took = bench.times[first.job_id]["started"] - bench.times[first.job_id]["submitted"]
        print(f"first job, with the start of the cluster: {took:.2f} s")
        for _ in range(3):
            plain = await bare(bench, jobs)
            rate, cpu = await ours(bench, jobs)
            print(
                f"{jobs} x true on {workers} workers: bare Dask {plain:.0f}/s, jobs {rate:.0f}/s "
                f"(ratio {rate / plain:.2f}), {cpu:.1f} ms CPU of the service per job"
            )
        await latencies(bench)
        await bench.executor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.jobs, arguments.workers))
