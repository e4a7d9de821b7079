"""A store that cannot be used: full, locked, read-only, away, slow. Clients are told why, and no report is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from manual import create, executor_of, make_manager, present, until
from postgresql import PostgreSQL
from running import own_tracebacks, run_service
from small_disk import fill

from jupyter_uws.uws import database
from jupyter_uws.uws.model import Result
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore, StoreError, StoreFull


async def test_full_disk(disk: Path) -> None:
    """What is stored stays and can be read; a report waits until there is room."""
    manager = make_manager(JobStore(f"sqlite:///{disk / 'jobs.sqlite'}"))
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    executor.say(job, "started")
    ballast = fill(disk)
    with pytest.raises(StoreFull, match="disk of the job store is full; nothing was changed"):
        [create(manager) for _ in range(1000)]  # the log may have some pages left
    before = present(manager, job)
    assert before.phase is Phase.EXECUTING
    results = tuple(Result(f"r{number}", f"file{number}") for number in range(2000))
    executor.say(job, "completed", results=results)
    assert len(manager.reports) == 1
    assert present(manager, job) == before
    ballast.unlink()
    await until(lambda: present(manager, job).phase is Phase.COMPLETED)
    assert present(manager, job).results == results
    create(manager)
    await manager.close()
    manager.store.close()


def test_full_disk_over_http(disk: Path, tmp_path: Path, empty_archive: Path) -> None:
    with run_service(disk, empty_archive) as service:
        location = service.post("uws/sleeper").headers["Location"]
        (disk / "state" / "spare").write_bytes(b"x" * 65536)
        ballast = fill(disk)
        answers = [service.post("uws/sleeper") for _ in range(200)]
        assert {answer.status_code for answer in answers} <= {303, 507}
        assert answers[-1].status_code == 507
        assert (
            answers[-1].text
            == "the disk of the job store is full; nothing was changed: free some space and try again\n"
        )
        assert service.get("uws/sleeper?LAST=5").status_code == 200
        # a job that is to be run is told where it cannot have a folder
        (disk / "state" / "spare").unlink()
        ballast.unlink()
        assert service.post("uws/sleeper").status_code == 303
        job = location.removeprefix(service.url)
        assert service.get(f"{job}/phase").text == "PENDING"
        assert own_tracebacks(service.log) == []


@pytest.fixture(scope="module")
def empty_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody asks for it here."""
    path = tmp_path_factory.mktemp("archive") / "archive.duckdb"
    path.touch()
    return path


async def test_locked_by_another_program(tmp_path: Path) -> None:
    manager = make_manager(JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}"))
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    other = sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begin = time.monotonic()
    with pytest.raises(StoreError, match="locked by another program; nothing was changed, try again") as caught:
        create(manager)
    assert caught.value.status == 503
    assert time.monotonic() - begin < database.LOCK_TIMEOUT + 3  # the driver's own would be 5 s
    for kind in ("started", "progress", "completed"):
        executor.say(job, kind)
    assert present(manager, job).phase is Phase.QUEUED  # reading goes on
    other.execute("COMMIT")
    other.close()
    await until(lambda: present(manager, job).phase is Phase.COMPLETED)
    assert present(manager, job).start_time is not None
    assert len(manager.store.refs()) == 1
    await manager.close()
    manager.store.close()


def test_read_only_folder(disk: Path) -> None:
    url = f"sqlite:///{disk / 'jobs.sqlite'}"
    JobStore(url).close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(StoreError, match="the job store .*cannot be used: .*(read-only|cannot be read or written)"):
        JobStore(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used: the job store's file cannot be read or written"):
        JobStore(f"sqlite:///{tmp_path / 'no' / 'jobs.sqlite'}")


async def test_a_read_only_database(store: JobStore) -> None:
    manager = make_manager(store)
    with store.database.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="read-only; nothing was changed"):
        create(manager)


# -- PostgreSQL


@pytest.fixture
def server(postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    postgresql.empty()
    yield postgresql
    if not (postgresql.folder / "data" / "postmaster.pid").exists():
        postgresql.start()


async def test_postgresql_stops_and_comes_back(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PROBE_INTERVAL", 0.1)
    manager = make_manager(JobStore(server.url()))
    executor = executor_of(manager)
    job = await manager.run(create(manager))
    server.stop()
    executor.say(job, "started")
    executor.say(job, "completed", results=(Result("map", "map.fits"),))
    for _ in range(100):  # only the first has to find out
        with pytest.raises(StoreError, match="cannot be reached; nothing was changed, try again later"):
            create(manager)
    assert len(manager.reports) == 2
    server.start()
    await until(lambda: not len(manager.reports))
    ended = present(manager, job)
    assert (ended.phase, [result.name for result in ended.results]) == (Phase.COMPLETED, ["map"])
    create(manager)
    monkeypatch.setattr(database, "OWNER_TIMEOUT", 0.2)
    with pytest.raises(StoreError, match="another service"):  # it is still the one service of this database
        JobStore(server.url())
    await manager.close()
    manager.store.close()


async def test_postgresql_is_locked(server: PostgreSQL) -> None:
    manager = make_manager(JobStore(server.url()))
    engine = sa.create_engine(server.url())
    with engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE jobs")
        begin = time.monotonic()
        with pytest.raises(StoreError, match="locked by another program"):
            create(manager)
        assert time.monotonic() - begin < database.LOCK_TIMEOUT + 3  # the driver's own would be 5 s
    create(manager)
    engine.dispose()
    manager.store.close()


async def test_postgresql_hangs(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is not answered is given up in seconds, and only once."""
    monkeypatch.setattr(database, "PROBE_INTERVAL", 0.1)
    manager = make_manager(JobStore(server.url()))
    manager.store.database.engine.dispose()
    pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        for _ in range(10):
            with pytest.raises(StoreError, match="cannot be reached"):
                create(manager)
        assert time.monotonic() - begin < 3 * database.CONNECT_TIMEOUT
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: not manager.store.database._away.is_set())
    create(manager)
    manager.store.close()


def test_postgresql_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="cannot be used: .*cannot be reached"):
        JobStore(f"postgresql+psycopg://nobody:secret@/x?host={tmp_path}")


def test_one_service_for_a_database(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one would take the jobs of the first for lost."""
    monkeypatch.setattr(database, "OWNER_TIMEOUT", 0.2)
    store = JobStore(server.url())
    with pytest.raises(StoreError, match="another service uses the job store.*database of its own"):
        JobStore(server.url())
    store.close()
    JobStore(server.url()).close()


def test_passwords_are_not_told(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        JobStore(f"postgresql+psycopg://nobody:geheim@/x?host={tmp_path}")
    assert "geheim" not in str(caught.value) + caplog.text
