"""Workers as large as their jobs need, in the partition and with the GPUs that they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from execution_bench import until
from slurm_bench import SlurmBench
from slurm_daemons import Slurm

from jupyter_uws.execution import allocations


@pytest.fixture(autouse=True)
def nothing_left(slurm: Slurm) -> Iterator[None]:
    yield
    slurm.end_jobs()


def asked_for(slurm: Slurm) -> dict[str, tuple[str, ...]]:
    """Partition, cores, memory, GPUs and constraint of each allocation."""
    lines = slurm.call("squeue", "--noheader", "--format=%i|%P|%C|%m|%b|%f").splitlines()
    return {job: tuple(rest) for job, *rest in (line.strip().split("|") for line in lines)}


async def test_each_job_gets_its_worker(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path, workers=5, memory="1 GiB")
    running = {
        "small": await bench.running(),
        "large": await bench.running(cores=3, memory=2000),
        "gpu": await bench.running(gpus=1),
        "constraint": await bench.running(constraint="avx"),
        "partition": await bench.running(partition="low"),
    }
    workers = {name: (await bench.report(job, "started")).info["worker"] for name, job in running.items()}
    jobs = {each["worker"]: each["job_id"] for each in bench.table()}
    found = asked_for(slurm)
    assert {name: found[jobs[worker]] for name, worker in workers.items()} == {
        "small": ("normal", "1", "1G", "N/A", "(null)"),
        "large": ("normal", "3", "3G", "N/A", "(null)"),
        "gpu": ("normal", "1", "1G", "gres:gpu:1", "(null)"),
        "constraint": ("normal", "1", "1G", "N/A", "avx"),
        "partition": ("low", "1", "1G", "N/A", "(null)"),
    }
    for job in running.values():
        await bench.executor.abort(job)
        await bench.last(job)
    # each worker is used again by jobs like the first
    again = await bench.start("true", gpus=1)
    await bench.last(again)
    assert (await bench.report(again, "started")).info["worker"] == workers["gpu"]
    # a small job goes to the smallest worker there is
    again = await bench.start("true")
    await bench.last(again)
    assert (await bench.report(again, "started")).info["worker"] == workers["small"]
    assert len(asked_for(slurm)) == 5
    await bench.executor.close()
    await until(lambda: slurm.jobs() == {})


async def test_an_idle_worker_makes_room_for_another_shape(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path, workers=1)
    assert (await bench.last(await bench.start("true"))).kind == "completed"
    assert (await bench.last(await bench.start("true", cores=4))).kind == "completed"
    assert [shape[1] for shape in asked_for(slurm).values()] == ["4"]
    # and a large worker takes small jobs
    assert (await bench.last(await bench.start("true"))).kind == "completed"
    assert len(asked_for(slurm)) == 1
    await bench.executor.close()


async def test_no_shape_waits_for_ever_behind_another(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the jobs of the first, which never end, would have all the workers there may be."""
    monkeypatch.setattr(allocations, "PATIENCE", 1.0)
    bench = SlurmBench(tmp_path, workers=1)
    small = [await bench.start("sleep 0.2") for _ in range(3)]
    await bench.ready(1)
    large = await bench.start("true", cores=2)
    while len(small) < 100 and "completed" not in {report.kind for report in bench.reports.get(large.job_id, ())}:
        small.append(await bench.start("sleep 0.2"))
        await bench.last(small[len(small) - 4])
    assert (await bench.last(large, 1)).kind == "completed"
    for job in small:
        assert (await bench.last(job)).kind == "completed"
    await bench.executor.close()


async def test_what_slurm_refuses_for_one_shape_concerns_no_other(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path, workers=2)
    good = await bench.running("echo '{\"progress\": 0}' >&3; sleep 2")
    bad = await bench.start("true", partition="nowhere")
    waiting = await bench.start("true")
    last = await bench.last(bad)
    assert last.error is not None
    assert "invalid partition specified: nowhere" in last.error.message
    assert (await bench.last(waiting)).kind == "completed"
    assert (await bench.last(good)).kind == "completed"
    await bench.executor.close()


async def test_more_than_any_node_has(slurm: Slurm, tmp_path: Path) -> None:
    """SLURM takes it, and never starts it: the job says why it waits."""
    bench = SlurmBench(tmp_path, workers=2)
    job = await bench.start("true", cores=500)
    await until(lambda: bench.executor.queue(job).get("waits_for") == "an allocation: PartitionConfig")
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    await bench.executor.close()
