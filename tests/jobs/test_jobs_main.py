"""The entry of a job's process, run as the supervisor runs it: a process, a folder, a pipe."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_uws.jobs.context import JobContext, guess_content_type

HERE = Path(__file__).parent


@dataclass
class Ended:
    """What a run left behind."""

    code: int
    folder: Path
    stdout: str
    stderr: str
    progress: list[dict[str, Any]]

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_bytes())


def run(
    folder: Path,
    entry_point: str,
    limit: tuple[int, int] | None = None,
    more: dict[str, Any] | None = None,
    **values: Any,
) -> Ended:
    (folder / "work").mkdir()
    parameters = {"entry_point": entry_point, "values": values, **(more or {})}
    (folder / "request.json").write_text(json.dumps({"parameters": parameters}))
    reader, writer = os.pipe()
    environ = os.environ | {
        "UWS_JOB_ID": "20261122-0000000a",
        "UWS_JOB_DIR": str(folder),
        "UWS_PROGRESS_FD": str(writer),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_uws.jobs.main", "../request.json"],
        cwd=folder / "work",
        env=environ,
        pass_fds=[writer],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=(lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))) if limit else None,
    )
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        progress = [json.loads(line) for line in stream]
    return Ended(done.returncode, folder, done.stdout, done.stderr, progress)


def test_a_job_writes_results_and_tells_progress(tmp_path: Path) -> None:
    text = "$(touch x); 'é\"\n"
    ended = run(tmp_path, "jobs_for_tests:write_two", text=text)
    assert ended.code == 0
    assert ended.json("results.json") == [
        {"name": "first", "path": "a.txt", "content_type": "text/plain", "size": 17, "description": "The text"},
        {"name": "second", "path": "sub/b.fits.gz", "content_type": "application/fits", "size": 1, "description": ""},
    ]
    assert (tmp_path / "work/a.txt").read_text() == text
    assert ended.progress == [{"progress": 0.25, "message": "writing"}, {"progress": 1.0, "message": ""}]
    assert ended.stdout == "to stdout\n"
    assert "WARNING" in ended.stderr
    assert "to stderr" in ended.stderr
    assert "INFO completed" in ended.stderr
    assert sorted(os.listdir(tmp_path)) == ["request.json", "results.json", "work"]


def test_files_are_paths(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    for name in "abc":
        (tmp_path / "uploads" / name).write_text(name)
    files = {"files": ["first", "others", "none"]}
    values = {"first": "uploads/a", "others": ["uploads/b", "uploads/c"]}
    assert run(tmp_path, "jobs_for_tests:read_files", more=files, **values).stdout == "a b c\n"


@pytest.mark.parametrize(
    ("entry_point", "values", "message", "kind"),
    [
        ("jobs_for_tests:refuse", {}, "no run is left", "transient"),
        ("jobs_for_tests:bug", {}, "ValueError: first line", "fatal"),
        ("jobs_for_tests:leave", {"code": 3}, "the job ended itself with sys.exit(3)", "fatal"),
        ("jobs_for_tests:no_such", {}, "the job's code jobs_for_tests:no_such cannot be imported", "fatal"),
        ("no_such_module:x", {}, "the job's code no_such_module:x cannot be imported", "fatal"),
        ("jobs_for_tests:refuse", {"y": 1}, "TypeError: refuse() got an unexpected keyword argument 'y'", "fatal"),
        ("jobs_for_tests:climb", {}, "outside the job's work folder", "fatal"),
        (
            "jupyter_uws.analysis.sleeper:sleeper",
            {"duration": 0.01, "fail": True},
            "the sleeper was asked to fail after 0.01 s",
            "fatal",
        ),
    ],
)
def test_a_failure_is_one_sentence_with_the_whole_story(
    tmp_path: Path, entry_point: str, values: dict[str, Any], message: str, kind: str
) -> None:
    ended = run(tmp_path, entry_point, **values)
    assert ended.code == 1
    error = ended.json("error.json")
    assert message in error["message"]
    assert "\n" not in error["message"]
    assert error["type"] == kind
    assert "Traceback" in error["detail"]
    assert message in ended.stderr
    assert not (tmp_path / "results.json").exists()


def test_sys_exit_zero_is_completed(tmp_path: Path) -> None:
    ended = run(tmp_path, "jobs_for_tests:leave", code=0)
    assert (ended.code, (tmp_path / "error.json").exists()) == (0, False)


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_too_much_memory_names_the_limit(tmp_path: Path, kind: int) -> None:
    ended = run(tmp_path, "jobs_for_tests:memory", limit=(kind, 2**30))
    assert ended.code == 1
    assert ended.json("error.json")["message"] == "the job needed more memory than its limit of 1024 MiB"


def test_no_room_for_files_is_told_on_stderr(tmp_path: Path) -> None:
    ended = run(tmp_path, "jobs_for_tests:write_two", limit=(resource.RLIMIT_FSIZE, 0), text="x")
    assert ended.code == 1
    assert "OSError: [Errno 27] File too large" in ended.stderr
    assert "error.json cannot be written" in ended.stderr
    assert sorted(os.listdir(tmp_path)) == ["request.json", "work"]


def test_the_sleeper(tmp_path: Path) -> None:
    ended = run(tmp_path, "jupyter_uws.analysis.sleeper:sleeper", duration=0.2, fail=False)
    assert ended.code == 0
    assert [result["name"] for result in ended.json("results.json")] == ["report"]
    fractions = [line["progress"] for line in ended.progress]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.1
    assert fractions[-1] == 1.0


def test_nobody_reads_the_progress(tmp_path: Path) -> None:
    """A full pipe, then a closed one: the job goes on."""
    reader, writer = os.pipe()
    environ = {"UWS_JOB_ID": "1", "UWS_JOB_DIR": str(tmp_path), "UWS_PROGRESS_FD": str(writer)}
    job = JobContext.from_environment(environ)
    for step in range(3000):
        job.progress(step / 3000, "x" * 1000)
    os.close(reader)
    job.progress(1.0)
    os.close(writer)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "1st", "a b", "x" * 65, "a\n"])
def test_names_of_results(tmp_path: Path, name: str) -> None:
    job = JobContext.local(tmp_path)
    (job.work / "a.txt").touch()
    with pytest.raises(ValueError, match="result name"):
        job.result(name, "a.txt")


def test_results_stay_in_the_work_folder(tmp_path: Path) -> None:
    job = JobContext.local(tmp_path / "job")
    (tmp_path / "secret.txt").touch()
    (job.work / "link.txt").symlink_to(tmp_path / "secret.txt")
    for path in ("link.txt", "../../secret.txt", str(tmp_path / "secret.txt")):
        with pytest.raises(ValueError, match="outside the job's work folder"):
            job.result("x", path)
    for path in ("none.txt", "."):
        with pytest.raises(FileNotFoundError):
            job.result("x", path)
    assert not (job.folder / "results.json").exists()


def test_a_result_declared_again_replaces_the_first(tmp_path: Path) -> None:
    job = JobContext.local(tmp_path)
    for text in ("a", "longer"):
        (job.work / "a.txt").write_text(text)
        job.result("a", "a.txt")
    assert [result["size"] for result in json.loads((tmp_path / "results.json").read_text())] == [6]


def test_content_types() -> None:
    assert guess_content_type("Map.FITS.gz") == "application/fits"
    assert guess_content_type("sed.png") == "image/png"
    assert guess_content_type("what.xyz") == "application/octet-stream"
