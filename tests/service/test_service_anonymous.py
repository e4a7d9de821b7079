"""An archive that is open to anonymous readers, and all else closed, as others' clients find it."""

from __future__ import annotations

import io
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pyvo
import requests
from astropy.io.votable import parse_single_table
from running import RunningService, run_service
from traitlets import TraitError

from jupyter_uws.service.config import ServeApp

LIMITS = "{'rows': 5, 'rows_max': 20, 'queries': 1, 'duration': 2, 'upload_rows': 3, 'requests': 4}"
HEAVY = "SELECT COUNT(*) FROM " + ", ".join(f"ivoa.obscore AS {name}" for name in "abcdefgh")  # noqa: S608
DID = "ivo://jupyter-uws/SIM-DR1?100001"


@pytest.fixture(scope="module")
def open_service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    options = ["--anonymous-archive", f"--ServeApp.anonymous_limits={LIMITS}", "--ServeApp.tap_limits={'rows': 7}"]
    with run_service(tmp_path_factory.mktemp("open"), sim_archive, *options) as running:
        yield running


def test_pyvo_reads_without_a_token_and_within_the_limits(open_service: RunningService) -> None:
    tap = pyvo.dal.TAPService(open_service.url + "tap")
    assert tap.available
    assert (tap.maxrec, tap.hardlimit) == (5, 20)
    with pytest.warns(pyvo.dal.DALOverflowWarning):
        assert len(tap.search("SELECT obs_id FROM ivoa.obscore")) == 5
    with pytest.warns(pyvo.dal.DALOverflowWarning):
        assert len(tap.search("SELECT obs_id FROM ivoa.obscore", maxrec=1000)) == 20
    assert len(open_service.get("tap/sync?FORMAT=csv&QUERY=SELECT+obs_id+FROM+ivoa.obscore").text.splitlines()) == 8
    run = tap.search("SELECT * FROM ivoa.obscore WHERE obs_id = '100001'")[0]
    links = {(link["semantics"], link["content_qualifier"]): link for link in run.getdatalink()}
    file = requests.get(links["#this", "event-list"].access_url, timeout=60)
    assert (file.status_code, file.headers["Content-Type"]) == (200, "application/fits")
    assert requests.get(links["#package", "event-bundle"].access_url, timeout=60).status_code == 200


def test_the_links_tell_what_may_be_followed(open_service: RunningService) -> None:
    address = open_service.url + "datalink/links"
    for authorized, answer in (
        (False, requests.get(address, {"ID": DID}, timeout=60)),
        (True, open_service.get("datalink/links", params={"ID": DID})),
    ):
        rows = parse_single_table(io.BytesIO(answer.content)).to_table()
        found = {(bool(row["service_def"]), row["link_auth"], bool(row["link_authorized"])) for row in rows}
        assert found == {(False, "optional", True), (True, "true", authorized)}


def test_the_service_says_that_it_is_open(open_service: RunningService) -> None:
    note = "Open to anonymous readers, for synchronous queries, links and files: 20 rows and 2 s at most"
    for path in ("tap/availability", "tap/capabilities"):
        assert note in requests.get(open_service.url + path, timeout=60).text
        assert note in open_service.get(path).text
    anonymous = requests.get(open_service.url + "tap/capabilities", timeout=60).text
    assert "upload-http" not in anonymous
    assert "retentionPeriod" not in anonymous
    known = open_service.get("tap/capabilities").text
    assert "<retentionPeriod><default>2592000</default><hard>31536000</hard></retentionPeriod>" in known
    assert "<executionDuration><default>600</default><hard>3600</hard></executionDuration>" in known
    assert "upload-http" in known


def test_uploads_are_small_and_never_fetched(open_service: RunningService) -> None:
    def ask(upload: str, content: bytes) -> requests.Response:
        data = {"QUERY": "SELECT * FROM TAP_UPLOAD.t", "FORMAT": "csv", "UPLOAD": upload}
        return requests.post(open_service.url + "tap/sync", data=data, files={"x": ("t.csv", content)}, timeout=60)

    assert ask("t,param:x", b"a\n1\n2\n").text == "a\r\n1\r\n2\r\n"
    assert "it has 4 rows, 3 are allowed" in ask("t,param:x", b"a\n1\n2\n3\n4\n").text
    assert "UPLOAD by URL is not possible here" in ask("t,http://example.org/t.csv;x,param:x", b"a\n1\n").text
    assert ask("t,param:x", b"x" * (13 * 2**20)).status_code == 413


def test_one_query_at_a_time_for_so_long_and_the_others_have_their_own(open_service: RunningService) -> None:
    url = open_service.url + "tap/sync"
    with requests.get(url, {"QUERY": HEAVY}, stream=True, timeout=60) as heavy:
        assert (heavy.status_code, "took longer than 2 s" in heavy.text) == (400, True)

    def work() -> None:
        # the others' queries are as anonymous as this one: it too may be refused on its way in
        while requests.get(url, {"QUERY": HEAVY}, timeout=60).status_code == 503:
            pass

    working = threading.Thread(target=work)
    working.start()
    answers = set()
    while working.is_alive():
        answers.add(requests.get(url, {"QUERY": "SELECT TOP 1 obs_id FROM ivoa.obscore"}, timeout=60).status_code)
        assert open_service.get("tap/sync?QUERY=SELECT+TOP+1+obs_id+FROM+ivoa.obscore").status_code == 200
    working.join()
    assert 503 in answers
    refused = requests.get(url, {"QUERY": "SELECT TOP 1 obs_id FROM ivoa.obscore"}, timeout=60)
    assert refused.status_code == 200


def test_stilts_finds_links_in_order(open_service: RunningService, need: Callable[[str, str], str]) -> None:
    found = subprocess.run(
        [need("stilts", "stilts"), "tapquery", f"tapurl={open_service.url}tap", "sync=true", "ofmt=csv",
         "adql=SELECT TOP 2 obs_id FROM ivoa.obscore ORDER BY obs_id"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert found.stdout.split() == ["obs_id", "100001", "100002"], found.stderr


@pytest.mark.parametrize("limits", [{"rows": 0}, {"memory": 5}, {"rows": 9, "rows_max": 3}, {"requests": -1}])
def test_limits_that_cannot_be_are_named(limits: dict[str, int]) -> None:
    with pytest.raises(TraitError, match="anonymous_limits: "):
        ServeApp(anonymous_limits=limits)
    with pytest.raises(TraitError, match="tap_limits: (the|there is no) limit '(rows|memory|requests)'"):
        ServeApp(tap_limits={**limits, "memory": -1})
