"""DataLink over HTTP, asked by others' clients: the links of runs, and what they point to."""

from __future__ import annotations

import asyncio
import gzip
import io
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import pyvo
import requests
import tornado.httpserver
import tornado.web
from astropy.io import fits
from astropy.io.votable import parse_single_table
from tornado.testing import bind_unused_port

from jupyter_uws.archive import add_store, datalink_handlers, handlers
from jupyter_uws.archive.datalink import ID_FIELD
from jupyter_uws.archive.links import PREVIEWS, Processing
from jupyter_uws.jobs.descriptor import service_resource
from jupyter_uws.jobs.registry import load_registry

DID = "ivo://jupyter-uws/SIM-DR1?100001"
OTHER = "ivo://jupyter-uws/SIM-DR1?100101"


class Base(tornado.web.RequestHandler):
    """Stands for the service's handler."""

    def prepare(self) -> None:
        self.root = f"http://{self.request.host}/"


@dataclass
class Server:
    """A running server: its URL, and where the archive and the pictures are."""

    url: str
    archive: Path
    pictures: Path

    def get(self, path: str, *ids: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, params={"ID": list(ids)}, timeout=60, **more)

    def links(self, *ids: str) -> Any:
        answer = self.get("datalink/links", *ids)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/x-votable+xml;content=datalink"
        return parse_single_table(io.BytesIO(answer.content)).to_table()


def processings(root: str) -> list[Processing]:
    description = load_registry()["quicklook"]
    resource = service_resource(description, f"{root}uws/quicklook", field=ID_FIELD)
    return [Processing("quicklook", description.title, resource)]


def run_server(archive: Path, pictures: Path) -> Iterator[Server]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sock, port = bind_unused_port()

    async def start() -> tornado.httpserver.HTTPServer:
        routes: list[Any] = [
            *datalink_handlers.make_routes(Base, lambda: archive, pictures, processings),
            *handlers.make_routes(Base, lambda: archive),
        ]
        server = tornado.httpserver.HTTPServer(tornado.web.Application(routes))
        server.add_socket(sock)
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)

    async def stop() -> None:
        server.stop()
        await server.close_all_connections()

    yield Server(f"http://127.0.0.1:{port}/", archive, pictures)
    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="module")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from run_server(archive, tmp_path_factory.mktemp("server") / "previews")


@pytest.fixture
def own_server(own_store: Path, tmp_path: Path) -> Iterator[Server]:
    """Serves a copy of the simulated store, to be damaged."""
    add_store(tmp_path / "a.duckdb", own_store)
    yield from run_server(tmp_path / "a.duckdb", tmp_path / "previews")


def test_the_links_of_a_run(server: Server, simulated: Path) -> None:
    rows = server.links(DID)
    assert rows.colnames == [
        "ID", "access_url", "service_def", "error_message", "description", "semantics", "content_type",
        "content_length", "content_qualifier", "local_semantics", "link_auth", "link_authorized",
    ]  # fmt: skip
    assert set(rows["ID"]) == {DID}
    kinds = [(row["semantics"], row["content_qualifier"]) for row in rows]
    # what gammapy makes a data store of
    assert kinds[:6] == [
        ("#this", "event-list"), ("#calibration", "aeff"), ("#calibration", "edisp"),
        ("#calibration", "psf"), ("#calibration", "bkgrate"), ("#package", "event-bundle"),
    ]  # fmt: skip
    assert [row["semantics"] for row in rows[6:]] == ["#preview-image", "#preview-plot", "#preview-plot", "#proc"]
    for row in rows:
        given = [bool(row[name]) for name in ("access_url", "service_def", "error_message")]
        assert sum(given) == 1, row
    this = rows[0]
    path = simulated / "data/sim_dr1_obs_id_100001.fits.gz"
    assert this["access_url"] == f"{server.url}files/SIM-DR1/data/sim_dr1_obs_id_100001.fits.gz"
    assert (this["content_type"], this["content_length"]) == ("application/fits", path.stat().st_size)
    assert rows[1]["access_url"].endswith("/files/SIM-DR1/caldb/sim_dr1_north.fits.gz#AEFF")
    assert [row["local_semantics"] for row in rows[:5]] == ["events", "aeff_2d", "edisp_2d", "psf_3gauss", "bkg_3d"]


def test_every_link_leads_to_what_it_says(server: Server) -> None:
    for row in server.links(DID):
        if row["access_url"]:
            answer = requests.get(row["access_url"], timeout=60)
            assert answer.status_code == 200, row
            assert answer.headers["Content-Type"] == row["content_type"]
            if row["content_length"]:
                assert len(answer.content) == row["content_length"]
            assert requests.head(row["access_url"], timeout=60).status_code == 200


def test_several_runs_by_get_and_post_and_one_that_is_not_there(server: Server) -> None:
    wanted = [OTHER, "ivo://jupyter-uws/SIM-DR1?1", DID, OTHER]
    rows = server.links(*wanted)
    assert list(dict.fromkeys(rows["ID"])) == wanted[:3]  # in their order, each once
    (bad,) = rows[rows["ID"] == wanted[1]]
    assert bad["error_message"].startswith("NotFoundFault: the archive has no run with the obs_publisher_did")
    assert bad["semantics"] == "#this"
    assert not bad["access_url"]
    posted = requests.post(server.url + "datalink/links?id=" + quote(OTHER, safe=""), {"ID": wanted[1:]}, timeout=10)
    assert posted.content == server.get("datalink/links", *wanted).content


def test_no_run_is_an_empty_table_and_too_many_overflow(server: Server) -> None:
    assert len(server.links()) == 0
    ids = [f"ivo://nowhere/{number}" for number in range(1001)]
    answer = requests.post(server.url + "datalink/links", {"ID": ids}, timeout=10)
    assert answer.status_code == 400 or 'value="OVERFLOW"' in answer.text


def test_what_cannot_be_answered_is_a_votable_that_says_why(server: Server) -> None:
    for parameters, words in (
        ({"ID": DID, "RESPONSEFORMAT": "csv"}, "UsageFault: RESPONSEFORMAT: 'csv' is not known; votable is"),
        ({"ID": b"\xff"}, "UsageFault: the value of the parameter 'ID' is not UTF-8"),
    ):
        answer = requests.get(server.url + "datalink/links", params=parameters, timeout=10)
        assert answer.status_code == 400
        assert words in answer.text
        assert 'name="QUERY_STATUS" value="ERROR"' in answer.text
    for format in (
        "votable",
        "application/x-votable+xml;content=datalink",
        "Application/X-VOTable+XML; content=datalink",
    ):
        parameters = {"ID": DID, "RESPONSEFORMAT": format}
        assert requests.get(server.url + "datalink/links", params=parameters, timeout=10).status_code == 200


def test_a_file_that_is_gone_is_an_error_of_its_row_only(own_server: Server, own_store: Path) -> None:
    (own_store / "caldb/sim_dr1_north.fits.gz").unlink()
    rows = own_server.links(DID)
    assert [row["semantics"] for row in rows if row["access_url"]] == [
        "#this", "#preview-image", "#preview-plot", "#preview-plot"
    ]  # fmt: skip
    errors = [row["error_message"] for row in rows if row["error_message"]]
    assert len(errors) == 4
    assert errors[0] == "NotFoundFault: the file caldb/sim_dr1_north.fits.gz is gone since the archive was made"
    answer = own_server.get("datalink/bundle", DID)
    assert answer.status_code == 503
    assert "is gone since the archive was made" in answer.text
    own_server.archive.unlink()
    answer = own_server.get("datalink/links", DID)
    assert (answer.status_code, "TransientFault" in answer.text) == (503, True)


def test_datalinklint_finds_nothing(server: Server, need: Callable[[str, str], str], tmp_path: Path) -> None:
    for ids in ([DID], [DID, "ivo://jupyter-uws/SIM-DR1?1", OTHER], []):
        answer = server.get("datalink/links", *ids)
        found = subprocess.run(
            [need("stilts", "stilts"), "datalinklint", f"votable={answer.url}"],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        lines = found.stdout.splitlines()
        assert any("Totals" in line for line in lines), found.stdout + found.stderr
        # without a network STILTS knows the vocabulary of when it was made, and this word is younger (VEP-010)
        younger = "Unknown predicate 'package' from core DataLink vocabulary"
        wrong = [line for line in lines if line[:2] in ("E-", "W-", "F-") and younger not in line]
        assert not wrong, "\n".join(wrong)


def test_pyvo_reads_the_links_and_the_descriptors(server: Server) -> None:
    found = pyvo.dal.adhoc.DatalinkResults.from_result_url(server.get("datalink/links", DID).url)
    this = next(found.bysemantics("#this", include_narrower=False))
    assert this["content_qualifier"] == "event-list"
    with fits.open(io.BytesIO(gzip.decompress(requests.get(this.access_url, timeout=10).content))) as hdus:
        assert "EVENTS" in hdus
    responses = found.bysemantics("#calibration", include_narrower=False)
    assert [row["content_qualifier"] for row in responses] == ["aeff", "edisp", "psf", "bkgrate"]
    job = found.get_adhocservice_by_ivoid("ivo://ivoa.net/std/UWS#rest-1.1")
    group = next(group for group in job.groups if group.name == "inputParams")
    assert {parameter.name: parameter.ref for parameter in group.entries}["obs_ids"] == ID_FIELD


# The bundle


def test_the_bundle_is_a_data_store(server: Server, simulated: Path, tmp_path: Path) -> None:
    answer = server.get("datalink/bundle", DID)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["Content-Disposition"].endswith("SIM-DR1-100001.tar")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        tar.extractall(tmp_path, filter="data")
    store = tmp_path / "SIM-DR1-100001"
    name = "data/sim_dr1_obs_id_100001.fits.gz"
    assert (store / name).read_bytes() == (simulated / name).read_bytes()
    with fits.open(store / "hdu-index.fits.gz") as hdus:
        hdus.verify("exception")
        assert list(hdus[1].data["HDU_TYPE"]) == ["events", "gti", "aeff", "edisp", "psf", "bkg"]
    report = add_store(tmp_path / "again.duckdb", store)
    assert (report.added, report.skipped) == (1, [])


@pytest.mark.gamma
def test_gammapy_opens_a_bundle_of_several_runs(server: Server, tmp_path: Path) -> None:
    from gammapy.data import DataStore

    answer = server.get("datalink/bundle", DID, "ivo://jupyter-uws/SIM-DR1?100002")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path, filter="data")
    assert len(names) == len(set(names)) == 5  # the responses once
    store = DataStore.from_dir(tmp_path / "SIM-DR1")
    observations = store.get_observations(required_irf="full-enclosure")
    assert [obs.obs_id for obs in observations] == [100001, 100002]
    assert all(len(obs.events.table) and obs.gti is not None for obs in observations)
    assert np.isclose(
        store.obs_table["RA_PNT"].quantity[0].to_value("deg"), observations[0].events.table.meta["RA_PNT"]
    )


def test_a_bundle_of_a_file_that_changes_is_cut_off(own_server: Server, own_store: Path) -> None:
    file = own_store / "caldb/sim_dr1_north.fits.gz"
    (own_store / "data/sim_dr1_obs_id_100001.fits.gz").write_bytes(bytes(50_000_000))
    with own_server.get("datalink/bundle", DID, stream=True) as answer:
        file.write_bytes(b"other")  # the first file is still being sent: the client has not read
        with pytest.raises(requests.exceptions.RequestException):
            for _ in answer.iter_content(2**20):
                pass


# Pictures


def test_pictures_are_made_once_and_kept_within_a_size(server: Server) -> None:
    for kind in PREVIEWS:
        answer = server.get(f"datalink/preview/{kind}", DID)
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(b"\x89PNG")
        assert 2000 < len(answer.content) < 100_000
        again = server.get(f"datalink/preview/{kind}", DID, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304


def test_what_is_no_run_or_no_picture(server: Server) -> None:
    assert server.get("datalink/preview/counts").status_code == 404
    assert server.get("datalink/preview/counts", "../../etc/passwd").status_code == 404
    assert server.get("datalink/preview/movie", DID).status_code == 404
    assert server.get("datalink/bundle").status_code == 400
    assert server.get("datalink/bundle", DID, "ivo://nowhere").status_code == 404


def test_events_that_cannot_be_drawn_are_told_and_leave_nothing(own_server: Server, own_store: Path) -> None:
    file = own_store / "data/sim_dr1_obs_id_100001.fits.gz"
    file.write_bytes(b"SIMPLE  = nothing")
    answer = own_server.get("datalink/preview/counts", DID)
    assert (answer.status_code, "cannot be drawn" in answer.text) == (503, True)
    assert list(own_server.pictures.iterdir()) == []
    file.unlink()
    assert own_server.get("datalink/preview/counts", DID).status_code == 410
