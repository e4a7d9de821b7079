"""The document of links against DataLink 1.1, requirement by requirement, and as others' clients read it."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvo
import requests
from astropy.io import fits, votable
from astropy.io.votable import parse_single_table
from datalink_server import DID, OTHER, Server, run_server
from gadf_files import aeff_hdu, events_hdu

from jupyter_uws.archive import add_store
from jupyter_uws.archive.datalink import CONTENT_TYPE, ID_FIELD
from jupyter_uws.archive.links import Processing

#: Section 3.2: name, UCD, and what is said of its type.
FIELDS = {
    "ID": "meta.id;meta.main", "access_url": "meta.ref.url", "service_def": "meta.ref",
    "error_message": "meta.code.error", "description": "meta.note", "semantics": "meta.code",
    "content_type": "meta.code.mime", "content_length": "phys.size;meta.file", "content_qualifier": None,
    "local_semantics": "meta.id.assoc", "link_auth": "meta.code", "link_authorized": "meta.code",
}  # fmt: skip


def test_the_document_is_as_the_standard_says(server: Server) -> None:
    answer = server.get("datalink/links", DID)
    document = votable.parse(io.BytesIO(answer.content), verify="exception")
    results, *services = document.resources
    infos = {info.name: info.value for info in results.infos}
    assert infos == {"standardID": "ivo://ivoa.net/std/DataLink#links-1.1", "QUERY_STATUS": "OK"}
    (table,) = results.tables
    assert (results.type, table.format) == ("results", "tabledata")
    assert {field.name: field.ucd for field in table.fields} == FIELDS
    fields = {field.name: field for field in table.fields}
    assert (fields["content_length"].datatype, str(fields["content_length"].unit)) == ("long", "byte")
    assert fields["link_authorized"].datatype == "boolean"
    others = fields.keys() - {"content_length", "link_authorized"}
    assert {fields[name].datatype for name in others} == {"char"}
    # descriptors: those that rows refer to, and its own (section 4.4), whose ID comes from the column of that XML ID
    assert [(found.type, found.utype) for found in services] == [("meta", "adhoc:service"), ("meta", "adhoc:this")]
    assert {row["service_def"] for row in table.to_table() if row["service_def"]} == {services[0].ID}
    params = {param.name: param.value for param in services[1].params}
    assert params == {
        "standardID": "ivo://ivoa.net/std/DataLink#links-1.1",
        "accessURL": f"{server.url}datalink/links",
        "contentType": CONTENT_TYPE,
    }
    for found in services:
        (group,) = [group for group in found.groups if group.name == "inputParams"]
        (taken,) = [param for param in group.entries if param.ref]
        assert (taken.ref, fields["ID"].ID) == (ID_FIELD, ID_FIELD)


def test_the_links_of_each_identifier_stand_together(server: Server) -> None:
    ids = list(server.links(DID, "ivo://x/y?1", OTHER, DID)["ID"])
    assert ids == [DID] * 10 + ["ivo://x/y?1"] + [OTHER] * 10


@pytest.mark.parametrize(
    "odd", ["", " ", "x" * 9000, "\x01<&>", "ivo://jupyter-uws/SIM-DR1?100001#frag", "'; DROP TABLE"]
)
def test_identifiers_of_any_kind_get_a_row_that_says_what_is_wrong(server: Server, odd: str) -> None:
    answer = requests.post(server.url + "datalink/links", {"ID": odd}, timeout=60)
    (row,) = parse_single_table(io.BytesIO(answer.content)).to_table()
    assert answer.status_code == 200
    # of the faults of section 3.4: an ID that is unknown, or one that cannot be
    assert row["error_message"].startswith("NotFoundFault: " if odd.strip() else "UsageFault: ")
    assert (row["semantics"], row["access_url"], row["service_def"]) == ("#this", "", "")


def test_what_no_other_link_leads_to_has_its_own(write_store: Callable[..., Path], tmp_path: Path) -> None:
    """Good time intervals and cuts in files of their own, as GADF allows; those beside the events need no link."""
    files = {
        "s/1.fits": [events_hdu(1)],
        "s/gti 1.fits": [aeff_hdu("GTI")],
        "s/irf.fits": [aeff_hdu(), aeff_hdu("RAD_MAX")],
    }
    index = [
        (1, "events", "events", "", "1.fits", "EVENTS"),
        (1, "gti", "gti", "", "gti 1.fits", "GTI"),
        (1, "aeff", "aeff_2d", "", "irf.fits", "AEFF"),
        (1, "rad_max", "rad_max_2d", "", "irf.fits", "RAD_MAX"),
    ]
    store = write_store("s", files, index)
    assert add_store(tmp_path / "a.duckdb", store).skipped == []
    running = run_server(tmp_path / "a.duckdb", tmp_path / "previews")
    server = next(running)
    rows = server.links("ivo://jupyter-uws/S?1")
    (extra,) = rows[rows["semantics"] == "#auxiliary"]
    assert extra["access_url"] == f"{server.url}files/S/gti%201.fits#GTI"
    assert (extra["local_semantics"], extra["content_qualifier"]) == ("gti", "")
    assert requests.head(extra["access_url"], timeout=60).headers["Content-Length"] == str(extra["content_length"])
    (store / "gti 1.fits").unlink()
    rows = server.links("ivo://jupyter-uws/S?1")
    (extra,) = rows[rows["semantics"] == "#auxiliary"]
    assert extra["error_message"].startswith("FatalFault: the file gti 1.fits is gone")
    assert "#package" not in rows["semantics"]
    assert next(running, None) is None


def test_no_run_is_an_empty_table_and_too_many_overflow(server: Server) -> None:
    assert len(server.links()) == 0
    ids = [f"ivo://nowhere/{number}" for number in range(501)]
    for number in (500, 501):
        answer = requests.post(server.url + "datalink/links", {"ID": ids[:number]}, timeout=60)
        assert len(parse_single_table(io.BytesIO(answer.content)).array) == 500
        assert ('value="OVERFLOW"' in answer.text) == (number == 501)


def test_what_cannot_be_answered_is_a_votable_that_says_why(server: Server) -> None:
    for parameters, words in (
        ({"ID": DID, "RESPONSEFORMAT": "csv"}, "UsageFault: RESPONSEFORMAT: 'csv' is not known; votable is"),
        ({"ID": b"\xff"}, "UsageFault: the value of the parameter 'ID' is not UTF-8"),
    ):
        answer = requests.get(server.url + "datalink/links", params=parameters, timeout=60)
        assert answer.status_code == 400
        assert words in answer.text
        assert 'name="QUERY_STATUS" value="ERROR"' in answer.text


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("votable", CONTENT_TYPE),
        ("", CONTENT_TYPE),
        ("application/x-votable+xml", CONTENT_TYPE),
        ("application/x-votable+xml;content=datalink", CONTENT_TYPE),
        ("Application/X-VOTable+XML; content=datalink", CONTENT_TYPE),
        ("application/x-votable+xml;serialization=tabledata", CONTENT_TYPE),
        ("text/xml", "text/xml"),
        ("text/xml;charset=UTF-8", "text/xml"),
    ],
)
def test_the_answer_is_of_the_type_that_was_asked_for(server: Server, asked: str, answered: str) -> None:
    """Parameters of the media type are not looked at (DataLink 1.1, section 2.1.2; DALI 1.1, section 3.4.3)."""
    answer = requests.get(server.url + "datalink/links", params={"ID": DID, "responseformat": asked}, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, answered)
    assert len(parse_single_table(io.BytesIO(answer.content)).array) == 10


def test_a_failure_of_the_service_is_a_votable_too(archive: Path, tmp_path: Path) -> None:
    def fail(root: str) -> list[Processing]:
        raise RuntimeError("the registry of jobs is broken")

    running = run_server(archive, tmp_path / "previews", fail)
    answer = next(running).get("datalink/links", DID)
    assert answer.status_code == 500
    status = votable.parse(io.BytesIO(answer.content)).resources[0].infos[0]
    assert (status.name, status.value) == ("QUERY_STATUS", "ERROR")
    assert status.content == "DefaultFault: the service failed at this request; its log tells more"
    assert next(running, None) is None


def test_datalinklint_finds_nothing(
    server: Server, responses_server: Server, need: Callable[[str, str], str], tmp_path: Path
) -> None:
    asked = [(server, [DID]), (server, [DID, "ivo://jupyter-uws/SIM-DR1?1", OTHER]), (server, []),
             (responses_server, [f"{DID}/psf"])]  # fmt: skip
    for where, ids in asked:
        answer = where.get("datalink/links", *ids)
        found = subprocess.run(
            [need("stilts", "stilts"), "datalinklint", f"votable={answer.url}"],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        lines = found.stdout.splitlines()
        # what users may set is not fixed, in no descriptor
        assert all(line.endswith("FIXED parameter count 0") for line in lines if "FIXED parameter" in line)
        assert any("Totals" in line for line in lines), found.stdout + found.stderr
        # without a network STILTS knows the vocabulary of when it was made, and these are younger (VEP-005, VEP-010)
        younger = re.compile("Unknown predicate '(coderived|package)' from core DataLink vocabulary")
        wrong = [line for line in lines if line[:2] in ("E-", "W-", "F-") and not younger.search(line)]
        assert not wrong, "\n".join(wrong)


def test_pyvo_reads_the_links_and_the_descriptors(server: Server) -> None:
    found = pyvo.dal.adhoc.DatalinkResults.from_result_url(server.get("datalink/links", DID).url)
    this = next(found.bysemantics("#this", include_narrower=False))
    assert this["content_qualifier"] == "event-list"
    with fits.open(io.BytesIO(gzip.decompress(requests.get(this.access_url, timeout=60).content))) as hdus:
        assert "EVENTS" in hdus
    responses = found.bysemantics("#calibration", include_narrower=False)
    assert [row["content_qualifier"] for row in responses] == ["aeff", "edisp", "psf", "bkgrate"]
    job = found.get_adhocservice_by_ivoid("ivo://ivoa.net/std/UWS#rest-1.1")
    group = next(group for group in job.groups if group.name == "inputParams")
    assert {parameter.name: parameter.ref for parameter in group.entries}["obs_ids"] == ID_FIELD


def test_vosi(server: Server) -> None:
    document = server.get("datalink/capabilities").text
    # it is asked with parameters (DataLink 1.1, section 2.2)
    assert f'role="std"><accessURL use="base">{server.url}datalink/links</accessURL>' in document
    assert 'standardID="ivo://ivoa.net/std/DataLink#links-1.1"' in document
    assert "<vosi:available>true</vosi:available>" in server.get("datalink/availability").text
