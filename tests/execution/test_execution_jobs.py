"""Jobs on the local Dask cluster: what is run, what is reported, limits, abort."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from execution_bench import FAMILY, Bench, processes_of

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.processes import start_time
from jupyter_uws.execution.supervisor import command

pytestmark = pytest.mark.asyncio(loop_scope="session")


def seconds(*reports: object) -> float:
    first, last = reports
    return (last.time - first.time).total_seconds()  # type: ignore[attr-defined]


async def test_results_and_progress(bench: Bench) -> None:
    job = await bench.start(
        """
        echo '{"progress": 0.5, "message": "half"}' >&3
        mkdir maps; printf data > maps/x.fits
        echo '[{"name": "map", "path": "maps/x.fits", "content_type": "application/fits"}]' > ../results.json
        """
    )
    last = await bench.last(job)
    assert [r.kind for r in bench.reports[job.job_id]] == ["started", "progress", "completed"]
    assert bench.reports[job.job_id][1].info == {"progress": 0.5, "message": "half"}
    (result,) = last.results
    assert (result.name, result.path, result.content_type) == ("map", "maps/x.fits", "application/fits")
    assert (result.size, result.sha256) == (4, hashlib.sha256(b"data").hexdigest())
    assert last.error is None


async def test_what_a_job_finds(bench: Bench) -> None:
    job = await bench.start("env -0 > env; pwd > pwd; ls -l /proc/self/fd > fds; cat ../request.json; ulimit -n >&2")
    assert (await bench.last(job)).kind == "completed"
    folder = bench.folder(job)
    env = dict(entry.split("=", 1) for entry in (folder.work / "env").read_text().split("\0") if entry)
    assert env["UWS_JOB_ID"] == job.job_id
    assert env["UWS_JOB_TYPE"] == "shell"
    assert env["UWS_RUN"] == "0"
    assert env["UWS_JOB_DIR"] == str(folder.path)
    assert env["UWS_PROGRESS_FD"] == "3"
    assert env["GIVEN"] == "yes"
    assert not [name for name in env if "DASK" in name or "TOKEN" in name or "SECRET" in name]
    assert (folder.work / "pwd").read_text().strip() == str(folder.work)
    request = json.loads(folder.stdout.read_text())
    assert request["parameters"] == {"values": {"x": 1}}
    assert request["job_id"] == job.job_id
    assert folder.stderr.read_text().strip() == "1024"
    # stdin, stdout, stderr, progress, and the folder that ls reads
    assert (folder.work / "fds").read_text().count(" -> ") == 5
    assert folder.path.stat().st_mode & 0o777 == 0o700


async def test_values_reach_no_shell(bench: Bench) -> None:
    value = "$(touch pwned); `touch pwned` ; touch pwned"
    job = await bench.start(argv=json.dumps(["printf", "%s", value]))
    assert (await bench.last(job)).kind == "completed"
    assert bench.folder(job).stdout.read_text() == value
    assert list(bench.folder(job).work.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "message", "detail"),
    [
        ("echo one >&2; echo two >&2; exit 3", "exit status 3", "one\ntwo"),
        ("kill -SEGV $$", "killed by SIGSEGV", None),
        (
            "kill -KILL $$",
            "killed by SIGKILL, not by this service: by the kernel for want of memory, or by a person",
            None,
        ),
        ("""echo '{"message": "no fit", "type": "transient", "detail": "d"}' > ../error.json; exit 1""", "no fit", "d"),
    ],
)
async def test_failures_say_why(bench: Bench, script: str, message: str, detail: str | None) -> None:
    last = await bench.last(await bench.start(script))
    assert last.kind == "failed"
    assert last.error is not None
    assert (last.error.message, last.error.detail) == (message, detail)
    assert last.error.type == ("transient" if "transient" in script else "fatal")


async def test_no_such_program(bench: Bench) -> None:
    last = await bench.last(await bench.start(argv='["no-such-program"]'))
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.message == "cannot execute 'no-such-program': No such program on PATH"


async def test_job_that_cannot_be_described(bench: Bench) -> None:
    last = await bench.last(await bench.start(describe="fail"))
    assert last.error is not None
    assert last.error.message == "the job cannot be run: there is no job type 'shell' any more"


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("not json", "bad results: results.json is not JSON"),
        ('{"name": "x"}', "bad results: results.json holds dict, not a list"),
        ('[{"name": "x", "path": "../events.jsonl"}]', "outside the job's work folder"),
        ('[{"name": "x", "path": "link"}]', "outside the job's work folder"),
        ('[{"name": "x", "path": "/etc/passwd"}]', "outside the job's work folder"),
        ('[{"name": "x", "path": "nothing"}]', "'nothing' cannot be read: No such file"),
        ('[{"name": "x", "path": "."}]', "'.' is not a file"),
        ('[{"name": "x", "path": "a"}, {"name": "x", "path": "a"}]', "two results are named 'x'"),
        ('[{"path": "a"}]', "name is None"),
    ],
)
async def test_bad_results_fail_the_job(bench: Bench, declared: str, message: str) -> None:
    last = await bench.last(await bench.start(f"ln -s /etc/passwd link; echo > a; echo '{declared}' > ../results.json"))
    assert last.kind == "failed"
    assert last.error is not None
    assert message in last.error.message


async def test_a_failed_job_keeps_its_good_results(bench: Bench) -> None:
    job = await bench.start(
        """echo > a; echo '[{"name":"a","path":"a"},{"name":"b","path":"b"}]' >../results.json; exit 1"""
    )
    last = await bench.last(job)
    assert last.kind == "failed"
    assert [result.name for result in last.results] == ["a"]


async def test_progress_is_followed_but_not_too_often(bench: Bench) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo '{\"progress\": 0.'$i'}'; done >&3; echo junk >&3"
    job = await bench.start(script + '; echo \'{"progress": 7, "message": "end"}\' >&3; sleep 0.3')
    await bench.last(job)
    progress = [report for report in bench.reports[job.job_id] if report.kind == "progress"]
    assert progress[-1].info == {"progress": 1.0, "message": "end"}
    assert 1 <= len(progress) < 50


async def test_logs_grow_while_the_job_runs(bench: Bench) -> None:
    job = await bench.start("echo first; echo '{\"progress\": 0}' >&3; sleep 300")
    await bench.report(job, "progress")
    assert bench.folder(job).stdout.read_text() == "first\n"
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"


async def test_abort_ends_all_descendants(bench: Bench) -> None:
    times = []
    for script in (FAMILY, f"trap '' TERM; {FAMILY}"):
        job = await bench.start(script)
        await bench.report(job, "progress")
        assert len(processes_of(job.job_id)) >= 4
        begin = asyncio.get_running_loop().time()
        await bench.executor.abort(job)
        last = await bench.last(job)
        times.append(asyncio.get_running_loop().time() - begin)
        assert processes_of(job.job_id) == []
        assert last.kind == "aborted"
        assert last.error is None
    print(f"abort -> nothing lives: {times[0] * 1e3:.1f} ms, immune to SIGTERM {times[1] * 1e3:.1f} ms")
    assert max(times) < 5


async def test_no_descendant_can_hide(bench: Bench) -> None:
    """Without the job's environment, in a session of its own, its parent gone: still the supervisor's."""
    hidden = "env -i setsid sh -c '(echo $$ > pid; sleep 300) & wait' &"
    job = await bench.start(f"{hidden} sleep 0.1; echo '{{\"progress\": 0}}' >&3; sleep 300")
    await bench.report(job, "progress")
    pid = int((bench.folder(job).work / "pid").read_text())
    assert start_time(pid) is not None
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    assert start_time(pid) is None


async def test_abort_past_a_supervisor_that_hangs(bench: Bench) -> None:
    job = await bench.start(FAMILY)
    await bench.report(job, "progress")
    os.kill(bench.pids(job)[1], signal.SIGSTOP)
    await bench.executor.abort(job)
    assert (await bench.last(job)).kind == "aborted"
    assert processes_of(job.job_id) == []


async def test_background_processes_end_with_the_job(bench: Bench) -> None:
    job = await bench.start("sleep 300 & setsid sleep 300 & (setsid sh -c 'setsid sleep 300 &' &)")
    assert (await bench.last(job)).kind == "completed"
    assert processes_of(job.job_id) == []


async def test_execution_duration(bench: Bench) -> None:
    job = await bench.start(f'echo > a; echo \'[{{"name":"a","path":"a"}}]\' > ../results.json; {FAMILY}', seconds=1)
    last = await bench.last(job)
    assert last.kind == "aborted"
    assert last.error is not None
    assert last.error.message == "executionDuration of 1 s exceeded"
    assert [result.name for result in last.results] == ["a"]
    assert processes_of(job.job_id) == []
    took = seconds(await bench.report(job, "started"), last)
    print(f"executionDuration of 1 s: {took:.3f} s")
    assert 1 <= took < 60


ALLOCATE = "import time; b = bytearray({0} << 20); print('held', flush=True); time.sleep(300)"


async def test_memory_limit_of_one_process(bench: Bench) -> None:
    job = await bench.start(argv=json.dumps([sys.executable, "-c", ALLOCATE.format(500)]), memory=200)
    last = await bench.last(job)
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.message == "memory limit of 200 MiB exceeded (MemoryError)"


async def test_memory_error_told_by_the_job(bench: Bench) -> None:
    """As our own jobs end: caught, and written into error.json with the traceback."""
    told = json.dumps({"message": "no memory", "detail": "Traceback (most recent call last):\n\nMemoryError\n"})
    script = f"import sys; open('../error.json', 'w').write({told!r}); sys.exit(1)"
    last = await bench.last(await bench.start(argv=json.dumps([sys.executable, "-c", script]), memory=200))
    assert last.error is not None
    assert last.error.message == "memory limit of 200 MiB exceeded (MemoryError)"


async def test_memory_limit_of_all_processes_together(bench: Bench) -> None:
    one = f"{sys.executable} -c '{ALLOCATE.format(60).replace(chr(39), chr(34))}'"
    job = await bench.start(f"{one} & setsid {one} & {one}", memory=120)
    last = await bench.last(job)
    assert last.kind == "failed"
    assert last.error is not None
    assert last.error.message.startswith("memory limit of 120 MiB exceeded (the job's processes held 1")
    assert processes_of(job.job_id) == []


async def test_shared_memory_counts_once(bench: Bench) -> None:
    code = "import os, time; b = bytearray(b'x') * (60 << 20); [os.fork() for i in range(2)]; time.sleep(0.7)"
    job = await bench.start(argv=json.dumps([sys.executable, "-c", code]), memory=150)
    assert (await bench.last(job)).kind == "completed"


async def test_first_in_first_out_and_abort_in_the_queue(bench: Bench) -> None:
    long = [await bench.start("sleep 300") for _ in range(2)]
    for job in long:
        await bench.report(job, "started")
    waiting = [await bench.start("true") for _ in range(6)]
    await bench.executor.abort(waiting[2])
    assert (await bench.last(waiting[2])).kind == "aborted"
    assert not bench.folder(waiting[2]).begun(0)
    assert waiting[0].job_id not in bench.reports
    await bench.executor.abort(long[0])  # one worker is free; the short jobs do not wait for the other one
    started = [(await bench.report(job, "started")).time for job in waiting if job is not waiting[2]]
    assert started == sorted(started)
    assert [r.kind for r in bench.reports[long[1].job_id]] == ["started"]
    await bench.executor.abort(long[1])
    await bench.last(long[1])


async def test_abort_at_every_moment(bench: Bench) -> None:
    """Between start and the process's first instruction: always aborted, never left behind."""
    for pause in (None, 0, 0.001, 0.002, 0.004, 0.008):
        job = bench.job("sleep 300")
        starting = asyncio.create_task(bench.executor.start(job))
        await asyncio.sleep(pause or 0)
        if pause is not None:
            await starting
        await bench.executor.abort(job)
        await starting
        assert (await bench.last(job)).kind == "aborted", pause
        assert processes_of(job.job_id) == []


async def test_an_abort_that_comes_with_the_order(tmp_path: Path) -> None:
    """A worker that is told to stop a run before it has a supervisor sends both at once, which are read at once."""
    (tmp_path / "work").mkdir()
    run = {"op": "run", "job_id": "j", "run": 0, "folder": str(tmp_path), "argv": ["sleep", "300"], "env": {}}
    run |= {"job_type": "t", "memory_limit": 0, "cores": 1, "execution_duration": 0}
    abort = {"op": "abort", "job_id": "j", "run": 0, "reason": None}
    supervisor = await asyncio.create_subprocess_exec(*command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert supervisor.stdin
    assert supervisor.stdout
    supervisor.stdin.write(b"".join(json.dumps(order).encode() + b"\n" for order in (run, abort)))
    async with asyncio.timeout(20):
        words = [json.loads(await supervisor.stdout.readline())["event"]]
        while words[-1] == "started":
            words.append(json.loads(await supervisor.stdout.readline())["event"])
        supervisor.stdin.close()
        await supervisor.wait()
    assert words[-1] == "aborted"


async def test_a_run_is_begun_once(bench: Bench) -> None:
    """What Dask may do, run a task again, does nothing."""
    job = await bench.start("echo ran >> ../runs")
    await bench.last(job)
    word = bench.folder(job).last_word(0)
    await bench.executor.start(job)
    async with asyncio.timeout(20):
        while [report.kind for report in bench.reports[job.job_id]].count("completed") < 2:
            await asyncio.sleep(0.01)
    assert (bench.folder(job).path / "runs").read_text() == "ran\n"
    assert bench.folder(job).last_word(0) == word


async def test_full_disk(bench: Bench) -> None:
    """The events of the job go to a device that is always full."""
    job = bench.job("true")
    folder = bench.folder(job)
    folder.path.mkdir(parents=True)
    (folder.path / "events.jsonl").symlink_to("/dev/full")
    await bench.executor.start(job)
    last = await bench.last(job)
    assert last.kind == "failed"
    assert last.error is not None
    assert "No space left on device" in last.error.message
    assert (await bench.last(await bench.start("true"))).kind == "completed"


async def test_full_disk_under_the_job_folder(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    bench = Bench(tmp_path, ClusterConfig(workers=1))
    try:
        # not before there is room for its events
        fills = await bench.last(
            await bench.start("until [ -s ../events.jsonl ]; do sleep 0.01; done; cat /dev/zero > big")
        )
        assert fills.error is not None
        assert fills.error.message == "exit status 1; the disk of the job folder is full"
        after = await bench.last(await bench.start("true"))
        assert after.error is not None
        assert after.error.message == "the job folder cannot be written: No space left on device"
    finally:
        await bench.executor.close()
        subprocess.run(["umount", str(tmp_path)], check=True)


async def test_job_folder_that_cannot_be_made(bench: Bench) -> None:
    job = bench.job("true")
    bench.folder(job).path.write_text("a file in its place")
    await bench.executor.start(job)
    last = await bench.last(job)
    assert last.error is not None
    assert last.error.message == "the job folder cannot be written: File exists"


async def test_delete(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    job = await bench.start(f"ln -s {tmp_path} link; mkdir -p a/b; echo > a/b/c; chmod 500 a/b a")
    await bench.last(job)
    await bench.executor.delete(job)
    assert not bench.folder(job).path.exists()
    assert (tmp_path / "precious").read_text() == "keep"
    bench.folder(job).path.symlink_to(tmp_path)
    await bench.executor.delete(job)
    assert not os.path.lexists(bench.folder(job).path)
    assert (tmp_path / "precious").read_text() == "keep"
    await bench.executor.delete(job)  # nothing there is no error


async def test_job_ids_are_file_names(bench: Bench) -> None:
    for bad in ("../x", "", ".", "a/b", ".hidden"):
        with pytest.raises(ValueError, match="cannot be a job id"):
            bench.executor.folder(bad)


async def test_a_hundred_jobs(bench: Bench) -> None:
    jobs = [await bench.start("true") for _ in range(100)]
    for job in jobs:
        assert (await bench.last(job)).kind == "completed"
