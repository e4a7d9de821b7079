"""The life of the cluster: started at the first job, closed when idle, started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from execution_bench import Bench, until

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.fifo import Fifo
from jupyter_uws.execution.processes import children


async def test_without_a_job_there_is_no_dask(tmp_path: Path) -> None:
    code = """
import asyncio, pathlib, sys
from jupyter_uws.execution.executor import DaskExecutor
async def main():
    await DaskExecutor(pathlib.Path(sys.argv[1]), print, print).close()
    assert not {"dask", "distributed"} & set(sys.modules)
asyncio.run(main())
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(tmp_path)], timeout=30)
    assert done.returncode == 0


async def test_closed_when_idle_and_started_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=1, idle_timeout=0.05))
    before = set(children(os.getpid()))
    for _ in range(2):
        job = await bench.start("true")
        assert (await bench.last(job)).kind == "completed"
        await until(lambda: bench.executor._cluster is None and bench.executor._changing is None)
        assert set(children(os.getpid())) - before <= tracker()
    await bench.executor.close()


def tracker() -> set[int]:
    """multiprocessing's own helper, which stays."""
    from multiprocessing import resource_tracker

    return {resource_tracker._resource_tracker._pid}  # type: ignore[attr-defined]


async def test_a_cluster_that_cannot_start_fails_the_jobs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=1, options={"protocol": "nonsense"}))
    for _ in range(2):  # and tries again with the next job
        last = await bench.last(await bench.start("true"))
        assert last.kind == "failed"
        assert last.error is not None
        assert last.error.message.startswith("the local Dask cluster cannot be started: ")
        assert last.error.type == "transient"
    await bench.executor.close()


async def test_starting_the_cluster_leaves_the_loop_free(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    gaps = []
    job = await bench.start("true")
    before = time.perf_counter()
    while not bench.reports.get(job.job_id):
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - before)
        before = time.perf_counter()
    print(f"the loop was away for {max(gaps) * 1e3:.0f} ms at most while the cluster started")
    assert max(gaps) < 5
    await bench.executor.close()


async def test_strangers_cannot_connect(tmp_path: Path) -> None:
    """Other users of this host reach the ports, and would run code as the service's user."""
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    job = await bench.start("sleep 300")
    await bench.report(job, "started")
    cluster = bench.executor._cluster
    assert cluster is not None
    identity = await cluster.submission.client.scheduler.identity(n_workers=-1)
    (worker,) = identity["workers"].values()
    for address in (identity["address"], worker["nanny"], *bench.executor._fifo.slots):
        host, port = address.removeprefix("tls://").split(":")
        with pytest.raises(OSError, match="certificate required|reset by peer|EOF"):
            await asyncio.to_thread(connect_without_certificate, host, int(port))
    await bench.executor.close()


def connect_without_certificate(host: str, port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, port), timeout=5) as plain, context.wrap_socket(plain) as stream:
        return stream.recv(1)


async def test_a_worker_closed_in_order(tmp_path: Path) -> None:
    """Dask keeps the task of such a worker pending for ever; the job must not wait for it."""
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    job = await bench.start("sleep 300")
    await bench.report(job, "started")
    cluster = bench.executor._cluster
    assert cluster is not None
    await cluster.submission.client.retire_workers(list(bench.executor._fifo.slots))
    last = await bench.last(job)
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.message == "its Dask worker was lost"
    await bench.executor.close()


async def test_few_messages_and_nothing_kept(tmp_path: Path) -> None:
    """A job is one message to its worker, and Dask has forgotten it soon after."""
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    await bench.last(await bench.start("true"), 60)
    cluster = bench.executor._cluster
    assert cluster is not None
    (stream,) = cluster.scheduler.stream_comms.values()
    before = stream.batch_count
    for job in [await bench.start("true") for _ in range(40)]:
        assert (await bench.last(job)).kind == "completed"
    assert 40 <= stream.batch_count - before <= 60
    await until(lambda: not cluster.scheduler.tasks)
    await bench.executor.close()


async def test_a_worker_that_just_ran_something_is_closed(tmp_path: Path) -> None:
    """Dask closes no worker that alone has a result that somebody wants, if only None."""
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    await bench.last(await bench.start("true"), 60)
    cluster = bench.executor._cluster
    assert cluster is not None
    assert cluster.scheduler.tasks
    await cluster.submission.retire(*bench.executor._fifo.slots)
    await until(lambda: not cluster.scheduler.workers)
    await bench.executor.close()


async def test_all_workers_lost_for_good(tmp_path: Path) -> None:
    """Where Dask does not replace them, the cluster is started anew."""
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    job = await bench.start("true")
    await bench.last(job)
    cluster = bench.executor._cluster
    assert cluster is not None
    bench.executor.config = ClusterConfig(workers=1, start_timeout=0.1)
    cluster.cluster.scale(0)
    await until(lambda: not bench.executor._fifo.slots)
    bench.executor.config = ClusterConfig(workers=1)
    assert (await bench.last(await bench.start("true"))).kind == "completed"
    await bench.executor.close()


async def test_close(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=2))
    job = await bench.start("sleep 300")
    await bench.report(job, "started")
    worker = bench.worker_pid(job)
    await bench.executor.close()
    last = await bench.last(job)
    assert last.error is not None
    assert last.error.message == "the service was stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(worker, signal.SIG_DFL)
    late = await bench.start("true")  # nothing is taken any more; it is settled by the next service
    assert late.job_id not in bench.reports
    assert not bench.folder(late).path.exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "cloud"}, "backend is 'cloud'; it must be one of local"),
        ({"workers": 0}, "workers is 0; it must be at least 1"),
    ],
)
def test_bad_configuration(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusterConfig(**settings)  # type: ignore[arg-type]


def test_fifo() -> None:
    def first(need: int, slots: Iterable[str]) -> str | None:
        return next(iter(slots), None)

    fifo: Fifo[int] = Fifo()
    for job in "abc":
        fifo.put(job, "me", 0)
    assert fifo.match(first) == []
    fifo.join("w1")
    assert fifo.match(first) == [("a", "w1")]
    fifo.join("w2")
    assert fifo.remove("b")
    assert not fifo.remove("b")
    assert fifo.match(first) == [("c", "w2")]
    fifo.leave("w1")
    fifo.release("w1")  # its job ended with it
    fifo.release("w2")
    fifo.put("d", "me", 0)
    fifo.put("e", "me", 0)
    assert fifo.match(first) == [("d", "w2")]
    assert fifo.waiting == ["e"]
