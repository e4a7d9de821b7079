"""Jobs as JSON: pages of a long list, filters, counts, and a whole job."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from test_store import T0, make_job

from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.model import Result
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore

JSON = {"Accept": "application/json"}
PHASES = [Phase.COMPLETED, Phase.ERROR, Phase.EXECUTING, Phase.QUEUED, Phase.ARCHIVED]


def fill(store: JobStore, count: int) -> None:
    """Jobs of five phases in turn, two of each creation time, every fourth called ``Crab_%``."""
    for number in range(count):
        run_id = "Crab_%" if number % 4 == 0 else f"run {number}"
        job = make_job(number, phase=PHASES[number % 5], run_id=run_id, creation_time=T0 + timedelta(hours=number // 2))
        store.create(replace(job, job_id=f"2026-{number:03}"))


async def page(site: Any, path: str = "uws", **query: Any) -> Any:
    answer = await site(f"{path}?{urlencode(query, doseq=True)}", headers=JSON)
    assert answer.code == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    return json.loads(answer.body)


async def every(site: Any, **query: Any) -> list[str]:
    """The ids of all pages, of which only the first has counts."""
    found = await page(site, **query)
    ids = [job["job_id"] for job in found["jobs"]]
    while found["next"] is not None:
        found = await page(site, page=found["next"], **query)
        assert "counts" not in found
        ids += [job["job_id"] for job in found["jobs"]]
    return ids


async def test_pages_hold_every_job_once_in_either_order(site: Any, store: JobStore) -> None:
    fill(store, 40)
    expected = [ref.job_id for ref in store.refs()]
    assert len(expected) == 32
    for size in (1, 7, 32, 100):
        assert await every(site, last=size) == expected, size
    assert await every(site, last=5, order="oldest") == expected[::-1]
    assert (await page(site, last=32))["next"] is None
    first = await page(site, last=4)
    assert first["counts"] == {"ARCHIVED": 8, "COMPLETED": 8, "ERROR": 8, "EXECUTING": 8, "QUEUED": 8}
    # a job that comes meanwhile is in no later page, and moves none
    store.create(make_job(99, job_id="2026-999", creation_time=T0 + timedelta(days=9)))
    rest = await page(site, last=100, page=first["next"])
    assert [job["job_id"] for job in rest["jobs"]] == expected[4:]


async def test_filters(site: Any, store: JobStore) -> None:
    fill(store, 40)
    assert await every(site, phase=["ERROR", "QUEUED"], last=3) == [
        ref.job_id for ref in store.refs(phases=[Phase.ERROR, Phase.QUEUED])
    ]
    crabs = await page(site, text="cRAB_%", last=2)
    assert crabs["counts"] == dict.fromkeys(sorted(PHASES), 2)
    assert {job["run_id"] for job in crabs["jobs"]} == {"Crab_%"}
    assert [job["job_id"] for job in (await page(site, text="2026-017"))["jobs"]] == ["2026-017"]
    assert (await page(site, text="Crab%"))["jobs"] == []
    between = {"after": "2026-11-22T03:02:03.456789Z", "before": "2026-11-22T05:02:03.456789Z"}
    assert await every(site, **between) == ["2026-007", "2026-006"]
    assert (await page(site, "uws/quicklook"))["counts"] == (await page(site))["counts"]
    # all of them are counted by type and run id, however many are in the page
    tallied = await page(site, tally=1, last=1)
    found = await page(site, last=1000)
    assert tallied["types"] == Counter(job["job_type"] for job in found["jobs"])
    assert tallied["runs"] == Counter(job["run_id"] or "" for job in found["jobs"])
    assert "runs" not in await page(site, tally=1, last=1, page=tallied["next"])
    some = await page(site, tally=1, phase="ERROR", last=1)
    assert sum(some["runs"].values()) == some["counts"]["ERROR"]
    site.owner = "bob"
    assert await page(site, text="2026", tally=1) == {"jobs": [], "next": None, "counts": {}, "types": {}, "runs": {}}
    assert await page(site, text="2026") == {"jobs": [], "next": None, "counts": {}}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("order=down", "ORDER 'down' is not one of newest, oldest"),
        ("page=1_x%27", "PAGE '1_x'' is not the 'next' of another page"),
        ("before=now", "BEFORE 'now' is not a time of the form 2026-11-22T01:02:03Z"),
        (f"text={'x' * 201}", "TEXT is longer than 200 characters"),
        ("last=0", "LAST '0' is not a whole number greater than 0"),
        ("all=1", "ALL=1: only an administrator may list the jobs of all owners"),
    ],
)
async def test_what_is_wrong_is_named(site: Any, query: str, sentence: str) -> None:
    answer = await site(f"uws?{query}", headers=JSON)
    assert (answer.code // 100, answer.body.decode()) == (4, sentence)


async def test_a_whole_job(site: Any, manager: JobManager, executor: Any) -> None:
    form = urlencode({"RA": "83.6", "OBS_IDS": ["1", "2"], "TABLE": "http://data.site.org/list.txt"}, doseq=True)
    answer = await site("uws/quicklook", "POST", f"{form}&RUNID={'long ' * 150}")
    path = answer.headers["Location"].removeprefix(site.root)
    job = manager.get(site.owner, "quicklook", path.rpartition("/")[2])
    assert (await site(path)).headers["Content-Type"] == "text/xml; charset=UTF-8"
    pending = await page(site, path)
    assert pending["phase"] == "PENDING"
    assert len(pending["run_id"]) > 700  # whole, where a list cuts it
    assert pending["parameters"]["OBS_IDS"] == ["1", "2"]
    assert [(file["filename"], file["size"]) for file in pending["uploads"]["TABLE"]] == [("list.txt", 5)]
    await manager.run(job)
    assert (await page(site, path))["info"]["queue_position"] == "1"
    assert (await page(site))["jobs"][0]["queue_position"] == "1"
    job = manager.get(site.owner, "quicklook", job.job_id)
    executor.say(job, "started")
    executor.say(job, "completed", results=(Result("map", "map.txt", "text/plain", 10),))
    done = await page(site, path)
    assert done["phase"] == "COMPLETED"
    assert done["end_time"] >= done["start_time"] >= done["creation_time"]
    (result,) = done["results"]
    assert (result["name"], result["size"], result["href"]) == ("map", 10, f"{site.root}{path}/results/map")
    assert done["error"] is None
    site.owner = "bob"
    assert (await site(path, headers=JSON)).code == 403


async def test_why_a_job_failed(site: Any, manager: JobManager, executor: Any) -> None:
    answer = await site("uws/quicklook", "POST", "RA=1&PHASE=RUN")
    path = answer.headers["Location"].removeprefix(site.root)
    executor.fail(manager.get(site.owner, "quicklook", path.rpartition("/")[2]))
    assert (await page(site, path))["error"] == {"message": "no data", "type": "fatal", "has_detail": True}
