"""Jobs that fan out to other workers' slots: they get what is free, give it back, and leave nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from execution_bench import Bench, parent, processes_of, until
from fanning_bench import command, fan_out, fanned_out, helper_folder, of_helpers, result, squares

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.folder import JobFolder
from jupyter_uws.execution.helpers import ARGUMENTS, CHARACTERS, wanted
from jupyter_uws.execution.processes import children, start_time

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICE = Path(__file__).with_name("execution_service.py")


async def test_a_job_runs_on_several_workers(bench: Bench) -> None:
    job = await fan_out(bench, 8, 0.2)
    last = await bench.last(job)
    assert last.kind == "completed", last.error
    assert len(set(result(bench, job)["pids"])) == 2
    assert result(bench, job)["sum"] == squares(8)
    assert of_helpers(job.job_id) == []
    assert helper_folder(bench, job).last_word(0) is not None
    assert len(bench.executor._fifo.free) == 2
    assert [report.kind for report in bench.reports[job.job_id]].count("completed") == 1


async def test_jobs_that_fill_all_slots_and_fan_out_complete(bench: Bench) -> None:
    jobs = [await fan_out(bench, 4, 0.1, workers=1) for _ in range(5)]
    for job in jobs:
        assert (await bench.last(job, 120)).kind == "completed"
        assert result(bench, job)["sum"] == squares(4)


async def test_a_waiting_job_takes_a_helpers_slot_and_the_helper_comes_back(bench: Bench) -> None:
    job = await fan_out(bench, 80, 0.2)
    await fanned_out(bench, job)
    overview = bench.executor.overview()["allocations"]
    assert sorted(str(each["helps"]) for each in overview) == sorted([job.job_id, "None"])
    begin = asyncio.get_running_loop().time()
    other = await bench.start("sleep 1")
    await bench.report(other, "started")
    print(f"a waiting job takes a helper's slot in {asyncio.get_running_loop().time() - begin:.3f} s")
    assert of_helpers(job.job_id) == []
    assert processes_of(job.job_id)
    assert (await bench.last(other)).kind == "completed"
    await until(lambda: processes_of(f"{job.job_id}.h2"))
    assert (await bench.last(job)).kind == "completed"
    assert result(bench, job)["sum"] == squares(80)
    word = helper_folder(bench, job).last_word(0)
    assert word is not None
    assert word["event"] == "aborted"


@pytest.mark.parametrize("how", ["abort", "executionDuration", "kill"])
async def test_what_ends_a_job_ends_its_helpers(bench: Bench, how: str) -> None:
    job = await fan_out(bench, 4, 300, seconds=15 if how == "executionDuration" else 0)
    await fanned_out(bench, job)
    assert of_helpers(job.job_id)
    keys = bench.folder(job).fanout
    assert list(keys.glob("keys-*/key.pem"))
    begin = asyncio.get_running_loop().time()
    if how == "abort":
        await bench.executor.abort(job)
    elif how == "kill":
        os.kill(bench.pids(job)[0], signal.SIGKILL)
    last = await bench.last(job)
    assert of_helpers(job.job_id) + processes_of(job.job_id) == []
    if how == "executionDuration":
        ran = last.time - (await bench.report(job, "started")).time
        assert 15 <= ran.total_seconds() < 30
    else:
        print(f"{how}: nothing lives after {asyncio.get_running_loop().time() - begin:.3f} s")
    assert last.kind == ("failed" if how == "kill" else "aborted")
    assert not keys.exists()
    await until(lambda: len(bench.executor._fifo.free) == 2)


@pytest.mark.parametrize("victim", ["helper", "supervisor", "worker"])
async def test_a_lost_helper_is_nobodys_error(bench: Bench, victim: str) -> None:
    job = await fan_out(bench, 30, 0.2)
    await fanned_out(bench, job)
    started = helper_folder(bench, job).events(0)[0]
    pids = {"helper": started["pid"], "supervisor": started["supervisor"], "worker": parent(started["supervisor"])}
    os.kill(pids[victim], signal.SIGKILL)
    last = await bench.last(job)
    assert last.kind == "completed", last.error
    assert result(bench, job)["sum"] == squares(30)
    assert of_helpers(job.job_id) == []
    await until(lambda: len(bench.executor._fifo.free) == 2)


async def test_a_lost_worker_takes_its_jobs_helpers_along(bench: Bench) -> None:
    job = await fan_out(bench, 4, 300)
    await fanned_out(bench, job)
    os.kill(bench.worker_pid(job), signal.SIGKILL)
    last = await bench.last(job)
    assert last.error is not None
    assert last.error.message == "its Dask worker was lost"
    assert of_helpers(job.job_id) + processes_of(job.job_id) == []
    assert not bench.folder(job).fanout.exists()
    await until(lambda: len(bench.executor._fifo.free) == 2)


async def test_nothing_is_left_of_a_killed_service(tmp_path: Path) -> None:
    job_id = f"1-{os.getpid()}-fanned"
    script = " ".join(command(4, 300, 2))
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, str(SERVICE), str(tmp_path), json.dumps({job_id: script}), json.dumps({"workers": 2})],
        stdin=-1,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: JobFolder(tmp_path / job_id / "helpers" / "1").events(0))
        workers = [
            parent(folder.events(0)[0]["supervisor"])
            for folder in (JobFolder(tmp_path / job_id), JobFolder(tmp_path / job_id / "helpers" / "1"))
        ]
        pids = [pid for worker in workers for pid in (worker, *children(worker))]
        await until(lambda: of_helpers(job_id))
    finally:
        process.kill()
        await process.wait()
    await until(lambda: not of_helpers(job_id) + processes_of(job_id))
    await until(lambda: all(start_time(pid) is None for pid in pids))
    await until(lambda: not (tmp_path / job_id / "fanout").exists())


async def test_the_keys_of_a_job_are_its_own(bench: Bench) -> None:
    job = await fan_out(bench, 10, 0.2)
    await fanned_out(bench, job)
    fanout = bench.folder(job).fanout
    (folder,) = fanout.glob("keys-*")
    assert [path.stat().st_mode & 0o777 for path in (fanout, folder)] == [0o700, 0o700]
    files = list(folder.iterdir())
    assert {file.name: file.stat().st_mode & 0o777 for file in files} == dict.fromkeys(
        ("ca_file.pem", "cert.pem", "key.pem"), 0o600
    )
    secret = (folder / "key.pem").read_bytes().splitlines()[1]
    assert (await bench.last(job)).kind == "completed"
    assert not fanout.exists()
    rest = [path for path in bench.folder(job).path.rglob("*") if path.is_file()]
    assert rest
    assert not any(secret in path.read_bytes() for path in rest)


async def test_a_second_run_knows_nothing_of_earlier_helpers(bench: Bench) -> None:
    folder = bench.folder(bench.job())
    for stale in (folder.fanout / "keys-x", folder.path / "helpers" / "1"):
        stale.mkdir(parents=True)
        (stale / "started.0").touch()
    await asyncio.to_thread(folder.prepare, {})
    assert sorted(path.name for path in folder.path.iterdir()) == ["request.json", "work"]


async def test_jobs_that_fan_out_share_the_free_slots(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=5))
    asking = """echo '{"helpers": {"count": 4, "argv": ["sleep", "300"]}}' >&3; sleep 300"""

    def shares() -> list[int]:
        helps = [each["helps"] for each in bench.executor.overview()["allocations"]]
        return [helps.count(job.job_id) for job in jobs]

    try:
        jobs = [await bench.start(asking)]
        await until(lambda: shares() == [4])
        jobs.append(await bench.start(asking))
        await until(lambda: sorted(shares()) == [1, 2])
        jobs.append(await bench.start("sleep 300"))
        await until(lambda: sorted(shares()) == [0, 1, 1])
        await bench.executor.abort(jobs[0])
        await bench.last(jobs[0])
        await until(lambda: shares() == [0, 3, 0])
    finally:
        await bench.executor.close()
    assert [pid for job in jobs for pid in of_helpers(job.job_id)] == []


async def test_words_that_make_no_sense_bring_no_helpers(bench: Bench) -> None:
    job = await bench.start(
        """
        echo '{"helpers": 3}' >&3; echo '{"helpers": {"count": "3", "argv": ["true"]}}' >&3
        echo '{"helpers": {"count": 3}}' >&3; echo '{"progress": 0.5}' >&3; sleep 0.3
        """
    )
    assert (await bench.last(job)).kind == "completed"
    assert not (bench.folder(job).path / "helpers").exists()


async def test_helpers_that_end_by_themselves_are_not_begun_again(bench: Bench) -> None:
    job = await bench.start("""echo '{"helpers": {"count": 9, "argv": ["false"]}}' >&3; sleep 2""")
    assert (await bench.last(job)).kind == "completed"
    # no more than there are other workers
    assert [path.name for path in (bench.folder(job).path / "helpers").iterdir()] == ["1"]
    word = helper_folder(bench, job).last_word(0)
    assert word is not None
    assert word["event"] == "failed"


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {},
        {"count": -1, "argv": ["true"]},
        {"count": True, "argv": ["true"]},
        {"count": 1.5, "argv": ["true"]},
        {"count": 1, "argv": []},
        {"count": 1, "argv": "true"},
        {"count": 1, "argv": [1]},
        {"count": 1, "argv": ["x"] * (ARGUMENTS + 1)},
        {"count": 1, "argv": ["x" * (CHARACTERS + 1)]},
    ],
)
async def test_nonsense(asked: Any) -> None:
    assert wanted(asked) == (0, [])


OUTSIDE = """
import os
from jupyter_uws import job
job.progress(0.5, "nobody listens")
with job.client() as dask:
    pids = set(dask.gather(dask.map(lambda number: os.getpid(), range(5), pure=False)))
assert pids == {os.getpid()}, pids
try:
    with job.client(0):
        pass
except ValueError as error:
    print(error)
"""


async def test_outside_of_a_service_all_is_done_here(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UWS_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", OUTSIDE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "workers is 0; it must be at least 1\n"
    assert list(tmp_path.iterdir()) == []


async def test_without_other_workers_nothing_is_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    try:
        job = await fan_out(bench, 4, 0.1, workers=1)
        assert (await bench.last(job)).kind == "completed"
        assert sorted(path.name for path in bench.folder(job).path.iterdir()) == [
            *("events.jsonl", "request.json", "started.0", "stderr", "stdout", "work")
        ]
    finally:
        await bench.executor.close()
