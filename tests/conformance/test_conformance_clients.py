"""VO clients as they are, on jobs of a real service: pyvo, astroquery's TAP+, and our own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
import xmlschema
from astropy.time import Time, TimeDelta
from astroquery.utils.tap.core import TapPlus
from astroquery.utils.tap.xmlparser.jobListSaxParser import JobListSaxParser
from astroquery.utils.tap.xmlparser.jobSaxParser import JobSaxParser
from pyvo.dal import AsyncTAPJob, DALQueryError
from pyvo.dal.adhoc import DatalinkResults
from pyvo.io import vosi
from running import RunningService, wait_until
from xsd import mistakes

from jupyter_uws.client import JobService

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parent / "uws.xsd"), allow="local")


def create(service: RunningService, job_type: str, **parameters: Any) -> str:
    answer = service.post(f"uws/{job_type}", parameters)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_pyvo_sees_a_job_through(service: RunningService, session: requests.Session) -> None:
    url = create(service, "rows", kind="few", RUNID="pyvo")
    with AsyncTAPJob(url, session=session, delete=True) as job:
        assert (job.phase, job.uws_version, job.job_id) == ("PENDING", "1.1", url.rpartition("/")[2])
        assert job.quote is None
        job.query = "SELECT 2"
        assert job.query == "SELECT 2"
        job.execution_duration = 300
        assert job.execution_duration == TimeDelta(300, format="sec")
        destruction = datetime.now(UTC).replace(microsecond=123000) + timedelta(days=2)
        job.destruction = destruction
        assert abs((job.destruction - Time(destruction.replace(tzinfo=None))).sec) < 0.001
        job.run().wait(timeout=60)
        assert job.phase == "COMPLETED"
        job.raise_if_error()
        assert job.owner
        assert job.result_uri == f"{url}/results/result"
        assert list(job.fetch_result()["n"]) == [1, 2, 3]
        assert [(result.id_, result.mimetype) for result in job.results] == [("result", "application/x-votable+xml")]
    assert service.get(url.removeprefix(service.url)).status_code == 404


def test_pyvo_aborts_and_waits_from_the_first_moment(service: RunningService, session: requests.Session) -> None:
    job = AsyncTAPJob(create(service, "sleeper", duration=600), session=session)
    job.run()
    # PENDING right after PHASE=RUN would end pyvo's wait with an error
    assert job.phase in ("QUEUED", "EXECUTING")
    wait_until(lambda: job.phase == "EXECUTING")
    job.abort()
    assert job.phase == "ABORTED"
    job.delete()


def test_pyvo_tells_why_a_job_failed(service: RunningService, session: requests.Session) -> None:
    job = AsyncTAPJob(create(service, "sleeper", duration=0, fail="true", PHASE="RUN"), session=session)
    job.wait(timeout=60)
    assert job.phase == "ERROR"
    with pytest.raises(DALQueryError, match="the sleeper was asked to fail"):
        job.raise_if_error()
    job.delete()


def test_astroquery_reads_jobs_and_lists(service: RunningService) -> None:
    url = create(service, "rows", kind="few", QUERY="SELECT 'é<'", RUNID="aq", PHASE="RUN")
    path = url.removeprefix(service.url)
    service.get(f"{path}?WAIT=60&PHASE=QUEUED")
    service.get(f"{path}?WAIT=60&PHASE=EXECUTING")
    (job,) = JobSaxParser(async_job=True).parseData(BytesIO(service.get(path).content))
    assert (job.jobid, job.get_phase(), job.parameters["QUERY"]) == (
        path.rpartition("/")[2],
        "COMPLETED",
        "SELECT 'é<'",
    )
    assert job.is_finished()
    jobs = JobListSaxParser(async_job=True).parseData(BytesIO(service.get("uws/rows?LAST=1").content))
    assert [(job.jobid, job.get_phase()) for job in jobs] == [(path.rpartition("/")[2], "COMPLETED")]


@pytest.fixture
def tap_plus(service: RunningService) -> TapPlus:
    """astroquery's TAP+ on ``uws/`` as if it were a TAP service: it asks below ``uws/async``."""
    tap = TapPlus(url=f"{service.url}uws")
    handler = tap._TapPlus__getconnhandler()
    for headers in (handler._TapConn__postHeaders, handler._TapConn__getHeaders):
        headers["Authorization"] = f"token {service.token}"
    return tap


def test_astroquery_launches_a_job_and_reads_its_result(tap_plus: TapPlus, tmp_path: Path) -> None:
    job = tap_plus.launch_job_async(
        "SELECT 'é<'", name="aq", dump_to_file=True, output_file=str(tmp_path / "table.vot"), output_format="votable"
    )
    assert job.get_phase(update=True) == "COMPLETED"
    assert list(job.get_results()["n"]) == [1, 2, 3]


def test_astroquery_fills_and_starts_a_pending_job(tap_plus: TapPlus) -> None:
    job = tap_plus.launch_job_async("SELECT 1", autorun=False)
    assert job.get_phase(update=True) == "PENDING"
    job.start()
    job.wait_for_job_end()
    assert job.get_phase() == "COMPLETED"
    assert job.jobid in [other.jobid for other in tap_plus.list_async_jobs()]


def test_our_own_client(service: RunningService, tmp_path: Path) -> None:
    jobs = JobService(service.url, token=service.token)
    job = jobs.submit("rows", kind="few", query="SELECT 3")
    job.wait(timeout=60, progress=False)
    assert (job.phase, job.parameters["QUERY"], job.parameters["count"]) == ("COMPLETED", ["SELECT 3"], ["3"])
    assert list(job.results) == ["result"]
    assert [other.id for other in jobs.jobs(last=1)] == [job.id]
    job.delete()


DOCUMENTS = ["uws", "uws/rows", "uws?PHASE=ARCHIVED", "{job}", "{job}?WAIT=0"]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_of_the_service_are_valid(service: RunningService, path: str) -> None:
    job = create(service, "rows", kind="many", ids="1 2").removeprefix(service.url)
    answer = service.get(path.format(job=job))
    assert answer.status_code == 200
    SCHEMA.validate(answer.text)


def test_capabilities_and_availability(service: RunningService) -> None:
    found = vosi.parse_capabilities(BytesIO(service.get("uws/capabilities").content))
    uws = [one for one in found if one.standardid == "ivo://ivoa.net/std/UWS#rest-1.1"]
    assert [one.interfaces[0].accessurls[0].content for one in uws] == [
        f"{service.url}uws/{name}"
        for name in (
            "async",
            "count-lines",
            "cube",
            "cutout",
            "gammapy",
            "lightcurve",
            "quicklook",
            "rows",
            "sensitivity",
            "sleeper",
            "spectrum",
            "theta2",
        )
    ]
    assert {one.standardid.partition("#")[2] for one in found} == {"rest-1.1", "capabilities", "availability"}
    for one in found:
        assert service.get(one.interfaces[0].accessurls[0].content.removeprefix(service.url)).status_code == 200
    available = vosi.parse_availability(BytesIO(service.get("uws/availability").content))
    assert available.available


def test_what_the_jobs_say_of_themselves_obeys_the_schemas_of_vosi(
    service: RunningService, need: Callable[[str, str], str], tmp_path: Path
) -> None:
    for name in ("capabilities", "availability"):
        answer = service.get(f"uws/{name}")
        assert mistakes(need("stilts", "stilts"), tmp_path / "document.xml", answer.text, name) == ""
        assert service.request("OPTIONS", f"uws/{name}").headers["Allow"] == "GET, HEAD, OPTIONS"
        assert service.request("PUT", f"uws/{name}").headers["Allow"] == "GET, HEAD, OPTIONS"
    told = service.get("uws/capabilities").headers
    assert (told["Last-Modified"][-4:], told["Cache-Control"]) == (" GMT", "no-cache")


def test_pyvo_reads_the_descriptor(service: RunningService, session: requests.Session) -> None:
    results = DatalinkResults.from_result_url(f"{service.url}uws/rows/descriptor", session=session)
    descriptor = results.get_adhocservice_by_ivoid("ivo://ivoa.net/std/UWS#rest-1.1")
    values = {param.name: param.value for param in descriptor.params}
    assert values["accessURL"] == f"{service.url}uws/rows"
    inputs = {param.name: param for group in descriptor.groups for param in group.entries}
    assert list(inputs) == ["QUERY", "count", "kind", "flag", "radius", "ids"]
    assert (inputs["count"].values.min, inputs["count"].values.max) == (0, 10)
    assert (inputs["count"].unit, inputs["count"].ucd) == ("s", "meta.number")
    # a value would be fixed (DataLink 1.1, section 4.3): what the service takes by default is told in words
    assert inputs["count"].description.endswith("By default: 3")
    document = session.get(f"{service.url}uws/rows/descriptor").text
    assert '<PARAM name="count" datatype="long" unit="s" ucd="meta.number" value="">' in document
    assert [option[1] for option in inputs["kind"].values.options] == ["few", "many"]
    assert inputs["QUERY"].description == "Any <text> & more. By default: SELECT 1"
    assert inputs["radius"].values.min == 0.5
    assert [tuple(row) for row in results.to_table()] == [("result", "application/x-votable+xml", "The rows")]
    # and a job is made from it
    answer = session.post(values["accessURL"], {"kind": "few", "COUNT": 5}, allow_redirects=False)
    assert answer.status_code == 303


def test_descriptors_of_all_types_are_sound(service: RunningService, session: requests.Session) -> None:
    for name in service.get("uws/types").json()["types"]:
        results = DatalinkResults.from_result_url(f"{service.url}uws/{name['name']}/descriptor", session=session)
        assert results.get_adhocservice_by_ivoid("ivo://ivoa.net/std/UWS#rest-1.1")
    answer = service.get("uws/nosuch/descriptor")
    assert (answer.status_code, "there is no job type 'nosuch'" in answer.text) == (404, True)
