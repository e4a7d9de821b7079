"""Jobs through the whole service: HTTP, store, Dask, supervisor, and back."""

from __future__ import annotations

import io
import os
import shutil
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import defusedxml.ElementTree as ElementTree
import pytest
from astropy.io.votable import parse_single_table
from running import RunningService, run_service, wait_until

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
ENDED = ("COMPLETED", "ERROR", "ABORTED")


def submit(service: RunningService, job_type: str, phase: str | None = "RUN", **values: Any) -> str:
    data = {**values, **({"PHASE": phase} if phase else {})}
    answer = service.post(f"uws/{job_type}", data)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix(service.url)


def document(service: RunningService, job: str, query: str = "") -> Any:
    answer = service.get(job + query)
    assert answer.status_code == 200, answer.text
    return ElementTree.fromstring(answer.content)


def phase(service: RunningService, job: str) -> str:
    return service.get(f"{job}/phase").text


def ended(service: RunningService, job: str, seconds: float = 60) -> Any:
    """The job's document once it has ended, by long polls."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = document(service, job, "?WAIT=10")
        if found.findtext(f"{UWS}phase") in ENDED:
            return found
    raise AssertionError(f"{job} has not ended: {ElementTree.tostring(found)}")


def message(found: Any) -> str:
    return str(found.findtext(f"{UWS}errorSummary/{UWS}message"))


def processes(job: str) -> list[int]:
    """The processes of a job on this host, found by what the supervisor puts into their environment."""
    mark = f"UWS_JOB_ID={job.rpartition('/')[2]}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_job_runs_and_leaves_a_result(service: RunningService) -> None:
    job = submit(service, "sleeper", duration="0.5", RUNID="first")
    found = ended(service, job)
    assert found.findtext(f"{UWS}phase") == "COMPLETED"
    assert float(found.findtext(f"{UWS}jobInfo/progress")) == 1
    assert service.get(f"{job}/results/report").text == "slept for 0.5 s\n"
    assert "sleeping for 0.5 s" in service.get(f"{job}/stdout").text
    assert processes(job) == []


def test_a_pending_job_waits_for_its_parameters(service: RunningService) -> None:
    job = submit(service, "spectrum", phase=None, RA="83.63")
    assert phase(service, job) == "PENDING"
    refused = service.post(f"{job}/phase", {"PHASE": "RUN"})
    assert refused.status_code == 400
    assert "obs_ids is required" in refused.text
    assert phase(service, job) == "PENDING"


def test_a_job_that_fails_says_why(service: RunningService) -> None:
    found = ended(service, submit(service, "sleeper", duration="0", fail="true"))
    assert found.findtext(f"{UWS}phase") == "ERROR"
    assert message(found) == "the sleeper was asked to fail after 0 s"


def test_abort_leaves_no_process(service: RunningService) -> None:
    job = submit(service, "sleeper", duration="600")
    wait_until(lambda: phase(service, job) == "EXECUTING")
    wait_until(lambda: processes(job))
    assert service.post(f"{job}/phase", {"PHASE": "ABORT"}).status_code == 303
    assert phase(service, job) == "ABORTED"
    assert processes(job) == []


def test_execution_duration_is_kept(service: RunningService) -> None:
    found = ended(service, submit(service, "sleeper", duration="600", EXECUTIONDURATION="1"))
    assert found.findtext(f"{UWS}phase") == "ABORTED"
    assert message(found) == "executionDuration of 1 s exceeded"
    start, end = (datetime.fromisoformat(found.findtext(f"{UWS}{name}Time")) for name in ("start", "end"))
    assert timedelta(seconds=0.9) < end - start < timedelta(seconds=60)


def test_deleting_a_running_job_ends_it(service: RunningService) -> None:
    job = submit(service, "sleeper", duration="600")
    wait_until(lambda: processes(job))
    assert service.request("DELETE", job, allow_redirects=False).status_code == 303
    assert service.get(job).status_code == 404
    assert processes(job) == []
    assert not (service.state_dir / "jobs" / job.rpartition("/")[2]).exists()


BAD = [
    (
        "nosuch",
        {},
        404,
        "there is no job type 'nosuch'; the job types are: cube, cutout, gammapy, lightcurve, quicklook",
    ),
    ("sleeper", {"duration": "long"}, 400, "duration"),
    ("sleeper", {"duration": "-1"}, 400, "duration"),
    ("sleeper", {"duraton": "1"}, 400, "did you mean duration"),
    ("sleeper", {"fail": "perhaps"}, 400, "fail"),
    ("quicklook", {"PHASE": "RUN", "RA": "83.6"}, 400, "obs_ids is required"),
    ("quicklook", {"obs_ids": "1", "RA": "400"}, 400, "RA"),
    ("quicklook", {"obs_ids": "1", "RA": "83.6 deg"}, 400, "RA"),
]


@pytest.mark.parametrize(("job_type", "values", "status", "text"), BAD)
def test_bad_parameters_are_refused(
    service: RunningService, job_type: str, values: dict[str, str], status: int, text: str
) -> None:
    answer = service.post(f"uws/{job_type}", values)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


FAILING = [
    ({"obs_ids": "99999999"}, "99999999"),
    ({"obs_ids": "100001", "RA": "200", "Dec": "-60"}, "100001"),
]


@pytest.mark.gamma
@pytest.mark.parametrize(("values", "text"), FAILING, ids=["unknown-run", "outside-the-field-of-view"])
def test_what_only_the_archive_knows_is_said_by_the_job(
    service: RunningService, values: dict[str, str], text: str
) -> None:
    found = ended(service, submit(service, "quicklook", **values))
    assert found.findtext(f"{UWS}phase") == "ERROR"
    assert text in message(found)
    assert "Traceback" not in message(found)


@pytest.mark.gamma
def test_a_file_deleted_between_search_and_job_is_named(sim_archive: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(sim_archive.parent / "sim-dr1", store)
    from jupyter_uws.archive.ingest import add_store

    add_store(tmp_path / "archive.duckdb", store)
    with run_service(tmp_path, tmp_path / "archive.duckdb") as service:
        query = "SELECT obs_id, access_url FROM ivoa.obscore WHERE obs_id = '100001'"
        rows = service.get("tap/sync", params={"QUERY": query, "LANG": "ADQL", "FORMAT": "csv"}).text.split()
        links = service.get(rows[1].split(",")[1].removeprefix(service.url)).content
        url = parse_single_table(io.BytesIO(links)).to_table()["access_url"][0]
        assert service.get(url.removeprefix(service.url)).status_code == 200
        gone = next(store.rglob(url.rpartition("/")[2]))
        gone.unlink()
        assert service.get(url.removeprefix(service.url)).status_code == 410
        found = ended(service, submit(service, "quicklook", obs_ids="100001"))
        assert found.findtext(f"{UWS}phase") == "ERROR"
        assert gone.name in message(found)
        (tmp_path / "archive.duckdb").unlink()
        answer = service.get("tap/sync", params={"QUERY": query, "LANG": "ADQL"})
        assert answer.status_code == 503
        assert "archive.duckdb" in answer.text


def test_the_end_of_the_service_loses_no_job(sim_archive: Path, tmp_path: Path) -> None:
    """kill -9 with one job running, one queued and one ended: after the restart each is in a right phase."""
    with run_service(tmp_path, sim_archive, "--workers=1") as service:
        done = submit(service, "sleeper", duration="0")
        ended(service, done)
        running = submit(service, "sleeper", duration="600")
        wait_until(lambda: processes(running))
        wait_until(lambda: phase(service, running) == "EXECUTING")
        queued = submit(service, "sleeper", duration="0.1")
        pending = submit(service, "sleeper", phase=None, duration="7")
        assert phase(service, queued) == "QUEUED"
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(30)
        wait_until(lambda: not processes(running))
    with run_service(tmp_path, sim_archive, "--workers=1") as service:
        lost = ended(service, running)
        assert lost.findtext(f"{UWS}phase") == "ERROR"
        assert message(lost) == "the service ended while the job ran"
        assert ended(service, queued).findtext(f"{UWS}phase") == "COMPLETED"
        assert phase(service, done) == "COMPLETED"
        assert service.get(f"{done}/results/report").text == "slept for 0 s\n"
        assert phase(service, pending) == "PENDING"


def test_an_idle_service_ends_by_itself_but_not_before_its_job(sim_archive: Path, tmp_path: Path) -> None:
    with run_service(tmp_path, sim_archive, "--idle-timeout=0.5") as service:
        job = submit(service, "sleeper", duration="3")
        folder = service.state_dir / "jobs" / job.rpartition("/")[2]
        assert service.process.wait(60) == 0
        assert '"event":"completed"' in (folder / "events.jsonl").read_text()
        assert not (service.state_dir / "service.json").exists()
