"""Asynchronous queries over real HTTP: the job, its result or its error, and what becomes of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyvo
import requests
from astropy.table import Table
from astroquery.utils.tap.core import TapPlus
from defusedxml import ElementTree
from tap_server import Server, run_server

from jupyter_uws.tap import limits
from jupyter_uws.tap.engine import Engine
from jupyter_uws.uws.phases import Phase

TOP5 = "SELECT TOP 5 obs_id, s_ra, access_url FROM ivoa.obscore ORDER BY obs_id"
HEAVY = "SELECT COUNT(*) FROM test.numbers AS a, test.numbers AS b WHERE MOD(a.n * b.n, 7) = 3"


def create(server: Server, **parameters: Any) -> str:
    """The URL of a new job that runs."""
    data = {"LANG": "ADQL", "PHASE": "RUN", **parameters}
    answer = requests.post(server.url + "/async", data=data, allow_redirects=False, timeout=60)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def ended(url: str) -> str:
    """Its last phase, by WAIT."""
    for _ in range(20):
        job = ElementTree.fromstring(requests.get(url, params={"WAIT": "10"}, timeout=60).content)
        phase = job.findtext("{*}phase")
        if phase not in ("QUEUED", "EXECUTING"):
            return str(phase)
    pytest.fail(f"{url} is still {phase}")


def until(server: Server, condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.005)

    asyncio.run_coroutine_threadsafe(asyncio.wait_for(wait(), 20), server.loop).result(25)


def phase_of(server: Server, url: str) -> Phase | None:
    assert server.jobs is not None
    job = server.jobs.store.get(url.rpartition("/")[2])
    return None if job is None else job.phase


def test_pyvo_sees_a_query_through(server: Server) -> None:
    service = pyvo.dal.TAPService(server.url)
    found = service.run_async(TOP5).to_table()
    assert list(found["obs_id"]) == ["o0", "o1", "o10", "o100", "o101"]
    # the links are those that the client of the job can follow
    assert found["access_url"][0] == server.url.removesuffix("tap") + "files/0"
    job = service.submit_job(TOP5, maxrec=2)
    assert job.phase == "PENDING"
    assert job.url.startswith(server.url + "/async/")
    job.run().wait(timeout=60)
    assert job.phase == "COMPLETED"
    assert len(job.fetch_result()) == 2
    assert 'value="OVERFLOW"' in requests.get(job.url + "/results/result", timeout=60).text
    url = job.url
    job.delete()
    assert phase_of(server, url) in (None, Phase.ARCHIVED)


def test_the_result_is_what_sync_answers(server: Server) -> None:
    for kind in ("votable", "votable/td", "csv", "tsv", "json"):
        url = create(server, QUERY=TOP5, RESPONSEFORMAT=kind, RUNID="r1")
        assert ended(url) == "COMPLETED"
        result = requests.get(url + "/results/result", timeout=60)
        direct = requests.get(server.url + "/sync", params={"QUERY": TOP5, "RESPONSEFORMAT": kind}, timeout=60)
        assert result.content == direct.content
        assert result.headers["Content-Type"] == direct.headers["Content-Type"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"QUERY": "SELECT s_raa FROM ivoa.obscore"}, "line 1, column 8: there is no column s_raa; did you mean s_ra?"),
        ({}, "QUERY is missing"),
        ({"QUERY": TOP5, "LANG": "SQL"}, "LANG: 'SQL' is not known"),
        ({"QUERY": TOP5, "MAXREC": "ten"}, "MAXREC: 'ten' is not a whole number"),
        ({"QUERY": TOP5, "FORMAT": "xls"}, "RESPONSEFORMAT: 'xls' is not known"),
    ],
)
def test_the_error_of_a_query_is_a_votable(server: Server, parameters: dict[str, str], message: str) -> None:
    url = create(server, **parameters)
    assert ended(url) == "ERROR"
    answer = requests.get(url + "/error", timeout=60)
    assert answer.headers["Content-Type"].startswith("text/xml")
    info = ElementTree.fromstring(answer.content).find(".//{*}INFO[@name='QUERY_STATUS']")
    assert info.get("value") == "ERROR"
    assert message in info.text
    summary = ElementTree.fromstring(requests.get(url, timeout=60).content).findtext(".//{*}errorSummary/{*}message")
    assert summary == info.text


def test_abort_and_execution_duration_end_the_query_at_once(server: Server) -> None:
    url = create(server, QUERY=HEAVY)
    until(server, lambda: phase_of(server, url) is Phase.EXECUTING and len(server.engine.active) == 1)
    answer = requests.post(url + "/phase", data={"PHASE": "ABORT"}, timeout=60)
    assert ElementTree.fromstring(answer.content).findtext("{*}phase") == "ABORTED"
    assert not server.engine.active
    url = create(server, QUERY=HEAVY, EXECUTIONDURATION="1")
    assert ended(url) == "ABORTED"
    assert not server.engine.active
    assert "executionDuration of 1 s exceeded" in requests.get(url + "/error", timeout=60).text


def test_two_jobs_work_and_the_others_wait_and_can_be_aborted(server: Server) -> None:
    urls = [create(server, QUERY=HEAVY) for _ in range(3)]
    until(server, lambda: len(server.engine.active) == 2)
    assert phase_of(server, urls[2]) is Phase.QUEUED
    # who asks directly is answered all the same
    assert requests.get(server.url + "/sync", params={"QUERY": TOP5}, timeout=60).status_code == 200
    for url in (urls[2], urls[0], urls[1]):
        requests.post(url + "/phase", data={"PHASE": "ABORT"}, timeout=60)
        assert phase_of(server, url) is Phase.ABORTED
    until(server, lambda: not server.engine.active)


def test_a_result_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESULT_BYTES", 100_000)
    url = create(server, QUERY="SELECT n FROM test.numbers", FORMAT="csv", MAXREC="1000000")
    assert ended(url) == "ERROR"
    assert "the result is larger than 100000 bytes" in requests.get(url + "/error", timeout=60).text
    assert server.jobs is not None
    assert not list((server.jobs.files.folder_of(url.rpartition("/")[2]) / "work").iterdir())


def test_a_query_that_ran_when_the_service_ended_is_run_again_but_not_for_ever(archive: Path, tmp_path: Path) -> None:
    running = run_server(Engine(archive), tmp_path)
    server = next(running)
    url = create(server, QUERY=HEAVY)
    waiting = create(server, QUERY=TOP5, FORMAT="csv")
    until(server, lambda: phase_of(server, url) is Phase.EXECUTING and phase_of(server, waiting) is Phase.COMPLETED)
    assert next(running, None) is None
    for run in (1, 2):
        running = run_server(Engine(archive), tmp_path)
        server = next(running)
        store = server.jobs.store  # type: ignore[union-attr]
        job_id = url.rpartition("/")[2]
        until(server, lambda: store.get(job_id).phase is Phase.EXECUTING)  # type: ignore[union-attr] # noqa: B023
        assert store.get(job_id).run == run  # type: ignore[union-attr]
        assert next(running, None) is None
    running = run_server(Engine(archive), tmp_path)
    server = next(running)
    until(server, lambda: phase_of(server, url) is Phase.ERROR)
    job = server.jobs.store.get(url.rpartition("/")[2])  # type: ignore[union-attr]
    assert job is not None
    assert job.error is not None
    assert "the service ended 3 times while the query was in its hands" in job.error.message
    assert next(running, None) is None


def test_astroquery_launches_a_query_and_uploads_a_table(server: Server, tmp_path: Path) -> None:
    tap = TapPlus(url=server.url)
    found = tap.launch_job_async(TOP5).get_results()
    assert list(found["obs_id"])[:2] == ["o0", "o1"]
    table = Table({"obs_id": ["o7", "o9"], "mark": [1.5, 2.5]})
    query = (
        "SELECT o.s_ra, u.mark FROM tap_upload.mine AS u JOIN ivoa.obscore AS o ON o.obs_id = u.obs_id ORDER BY mark"
    )
    for launch in (tap.launch_job, tap.launch_job_async):
        found = launch(query, upload_resource=table, upload_table_name="mine").get_results()
        assert list(found["mark"]) == [1.5, 2.5]
    for kind in ("votable", "csv", "json"):
        found = tap.launch_job(TOP5, output_format=kind).get_results()
        assert list(found["obs_id"])[:2] == ["o0", "o1"]
    assert (found["s_ra"].unit, found["s_ra"].description) == ("deg", "right ascension")


def test_an_uploaded_table_needs_a_name(server: Server) -> None:
    for path in ("/sync", "/async"):
        data, files = {"QUERY": TOP5}, {"UPLOAD": ("t.csv", b"a\n1\n")}
        answer = requests.post(server.url + path, data=data, files=files, timeout=60)
        assert answer.status_code == 400
        assert "UPLOAD gives its files names: send UPLOAD=NAME,param:PART" in answer.text


def test_parameters_and_uploads_of_a_pending_job(server: Server) -> None:
    answer = requests.post(server.url + "/async", data={"unknown": "ignored"}, allow_redirects=False, timeout=60)
    url = answer.headers["Location"]
    for data in ({"query": "SELECT * FROM TAP_UPLOAD.t ORDER BY a"}, {"RESPONSEFORMAT": "csv"}, {"RUNID": "again"}):
        requests.post(url + "/parameters", data=data, timeout=60).raise_for_status()
    requests.post(
        url + "/parameters", data={"UPLOAD": "t,param:x"}, files={"x": ("t.csv", b"a,b\n2,y\n1,\n")}, timeout=60
    ).raise_for_status()
    requests.post(url + "/phase", data={"PHASE": "RUN"}, timeout=60)
    assert ended(url) == "COMPLETED"
    assert requests.get(url + "/results/result", timeout=60).text == "a,b\r\n1,\r\n2,y\r\n"
    job = ElementTree.fromstring(requests.get(url, timeout=60).content)
    assert job.findtext("{*}runId") == "again"
    assert requests.get(url + "/parameters/UPLOAD", timeout=60).content == b"a,b\n2,y\n1,\n"


def test_an_archive_that_is_away_may_be_back_later(archive: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(archive, tmp_path / "archive.duckdb"))
    running = run_server(Engine(copy), tmp_path)
    server = next(running)
    copy.unlink()
    url = create(server, QUERY=TOP5)
    assert ended(url) == "ERROR"
    summary = ElementTree.fromstring(requests.get(url, timeout=60).content).find("{*}errorSummary")
    assert summary.get("type") == "transient"
    assert "archive.duckdb cannot be read" in summary.findtext("{*}message")
    assert next(running, None) is None
