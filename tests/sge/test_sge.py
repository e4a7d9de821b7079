"""Jobs in the allocations of a real Grid Engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import gridengine_daemons
import pytest
import pytest_asyncio
from execution_bench import FAMILY, processes_of, until
from gridengine_daemons import GridEngine
from slurm_bench import SlurmBench

from jupyter_uws.execution import allocations, qstat
from jupyter_uws.execution.batch import CommandError
from jupyter_uws.uws.model import Job


class SGEBench(SlurmBench):
    """An executor whose workers come from Grid Engine."""

    backend = "sge"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(engine: GridEngine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SGEBench]:
    bench = SGEBench(tmp_path_factory.mktemp("jobs"))
    yield bench
    await bench.executor.close()
    await until(lambda: engine.jobs() == {})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look earlier than after 5 s."""
    monkeypatch.setattr(allocations, "FIRST_LOOK", 1.0)
    monkeypatch.setattr(allocations, "LOOK_INTERVAL", 0.5)


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def error(bench: SGEBench, job: Job) -> str:
    last = await bench.last(job)
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.type == "transient"
    return last.error.message


async def test_a_job_completes(bench: SGEBench, engine: GridEngine) -> None:
    job = await bench.start("echo $UWS_JOB_ID")
    assert (await bench.last(job)).kind == "completed"
    assert bench.folder(job).stdout.read_text().strip() == job.job_id
    assert (await bench.report(job, "started")).info["worker"].startswith("tls://127.0.0.1:")
    ((job_id, state),) = engine.jobs().items()
    assert state == "r"
    assert bench.up() == [job_id]


async def test_abort(bench: SGEBench) -> None:
    job = await bench.running(FAMILY)
    assert processes_of(job.job_id)
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    assert processes_of(job.job_id) == []


async def test_delete_the_allocation(bench: SGEBench, engine: GridEngine) -> None:
    """As its operator does; another one comes when there is work."""
    job = await bench.running()
    ids = set(engine.jobs())
    engine.call("qdel", *ids)
    assert await bench.lost(job) == "its Dask worker was lost"
    await bench.goes_on()
    await until(lambda: ids.isdisjoint(engine.jobs()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "nowhere"}, 'Job was rejected because job requests unknown queue "nowhere"'),
        ({"project": "nobodys"}, 'job rejected: the requested project "nobodys" does not exist'),
    ],
)
async def test_a_refused_submission(engine: GridEngine, tmp_path: Path, options: dict[str, str], words: str) -> None:
    bench = SGEBench(tmp_path, **options)
    for job in [await bench.start("true") for _ in range(2)]:
        assert words in await error(bench, job)
    await bench.executor.close()


async def test_idle_workers_are_given_back(engine: GridEngine, tmp_path: Path) -> None:
    """The operator's prologue is bash, though the shell of the queue is csh."""
    before = set(engine.jobs())
    said = tmp_path / "said"
    bench = SGEBench(tmp_path, idle_timeout=1.0, job_script_prologue=[f"export MODE=batch; echo $MODE > {said}"])
    await bench.goes_on()
    assert said.read_text() == "batch\n"
    await until(lambda: set(engine.jobs()) <= before)
    await bench.executor.close()


async def test_why_an_allocation_pends(engine: GridEngine, tmp_path: Path) -> None:
    """It asks for more than its queue has: the job says so; deleted by the operator, another is asked for."""
    before = set(engine.jobs())
    bench = SGEBench(tmp_path, queue="small.q", walltime="10:00:00")
    job = await bench.start("true")
    why = 'an allocation: (-l h_rt=36000) cannot run in queue "small.q" because of cluster queue'
    await until(lambda: bench.executor.queue(job).get("waits_for") == why)
    (first,) = set(engine.jobs()) - before
    engine.call("qdel", first)
    await until(lambda: set(engine.jobs()) - before - {first})
    assert job.job_id not in bench.reports
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    await bench.executor.close()
    await until(lambda: set(engine.jobs()) <= before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"python": "/nowhere/python"}, "/nowhere/python: No such file or directory"),
        ({"job_extra_directives": ["-wd /nowhere"]}, "can't chdir to /nowhere"),
    ],
)
async def test_allocations_without_a_worker(
    engine: GridEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    words: str,
) -> None:
    """Said with what the worker wrote, or what Grid Engine says."""
    monkeypatch.setattr(allocations, "STRIKES", 1)
    before = set(engine.jobs())
    bench = SGEBench(tmp_path, **options)
    message = await error(bench, await bench.start("true"))
    assert "before its worker came" in message
    assert words in message
    await bench.executor.close()
    await until(lambda: set(engine.jobs()) <= before)


async def test_qmaster_is_away(engine: GridEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job waits, says why, and runs when qmaster is there again. In a Grid Engine of its own."""
    monkeypatch.setattr(allocations, "RETRY", 1.0)
    bench = SGEBench(tmp_path)
    with gridengine_daemons.grid_engine() as other:
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)
        for daemon in ("execd", "qmaster"):
            other.stop(daemon)
        job = await bench.start("true")
        await until(lambda: "unable to send message to qmaster" in bench.executor.queue(job).get("waits_for", ""))
        with pytest.raises(CommandError, match="unable to send message to qmaster"):
            await qstat.look(["1"])
        other.up()
        assert (await bench.last(job)).kind == "completed"
        await bench.executor.close()


async def test_nothing_is_left(engine: GridEngine, tmp_path: Path) -> None:
    """A second one beside the first, taken down with a job that runs."""
    with gridengine_daemons.grid_engine() as other:
        script = tmp_path / "script"
        script.write_text("sleep 300 & sleep 300\n")
        other.call("qsub", "-S", "/bin/sh", "-o", "/dev/null", "-j", "y", script)
        other.until(lambda: "r" in other.jobs().values(), "no job runs")
        folder = other.folder
    assert other.processes() == []
    assert not folder.exists()
    assert engine.idle()
