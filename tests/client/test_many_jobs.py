"""Many jobs, chains, running again, logs and coroutines, on the real service."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser

import pytest
from astropy import units as u
from astropy.table import Table

from jupyter_uws.client import JobFailed, JobService, JobTimeout, NotAllStarted, ServiceError
from jupyter_uws.client import grids as grids_module
from jupyter_uws.client.grids import expand


def test_a_grid_is_one_group(jobs: JobService, capsys: pytest.CaptureFixture[str]) -> None:
    group = jobs.submit_many(
        "sleeper",
        grid={"duration": [0.1, 100 * u.ms], "fail": [False, True]},
        run_id=lambda row: f"<b>{row['fail']}</b>",
    )
    assert len(group) == 4
    assert group.wait() is group
    assert "4 jobs of type sleeper" in capsys.readouterr().err  # the bar
    assert group.phases == {"COMPLETED": 2, "ERROR": 2}
    table = group.table
    assert list(table["fail"]) == [False, True, False, True]
    assert list(table["phase"]) == ["COMPLETED", "ERROR"] * 2
    assert "asked to fail" in table["error"][1]
    assert "4 of 4 jobs have ended, 2 ERROR" in repr(group)
    HTMLParser().feed(group._repr_html_())
    with pytest.raises(JobFailed, match="2 of 4 jobs did not complete; the first one: .*asked to fail"):
        group.wait(progress=False, raise_on_error=True)
    found = jobs.query(phase="ERROR", type="sleeper", run_id="<b>T*", details=True)
    assert set(group.table["job_id"][[1, 3]]) <= set(found["job_id"])
    assert found["fail"][0] == "true"
    group.delete()
    assert len(group) == 0


def test_rows_of_a_table(jobs: JobService) -> None:
    targets = Table({"name": ["a", "b"], "duration": [0.0, 0.1] * u.s})
    group = jobs.submit_many("sleeper", rows=targets, run_id=lambda row: row["name"]).wait(progress=False)
    assert [job.document.run_id for job in group] == ["a", "b"]
    assert [job.parameters["duration"] for job in group] == [["0"], ["0.1"]]
    assert list(group.table["name"]) == ["a", "b"]


def test_a_group_goes_on_without_whoever_waits(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    group = jobs.submit_many("sleeper", grid={"duration": [300, 301]})
    with pytest.raises(JobTimeout, match="0 of 2 jobs have ended; they go on"):
        group.wait(timeout=0, progress=False)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(grids_module.Watch, "events", interrupt)
        with pytest.raises(KeyboardInterrupt, match="they go on"):
            group.wait(progress=False)
    group.abort().wait(progress=False)
    assert group.phases == {"ABORTED": 2}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to run"),
        ({"grid": {"duration": []}}, "'duration' has no values"),
        ({"grid": {"duratoin": [1]}}, "'duratoin' is no parameter"),
        ({"grid": {"duration": range(5001)}}, "these are 5001 jobs; at most 5000"),
        ({"rows": []}, "nothing to run"),
        ({"rows": [{"duration": 1}, {"duration": 1 * u.deg}]}, "Row 2: Parameter 'duration' is in s"),
    ],
)
def test_what_cannot_be_run_starts_nothing(jobs: JobService, given: dict, message: str) -> None:
    before = len(jobs.jobs())
    with pytest.raises(ValueError, match=message):
        jobs.submit_many("sleeper", **given)
    assert len(jobs.jobs()) == before


def test_a_refusal_in_the_midst_names_what_was_started(jobs: JobService) -> None:
    with pytest.raises(NotAllStarted, match="1 of 2 jobs were started") as refused:
        jobs.submit_many("sleeper", grid={"duration": [0, -1]})
    assert len(refused.value.group) == 1


def test_points_of_a_grid() -> None:
    points = expand({"a": [1, 2], "b": "xy"}, [{"name": "p"}, {"name": "q"}], {"a", "b"})
    assert points[1] == {"name": "p", "a": 2, "b": "xy"}
    assert len(points) == 4


def test_a_chain(jobs: JobService) -> None:
    first = jobs.submit("sleeper", duration=0.5)
    last = jobs.submit("sleeper", duration=0, after=[first, jobs[-1]])
    assert first.id in last._repr_html_()
    last.wait(progress=False)
    assert first.document.end_time is None  # nobody asked
    assert first.refresh().document.end_time <= last.document.start_time  # type: ignore[operator]
    broken = jobs.submit("sleeper", duration=0, fail=True)
    with pytest.raises(JobFailed, match=f"it was to run after the job '{broken.id}', which ended in ERROR: .*asked"):
        jobs.submit("sleeper", duration=0, after=broken).wait(progress=False)
    with pytest.raises(ServiceError, match="nothing can run after it"):
        jobs.submit("sleeper", duration=0, after=broken)


def test_a_job_is_run_again_with_changes(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=0, run_id="mine", execution_duration=60, resources={"memory": "300 MiB"})
    job.wait(progress=False)
    again = job.rerun(duration=100 * u.ms).wait(progress=False)
    assert again.id != job.id
    assert again.parameters == {**job.parameters, "duration": ["0.1"]}
    assert (again.document.run_id, again.document.execution_duration) == ("mine", 60)
    assert again.document.info["memory"] == "300 MiB"
    with pytest.raises(ValueError, match="no parameter 'durations'"):
        job.rerun(durations=1)


def test_a_log_is_followed(jobs: JobService, capsys: pytest.CaptureFixture[str]) -> None:
    job = jobs.submit("sleeper", duration=1.2)
    assert job.log(follow=True) is None
    told = capsys.readouterr().out
    assert told.count("completed") == 1
    assert told.count("sleeping for 1.2 s") == 1
    assert job.log("stdout") == "sleeping for 1.2 s\n"
    with pytest.raises(ValueError, match="'stdlog' is not what a job writes to: stdout or stderr"):
        job.log("stdlog")


def test_jobs_are_awaited(jobs: JobService) -> None:
    async def both() -> list[str]:
        awaited = [jobs.submit("sleeper", duration=0.1) for _ in range(2)]
        return [job.phase for job in await asyncio.gather(*awaited)]

    async def failing() -> None:
        await jobs.submit("sleeper", duration=0, fail=True)

    assert asyncio.run(both()) == ["COMPLETED", "COMPLETED"]
    with pytest.raises(JobFailed, match="asked to fail"):
        asyncio.run(failing())


def test_jobs_by_id_and_by_age(jobs: JobService) -> None:
    made = [jobs.submit("sleeper", duration=0) for _ in range(2)]
    assert [jobs[-2].id, jobs[-1].id] == [job.id for job in made]
    assert jobs[made[0].id].type == "sleeper"
    with pytest.raises(KeyError, match="There is no job '20000101-x'"):
        jobs["20000101-x"]
    with pytest.raises(IndexError, match="counted from the newest"):
        jobs[0]
    with pytest.raises(TypeError, match="very many"):
        list(jobs)


def test_own_code_is_off_by_default(jobs: JobService) -> None:
    from jupyter_uws import job

    @job
    def nothing() -> None:
        pass

    with pytest.raises(ValueError, match="runs no code of your own: .*python_jobs = True"):
        jobs.submit(nothing)
    with pytest.raises(ValueError, match="neither the name of a job type, a text, nor a function with @job"):
        jobs.submit(len)
