"""What an observer does with the observations that were found, on the real service."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from astropy.table import Table

from jupyter_uws.client import Archive, ClientError, ServiceError
from jupyter_uws.client.files import fetch, file_name, products


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("JUPYTER_UWS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    plt.close("all")


def test_some_of_the_columns_are_a_table_as_any(archive: Archive) -> None:
    part = archive.search("Crab")["obs_id", "separation"]
    assert str(part).split()[:2] == ["obs_id", "separation"]
    assert "100001" in repr(part)
    assert "<td>100001</td>" in part._repr_html_()


def test_a_basket_is_filled_and_emptied(archive: Archive) -> None:
    runs = archive.search("Crab")
    assert runs[:2].basket("a crab's <b>").name == "a crab's <b>"
    assert len(runs[1:].basket("a crab's <b>").obs_publisher_dids) == 4
    assert "a crab's <b>" in archive.baskets()
    found = archive.basket("a crab's <b>")
    assert sorted(found["obs_id"]) == sorted(runs["obs_id"])
    with pytest.raises(ServiceError) as missing:
        archive.basket("nothing")
    assert missing.value.status == 404


def test_files_are_fetched_once_and_checked(archive: Archive, cache: Path) -> None:
    runs = archive.search("Crab")[:2]
    links = runs.datalink(0)
    assert "#this" in list(links["semantics"])
    paths = runs.fetch(progress=False)
    assert all(path.parent == cache / "files" for path in paths)
    assert (cache / "files").stat().st_mode & 0o77 == 0
    before = [path.stat().st_mtime_ns for path in paths]
    paths[0].write_bytes(b"cut off")
    again = [path.stat().st_mtime_ns for path in runs.fetch(progress=False)]
    assert again[1:] == before[1:]  # they were there
    assert paths[0].stat().st_size > 1000
    url = products(links)[0]["url"]
    with pytest.raises(ClientError, match="came with .* bytes and should have 5"):
        fetch(archive.connection, {url: 5}, cache / "other", progress=False)
    assert not list((cache / "other").iterdir())


def test_a_folder_is_a_data_store(archive: Archive, tmp_path: Path) -> None:
    pytest.importorskip("gammapy")
    from gammapy.data import DataStore

    runs = archive.search("Crab")[:2]
    folder = runs.download(tmp_path / "store", progress=False)
    stores = DataStore.from_dir(folder), runs.to_gammapy(progress=False)
    for store in stores:
        observations = store.get_observations(required_irf="full-enclosure")
        assert [str(obs.obs_id) for obs in observations] == list(runs["obs_id"])
        assert len(observations[0].events.table) > 100


def test_what_has_no_service_says_so(archive: Archive) -> None:
    runs = archive.search("Crab")
    with pytest.raises(ClientError, match="nothing to fetch"):
        runs[:0].fetch()
    loose = type(runs)(Table(runs, copy=True))
    loose.meta.clear()
    with pytest.raises(ClientError, match="does not come from a search"):
        loose.fetch()
    assert "token" not in str(dict(runs.meta))


def test_the_archive_says_why_there_is_no_file() -> None:
    for semantics, qualifier in (("#this", "event-list"), ("#calibration", "aeff")):
        row = {"ID": "ivo://x", "semantics": semantics, "content_qualifier": qualifier, "error_message": "gone"}
        with pytest.raises(ClientError, match="gone"):
            products(Table([row]))


def test_coverage(archive: Archive) -> None:
    axes = archive.search().plot_coverage()
    assert "28 observations" in axes.get_title()
    assert axes.get_yscale() == "log"
    assert len(axes.patches) == 28
    assert archive.search("Crab")[:0].plot_coverage().get_title() == "No observations"


def test_names_of_files_are_no_paths() -> None:
    for url in ("http://a/b/../../etc/passwd", "http://a/%2e%2e%2fx", "http://a/", "http://a/x?y=/z"):
        assert Path(file_name(url)).name == file_name(url)
        assert not file_name(url).startswith(".")
    assert file_name("http://a/x") != file_name("http://b/x")
