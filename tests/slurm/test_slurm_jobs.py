"""Jobs in SLURM's allocations behave as on the local cluster."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from execution_bench import FAMILY, processes_of, until
from slurm_bench import SlurmBench
from slurm_daemons import Slurm


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlurmBench]:
    bench = SlurmBench(tmp_path_factory.mktemp("jobs"))
    yield bench
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_job_completes(bench: SlurmBench, slurm: Slurm) -> None:
    job = await bench.start('echo $UWS_JOB_ID; env > env; echo \'[{"name":"env","path":"env"}]\' > ../results.json')
    last = await bench.last(job)
    assert last.kind == "completed"
    assert [result.name for result in last.results] == ["env"]
    assert bench.folder(job).stdout.read_text().strip() == job.job_id
    started = await bench.report(job, "started")
    assert started.info["worker"].startswith("tls://127.0.0.1:")
    # on another host, as far as its name tells
    assert started.info["host"] == slurm.node_of(*slurm.jobs()) != os.uname().nodename
    assert len(slurm.jobs()) == 1


async def test_one_worker_is_used_again(bench: SlurmBench, slurm: Slurm) -> None:
    for _ in range(5):
        assert (await bench.last(await bench.start("true"))).kind == "completed"
    assert len(slurm.jobs()) == 1


async def test_submitted_jobs_start_at_once_on_warm_workers(bench: SlurmBench) -> None:
    latencies = []
    for _ in range(20):
        begin = time.perf_counter()
        job = await bench.start("true")
        await bench.report(job, "started")
        latencies.append(time.perf_counter() - begin)
        await bench.last(job)
    median = sorted(latencies)[10]
    print(f"submit -> EXECUTING on a warm SLURM worker: median {median * 1e3:.0f} ms")
    assert median < 1.9  # without another look at the queue, which comes after 2 s


async def test_abort(bench: SlurmBench) -> None:
    job = await bench.start(FAMILY)
    await bench.report(job, "progress")
    begin = time.perf_counter()
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    print(f"abort -> ABORTED: {(time.perf_counter() - begin) * 1e3:.0f} ms")
    assert processes_of(job.job_id) == []


async def test_execution_duration(bench: SlurmBench) -> None:
    job = await bench.start(FAMILY, seconds=1)
    started = await bench.report(job, "started")
    last = await bench.last(job)
    assert last.kind == "aborted"
    assert last.error is not None
    assert last.error.message == "executionDuration of 1 s exceeded"
    assert 0.9 < (last.time - started.time).total_seconds() < 60
    assert processes_of(job.job_id) == []


async def test_memory_limit(bench: SlurmBench) -> None:
    job = await bench.start(argv=json.dumps([sys.executable, "-c", "bytearray(500_000_000)"]), memory=60)
    last = await bench.last(job)
    assert last.error is not None
    assert last.error.message == "memory limit of 60 MiB exceeded (MemoryError)"


async def test_keys_are_private_and_strangers_stay_out(bench: SlurmBench) -> None:
    assert (await bench.last(await bench.start("true"))).kind == "completed"
    (keys,) = (bench.executor.jobs / ".cluster").glob("keys-*")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    files = list(keys.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    from distributed import Client
    from distributed.security import Security

    cluster = bench.executor._cluster
    assert cluster is not None
    address = cluster.cluster.scheduler_address
    assert address.startswith("tls://")
    for stranger in (
        Client(address.replace("tls", "tcp"), asynchronous=True, timeout=1),
        Client(address, asynchronous=True, timeout=1, security=Security.temporary()),
    ):
        with pytest.raises((OSError, ValueError)):
            await stranger
        await stranger.close()


async def test_what_the_queue_says(bench: SlurmBench) -> None:
    running = [await bench.start("sleep 300") for _ in range(2)]
    await bench.ready(2)
    first, second = [await bench.start("true") for _ in range(2)]
    assert bench.executor.queue(first) == {"queue_position": "0", "waits_for": "a free worker"}
    assert bench.executor.queue(second) == {"queue_position": "1", "waits_for": "a free worker"}
    for job in running:
        await bench.executor.abort(job)
    assert (await bench.last(second)).kind == "completed"
    assert bench.executor.queue(second) == {}
