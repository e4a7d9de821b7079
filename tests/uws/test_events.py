"""Waits and event streams: nothing is lost, nothing is kept for clients that are slow or gone."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_uws.uws import streams
from jupyter_uws.uws.errors import NotFound, TooBusy
from jupyter_uws.uws.events import Hub, Journal, Waits
from jupyter_uws.uws.manager import Control, JobManager
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase

ORDER: list[str] = [Phase.PENDING, Phase.QUEUED, Phase.EXECUTING, Phase.COMPLETED]


def create(manager: JobManager, owner: str = "alice") -> Job:
    return manager.create(owner, "quicklook", {"ra": ["83.6"]}, Control())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def waiting(manager: JobManager, count: int) -> None:
    await until(lambda: len(manager.events.waits) == count)


class Events:
    """A client of /uws/events on a plain connection, which reads when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.buffer = b""
        self.last_id = ""
        self.ended = False

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = (line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value for name, value in fields}

    async def block(self) -> dict[str, str]:
        """The next event, comment or retry as its fields."""
        while b"\n\n" not in self.buffer:
            size = int(await self.reader.readline(), 16)
            if size == 0:
                self.ended = True
                raise EOFError
            self.buffer += (await self.reader.readexactly(size + 2))[:-2]
        text, _, self.buffer = self.buffer.partition(b"\n\n")
        found = dict(line.split(":", 1) for line in text.decode().split("\n"))
        fields = {name: value.strip() for name, value in found.items()}
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next event: its kind and its data."""
        async with asyncio.timeout(10):
            while "event" not in (fields := await self.block()):
                pass
        return fields["event"], json.loads(fields["data"])

    async def ready(self) -> list[dict[str, Any]]:
        """The jobs a new client begins with."""
        assert (await self.next()) == ("reset", {})
        jobs = []
        while (event := await self.next())[0] == "job":
            jobs.append(event[1])
        assert event[0] == "ready"
        return jobs


@asynccontextmanager
async def follow(site: Any, query: str = "", last_id: str = "", owner: str = "alice") -> AsyncIterator[Events]:
    host, port = site.root.removeprefix("http://").rstrip("/").split(":")
    # a small buffer: what a client does not read stays with the server
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**16)
    last = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    writer.write(f"GET /uws/events{query} HTTP/1.1\r\nHost: {host}\r\nX-Owner: {owner}\r\n{last}\r\n".encode())
    client = Events(reader, writer)
    try:
        yield client
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def started(site: Any, *args: str, **more: str) -> AsyncIterator[Events]:
    async with follow(site, *args, **more) as client:
        status, _ = await client.head()
        assert status == 200
        yield client


# -- waits


async def test_no_wake_up_is_lost(manager: JobManager, executor: Any) -> None:
    """Waits that begin at any moment of a job's life, thousands of them, all see the next phase at once."""
    chance = random.Random(7)
    seen: list[bool] = []

    async def client(job: Job) -> None:
        while job.phase in ORDER[:3]:
            after = await manager.wait(job, 50)
            seen.append(ORDER.index(after.phase) > ORDER.index(job.phase))
            job = after
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)

    async def life(job: Job) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        await manager.run(job)
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        executor.say(job, "started")
        executor.say(job, "progress", info={"progress": 0.5})
        executor.say(job, "completed")

    jobs = [create(manager) for _ in range(100)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(client(job) for job in jobs for _ in range(10)), *(life(job) for job in jobs))
    assert len(seen) >= 1000
    assert all(seen)
    assert not manager.events.waits
    assert not manager.events.waits._by_job
    assert not manager.events.waits._by_owner


async def test_progress_wakes_nobody(manager: JobManager, executor: Any) -> None:
    job = await manager.run(create(manager))
    executor.say(job, "started")
    task = asyncio.create_task(manager.wait(manager.get("alice", "quicklook", job.job_id), 30))
    await until(lambda: manager.events.waits)
    executor.say(job, "progress", info={"progress": 0.5})
    await asyncio.sleep(0)
    assert not task.done()
    executor.say(job, "completed")
    assert (await task).phase is Phase.COMPLETED


async def test_one_wait_too_many_releases_the_oldest_of_its_owner(manager: JobManager) -> None:
    waits = manager.events.waits
    waits.per_owner, waits.at_most = 2, 100
    others = asyncio.create_task(manager.wait(create(manager, "bob"), 30))
    tasks = []
    for number in range(3):
        tasks.append(asyncio.create_task(manager.wait(create(manager), 30)))
        await waiting(manager, 2 + min(number, 1))
    assert (await tasks[0]).phase is Phase.PENDING  # the job as it is
    assert not tasks[1].done()
    assert not tasks[2].done()
    assert not others.done()
    waits.at_most = 3
    last = asyncio.create_task(manager.wait(create(manager, "carol"), 30))
    assert (await others).phase is Phase.PENDING
    await manager.close()
    await asyncio.gather(*tasks, last)
    assert not waits


async def test_a_wait_ends_with_its_client(site: Any, manager: JobManager) -> None:
    job = create(manager)
    host, port = site.root.removeprefix("http://").rstrip("/").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    path = f"/uws/quicklook/{job.job_id}?WAIT=60"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Owner: alice\r\n\r\n".encode())
    await until(lambda: manager.events.waits)
    writer.close()
    await until(lambda: not manager.events.waits)


async def test_many_waits_for_one_job_leave_room_for_others(manager: JobManager) -> None:
    job = create(manager)
    tasks = [asyncio.create_task(manager.wait(job, 50)) for _ in range(1000)]
    await waiting(manager, 1000)
    await manager.run(job)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < sum(task.done() for task in tasks) < 500
    assert {done.phase for done in await asyncio.gather(*tasks)} == {Phase.QUEUED}


# -- streams over HTTP


async def test_a_stream_tells_all_changes_of_a_job_in_order(site: Any, manager: JobManager, executor: Any) -> None:
    old = create(manager)
    head = await site("uws/events", method="HEAD")
    assert (head.code, head.headers["Content-Type"]) == (200, "text/event-stream; charset=UTF-8")
    async with follow(site) as client:
        status, headers = await client.head()
        assert status == 200
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-cache"
        assert headers["x-accel-buffering"] == "no"
        assert await client.block() == {"retry": "2000"}
        assert [job["job_id"] for job in await client.ready()] == [old.job_id]
        job = create(manager)
        kind, data = await client.next()
        assert kind == "job"
        assert data["job_id"] == job.job_id
        assert (data["job_type"], data["phase"], data["start_time"]) == ("quicklook", "PENDING", None)
        await manager.run(job)
        assert (await client.next())[1]["phase"] == "QUEUED"
        executor.say(job, "started", info={"worker": "7"})
        data = (await client.next())[1]
        assert (data["phase"], data["worker"]) == ("EXECUTING", "7")
        executor.say(job, "progress", info={"progress": 0.25, "message": "x" * 2000})
        data = (await client.next())[1]
        assert data["progress"] == 0.25
        assert len(data["message"]) == 500
        executor.say(job, "completed")
        data = (await client.next())[1]
        assert data["phase"] == "COMPLETED"
        assert data["start_time"] <= data["end_time"]
        await manager.delete(manager.get("alice", "quicklook", job.job_id))
        assert await client.next() == ("deleted", {"job_id": job.job_id, "job_type": "quicklook"})


async def test_a_stream_is_its_owners_and_can_be_of_one_type(site: Any, manager: JobManager) -> None:
    manager.types["other"] = manager.types["quicklook"].__class__(  # type: ignore[index]
        "other", manager.types["quicklook"].executor, manager.types["quicklook"].validate
    )
    async with started(site, "?type=other") as client, started(site, owner="bob") as bob:
        await client.ready()
        await bob.ready()
        create(manager)
        wanted = manager.create("alice", "other", {}, Control())
        his = create(manager, "bob")
        assert (await client.next())[1]["job_id"] == wanted.job_id
        assert (await bob.next())[1]["job_id"] == his.job_id
    unknown = await site("uws/events?type=nothing")
    assert unknown.code == 404
    assert b"quicklook" in unknown.body
    assert (await site("uws/events?type=other&type=quicklook")).code == 400


async def test_changes_are_coalesced_and_the_last_state_is_right(site: Any, manager: JobManager, executor: Any) -> None:
    async with started(site) as client:
        await client.ready()
        jobs = [await manager.run(create(manager)) for _ in range(20)]
        for step in range(100):
            for job in jobs:
                executor.say(job, "started" if step == 0 else "progress", info={"progress": step / 100})
        for job in jobs:
            executor.say(job, "completed")
        last: dict[str, str] = {}
        count = 0
        while list(last.values()).count("COMPLETED") < len(jobs):
            _, data = await client.next()
            count += 1
            assert ORDER.index(data["phase"]) >= ORDER.index(last.get(data["job_id"], "PENDING"))
            last[data["job_id"]] = data["phase"]
        assert count <= 3 * len(jobs)  # of 2060 changes


async def test_who_comes_back_gets_what_was_missed(site: Any, manager: JobManager, executor: Any) -> None:
    done, doomed, quiet = [await manager.run(create(manager)) for _ in range(3)]
    async with started(site) as client:
        assert len(await client.ready()) == 3
        last_id = client.last_id
    assert last_id
    executor.complete(done)
    await manager.delete(doomed)
    new = create(manager)
    async with started(site, last_id=last_id) as client:
        missed = [await client.next() for _ in range(3)]
        assert [(kind, data["job_id"], data.get("phase")) for kind, data in missed] == [
            ("job", done.job_id, "COMPLETED"),
            ("deleted", doomed.job_id, None),
            ("job", new.job_id, "PENDING"),
        ]
        last_id = client.last_id
    async with started(site, last_id=last_id) as client:
        executor.say(quiet, "started")
        assert (await client.next())[1]["job_id"] == quiet.job_id
    for unknown in ("other-1", last_id + "9", "x", "-", last_id.partition("-")[0] + "-²"):
        async with started(site, last_id=unknown) as client:
            assert {job["job_id"] for job in await client.ready()} == {new.job_id, quiet.job_id}


async def stall(client: Events, manager: JobManager, job: Job) -> None:
    """Let a job change, by much each time, until a client that does not read holds its stream up."""
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    journal = manager.events.journal
    (stream,) = journal._owners["alice"].streams
    async with asyncio.timeout(20):
        while stream.position > journal._number - 20:
            changed = manager.store.update(job.job_id, info={"more": ["y" * 200_000]})
            assert changed is not None
            manager.events.changed(changed)
            await asyncio.sleep(0.001)


async def test_a_slow_client_costs_no_memory_and_begins_anew(
    site: Any, manager: JobManager, executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing while more jobs change than the journal keeps; then it is told so, and is right again."""
    monkeypatch.setattr(streams, "GATHER", 0)
    journal = manager.events.journal
    journal.keep = 50
    job = await manager.run(create(manager))
    executor.say(job, "started")
    async with started(site) as client:
        await client.ready()
        await stall(client, manager, job)
        others = [create(manager) for _ in range(60)]
        for other in others * 20:
            manager.events.changed(other)
        assert len(journal._last) == 50
        assert len(journal._owners["alice"].log) == 50  # whoever reads: the changes are there once, and bounded
        executor.say(job, "completed")
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        states: dict[str, str] = {}
        resets = 0
        while len(states) < 61 or resets == 0:
            kind, data = await client.next()
            resets += kind == "reset"
            if kind == "job":
                states[data["job_id"]] = data["phase"]
        assert resets == 1
        assert {states[other.job_id] for other in others} == {"PENDING"}


async def test_a_client_that_takes_nothing_is_cut_off(
    site: Any, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STALLED", 0.2)
    monkeypatch.setattr(streams, "GATHER", 0)
    async with started(site) as client:
        await client.ready()
        await stall(client, manager, create(manager))
        await until(lambda: not manager.events.journal._streams)


async def test_a_stream_ends_at_once_with_its_client_and_with_the_service(site: Any, manager: JobManager) -> None:
    journal = manager.events.journal
    async with started(site) as client:
        await client.ready()
        assert journal._streams == 1
    await until(lambda: journal._streams == 0)
    assert "alice" not in journal._owners
    async with started(site) as client:
        await client.ready()
        await manager.close()
        with pytest.raises(EOFError):
            await client.next()


async def test_it_is_kept_alive(site: Any, manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.02)
    async with started(site) as client:
        await client.ready()
        async with asyncio.timeout(5):
            assert [await client.block() for _ in range(3)] == [{"": ""}] * 3


async def test_too_many_streams_are_refused(site: Any, manager: JobManager) -> None:
    manager.events.journal.per_owner = 1
    async with started(site) as client:
        await client.ready()
        refused = await site("uws/events")
        assert refused.code == 503
        assert refused.body == b"'alice' has 1 event streams open already; close one of them"
        async with started(site, owner="bob") as bob:
            await bob.ready()
            manager.events.journal.at_most = 2
            refused = await site("uws/events", headers={"X-Owner": "carol"})
            assert refused.code == 503
            assert b"2 event streams" in refused.body


# -- the journal by itself


def test_the_journal_forgets_and_frees(manager: JobManager) -> None:
    journal = Journal(keep=10)
    jobs = [create(manager, f"owner{number % 7}") for number in range(100)]
    for job in jobs:
        for _ in range(3):
            journal.changed(job)
    assert len(journal._last) == 10
    assert sum(len(owner.log) for owner in journal._owners.values()) == 10
    journal.at_most = 0
    with pytest.raises(TooBusy), journal.follow("new"):
        pass
    assert "new" not in journal._owners
    for job in jobs[-10:]:
        journal.deleted(job)  # the last change of a job replaces the one before
    assert len(journal._last) == 10


async def test_waits_of_a_deleted_job_end(manager: JobManager) -> None:
    job = create(manager)
    tasks = [asyncio.create_task(manager.wait(job, 30)) for _ in range(3)]
    await waiting(manager, 3)
    await manager.delete(job)
    for task in tasks:
        with pytest.raises(NotFound):
            await task
    assert Waits() == manager.events.waits


def test_what_waits_leaves_files_for_others() -> None:
    for files in (100, 1024, 4096, 65536):
        hub = Hub()
        hub.fit(files)
        assert 0 < hub.waits.at_most + hub.journal.at_most <= files - min(256, files // 2)
    assert hub.waits.at_most == Waits().at_most
