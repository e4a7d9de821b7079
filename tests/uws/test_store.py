"""The job store: what goes in comes out, a phase moves only where the table allows, on every database."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jupyter_uws.uws import schema
from jupyter_uws.uws.model import ErrorSummary, Job, Result, Upload
from jupyter_uws.uws.phases import TRANSITIONS, Phase
from jupyter_uws.uws.store import JobExists, JobStore, StoreError

T0 = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)


def make_job(number: int = 0, **changes: object) -> Job:
    job = Job(f"2026-{number}", "quicklook", "alice", Phase.PENDING, T0 + timedelta(seconds=number))
    return replace(job, **changes)  # type: ignore[arg-type]


def test_a_job_comes_back_as_it_was(store: JobStore) -> None:
    job = make_job(
        run_id="my run é",
        quote=T0,
        start_time=T0,
        end_time=T0,
        destruction=T0,
        forget_time=T0,
        execution_duration=60,
        parameters={"RA": ["83.6"], "OBS_IDS": ["1", "2\0"]},
        results=(Result("map", "map.fits", "application/fits", 12, "ab" * 32, "a map"),),
        error=ErrorSummary("no\0", "transient", "long story"),
        info={"progress": 0.5},
        uploads=(Upload("IMAGE", "uploads/1-a.fits", "a.fits", "application/fits", 5, "cd" * 32),),
        disk=2**40,
    )
    store.create(job)
    assert store.get(job.job_id) == job


def test_creating_never_overwrites(store: JobStore) -> None:
    store.create(make_job())
    with pytest.raises(JobExists):
        store.create(make_job(owner="mallory"))
    assert store.get("2026-0").owner == "alice"  # type: ignore[union-attr]


@pytest.mark.parametrize("source", list(Phase))
def test_moves_follow_the_table(store: JobStore, source: Phase) -> None:
    for number, target in enumerate(Phase):
        store.create(make_job(number, phase=source))
        moved = store.move(f"2026-{number}", target, end_time=T0)
        if target in TRANSITIONS[source]:
            assert moved == make_job(number, phase=target, end_time=T0)
        else:
            assert moved is None
            assert store.get(f"2026-{number}") == make_job(number, phase=source)


def test_a_report_of_an_older_run_moves_nothing(store: JobStore) -> None:
    store.create(make_job(phase=Phase.EXECUTING, run=2))
    assert store.move("2026-0", Phase.COMPLETED, of_run=1) is None
    assert store.move("2026-0", Phase.COMPLETED, of_run=2) is not None


# -- lists


def filters() -> list[dict[str, Any]]:
    phases: list[Sequence[Phase]] = [(), [Phase.PENDING], [Phase.ARCHIVED, Phase.COMPLETED], list(Phase)]
    combinations = itertools.product(
        (None, "alice"), (None, "quicklook"), phases, (None, T0 + timedelta(seconds=7)), (None, 1, 5)
    )
    names = ("owner", "job_type", "phases", "after", "last")
    return [dict(zip(names, values, strict=True)) for values in combinations]


def test_every_combination_of_filters(store: JobStore) -> None:
    phases = [Phase.COMPLETED, Phase.PENDING, Phase.ARCHIVED, Phase.EXECUTING]
    jobs = [
        make_job(
            number,
            creation_time=T0 + timedelta(seconds=number // 2),  # some at the same time
            phase=phases[number % 4],
            owner="bob" if number % 5 == 0 else "alice",
            job_type="spectrum" if number % 3 == 0 else "quicklook",
            run_id="r" if number % 2 else None,
        )
        for number in range(10, 50)
    ]
    for job in jobs:
        store.create(job)
    for asked in filters():
        expected = [
            job.job_id
            for job in sorted(jobs, key=lambda job: (job.creation_time, job.job_id), reverse=True)
            if asked["owner"] in (None, job.owner)
            and asked["job_type"] in (None, job.job_type)
            and (job.phase in asked["phases"] if asked["phases"] else job.phase is not Phase.ARCHIVED)
            and (asked["after"] is None or job.creation_time > asked["after"])
        ][: asked["last"]]
        assert [ref.job_id for ref in store.refs(**asked)] == expected, asked
        assert [job.job_id for job in store.find(**asked)] == expected, asked
        assert [ref.job_id for page in store.pages(3, **asked) for ref in page] == expected, asked
    ref = store.refs(last=1)[0]
    job = store.get(ref.job_id)
    assert ref == tuple(getattr(job, name) for name in ref._fields)


def test_lists_are_read_from_indexes(tmp_path: Path) -> None:
    """No list by LAST sorts or walks more than the newest jobs of each phase, nor does anything else."""
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    asked: list[tuple[str, Any]] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    for choice in filters():
        if choice["last"] is not None:
            store.refs(**choice)
            next(store.pages(10, **choice), None)
    store.get("2026-0")
    store.due(T0)
    store.faded(T0)
    store.active()
    store.count_active("alice")
    store.newest()
    assert len(asked) > 100
    for statement, values in list(asked):
        with store.database.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        steps = [row[3] for row in plan if " jobs " in f"{row[3]} "]
        assert steps
        for step in steps:
            assert step.startswith("SEARCH jobs USING"), (statement, step)
    store.close()


# -- the end of a job


def test_archiving_takes_the_results_and_leaves_the_files_to_remove(store: JobStore) -> None:
    result = Result("map", "map.fits", size=12)
    job = make_job(phase=Phase.COMPLETED, destruction=T0, results=(result,), disk=12, parameters={"RA": ["1"]})
    store.create(job)
    assert store.archive(replace(job, destruction=T0 + timedelta(days=1)), T0) is None  # somebody postponed it
    assert store.archive(job, T0) == replace(job, phase=Phase.ARCHIVED, results=(), disk=0, forget_time=T0)
    assert store.remains() == [("2026-0", "quicklook")]
    assert store.due(T0) == []
    assert [job.job_id for job in store.faded(T0)] == ["2026-0"]
    store.buried("2026-0")
    assert store.remains() == []
    assert store.forget(job)
    assert store.get("2026-0") is None


@pytest.mark.parametrize("phase", list(Phase))
def test_a_job_in_hand_is_not_forgotten(store: JobStore, phase: Phase) -> None:
    job = make_job(phase=phase)
    store.create(job)
    in_hand = phase in (Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED, Phase.UNKNOWN)
    assert store.forget(job) is not in_hand
    assert (store.get(job.job_id) is None) is not in_hand
    assert store.remains() == ([] if in_hand else [("2026-0", "quicklook")])
    assert store.forget(job) is not in_hand  # once more: it is gone already, or still in hand


def test_files_that_come_before_their_job(store: JobStore) -> None:
    store.reserve("2026-1", "quicklook")
    store.reserve("2026-2", "quicklook")
    upload = Upload("IMAGE", "uploads/1-a.fits", "a.fits", "application/fits", 5, "cd" * 32)
    store.create(make_job(1, uploads=(upload,)))
    assert store.remains() == [("2026-2", "quicklook")]


def test_use_of_an_owner(store: JobStore) -> None:
    store.create(make_job(1, disk=10))
    store.create(make_job(2, disk=5, phase=Phase.EXECUTING))
    store.create(make_job(3, disk=7, phase=Phase.ARCHIVED))
    store.create(make_job(4, disk=1, owner="bob"))
    assert store.usage("alice") == (2, 15)
    assert store.usage("carol") == (0, 0)
    assert store.count_active("alice") == store.count_active() == 1
    assert store.newest() == T0 + timedelta(seconds=4)


# -- versions

V1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
CREATE TABLE jobs (job_id VARCHAR(40) NOT NULL, job_type VARCHAR(80) NOT NULL, owner VARCHAR(200) NOT NULL,
 phase VARCHAR(10) NOT NULL, run INTEGER NOT NULL, run_id TEXT, creation_time BIGINT NOT NULL, start_time BIGINT,
 end_time BIGINT, quote BIGINT, execution_duration BIGINT NOT NULL, destruction BIGINT, parameters TEXT NOT NULL,
 results TEXT NOT NULL, error TEXT, info TEXT NOT NULL, PRIMARY KEY (job_id));
CREATE INDEX jobs_by_owner ON jobs (owner, creation_time);
CREATE INDEX jobs_by_type ON jobs (owner, job_type, creation_time);
CREATE INDEX jobs_by_phase ON jobs (phase);
CREATE INDEX jobs_by_destruction ON jobs (destruction);
INSERT INTO schema_version VALUES (1);
INSERT INTO jobs VALUES ('2026-0', 'quicklook', 'alice', 'COMPLETED', 1, 'r', 1795309323456789, 1, 2, NULL, 60, 3,
 '{"RA": ["83.6"]}', '[{"name": "map", "path": "map.fits", "content_type": "a/b", "size": 12, "sha256": null,
 "description": ""}]', NULL, '{"progress": 1}');
"""


def layout(url: str) -> Any:
    """Tables, columns and indexes, as the database has them."""
    engine = sa.create_engine(url)
    found = sa.inspect(engine)
    tables = {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)},
            sorted((str(index["name"]), index["column_names"]) for index in found.get_indexes(table)),
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in found.get_table_names()
    }
    engine.dispose()
    return tables


def run_sql(url: str, text: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in filter(str.strip, text.split(";")):
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_store_of_version_1_is_upgraded(request: pytest.FixtureRequest, store_url: str) -> None:
    run_sql(store_url, V1)
    store = JobStore(store_url)
    job = store.get("2026-0")
    assert job == Job(
        *("2026-0", "quicklook", "alice", Phase.COMPLETED, T0),
        run=1,
        run_id="r",
        start_time=datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
        end_time=datetime(1970, 1, 1, 0, 0, 0, 2, UTC),
        execution_duration=60,
        destruction=datetime(1970, 1, 1, 0, 0, 0, 3, UTC),
        parameters={"RA": ["83.6"]},
        results=(Result("map", "map.fits", "a/b", 12),),
        info={"progress": 1},
    )
    assert [ref.job_id for ref in store.refs(owner="alice")] == ["2026-0"]
    store.close()
    upgraded = layout(store_url)
    if store_url.startswith("sqlite"):
        Path(store_url.removeprefix("sqlite:///")).unlink()
    else:
        request.getfixturevalue("postgresql").empty()
    JobStore(store_url).close()
    assert layout(store_url) == upgraded


def test_a_failed_upgrade_changes_nothing(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sql(store_url, V1)
    before = layout(store_url)
    monkeypatch.setattr(schema, "MIGRATIONS", [[*schema.MIGRATIONS[0], "CREATE NONSENSE"]])
    with pytest.raises(StoreError, match="cannot be used"):
        JobStore(store_url)
    assert layout(store_url) == before


def test_a_newer_store_is_refused(store_url: str) -> None:
    JobStore(store_url).close()
    run_sql(store_url, "UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match="schema version 99.*newer"):
        JobStore(store_url)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("not a database" * 100)
    with pytest.raises(StoreError, match=r"jobs\.sqlite.*cannot be used"):
        JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "oracle://h/d", "postgresql+pg8000://x/y", "sqlite+x:///y"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="store_url|driver"):
        JobStore(url)
