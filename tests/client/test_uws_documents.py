"""UWS documents, read as our service writes them and as others do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jupyter_uws.client import ServiceError
from jupyter_uws.client.uws import parse_job, parse_jobs
from jupyter_uws.uws import xml
from jupyter_uws.uws.model import ErrorSummary, Job, Result
from jupyter_uws.uws.phases import Phase

NOW = datetime(2026, 11, 22, 1, 2, 3, 456000, tzinfo=UTC)
JOB = Job(
    job_id="20261122-abcdefgh",
    job_type="quicklook",
    owner="alice",
    phase=Phase.ERROR,
    creation_time=NOW,
    run_id="<b>first & last</b>",
    start_time=NOW,
    execution_duration=60,
    parameters={"obs_ids": ["1", "2"], "note": ["a < b\n & c"]},
    results=(Result("image", "image.png", "image/png", 12), Result("a b/c", "x", "text/plain")),
    error=ErrorSummary("it broke", "transient", "long story"),
    info={"progress": 0.4, "message": "run 2 of 4"},
)


def test_the_service_s_job_document() -> None:
    root = "http://h/root/"
    job = parse_job(xml.job_document(JOB, root).encode(), root + "uws/quicklook/20261122-abcdefgh?WAIT=1")
    assert (job.job_id, job.phase, job.owner, job.run_id) == (JOB.job_id, "ERROR", "alice", JOB.run_id)
    assert (job.creation_time, job.start_time, job.end_time, job.quote) == (NOW, NOW, None, None)
    assert job.execution_duration == 60
    assert job.parameters == JOB.parameters
    assert job.results["image"].url == root + "uws/quicklook/20261122-abcdefgh/results/image"
    assert (job.results["image"].size, job.results["image"].content_type) == (12, "image/png")
    assert job.results["a b/c"].url.endswith("/results/a%20b%2Fc")
    assert (job.error, job.error_type) == ("it broke", "transient")
    assert job.info == {"progress": "0.4", "message": "run 2 of 4"}


def test_the_service_s_job_list() -> None:
    (reference,) = parse_jobs(xml.jobs_document([JOB], "http://h/root/").encode(), "http://h/root/uws")
    assert reference.job_id == JOB.job_id
    assert reference.url == "http://h/root/uws/quicklook/20261122-abcdefgh"
    assert (reference.phase, reference.run_id, reference.creation_time) == ("ERROR", JOB.run_id, NOW)


def test_documents_of_other_services() -> None:
    body = b"""<job xmlns="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
      xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><jobId>7</jobId><phase> executing </phase>
      <quote xsi:nil="true"/><startTime>2026-01-02T03:04:05</startTime><endTime>soon</endTime>
      <executionDuration>3600.0</executionDuration><results><result id="result" xlink:href="out/1.vot"/>
      </results></job>"""
    job = parse_job(body, "http://h/tap/async/7")
    assert job.phase == "EXECUTING"
    assert job.start_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert job.end_time is None
    assert job.execution_duration == 3600
    assert job.results["result"].url == "http://h/tap/async/7/out/1.vot"
    listing = b'<uws:jobs xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:jobref id="7"/></uws:jobs>'
    (reference,) = parse_jobs(listing, "http://h/tap/async?LAST=1")
    assert (reference.url, reference.phase, reference.creation_time) == ("http://h/tap/async/7", "UNKNOWN", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"not xml",
        b'<!DOCTYPE j [<!ENTITY a "x">]><job xmlns="http://www.ivoa.net/xml/UWS/v1.0"><jobId>&a;</jobId></job>',
    ],
)
def test_what_is_no_job_document_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceError, match=r"http://h/x sent is not a UWS job document"):
        parse_job(body, "http://h/x?token=y")
