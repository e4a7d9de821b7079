"""The job store: what goes in comes out, and a phase moves only where the table allows."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_uws.uws import schema
from jupyter_uws.uws.model import ErrorSummary, Job, Result
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
        execution_duration=60,
        parameters={"RA": ["83.6"], "OBS_IDS": ["1", "2"]},
        results=(Result("map", "map.fits", "application/fits", 12, "ab" * 32, "a map"),),
        error=ErrorSummary("no", "transient", "long story"),
        info={"progress": 0.5},
    )
    store.create(job)
    assert store.get(job.job_id) == job


def test_creating_never_overwrites(store: JobStore) -> None:
    store.create(make_job())
    with pytest.raises(JobExists):
        store.create(make_job(owner="mallory"))
    assert store.get("2026-0").owner == "alice"  # type: ignore[union-attr]


@pytest.mark.parametrize(("source", "target"), list(itertools.product(Phase, Phase)))
def test_moves_follow_the_table(store: JobStore, source: Phase, target: Phase) -> None:
    store.create(make_job(phase=source))
    moved = store.move("2026-0", target, end_time=T0)
    if target in TRANSITIONS[source]:
        assert moved == make_job(phase=target, end_time=T0)
    else:
        assert moved is None
        assert store.get("2026-0") == make_job(phase=source)


def test_a_report_of_an_older_run_moves_nothing(store: JobStore) -> None:
    store.create(make_job(phase=Phase.EXECUTING, run=2))
    assert store.move("2026-0", Phase.COMPLETED, of_run=1) is None
    assert store.move("2026-0", Phase.COMPLETED, of_run=2) is not None


def test_filters(store: JobStore) -> None:
    for number in range(10):
        phase = Phase.ARCHIVED if number == 9 else Phase.COMPLETED if number % 2 else Phase.PENDING
        store.create(make_job(number, phase=phase, owner="bob" if number == 8 else "alice"))

    def ids(**filters: object) -> list[int]:
        return [int(job.job_id.removeprefix("2026-")) for job in store.find(**filters)]  # type: ignore[arg-type]

    assert ids() == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert ids(owner="alice", phases=[Phase.PENDING]) == [6, 4, 2, 0]
    assert ids(phases=[Phase.ARCHIVED, Phase.COMPLETED]) == [9, 7, 5, 3, 1]
    assert ids(after=T0 + timedelta(seconds=6)) == [8, 7]
    assert ids(after=T0 + timedelta(seconds=2), phases=[Phase.COMPLETED], last=1) == [7]
    assert ids(job_type="spectrum") == []


def test_a_newer_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 99)
    JobStore(url).close()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="schema version 99.*newer"):
        JobStore(url)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("not a database" * 100)
    with pytest.raises(StoreError, match=r"jobs\.sqlite.*cannot be used"):
        JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
