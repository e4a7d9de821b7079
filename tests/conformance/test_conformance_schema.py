"""Every document of every phase obeys the schema, with everything set and with nothing (UWS 1.1, section 2.2.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uws.uws import xml
from jupyter_uws.uws.model import ErrorSummary, Job, JobRef, Result, Upload
from jupyter_uws.uws.phases import Phase

HERE = Path(__file__).parent
T0 = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
NOTHING = Job("20261122-abc", "quicklook", "alice", Phase.PENDING, T0)
TABLE = Upload("TABLE", "uploads/0a-t.csv", "t.csv", "text/csv", 3, "0a", "http://data.site.org/t.csv")
EVERYTHING = replace(
    NOTHING,
    run_id="<run> & \"'\x07",
    quote=T0,
    start_time=T0,
    end_time=T0,
    execution_duration=7200,
    destruction=T0,
    parameters={"RA": ["83.6"], "TABLE": [TABLE.path], "odd": ["\x00"], "many": ["1", "2"]},
    results=(Result("a b", "x", 'image/png; a="b"', 5), Result("c", "y", size=None)),
    error=ErrorSummary("no <data>", "transient", "detail"),
    info={"progress": 0.5, "message": "run 2 of 4 \x1b", "cores": "1", "queue_position": 3},
    uploads=(TABLE,),
)
ROOTS = ["http://host/", "https://hub.site.org/user/j%C3%BCrgen%40site/jupyter-uws/", "https://h/~a/b'%22/x/"]


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(HERE / "uws.xsd"), allow="local")


def documents(job: Job, root: str) -> list[str]:
    reference = JobRef(job.job_id, job.job_type, job.owner, job.phase, job.run_id, job.creation_time)
    return [
        xml.job_document(job, root),
        xml.jobs_document([reference, reference], root),
        xml.jobs_document([], root),
        xml.parameters_document(job, root),
        xml.results_document(job, root),
    ]


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("job", [NOTHING, EVERYTHING], ids=["nothing", "everything"])
def test_documents_of_every_phase_are_valid(schema: xmlschema.XMLSchema, job: Job, phase: Phase, root: str) -> None:
    for document in documents(replace(job, phase=phase), root):
        schema.validate(document)
        # links are complete, and below the root as the client knows it, escapes and all
        for line in document.split('xlink:href="')[1:]:
            assert line.startswith(root.replace("&", "&amp;"))


@given(text=st.text(max_size=40), name=st.text(min_size=1, max_size=10))
def test_whatever_clients_and_jobs_write_is_valid(text: str, name: str) -> None:
    job = replace(
        EVERYTHING,
        run_id=text,
        owner=text,
        parameters={name: [text]},
        results=(Result(name, "x", text, 1),),
        error=ErrorSummary(text, "fatal", text),
        info={"message": text},
    )
    for document in documents(job, ROOTS[1]):
        SCHEMA.validate(document)


SCHEMA = xmlschema.XMLSchema(str(HERE / "uws.xsd"), allow="local")

TRAPS = [
    ('version="1.1"', 'version="1.0"'),
    ('version="1.1"', ""),
    ('<uws:startTime xsi:nil="true"/>', ""),
    ('<uws:endTime xsi:nil="true"/>', "<uws:endTime/>"),
    ('<uws:destruction xsi:nil="true"/>', ""),
    ("<uws:results></uws:results>", ""),
    ("<uws:phase>PENDING</uws:phase>", "<uws:phase>RUNNING</uws:phase>"),
    ("456Z</uws:creationTime>", "456</uws:creationTime>"),
    ("<uws:executionDuration>0</uws:executionDuration>", '<uws:executionDuration xsi:nil="true"/>'),
    ("<uws:phase>PENDING</uws:phase>", "<uws:phase>PENDING</uws:phase><uws:runId>late</uws:runId>"),
]


@pytest.mark.parametrize(("right", "wrong"), TRAPS)
def test_the_schema_sees_what_others_get_wrong(schema: xmlschema.XMLSchema, right: str, wrong: str) -> None:
    document = xml.job_document(NOTHING, "http://host/")
    assert right in document
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate(document.replace(right, wrong, 1))


def test_parameters_and_results_have_no_version() -> None:
    for document in (xml.parameters_document(EVERYTHING, "http://h/"), xml.results_document(EVERYTHING, "http://h/")):
        assert "version=" not in document.partition("\n")[2].partition(">")[0]
        with pytest.raises(xmlschema.XMLSchemaValidationError):
            SCHEMA.validate(document.replace("<uws:", "<uws:", 1).replace(" xmlns:uws", ' version="1.1" xmlns:uws', 1))


def test_the_prefix_is_uws_everywhere() -> None:
    for document in documents(EVERYTHING, "http://host/"):
        assert "<uws:" in document
        assert 'xmlns="' not in document


def test_names_of_results_and_parameters_are_escaped_in_links() -> None:
    job = replace(NOTHING, results=(Result("a/../b?c#d", "x"),))
    assert f"/results/{quote('a/../b?c#d', safe='')}" in xml.results_document(job, "http://host/")
