"""The XML of jobs: in the schema's order, nil where it must be, and readable by others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import defusedxml.ElementTree as ElementTree
import pytest
from pyvo.io.uws import parse_job, parse_job_list

from jupyter_uws.uws import xml
from jupyter_uws.uws.model import ErrorSummary, Job, Result
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.times import format_time, parse_time

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
T0 = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
FRESH = Job("20261122-abc", "quicklook", "alice", Phase.PENDING, T0, execution_duration=600)
FULL = replace(
    FRESH,
    phase=Phase.ERROR,
    run_id="<b>&\"'",
    start_time=T0,
    end_time=T0,
    destruction=T0,
    quote=T0,
    parameters={"RA": ["83.6"], "OBS_IDS": ["1", "2"], "odd": ["\x00"]},
    results=(Result("a b", "x", 'image/png; a="b"', 5),),
    error=ErrorSummary("no <data>", "transient", "detail"),
    info={"progress": 0.5, "message": "run 2 of 4 \x1b"},
)


@pytest.mark.parametrize("job", [FRESH, FULL], ids=["fresh", "full"])
def test_elements_stand_in_the_order_of_the_schema(job: Job) -> None:
    root = ElementTree.fromstring(xml.job_document(job, "http://host/"))
    assert root.get("version") == "1.1"
    order = [
        "jobId",
        "runId",
        "ownerId",
        "phase",
        "quote",
        "creationTime",
        "startTime",
        "endTime",
        "executionDuration",
        "destruction",
        "parameters",
        "results",
        "errorSummary",
        "jobInfo",
    ]
    names = [child.tag.removeprefix(UWS) for child in root]
    assert names == [name for name in order if name in names]
    # required by the schema, nil where empty
    assert {"ownerId", "startTime", "endTime", "executionDuration", "destruction", "results"} <= set(names)
    for name in ("startTime", "endTime", "destruction"):
        element = root.find(UWS + name)
        assert (element.get(NIL) == "true") == (element.text is None)


def test_everything_survives_the_way_through_xml() -> None:
    root = ElementTree.fromstring(xml.job_document(FULL, "http://host/"))
    assert root.findtext(f"{UWS}runId") == FULL.run_id
    assert [element.text for element in root.find(f"{UWS}parameters")] == [
        "83.6",
        "1",
        "2",
        "http://host/uws/quicklook/20261122-abc/parameters/odd",
    ]
    result = root.find(f"{UWS}results/{UWS}result")
    assert result.get("{http://www.w3.org/1999/xlink}href").endswith("/results/a%20b")
    assert result.get("mime-type") == 'image/png; a="b"'
    assert root.find(f"{UWS}errorSummary").attrib == {"type": "transient", "hasDetail": "true"}
    assert root.findtext(f"{UWS}jobInfo/progress") == "0.5"


def test_pyvo_reads_them() -> None:
    job = parse_job(BytesIO(xml.job_document(FULL, "http://host/").encode()))
    assert (job.jobid, job.phase, job.ownerid) == ("20261122-abc", "ERROR", "alice")
    assert job.destruction.datetime.replace(microsecond=0) == T0.replace(microsecond=0, tzinfo=None)
    assert job.errorsummary.message.content == "no <data>"
    jobs = parse_job_list(BytesIO(xml.jobs_document([FULL, FRESH], "http://host/").encode()))
    assert [reference.jobid for reference in jobs] == ["20261122-abc", "20261122-abc"]


def test_times() -> None:
    assert format_time(T0) == "2026-11-22T01:02:03.456Z"
    for text in ("2026-11-22T01:02:03.456789Z", "2026-11-22T02:02:03.456789+01:00", "2026-11-22T01:02:03.456789123"):
        assert parse_time(text) == T0
    assert parse_time("2026-11-22") == datetime(2026, 11, 22, tzinfo=UTC)
    for text in ("", "now", "2026", "2026-13-01", "22.11.2026", "2026-11-22T25:00:00Z", "1e9"):
        with pytest.raises(ValueError, match="time|month|hour|day"):
            parse_time(text)
