"""Trivial jobs on SLURM three ways: an sbatch for each, our runner on warm workers, bare Dask tasks.

``python benchmarks/slurm.py [--jobs 200] [--workers 4]``, as root: it brings up the SLURM of tests/slurm.
All in one run, on one machine, as the machine's load decides much of it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from execution import Bench, bare, latencies, ours

from jupyter_uws.execution.cluster import ClusterConfig

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "slurm"))
from slurm_daemons import slurm


async def sbatch_per_job(jobs: int) -> float:
    """Jobs per second where each is a batch job that says by curl that it begins and ends, as OPUS does it."""
    ended = 0
    done = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        line = await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        ended += b"/end" in line
        if ended == jobs:
            done.set()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        script = f"curl -s {url}/begin; true; curl -s {url}/end"
        at_once = asyncio.Semaphore(8)

        async def submit() -> None:
            async with at_once:
                argv = ("sbatch", "--quiet", "--mem=10", "--output=/dev/null", "--wrap", script)
                assert await (await asyncio.create_subprocess_exec(*argv)).wait() == 0

        begin = time.perf_counter()
        await asyncio.gather(*(submit() for _ in range(jobs)))
        await asyncio.wait_for(done.wait(), 600)
        return jobs / (time.perf_counter() - begin)


async def main(jobs: int, workers: int) -> None:
    each = await sbatch_per_job(jobs)
    print(f"{jobs} jobs, an sbatch for each: {each:.0f}/s")
    with tempfile.TemporaryDirectory() as folder:
        options = {"interface": "lo", "memory": "500 MiB"}
        bench = Bench(Path(folder), ClusterConfig("slurm", workers, options))
        begin = time.perf_counter()
        await bench.until(await bench.start(), "completed")
        print(f"first job, with the start of the cluster: {time.perf_counter() - begin:.2f} s")
        await ours(bench, jobs)  # all workers are there after this
        for _ in range(3):
            plain = await bare(bench, jobs)
            rate, cpu = await ours(bench, jobs)
            print(
                f"{jobs} jobs on {len(bench.executor.overview()['allocations'])} warm workers: {rate:.0f}/s, "
                f"{rate / each:.1f} times an sbatch for each, {rate / plain:.2f} of bare Dask ({plain:.0f}/s); "
                f"{cpu:.1f} ms CPU of the service per job"
            )
        await latencies(bench)
        await bench.executor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    with slurm() as running:
        os.environ |= running.environment
        asyncio.run(main(arguments.jobs, arguments.workers))
