"""The UWS resources over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import defusedxml.ElementTree as ElementTree
import pytest

from jupyter_uws.uws import handlers
from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.quotes import Quotes
from jupyter_uws.uws.times import format_time, utcnow

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


async def create(site: Any, manager: JobManager, **parameters: str) -> Job:
    answer = await site("uws/quicklook", "POST", urlencode({"RA": "83.6", **parameters}))
    assert answer.code == 303, answer.body
    job_id = answer.headers["Location"].rpartition("/")[2]
    assert answer.headers["Location"] == f"{site.root}uws/quicklook/{job_id}"
    return manager.get(site.owner, "quicklook", job_id)


def path(job: Job) -> str:
    return f"uws/quicklook/{job.job_id}"


async def test_a_job_from_creation_to_result(site: Any, manager: JobManager, executor: Any) -> None:
    job = await create(site, manager, RUNID="run 7")
    assert (await site(path(job) + "/phase")).body == b"PENDING"
    answer = await site(path(job) + "/phase", "POST", "PHASE=RUN")
    assert (answer.code, answer.headers["Location"]) == (303, site.root + path(job))
    assert (await site(path(job) + "/phase")).body == b"QUEUED"
    executor.complete(job)
    document = ElementTree.fromstring((await site(path(job))).body)
    assert document.findtext(f"{UWS}phase") == "COMPLETED"
    assert document.findtext(f"{UWS}runId") == "run 7"
    href = document.find(f"{UWS}results/{UWS}result").get("{http://www.w3.org/1999/xlink}href")
    result = await site(href.removeprefix(site.root))
    assert (result.body, result.headers["Content-Type"]) == (b"0123456789", "text/plain")
    part = await site(href.removeprefix(site.root), headers={"Range": "bytes=2-4"})
    assert (part.code, part.body, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert (await site(path(job) + "/stdout")).body == b"hello\n"
    assert (await site(path(job) + "/stderr")).body == b""


async def test_creation_can_run_at_once_and_sets_the_control_parameters(site: Any, manager: JobManager) -> None:
    job = await create(
        site, manager, phase="run", RunId="x", ExecutionDuration="77", Destruction="2026-12-24T00:00:00Z"
    )
    assert (job.phase, job.run_id, job.execution_duration) == ("QUEUED", "x", 77)
    assert (await site(path(job) + "/destruction")).body.startswith(b"2026-12-24T00:00:00")
    assert (await site(path(job) + "/executionduration")).body == b"77"
    assert (await site(path(job) + "/owner")).body == b"alice"
    assert (await site(path(job) + "/quote")).body == b""
    assert (await site(path(job) + "/error")).body == b""


async def test_atoms_are_set_by_post(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    assert (await site(path(job) + "/executionduration", "POST", "EXECUTIONDURATION=5")).code == 303
    assert (await site(path(job) + "/destruction", "POST", "DESTRUCTION=2026-12-24T00:00:00Z")).code == 303
    changed = manager.get("alice", "quicklook", job.job_id)
    assert changed.execution_duration == 5
    assert changed.destruction.isoformat() == "2026-12-24T00:00:00+00:00"  # type: ignore[union-attr]
    assert (await site(path(job) + "/owner", "POST", "OWNER=mallory")).code == 405


async def test_parameters_change_while_pending(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    assert (await site(path(job), "POST", "ra=1")).code == 303
    assert (await site(path(job) + "/parameters", "POST", "OBS_IDS=1&OBS_IDS=2")).code == 303
    assert (await site(path(job) + "/parameters/RA", "PUT", "2.5")).code == 303
    assert manager.get("alice", "quicklook", job.job_id).parameters == {"RA": ["2.5"], "OBS_IDS": ["1", "2"]}
    assert (await site(path(job) + "/parameters/obs_ids")).body == b"1\n2"
    await site(path(job) + "/phase", "POST", "PHASE=RUN")
    assert (await site(path(job), "POST", "RA=1")).code == 403


@pytest.mark.parametrize(("method", "body"), [("DELETE", None), ("POST", "ACTION=DELETE")])
async def test_deletion(site: Any, manager: JobManager, method: str, body: str | None) -> None:
    job = await create(site, manager)
    answer = await site(path(job), method, body)
    assert (answer.code, answer.headers["Location"]) == (303, f"{site.root}uws/quicklook?LAST=100")
    assert (await site(path(job))).code == 404


async def test_lists_and_their_filters(site: Any, manager: JobManager, executor: Any) -> None:
    jobs = [await create(site, manager) for _ in range(3)]
    await manager.run(jobs[1])
    executor.complete(jobs[1])

    async def ids(query: str) -> list[str]:
        answer = await site(query)
        assert answer.code == 200, answer.body
        return [element.get("id") for element in ElementTree.fromstring(answer.body)]

    everything = [job.job_id for job in reversed(jobs)]
    assert await ids("uws/quicklook") == everything
    assert await ids("uws") == everything
    assert await ids("uws/quicklook?LAST=1") == everything[:1]
    assert await ids("uws?phase=COMPLETED&PHASE=ERROR") == [jobs[1].job_id]
    assert await ids(f"uws?AFTER={jobs[1].creation_time:%Y-%m-%dT%H:%M:%S.%fZ}&PHASE=PENDING") == [jobs[2].job_id]
    site.owner = "bob"
    assert await ids("uws") == []


async def test_wait_blocks_until_the_phase_changes(site: Any, manager: JobManager, executor: Any) -> None:
    job = await manager.run(await create(site, manager))
    waiting = asyncio.create_task(site(path(job) + "?WAIT=30&PHASE=QUEUED"))
    while not manager.events.waits:
        await asyncio.sleep(0.01)
    executor.say(job, "started")
    answer = await asyncio.wait_for(waiting, 30)
    assert ElementTree.fromstring(answer.body).findtext(f"{UWS}phase") == "EXECUTING"
    # not in the phase that was asked for: at once
    await asyncio.wait_for(site(path(job) + "?WAIT=30&PHASE=PENDING"), 30)
    executor.say(job, "completed")
    await asyncio.wait_for(site(path(job) + "?WAIT=-1"), 30)


BAD = [
    ("GET", "uws/nosuch", None, 404, "no job type 'nosuch'.*quicklook"),
    ("POST", "uws/nosuch", "RA=1", 404, "no job type 'nosuch'"),
    ("POST", "uws", "RA=1", 400, "list of its type"),
    ("POST", "uws/quicklook", "COLOUR=red", 400, "COLOUR"),
    ("POST", "uws/quicklook", "PHASE=RUN", 400, "RA is required"),
    ("POST", "uws/quicklook", "PHASE=HELD", 400, "PHASE 'HELD'"),
    ("POST", "uws/quicklook", "RA=1&RUNID=a&RUNID=b", 400, "RUNID is given 2 times"),
    ("POST", "uws/quicklook", "RA=%ff", 400, "not UTF-8"),
    ("GET", "uws?PHASE=RUNNING", None, 400, "PHASE 'RUNNING'.*PENDING"),
    ("GET", "uws?LAST=0", None, 400, "LAST '0'"),
    ("GET", "uws?LAST=-3", None, 400, "LAST '-3'"),
    ("GET", "uws?AFTER=yesterday", None, 400, "AFTER 'yesterday'"),
    ("GET", "uws/quicklook/2026-nosuch", None, 404, "no job '2026-nosuch'"),
    ("GET", "{job}?WAIT=soon", None, 400, "WAIT 'soon'"),
    ("POST", "{job}/phase", "PHASE=FLY", 400, "PHASE 'FLY'.*RUN or ABORT"),
    ("POST", "{job}/phase", "", 400, "PHASE is missing"),
    ("POST", "{job}/destruction", "DESTRUCTION=never", 400, "DESTRUCTION 'never'"),
    ("POST", "{job}/executionduration", "EXECUTIONDURATION=-5", 400, "negative"),
    ("POST", "{job}", "ACTION=EXPLODE", 400, "ACTION 'EXPLODE'.*DELETE"),
    ("GET", "{job}/results/nosuch", None, 404, "no result 'nosuch'"),
    ("GET", "{job}/results/..%2f..%2fjobs.sqlite", None, 404, "no result"),
    ("GET", "{job}/parameters/nosuch", None, 404, "no parameter 'nosuch'.*RA"),
]


@pytest.mark.parametrize(("method", "url", "body", "status", "text"), BAD)
async def test_bad_requests_say_what_is_wrong(
    site: Any, manager: JobManager, method: str, url: str, body: str | None, status: int, text: str
) -> None:
    job = await create(site, manager)
    answer = await site(url.format(job=path(job)), method, body)
    assert answer.code == status
    assert re.search(text, answer.body.decode()), answer.body


async def test_every_route_is_closed_to_others(site: Any, manager: JobManager, executor: Any) -> None:
    job = await manager.run(await create(site, manager))
    executor.complete(job)
    site.owner = "mallory"
    below = ["", "/phase", "/executionduration", "/destruction", "/quote", "/owner", "/error", "/parameters"]
    below += ["/parameters/RA", "/results", "/results/map", "/stdout", "/stderr"]
    for suffix in below:
        assert (await site(path(job) + suffix)).code == 403, suffix
    for suffix, body in (("", "PHASE=ABORT"), ("", "ACTION=DELETE"), ("/phase", "PHASE=RUN"), ("/parameters", "RA=1")):
        assert (await site(path(job) + suffix, "POST", body)).code == 403, suffix
    assert (await site(path(job), "DELETE")).code == 403
    assert (await site(path(job) + "/parameters/RA", "PUT", "1")).code == 403


async def test_a_form_with_a_preamble_as_stilts_sends_it(site: Any, manager: JobManager) -> None:
    boundary = "<<<--MULTIPART-BOUNDARY-->>>"
    body = f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="RA"\r\n\r\n42\r\n--{boundary}--\r\n'
    kind = f'multipart/form-data; boundary="{boundary}"'
    answer = await site("uws/quicklook", "POST", body, headers={"Content-Type": kind})
    assert answer.code == 303, answer.body
    job_id = answer.headers["Location"].rpartition("/")[2]
    assert manager.get("alice", "quicklook", job_id).parameters == {"RA": ["42"]}


ALLOWED = [
    ("uws", "GET, HEAD, POST, OPTIONS"),
    ("uws/quicklook", "GET, HEAD, POST, OPTIONS"),
    ("{job}", "GET, HEAD, POST, DELETE, OPTIONS"),
    ("{job}/phase", "GET, HEAD, POST, OPTIONS"),
    ("{job}/executionduration", "GET, HEAD, POST, OPTIONS"),
    ("{job}/destruction", "GET, HEAD, POST, OPTIONS"),
    ("{job}/quote", "GET, HEAD, OPTIONS"),
    ("{job}/owner", "GET, HEAD, OPTIONS"),
    ("{job}/error", "GET, HEAD, OPTIONS"),
    ("{job}/parameters", "GET, HEAD, POST, OPTIONS"),
    ("{job}/parameters/RA", "GET, HEAD, POST, PUT, OPTIONS"),
    ("{job}/results", "GET, HEAD, OPTIONS"),
    ("{job}/results/map", "GET, HEAD, OPTIONS"),
    ("{job}/stdout", "GET, HEAD, OPTIONS"),
]


@pytest.mark.parametrize(("url", "allowed"), ALLOWED)
async def test_every_resource_says_which_methods_it_has(
    site: Any, manager: JobManager, executor: Any, url: str, allowed: str
) -> None:
    job = await manager.run(await create(site, manager))
    executor.complete(job)
    url = url.format(job=path(job))
    answer = await site(url, "OPTIONS")
    assert (answer.code, set(answer.headers["Allow"].split(", "))) == (204, set(allowed.split(", ")))
    head, full = await site(url, "HEAD"), await site(url)
    assert (head.code, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == full.headers[name]
    for method in {"DELETE", "PUT", "POST", "PATCH"} - set(allowed.split(", ")):
        body = "x" if method == "PATCH" else None
        answer = await site(url, method, body)
        assert answer.code == 405
        assert set(answer.headers["Allow"].split(", ")) == set(allowed.split(", "))
        assert f"{method} is not possible here" in answer.body.decode()


async def test_head_does_not_wait(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    assert (await asyncio.wait_for(site(path(job) + "?WAIT=-1", "HEAD"), 5)).code == 200


async def test_only_jobs_can_be_deleted(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    for below in ("", "/phase", "/parameters", "/parameters/RA", "/results", "/results/map", "/destruction"):
        url = path(job) + below if below else "uws/quicklook"
        assert (await site(url, "DELETE")).code == 405, url
    assert (await site(path(job))).code == 200


async def test_filters_in_every_combination(site: Any, manager: JobManager, executor: Any) -> None:
    """Against the rules of section 2.2.2.1, written as Python over all jobs."""
    made: list[Job] = []
    for number in range(9):
        job = await create(site, manager)
        if number % 4 > 0:
            job = await manager.run(job)
        if number % 4 == 2:
            executor.complete(job)
        if number == 6:
            manager.store.move(job.job_id, Phase.ARCHIVED)
        made.append(manager.get("alice", "quicklook", job.job_id))
    phases = [[], ["PENDING"], ["completed"], ["PENDING", "COMPLETED"], ["ARCHIVED"], ["ARCHIVED", "QUEUED"], ["HELD"]]
    times = [None, made[0].creation_time, made[4].creation_time, made[8].creation_time]
    for asked, after, last in itertools.product(phases, times, [None, 1, 3, 100]):
        expected = [job for job in reversed(made) if str(job.phase) in ([p.upper() for p in asked] or NOT_ARCHIVED)]
        expected = [job for job in expected if after is None or job.creation_time > after][:last]
        query = [("PHASE", phase) for phase in asked]
        query += [] if after is None else [("after", f"{after:%Y-%m-%dT%H:%M:%S.%fZ}")]
        query += [] if last is None else [("Last", str(last))]
        for url in ("uws", "uws/quicklook"):
            answer = await site(f"{url}?{urlencode(query)}")
            assert answer.code == 200, answer.body
            found = ElementTree.fromstring(answer.body)
            assert [element.get("id") for element in found] == [job.job_id for job in expected], query
            assert [element.findtext(f"{UWS}phase") for element in found] == [job.phase for job in expected]


NOT_ARCHIVED = [str(phase) for phase in Phase if phase is not Phase.ARCHIVED]


@pytest.mark.parametrize("url", ["", "/phase"])
async def test_phase_is_taken_at_the_job_and_at_its_phase(site: Any, manager: JobManager, url: str) -> None:
    job = await create(site, manager)
    answer = await site(path(job) + url, "POST", "phase=Run")
    assert (answer.code, answer.headers["Location"]) == (303, site.root + path(job))
    assert (await site(path(job) + "/phase")).body == b"QUEUED"
    # a client that is not sure asks twice
    assert (await site(path(job) + url, "POST", "PHASE=RUN")).code == 303
    assert (await site(path(job) + url, "POST", "PHASE=ABORT")).code == 303
    assert (await site(path(job) + "/phase")).body == b"ABORTED"
    assert (await site(path(job) + url, "POST", "PHASE=ABORT")).code == 303
    answer = await site(path(job) + url, "POST", "PHASE=RUN")
    assert (answer.code, b"is ABORTED" in answer.body) == (403, True)


async def test_parameters_and_control_in_one_post(site: Any, manager: JobManager) -> None:
    """As astroquery and uws-client send them: values and PHASE to the job itself."""
    answer = await site("uws/quicklook", "POST", "")
    job_url = answer.headers["Location"].removeprefix(site.root)
    assert (await site(job_url, "POST", "RA=5&PHASE=RUN")).code == 303
    assert (await site(job_url + "/phase")).body == b"QUEUED"
    assert (await site(job_url + "/parameters/ra")).body == b"5"


async def test_phase_in_the_query_starts_a_job(site: Any, manager: JobManager) -> None:
    answer = await site("uws/quicklook?PHASE=RUN", "POST", "RA=1")
    assert (await site(answer.headers["Location"].removeprefix(site.root) + "/phase")).body == b"QUEUED"


async def test_wait_blocks_while_pending_and_not_after_the_end(site: Any, manager: JobManager, executor: Any) -> None:
    job = await create(site, manager)
    waiting = asyncio.create_task(site(path(job) + "?WAIT=-1"))
    while not manager.events.waits:
        await asyncio.sleep(0.005)
    await site(path(job) + "/phase", "POST", "PHASE=RUN")
    answer = await asyncio.wait_for(waiting, 30)
    assert ElementTree.fromstring(answer.body).findtext(f"{UWS}phase") == "QUEUED"
    executor.complete(manager.get("alice", "quicklook", job.job_id))
    for query in ("WAIT=-1", "WAIT=60", "wait=60&phase=COMPLETED"):
        await asyncio.wait_for(site(f"{path(job)}?{query}"), 30)
    assert (await site(f"{path(job)}?WAIT=1&PHASE=NOSUCH")).code == 400


async def test_wait_ends_after_its_time(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    start = asyncio.get_running_loop().time()
    answer = await site(path(job) + "?WAIT=1&PHASE=PENDING")
    assert 0.9 < asyncio.get_running_loop().time() - start < 5
    assert ElementTree.fromstring(answer.body).findtext(f"{UWS}phase") == "PENDING"


async def test_a_quote_comes_from_the_past(site: Any, manager: JobManager, executor: Any) -> None:
    async def run(seconds: float) -> None:
        job = await manager.run(await create(site, manager))
        start = utcnow()
        manager.report(Report(job.job_id, job.run, "started", start))
        manager.report(Report(job.job_id, job.run, "completed", start + timedelta(seconds=seconds)))

    async def quoted() -> Job:
        job = await manager.run(await create(site, manager))
        executor.say(job, "started")
        return manager.get("alice", "quicklook", job.job_id)

    for seconds in (10, 1000):
        await run(seconds)
    job = await quoted()
    assert job.quote is None  # two tell nothing
    assert (await site(path(job) + "/quote")).body == b""
    assert b'<uws:quote xsi:nil="true"/>' in (await site(path(job))).body
    await run(20)
    job = await quoted()
    assert job.start_time is not None
    assert job.quote == job.start_time + timedelta(seconds=20)
    assert (await site(path(job) + "/quote")).body.decode() == format_time(job.quote)
    # a service that is started anew reads it from its store
    start = utcnow()
    assert Quotes(manager.store).predict("quicklook", start) == start + timedelta(seconds=20)
    assert Quotes(manager.store).predict("spectrum", start) is None
    # of a type that nobody has run yet it is what its description says
    kind = replace(manager.types["quicklook"], name="spectrum", quote=90)
    assert Quotes(manager.store, {"spectrum": kind}).predict("spectrum", start) == start + timedelta(seconds=90)


async def test_job_info_tells_resources_queue_and_progress(site: Any, manager: JobManager, executor: Any) -> None:
    async def info() -> dict[str, str]:
        found = ElementTree.fromstring((await site(path(job))).body).find(f"{UWS}jobInfo")
        return {} if found is None else {element.tag: element.text for element in found}

    job = await create(site, manager)
    assert await info() == {}
    job = await manager.run(job)
    asked = {"cores": "1", "memory": "4096 MiB"}
    assert await info() == {**asked, "queue_position": "1"}
    executor.say(job, "started", info={"worker": "tcp://w1", "host": "n1"})
    executor.say(job, "progress", info={"progress": 0.25, "message": "run 1 of 4"})
    assert await info() == {
        **asked,
        "worker": "tcp://w1",
        "host": "n1",
        "progress": "0.25",
        "message": "run 1 of 4",
    }


async def test_a_failed_job_has_a_summary_and_the_whole_story(site: Any, manager: JobManager, executor: Any) -> None:
    job = await manager.run(await create(site, manager))
    executor.fail(job)
    answer = await site(path(job))
    assert answer.code == 200
    summary = ElementTree.fromstring(answer.body).find(f"{UWS}errorSummary")
    assert (summary.attrib, summary.findtext(f"{UWS}message")) == ({"type": "fatal", "hasDetail": "true"}, "no data")
    answer = await site(path(job) + "/error")
    assert (answer.code, answer.body) == (200, b"no data\n\nTraceback")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_times_of_clients_are_read_as_pyvo_writes_them(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    body = "DESTRUCTION=2026-12-24T01:02:03.456789Z"
    assert (await site(path(job) + "/destruction", "POST", body)).code == 303
    assert (await site(path(job) + "/destruction")).body == b"2026-12-24T01:02:03.456Z"
    assert (await site(path(job) + "/executionduration", "POST", "EXECUTIONDURATION=300.0")).code == 303
    assert (await site(path(job) + "/executionduration")).body == b"300"


async def test_a_job_id_is_one_legal_element_of_a_path(site: Any, manager: JobManager) -> None:
    job = await create(site, manager)
    # it begins with a digit: uws-client strips the letters of "https://" from it
    assert re.fullmatch(r"\d{8}-[0-9a-z]{8}", job.job_id)


async def test_a_long_list_is_sent_in_pieces(site: Any, manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_PIECE", 4)
    jobs = [await create(site, manager) for _ in range(10)]
    for query, expected in (("", 10), ("?LAST=8", 8), ("?LAST=3", 3), ("?PHASE=COMPLETED", 0)):
        text = (await site(f"uws{query}")).body.decode()
        ids = [element.get("id") for element in ElementTree.fromstring(text)]
        assert ids == [job.job_id for job in reversed(jobs)][:expected]
        assert text.startswith("<?xml")
        assert text.endswith("</uws:jobs>\n")
