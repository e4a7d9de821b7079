"""What a job's results were made from, and what was made of them: by the content of files, and by chains."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from prov.model import ProvDocument, ProvUsage
from test_store import T0, make_job
from test_uploads import created, value

from jupyter_uws.uws.lineage import DEPTH, MOST, trace
from jupyter_uws.uws.manager import Control, JobManager
from jupyter_uws.uws.model import Job, Result, Upload
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore

RUNS = ["ivo://obs/sim?100001", "100002"]
CONTENT = b"ra,dec\n83.6,22.0\n"


def new(manager: JobManager, owner: str = "alice", **control: Any) -> Job:
    return manager.create(owner, "quicklook", {"ra": ["1"], "obs_ids": RUNS}, Control(**control))


async def ended(manager: JobManager, executor: Any, job: Job, content: bytes = CONTENT) -> Job:
    """The job has run and made ``list``, a file of this content."""
    await manager.run(job)
    digest = hashlib.sha256(content).hexdigest()
    executor.say(job, "started")
    made = Result("list", "list.csv", "text/csv", len(content), digest)
    executor.say(job, "completed", results=(made,))
    return manager.get(job.owner, job.job_type, job.job_id)


async def given(site: Any, manager: JobManager, content: bytes, *more: Any) -> Job:
    """A job that was sent a file, whatever it is called."""
    return await created(site, manager, value("RA", "1"), ("TABLE", "copy of it.csv", "text/csv", content), *more)


async def document(site: Any, job: Job) -> dict[str, Any]:
    answer = await site(f"uws/quicklook/{job.job_id}/provenance")
    assert answer.code == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_it_is_found_back_and_forth(site: Any, manager: JobManager, executor: Any) -> None:
    first = await ended(manager, executor, new(manager, run_id="first"))
    second = await ended(manager, executor, await given(site, manager, CONTENT), b"other")
    third = new(manager, after=[second.job_id])
    stranger = await given(site, manager, b"never made here")
    names = [f"service:uws/quicklook/{each.job_id}" for each in (first, second, third)]

    for job in (first, second, third):
        told = await document(site, job)
        assert set(told["activity"]) == set(names)
        assert [list(each.values()) for each in told["wasInformedBy"].values()] == [[names[2], names[1]]]
        read = ProvDocument.deserialize(content=json.dumps(told), format="json")
        used = {(str(u.args[0]), str(u.args[1])) for u in read.get_records(ProvUsage)}
        assert (names[1], f"{names[0]}/results/list") in used
        address = read.get_record(names[0])[0].identifier.uri
        assert address == f"{site.root}uws/quicklook/{first.job_id}"
    told = await document(site, first)
    activity = told["activity"][names[0]]
    assert (activity["prov:label"], activity["uws:phase"], activity["uws:is_cut"]) == ("first", "COMPLETED", False)
    assert activity["parameter:OBS_IDS"] == RUNS
    roles = {each["prov:entity"]: each["prov:role"] for each in told["used"].values()}
    assert roles["ivo:obs/sim%3F100001"] == roles["data:100002"] == "OBS_IDS"
    assert told["entity"]["ivo:obs/sim%3F100001"] == {"prov:label": RUNS[0]}

    told = await document(site, stranger)
    (entity,) = told["entity"].values()
    assert entity["prov:label"] == "copy_of_it.csv"
    assert entity["uws:sha256"] == hashlib.sha256(b"never made here").hexdigest()
    assert list(told["activity"]) == [f"service:uws/quicklook/{stranger.job_id}"]
    answer = await site(f"uws/quicklook/{first.job_id}-x/provenance")
    assert answer.code == 404


async def test_what_is_not_known_is_not_told(site: Any, manager: JobManager, executor: Any) -> None:
    """Jobs of others, empty files, jobs that came later, files that were made anew, and those that are archived."""
    foreign = new(manager, "bob")
    await ended(manager, executor, foreign)
    empty = await ended(manager, executor, new(manager), b"")
    user = await given(site, manager, CONTENT)
    of_nothing = await given(site, manager, b"")
    later = await ended(manager, executor, new(manager))
    for job in (foreign, empty, user, of_nothing, later):
        assert list(trace(manager.store, job).jobs) == [job.job_id]

    again = await ended(manager, executor, new(manager))
    user = await given(site, manager, CONTENT)
    (used,) = trace(manager.store, user).used
    assert used.maker.job_id == again.job_id, "the one that was made last"
    assert list(trace(manager.store, later).jobs) == [later.job_id]
    manager.set_destruction(again, "2000-01-01")
    await manager.undertaker.sweep()
    assert manager.get("alice", "quicklook", again.job_id).phase is Phase.ARCHIVED
    (used,) = trace(manager.store, user).used
    assert used.maker.job_id == later.job_id, "of an archived job it is not known any more what it made"


def chained(number: int, **changes: Any) -> Job:
    """One of a row of jobs, each made of the result of the one before it."""
    digest = f"{number:064x}"
    before = Upload("TABLE", "uploads/a", "a", "text/csv", 5, f"{number - 1:064x}")
    kept = {"uploads": (before,), "results": (Result("list", "list", "text/csv", 5, digest),), "phase": Phase.COMPLETED}
    return make_job(number, creation_time=T0 + timedelta(seconds=number), **{**kept, **changes})


async def test_it_ends_somewhere(store: JobStore) -> None:
    row = [chained(number) for number in range(1, 2 * DEPTH + 4)]
    for job in row:
        store.create(job)
    middle = row[DEPTH + 1]
    lineage = trace(store, middle)
    assert {job.job_id for job in row[1:-1]} == set(lineage.jobs)
    assert lineage.is_cut
    for number in range(100, 100 + 2 * MOST):
        after = {"after": row[0].job_id}
        store.create(make_job(number, creation_time=T0 + timedelta(seconds=number), info=after))
    lineage = trace(store, row[0])
    assert (len(lineage.jobs), lineage.is_cut) == (MOST, True)
    files = tuple(Upload("TABLE", f"uploads/{n}", "a", "text/csv", 5, f"{n:064x}") for n in range(2000))
    made = tuple(Result(f"list{n}", "list", "text/csv", 5, f"{n + 5000:064x}") for n in range(2000))
    store.create(chained(999, uploads=files, results=made))
    assert trace(store, chained(999, uploads=files, results=made)).used
