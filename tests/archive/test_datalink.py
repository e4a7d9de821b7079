"""DataLink over HTTP, asked by others' clients: the links of runs, and what they point to."""

from __future__ import annotations

import asyncio
import io
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import pyvo
import requests
from astropy import units as u
from astropy.io import fits
from datalink_server import DID, OTHER, Server, run_server

from jupyter_uws.archive import add_store, remove_collection
from jupyter_uws.archive.links import PREVIEWS, find_runs
from jupyter_uws.archive.previews import Previews


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
    posted = requests.post(server.url + "datalink/links?id=" + quote(OTHER, safe=""), {"ID": wanted[1:]}, timeout=60)
    assert posted.content == server.get("datalink/links", *wanted).content


def test_a_file_that_is_gone_is_an_error_of_its_row_only(own_server: Server, own_store: Path) -> None:
    (own_store / "caldb/sim_dr1_north.fits.gz").unlink()
    rows = own_server.links(DID)
    assert [row["semantics"] for row in rows if row["access_url"]] == [
        "#this", "#preview-image", "#preview-plot", "#preview-plot"
    ]  # fmt: skip
    errors = [row["error_message"] for row in rows if row["error_message"]]
    assert len(errors) == 4
    assert errors[0] == "FatalFault: the file caldb/sim_dr1_north.fits.gz is gone since the archive was made"
    answer = own_server.get("datalink/bundle", DID)
    assert answer.status_code == 503
    assert "is gone since the archive was made" in answer.text
    own_server.archive.unlink()
    answer = own_server.get("datalink/links", DID)
    assert (answer.status_code, "TransientFault" in answer.text) == (503, True)


def test_the_links_of_a_response_that_has_a_row(responses_server: Server) -> None:
    query = "SELECT obs_publisher_did, access_url FROM ivoa.obscore WHERE obs_id = '100001' AND dataproduct_subtype = "
    for qualifier in ("aeff", "edisp", "psf", "bkgrate"):
        (found,) = pyvo.dal.TAPService(responses_server.url + "tap").search(f"{query}'{qualifier}'")
        rows = responses_server.links(found["obs_publisher_did"])
        assert set(rows["ID"]) == {found["obs_publisher_did"]}
        this = rows[rows["semantics"] == "#this"]
        assert [(row["content_qualifier"], row["access_url"]) for row in this] == [(qualifier, found["access_url"])]
        others = rows[rows["semantics"] == "#coderived"]["content_qualifier"]
        assert {qualifier, *others} == {"event-list", "aeff", "edisp", "psf", "bkgrate"}
        (package,) = rows[rows["semantics"] == "#package"]
        assert requests.head(package["access_url"], timeout=60).status_code == 200
    # those of its run are as ever
    both = responses_server.links(DID, f"{DID}/aeff", f"{DID}/gti")
    assert [sum(both["ID"] == did) for did in (DID, f"{DID}/aeff", f"{DID}/gti")] == [10, 6, 1]
    assert "has no run with the obs_publisher_did" in both["error_message"][-1]


def test_an_archive_without_such_rows_does_not_know_them(server: Server) -> None:
    assert "has no run with the obs_publisher_did" in server.links(f"{DID}/aeff")["error_message"][0]


@pytest.mark.gamma
def test_gammapy_gets_a_data_store_from_the_rows_of_a_search(server: Server, tmp_path: Path) -> None:
    """What gammapy does with the result of a query: by obs_id, #this, and #calibration with its qualifier."""
    from gammapy.data import DataStore, HDUIndexTable, ObservationTable

    rows = pyvo.dal.TAPService(server.url + "tap").search(
        "SELECT * FROM ivoa.obscore WHERE target_name = 'Sim Crab' AND dataproduct_type = 'event' ORDER BY obs_id"
    )
    assert len(rows) == 4
    index: list[tuple[Any, ...]] = []
    for row, links in zip(rows, rows.iter_datalinks(), strict=True):
        for link in links:
            if link["content_qualifier"] not in ("event-list", "aeff", "edisp", "psf", "bkgrate"):
                continue
            url, _, hdu = link["access_url"].partition("#")
            path = tmp_path / url.rpartition("/")[2]
            if not path.exists():
                path.write_bytes(requests.get(url, timeout=60).content)
            kinds = {"event-list": "events", "bkgrate": "bkg"}
            kind = kinds.get(link["content_qualifier"], link["content_qualifier"])
            name = hdu or "EVENTS"
            index.append((int(row["obs_id"]), kind, link["local_semantics"], str(tmp_path), path.name, name))
            if kind == "events":
                index.append((int(row["obs_id"]), "gti", "gti", str(tmp_path), path.name, "GTI"))
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    store = DataStore(
        hdu_table=HDUIndexTable(rows=index, names=names),
        obs_table=ObservationTable({"OBS_ID": [int(row["obs_id"]) for row in rows]}),
    )
    observations = store.get_observations(required_irf="full-enclosure")
    assert [obs.obs_id for obs in observations] == [100001, 100002, 100003, 100004]
    for obs in observations:
        assert {"events", "gti", "aeff", "edisp", "psf", "bkg"} <= set(obs.available_hdus)
        assert obs.bkg.unit == "s-1 MeV-1 sr-1"


def test_the_links_of_every_run_of_the_hess_release(hess_archive: Path, tmp_path: Path) -> None:
    running = run_server(hess_archive, tmp_path / "previews")
    server = next(running)
    rows = pyvo.dal.TAPService(server.url + "tap").search("SELECT obs_publisher_did FROM ivoa.obscore")
    links = server.links(*rows["obs_publisher_did"])
    assert not any(links["error_message"])
    for qualifier in ("event-list", "aeff", "edisp", "psf", "bkgrate", "event-bundle"):
        assert sum(links["content_qualifier"] == qualifier) == 105
    did = "ivo://jupyter-uws/HESS-DL3-DR1?23523"
    for kind in PREVIEWS:
        assert server.get(f"datalink/preview/{kind}", did).content.startswith(b"\x89PNG")
    answer = server.get("datalink/bundle", *rows["obs_publisher_did"])
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert len(tar.getnames()) == 107
    assert next(running, None) is None


def test_a_running_service_sees_the_archive_that_took_the_others_place(
    own_server: Server, own_store: Path, simulated: Path
) -> None:
    def known() -> tuple[int, bool]:
        found = pyvo.dal.TAPService(own_server.url + "tap").search("SELECT obs_id FROM ivoa.obscore")
        return len(found), not own_server.links("ivo://jupyter-uws/MORE?100001")["error_message"][0]

    assert known() == (28, False)
    add_store(own_server.archive, simulated, collection="MORE")
    assert known() == (56, True)
    assert remove_collection(own_server.archive, "MORE") == 28
    assert known() == (28, False)


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
    # what GADF 0.3 requires of the observation index: columns, and how its times are to be read
    with fits.open(store / "obs-index.fits.gz") as hdus, fits.open(store / name) as files:
        hdus.verify("exception")
        index, events = hdus[1], files["EVENTS"].header
        assert {"OBS_ID", "RA_PNT", "DEC_PNT", "TSTART", "TSTOP"} <= set(index.columns.names)
        assert (index.header["TIMESYS"], index.header["TIMEUNIT"]) == (events["TIMESYS"], "s") == ("TT", "s")
        offset = (events["MJDREFI"] - index.header["MJDREFI"]) + (events["MJDREFF"] - index.header["MJDREFF"])
        for key in ("TSTART", "TSTOP"):
            assert index.data[key][0] == pytest.approx(events[key] + offset * 86400, abs=1e-5)
            assert index.columns[key].unit == "s"
    report = add_store(tmp_path / "again.duckdb", store)
    assert (report.added, report.skipped) == (1, [])


@pytest.mark.gamma
def test_gammapy_opens_a_bundle_of_several_runs(server: Server, tmp_path: Path) -> None:
    from astropy.time import Time
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
    second = observations[1].tstart + [0, 10] * u.s
    assert list(store.obs_table.select_time_range(Time(second), partial_overlap=True)["OBS_ID"]) == [100002]
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


def test_a_bundle_waits_for_its_client(own_server: Server, own_store: Path) -> None:
    """A gigabyte is sent to a client that reads nothing for a while: no more than the buffers is held meanwhile."""
    big = own_store / "data/sim_dr1_obs_id_100001.fits.gz"
    with big.open("r+b") as file:
        file.truncate(2**30)  # a hole: it takes no space
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with own_server.get("datalink/bundle", DID, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) > 2**30
        # another request is answered while this one waits
        assert len(own_server.links(OTHER)) == 10
        received = 0
        for piece in answer.iter_content(2**20):
            received += len(piece)
            if received > 200 * 2**20:
                break
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 60, f"{grown:.0f} MB"


# Pictures


def test_pictures_are_made_once_and_kept_within_a_size(server: Server) -> None:
    for kind in PREVIEWS:
        answer = server.get(f"datalink/preview/{kind}", DID)
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(b"\x89PNG")
        assert 2000 < len(answer.content) < 100_000
        again = server.get(f"datalink/preview/{kind}", DID, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304


async def test_pictures_are_drawn_once_for_all_who_ask_and_the_oldest_go(archive: Path, tmp_path: Path) -> None:
    found = find_runs(archive, [DID, OTHER])
    previews = Previews(tmp_path / "previews", limit=1)
    paths = await asyncio.gather(*(previews.picture(found[DID], kind) for kind in [*PREVIEWS, *PREVIEWS]))
    assert len(set(paths)) == 3
    assert (tmp_path / "previews").stat().st_mode & 0o777 == 0o700
    other = await previews.picture(found[OTHER], "counts")
    assert other.exists()
    assert not any(path.exists() for path in paths)
    kept = list((tmp_path / "previews").iterdir())
    assert len(kept) == 3
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_what_is_no_run_or_no_picture(server: Server) -> None:
    assert server.get("datalink/preview/counts").status_code == 400
    assert server.get("datalink/preview/counts", DID, OTHER).status_code == 400
    assert server.get("datalink/preview/counts", "../../etc/passwd").status_code == 404
    assert server.get("datalink/preview/movie", DID).status_code == 404
    assert server.get("datalink/bundle").status_code == 400
    assert server.get("datalink/bundle", DID, "ivo://nowhere").status_code == 404


def test_a_response_stands_for_its_run(responses_server: Server) -> None:
    for kind in ("preview/counts", "bundle"):
        of_run = responses_server.get(f"datalink/{kind}", DID)
        of_response = responses_server.get(f"datalink/{kind}", f"{DID}/aeff")
        assert (of_run.status_code, of_response.status_code) == (200, 200)
        assert of_response.content == of_run.content
    both = responses_server.get("datalink/bundle", f"{DID}/psf", DID, f"{DID}/aeff")
    assert both.content == responses_server.get("datalink/bundle", DID).content
    assert responses_server.get("datalink/bundle", f"{DID}/none").status_code == 404


def test_events_that_cannot_be_drawn_are_told_and_leave_nothing(own_server: Server, own_store: Path) -> None:
    file = own_store / "data/sim_dr1_obs_id_100001.fits.gz"
    file.write_bytes(b"SIMPLE  = nothing")
    answer = own_server.get("datalink/preview/counts", DID)
    assert (answer.status_code, "cannot be drawn" in answer.text) == (503, True)
    assert list(own_server.pictures.iterdir()) == []
    file.unlink()
    assert own_server.get("datalink/preview/counts", DID).status_code == 410


def test_the_service_loads_neither_astropy_nor_matplotlib() -> None:
    program = (
        "import sys, jupyter_uws.archive.datalink_handlers;"
        " print(*({'astropy', 'matplotlib', 'gammapy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
