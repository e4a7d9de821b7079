"""The real service behind real Jupyter servers: what a user lives through."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import pyvo
import requests
from jupyters import TOKEN, Jupyter, kill_service, run_jupyter
from running import wait_until

from jupyter_uws import rendezvous


@pytest.fixture(scope="module")
def session(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A Jupyter server, and the service that it started; one job at a time."""
    folder = tmp_path_factory.mktemp("session")
    state = rendezvous.state_dir(folder / "state")
    try:
        with run_jupyter(folder, state, archive=str(sim_archive), service_args=["--workers=1"]) as jupyter:
            yield jupyter
    finally:
        info = rendezvous.read_info(state)
        kill_service(state, signal.SIGTERM)
        wait_until(lambda: info is None or not psutil.pid_exists(info.pid))


def submit(jupyter: Jupyter, **parameters: str) -> str:
    """Start a sleeper; returns its path below the mount."""
    response = jupyter("POST", "uws/sleeper", data={"PHASE": "RUN", **parameters}, allow_redirects=False)
    assert response.status_code == 303, response.text
    location = response.headers["Location"]
    assert location.startswith(jupyter.url + "jupyter-uws/uws/sleeper/")
    return location.removeprefix(jupyter.url + "jupyter-uws/")


def wait_for(jupyter: Jupyter, job: str, *phases: str) -> str:
    def phase() -> str | None:
        found = jupyter("GET", job + "/phase").text
        return found if found in phases else None

    return str(wait_until(phase, 60))


def test_job_through_the_relay(session: Jupyter) -> None:
    job = submit(session, duration="0.1")
    assert wait_for(session, job, "COMPLETED", "ERROR") == "COMPLETED"
    log = session("GET", job + "/stdout")
    assert log.status_code == 200
    assert log.headers["Content-Security-Policy"] == "sandbox"


def test_job_from_a_multipart_body_with_a_preamble(session: Jupyter) -> None:
    body = "".join(
        f'\r\n--<<<x>>>\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'
        for name, value in (("duration", "0.1"), ("PHASE", "RUN"))
    )
    response = session(
        "POST",
        "uws/sleeper",
        data=iter([(body + "\r\n--<<<x>>>--\r\n").encode()]),
        headers={"Content-Type": 'multipart/form-data; boundary="<<<x>>>"'},
        allow_redirects=False,
    )
    assert response.status_code == 303, response.text


def test_pyvo_searches_through_the_relay(session: Jupyter) -> None:
    with requests.Session() as http:
        http.headers["Authorization"] = f"token {TOKEN}"
        service = pyvo.dal.TAPService(session.url + "jupyter-uws/tap", session=http)
        rows = service.search("SELECT TOP 3 obs_id, access_url FROM ivoa.obscore")
        assert len(rows) == 3
        url = rows[0]["access_url"]
        assert url.startswith(session.url + "jupyter-uws/")  # as this client can reach it
        links = pyvo.dal.adhoc.DatalinkResults.from_result_url(url, session=http)
        events = next(links.bysemantics("#this", include_narrower=False)).access_url
        assert events.startswith(session.url + "jupyter-uws/files/")
        part = http.get(events, headers={"Range": "bytes=0-9"}, timeout=30)
        assert (part.status_code, len(part.content)) == (206, 10)


def test_events_through_the_relay(session: Jupyter) -> None:
    with session("GET", "uws/events", stream=True, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.iter_lines(1)
        for line in lines:
            if line == b"event: ready":
                break
        job = submit(session, duration="0.1").rpartition("/")[2]
        phases = []
        while "COMPLETED" not in phases:
            line = next(lines)
            if line.startswith(b"data:") and job.encode() in line:
                phases.append(json.loads(line[5:])["phase"])
        assert phases == sorted(phases, key=["PENDING", "QUEUED", "EXECUTING", "COMPLETED"].index)
    service = psutil.Process(session.service_pid)

    def connections() -> int:
        """Those that the relay has to the service's socket, and that socket. All its files are Dask's, too."""
        return sum(str(each.laddr).endswith(".sock") for each in service.net_connections("unix"))

    before = connections()
    with contextlib.ExitStack() as streams:
        for _ in range(5):
            streams.enter_context(session("GET", "uws/events", stream=True))
        assert connections() >= before + 4  # the first stream may still have been among them
    wait_until(lambda: connections() <= before)  # the relay lets go, and so does the service


def test_job_outlives_jupyter_and_is_found_again(session: Jupyter, sim_archive: Path, tmp_path: Path) -> None:
    pid = session("GET", "health").json()["pid"]
    with run_jupyter(tmp_path / "first", session.state_dir) as first:
        job = submit(first, duration="3")
        wait_for(first, job, "EXECUTING")
        first.process.kill()
        first.process.wait()
    with run_jupyter(tmp_path / "second", session.state_dir) as second:
        assert second("GET", "health").json()["pid"] == pid
        assert wait_for(second, job, "COMPLETED", "ERROR") == "COMPLETED"


def test_kill_9_of_the_service_loses_no_job(session: Jupyter) -> None:
    running, queued = submit(session, duration="60"), submit(session, duration="0.1")
    wait_for(session, running, "EXECUTING")
    old = session("GET", "health").json()["pid"]
    kill_service(session.state_dir)
    assert session("GET", "health").json()["pid"] != old
    assert wait_for(session, running, "ERROR", "COMPLETED") == "ERROR"
    assert wait_for(session, queued, "ERROR", "COMPLETED") == "COMPLETED"


def test_the_service_holds_no_token_of_jupyter(session: Jupyter) -> None:
    session("GET", "health")
    service = psutil.Process(session.service_pid)
    for process in (service, *service.children(recursive=True)):
        assert TOKEN not in process.environ().values()
        assert TOKEN not in " ".join(process.cmdline())
    assert TOKEN not in (session.state_dir / "service.log").read_text()
    # nothing of it, Dask's scheduler included, can be reached from another machine
    assert not [c for c in service.net_connections() if c.status == "LISTEN" and c.laddr.ip != "127.0.0.1"]
