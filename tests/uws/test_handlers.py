"""The UWS resources over HTTP."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import urlencode

import defusedxml.ElementTree as ElementTree
import pytest

from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.model import Job

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
    answer = await asyncio.wait_for(waiting, 5)
    assert ElementTree.fromstring(answer.body).findtext(f"{UWS}phase") == "EXECUTING"
    # not in the phase that was asked for: at once
    await asyncio.wait_for(site(path(job) + "?WAIT=30&PHASE=PENDING"), 5)
    executor.say(job, "completed")
    await asyncio.wait_for(site(path(job) + "?WAIT=-1"), 5)


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
