"""Jobs that start when others have completed, with the test in the executor's place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_uws.uws.errors import NotAllowed, NotFound
from jupyter_uws.uws.manager import Control, JobManager
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore


def create(manager: JobManager, *after: Job, owner: str = "alice") -> Job:
    control = Control(after=[job.job_id for job in after])
    return manager.create(owner, "quicklook", {"ra": ["83.6"]}, control)


async def run(manager: JobManager, *after: Job) -> Job:
    return await manager.run(create(manager, *after))


async def until(condition: Callable[[], Any]) -> Any:
    """The first true value; each look comes after all that was ready has run."""
    for _ in range(200):
        if value := condition():
            return value
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen in time")


def now(manager: JobManager, job: Job) -> Job:
    return manager.described(manager.get("alice", "quicklook", job.job_id))


def started(executor: Any) -> list[str]:
    return [job_id for call, job_id, _ in executor.calls if call == "start"]


async def test_a_job_starts_when_all_before_it_have_completed(manager: JobManager, executor: Any) -> None:
    first, second = await run(manager), await run(manager)
    executor.complete(second)
    last = await run(manager, first, second)
    assert last.phase is Phase.QUEUED
    await until(
        lambda: "waits_for" in now(manager, last).info and second.job_id not in now(manager, last).info["waiting"]
    )
    assert now(manager, last).info["waits_for"] == f"job {first.job_id} to complete"
    assert now(manager, last).info["after"] == f"{first.job_id} {second.job_id}"
    assert last.job_id not in started(executor)
    executor.complete(first)
    await until(lambda: last.job_id in started(executor))
    assert "waiting" not in now(manager, last).info
    executor.complete(last)
    assert now(manager, last).phase is Phase.COMPLETED


async def test_a_failure_ends_the_whole_chain_and_says_why(manager: JobManager, executor: Any) -> None:
    first = await run(manager)
    second = await run(manager, first)
    third = await run(manager, second)
    executor.fail(first)
    await until(lambda: now(manager, third).phase is Phase.ERROR)
    assert (
        now(manager, second).error.message
        == f"it was to run after the job '{first.job_id}', which ended in ERROR: no data"
    )  # type: ignore[union-attr]
    assert "no data" in now(manager, third).error.message  # type: ignore[union-attr]
    assert started(executor) == [first.job_id]


async def test_a_deleted_or_aborted_job_ends_those_after_it(manager: JobManager, executor: Any) -> None:
    pending, running = create(manager), await run(manager)
    after_pending, after_running = await run(manager, pending), await run(manager, running)
    await manager.delete(pending)
    await manager.abort(running)
    await until(lambda: now(manager, after_running).phase is Phase.ERROR)
    await until(lambda: now(manager, after_pending).phase is Phase.ERROR)
    assert "which was deleted" in now(manager, after_pending).error.message  # type: ignore[union-attr]
    assert "ended in ABORTED" in now(manager, after_running).error.message  # type: ignore[union-attr]


async def test_a_job_that_waits_can_be_aborted(manager: JobManager, executor: Any) -> None:
    first = await run(manager)
    last = await run(manager, first)
    assert (await manager.abort(last)).phase is Phase.ABORTED
    executor.complete(first)
    await asyncio.sleep(0.02)
    assert started(executor) == [first.job_id]


async def test_a_chain_goes_on_after_a_restart(store: JobStore, manager: JobManager, executor: Any) -> None:
    done, first = await run(manager), await run(manager)
    last = await run(manager, done, first)
    doomed = await run(manager, first)
    executor.complete(done)
    await until(lambda: done.job_id not in now(manager, last).info["waiting"])
    await manager.delete(now(manager, done))  # it did its part
    await manager.close()
    executor.manager = again = JobManager(store, manager.types)
    await again.open()
    await until(lambda: ("settle", first.job_id, 0) in executor.calls)
    assert last.job_id not in [job_id for call, job_id, _ in executor.calls if call == "settle"]
    assert (await again.abort(now(again, doomed))).phase is Phase.ABORTED
    executor.complete(first)
    await until(lambda: last.job_id in started(executor))
    await again.close()


async def test_after_what(manager: JobManager, executor: Any) -> None:
    failed, other = await run(manager), create(manager, owner="bob")
    executor.fail(failed)
    with pytest.raises(NotAllowed, match="is ERROR: nothing can run after it"):
        create(manager, failed)
    with pytest.raises(NotFound, match=f"no job '{other.job_id}' of yours"):
        create(manager, other)
    with pytest.raises(NotFound, match="no job '20000101-x' of yours"):
        manager.create("alice", "quicklook", {"ra": ["1"]}, Control(after=["20000101-x"]))


async def test_after_over_http(site: Any, executor: Any) -> None:
    first = (await site("uws/quicklook", body="RA=1&PHASE=RUN", method="POST")).headers["Location"].rpartition("/")[2]
    made = await site("uws/quicklook", body=f"RA=1&PHASE=RUN&AFTER={first}", method="POST")
    last = made.headers["Location"].rpartition("/")[2]
    document = (await site(f"uws/quicklook/{last}")).body.decode()
    assert f"<waits_for>job {first} to complete</waits_for>" in document
    refused = await site("uws/quicklook", body="RA=1&PHASE=RUN&AFTER=20000101-x", method="POST")
    assert refused.code == 404
    late = await site(f"uws/quicklook/{last}", body=f"AFTER={first}", method="POST")
    assert (late.code, late.body) == (400, b"AFTER can be given only when a job is created")
