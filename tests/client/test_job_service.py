"""Jobs on the real service: submit, wait, abort, look at results."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from running import RunningService, run_service, wait_until

from jupyter_uws.client import (
    ClientError,
    Connection,
    JobFailed,
    JobService,
    JobTimeout,
    ServiceError,
    ServiceUnreachable,
)
from jupyter_uws.client import job as job_module
from jupyter_uws.client import joblist as joblist_module
from jupyter_uws.client.durations import seconds
from jupyter_uws.client.results import MissingResult, Result
from jupyter_uws.client.uws import ResultReference

NOWHERE = Connection("http://127.0.0.1:9/")


def result(content: bytes, content_type: str, name: str = "thing") -> Result:
    made = Result(NOWHERE, ResultReference(name, "http://127.0.0.1:9/thing", content_type, len(content)))
    made._content = content
    return made


def test_submit_wait_and_read(jobs: JobService, capsys: pytest.CaptureFixture[str]) -> None:
    job = jobs.submit("sleeper", duration=300 * u.ms, run_id="<i>mine</i>", execution_duration=1 * u.min)
    assert job.wait() is job
    assert "COMPLETED" in capsys.readouterr().err  # the bar
    assert (job.phase, job.type) == ("COMPLETED", "sleeper")
    assert job.parameters["duration"] == ["0.3"]
    assert job.document.execution_duration == 60
    assert job.results["report"].text == "slept for 0.3 s\n"
    assert "sleeping" in job.stdout
    assert "completed" in job.stderr
    assert job.id in repr(job)
    html = job._repr_html_() + jobs.jobs()._repr_html_() + job.results._repr_html_()
    assert "<i>" not in html
    assert "&lt;i&gt;mine" in html
    HTMLParser().feed(html)


def test_jobs_are_found_again(jobs: JobService) -> None:
    made = jobs.submit("sleeper", duration=0).wait(progress=False)
    assert jobs.job(made.id).phase == "COMPLETED"
    assert jobs.job(made.url).results["report"].name == "report"
    newest = jobs.jobs(last=1)
    assert [job.id for job in newest] == [made.id]
    assert newest[0].results["report"].size == made.results["report"].size
    assert newest[0].parameters == made.parameters
    assert made.id in [job.id for job in jobs.jobs(phase=["COMPLETED", "ERROR"], type="sleeper")]
    assert made.id not in [job.id for job in jobs.jobs(phase="ABORTED")]
    with pytest.raises(ServiceError, match="There is no job '20000101-x'"):
        jobs.job("20000101-x")
    with pytest.raises(ValueError, match="'NONE' is not a phase"):
        jobs.jobs(phase="NONE")


def test_a_failed_job_says_why(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=0, fail=True)
    with pytest.raises(JobFailed, match=f"{job.id}.*was asked to fail"):
        job.wait(progress=False)
    assert job.wait(progress=False, raise_on_error=False).phase == "ERROR"
    assert "asked to fail" in (job.error or "")
    assert "asked to fail" in job._repr_html_()


def test_abort_and_delete(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=300)
    with pytest.raises(JobTimeout, match="it goes on"):
        job.wait(timeout=0, progress=False)
    job.abort()
    with pytest.raises(JobFailed, match="ABORTED"):
        job.wait(timeout=20, progress=False)
    job.delete()
    with pytest.raises(ServiceError) as gone:
        job.refresh()
    assert gone.value.status == 404


def test_the_end_of_a_job_is_noticed_at_once(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=0.5)
    job.wait(progress=False)
    noticed = time.time()
    assert job.document.end_time is not None
    assert noticed - job.document.end_time.timestamp() < job_module.POLL / 2
    job.wait(progress=True)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """As in a terminal: a shell starts its background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_the_job_running(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=300)

    def press() -> None:
        wait_until(lambda: jobs.job(job.id).phase == "EXECUTING")
        os.kill(os.getpid(), signal.SIGINT)

    for wait in (lambda: job.wait(timeout=200, progress=False), lambda: job.log(follow=True)):
        threading.Thread(target=press).start()
        with pytest.raises(KeyboardInterrupt, match=f"Job {job.id} was not stopped, it goes on"):
            wait()
    assert job.phase == "EXECUTING"
    job.delete()
    assert repr(job) == f"<Job {job.id} sleeper was deleted>"
    assert job._repr_html_() is None


@pytest.mark.parametrize(
    ("type", "parameters", "message"),
    [
        ("sleper", {}, "no job type 'sleper'; did you mean 'sleeper'"),
        ("sleeper", {"duraton": 1}, "no parameter 'duraton'; did you mean 'duration'"),
        ("sleeper", {"duration": 1 * u.deg}, "'duration' is in s; 1.0 deg cannot be converted"),
        ("sleeper", {"duration": 1, "execution_duration": 1 * u.deg}, "not a time"),
        ("sleeper", {"duration": 1, "resources": {"core": 2}}, "no resource 'core'; did you mean 'cores'"),
    ],
)
def test_what_cannot_be_run_is_refused_here(jobs: JobService, type: str, parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jobs.submit(type, **parameters)


def test_what_cannot_be_run_is_refused_there(jobs: JobService) -> None:
    before = len(jobs.jobs())
    with pytest.raises(ServiceError, match="duration") as caught:
        jobs.submit("sleeper", duration=-1)
    assert caught.value.status == 400
    assert len(jobs.jobs()) == before


def test_a_job_asks_for_resources(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=0, resources={"cores": 1, "memory": "300 MiB"})
    assert (job.document.info["cores"], job.document.info["memory"]) == ("1", "300 MiB")
    with pytest.raises(ServiceError, match="CORES '5000' is more than the"):
        jobs.submit("sleeper", duration=0, resources={"cores": 5000})


@pytest.mark.parametrize(("given", "limit"), [(0.2, 1), (90 * u.s, 90), ("1 min", 60), ("30", 30), (1.5 * u.min, 90)])
def test_limits_of_time_are_whole_seconds_and_never_less(jobs: JobService, given: object, limit: int) -> None:
    """0.2 s must not become 0, which asks for the longest that is allowed."""
    job = jobs.submit("sleeper", duration=0, execution_duration=given)
    assert job.document.execution_duration == limit


@pytest.mark.parametrize("given", ["soon", 1 * u.deg, "1 deg", None, -1, float("nan")])
def test_what_is_no_time_is_named(given: object) -> None:
    with pytest.raises(ValueError, match="timeout="):
        seconds("timeout", given)


def test_long_lists_are_shown_in_part(jobs: JobService, monkeypatch) -> None:
    monkeypatch.setattr(joblist_module, "SHOWN", 1)
    for _ in range(2):
        jobs.submit("sleeper", duration=0)
    listed = jobs.jobs(last=2)
    assert repr(listed).splitlines()[1:] == ["and 1 older ones"]
    assert listed._repr_html_().endswith("<p>and 1 older ones</p>")


def test_an_unknown_result_is_answered_with_the_known(jobs: JobService) -> None:
    job = jobs.submit("sleeper", duration=0).wait(progress=False)
    with pytest.raises(MissingResult, match=r"no result 'rport'. Did you mean 'report'\? Its results: report"):
        job.results["rport"]
    assert "report" in repr(job.results)
    with pytest.raises(ClientError, match="is not a table"):
        _ = job.results["report"].table


def test_results_are_saved_to_files(jobs: JobService, tmp_path: Path) -> None:
    job = jobs.submit("sleeper", duration=0).wait(progress=False)
    assert job.results["report"].save(tmp_path) == tmp_path / "report.txt"
    assert (tmp_path / "report.txt").read_text() == "slept for 0 s\n"
    assert job.results["report"].save(tmp_path / "mine.txt").read_bytes() == job.results["report"].bytes
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mine.txt", "report.txt"]
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        job.results["report"].save(tmp_path / "none" / "report.txt")
    assert result(b"", "text/plain", "../../etc/passwd").file_name == "_.._etc_passwd"


def test_a_wrong_token_is_refused(service: RunningService) -> None:
    with pytest.raises(ServiceError, match="token"):
        JobService(service.url, "wrong").jobs()


def test_a_url_that_is_no_service_is_refused(odd) -> None:
    odd.on("/uws", body="<html>", content_type="text/html")
    odd.on("/uws/types", body="<html>", content_type="text/html")
    with pytest.raises(ServiceError, match="not a UWS jobs document"):
        JobService(odd.url).jobs()
    with pytest.raises(ServiceError, match="not the list of a job service"):
        JobService(odd.url).types()


def test_a_service_that_is_gone_during_wait_is_told(sim_archive: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(job_module, "PATIENCE", 0.5)
    with run_service(tmp_path, sim_archive) as running:
        job = JobService(running.url, running.token).submit("sleeper", duration=300)
        caught: list[Exception] = []

        def wait() -> None:
            try:
                job.wait(progress=False)
            except Exception as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: job.document.phase == "EXECUTING", 60)
        running.process.kill()
        thread.join(20)
    (error,) = caught
    assert isinstance(error, ServiceUnreachable)
    assert running.url in str(error)
    assert f"Job {job.id} may go on" in str(error)


def test_waiting_bears_with_a_service_that_restarts(odd) -> None:
    """A relay answers 503 while it starts the service anew."""
    template = (
        '<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" version="1.1"><uws:jobId>1</uws:jobId>'
        "<uws:phase>{}</uws:phase></uws:job>"
    )
    answers = [(200, "EXECUTING"), (503, ""), (503, ""), (200, "COMPLETED")]

    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        status, phase = answers.pop(0) if len(answers) > 1 else answers[0]
        return status, {"Content-Type": "text/xml"}, template.format(phase).encode()

    odd.answers["/uws/sleeper/1"] = answer
    service = JobService(odd.url)
    job = service.job(odd.url + "uws/sleeper/1")
    assert job.wait(progress=False).phase == "COMPLETED"


def test_kinds_of_results() -> None:
    table = Table({"e_ref": [1.0, 10.0] * u.TeV, "dnde": [1e-11, 1e-13] * u.Unit("TeV-1 cm-2 s-1")})
    table["dnde_ul"] = [2e-11, 2e-13] * u.Unit("TeV-1 cm-2 s-1")
    table["is_ul"] = [False, True]
    from io import BytesIO, StringIO

    text = StringIO()
    table.write(text, format="ascii.ecsv")
    ecsv = result(text.getvalue().encode(), "application/x-ecsv")
    assert ecsv.table["e_ref"].unit == u.TeV
    ax = ecsv.plot()
    assert ax.get_xlabel() == "Energy (TeV)"
    # 1 TeV2 1e-11 /TeV/cm2/s is 1.6e-11 erg/cm2/s
    assert ax.containers[0].lines[0].get_ydata() == pytest.approx([1.602e-11], rel=1e-3)
    low, high = ax.get_ylim()
    assert low < 1.602e-11 < high
    hdu = fits.ImageHDU(np.full((10, 12), 7.0), name="significance")
    hdu.header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=83.6, CRVAL2=22.0, CDELT1=-0.1, CDELT2=0.1, CRPIX1=6, CRPIX2=5
    )
    buffer = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    significance = result(buffer.getvalue(), "application/fits", "significance")
    assert significance.fits["significance"].data.shape == (10, 12)
    assert significance.plot().coords[0].get_axislabel() == "Right ascension"
    assert result(b"a: [1, 2]", "application/yaml").yaml == {"a": [1, 2]}
    assert result(b'{"a": 1}', "application/json").json == {"a": 1}
    picture = result(b"\x89PNG....", "image/png")
    assert picture._repr_png_() == b"\x89PNG...."
    assert picture._repr_jpeg_() is None
    for wrong in ("table", "fits", "image", "json"):
        with pytest.raises(ClientError, match="'thing'"):
            getattr(result(b"hello", "text/plain"), wrong)
    with pytest.raises(ClientError, match="is not a table"):
        _ = significance.table
    with pytest.raises(ClientError, match="plotted|table"):
        result(b"hello", "text/plain").plot()


def test_yaml_cannot_make_objects() -> None:
    with pytest.raises(ClientError, match="is not YAML"):
        _ = result(b"!!python/object/apply:os.system ['true']", "application/yaml").yaml


def test_a_result_too_large_for_memory_is_refused(odd, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jupyter_uws.client.results.MEMORY", 1 << 20)
    odd.on("/big", body=b"x" * (3 << 20))
    big = Result(Connection(odd.url), ResultReference("big", odd.url + "big", "text/plain"))
    with pytest.raises(ClientError, match="larger than 1 MiB: use .save"):
        _ = big.bytes
    assert big.save(tmp_path / "big").stat().st_size == 3 << 20
