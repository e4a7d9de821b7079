"""Runs of a search as a data store of gammapy, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uws.client import Archive, Connection, ServiceError
from jupyter_uws.client.datastore import fetch


@pytest.mark.gamma
def test_a_search_becomes_a_data_store(archive: Archive, tmp_path: Path) -> None:
    store = archive.data_store(archive.search("Crab"), tmp_path)
    observations = store.get_observations(required_irf="full-enclosure")
    assert [observation.obs_id for observation in observations] == [100001, 100002, 100003, 100004]
    for observation in observations:
        assert {"events", "gti", "aeff", "edisp", "psf", "bkg"} <= set(observation.available_hdus)
    assert len(observations[0].events.table) > 1000


def test_files_are_fetched_once_and_whole(archive: Archive, connection: Connection, tmp_path: Path) -> None:
    dids = [str(did) for did in archive.search("Crab")["obs_publisher_did"][:2]]
    folder = fetch(connection, dids, tmp_path)
    assert {path.name for path in folder.iterdir()} == {"data", "caldb", "obs-index.fits.gz", "hdu-index.fits.gz"}
    assert len(list((folder / "data").iterdir())) == 2
    # no second time: nobody answers there any more
    gone = Connection("http://127.0.0.1:9/", "")
    gone.url = connection.url
    assert fetch(gone, dids, tmp_path) == folder
    with pytest.raises(ServiceError, match="the archive has no run with the obs_publisher_did 'ivo://nowhere'"):
        fetch(connection, ["ivo://nowhere"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [folder.parent.name]


@pytest.mark.gamma
@pytest.mark.parametrize("runs", [[], [f"ivo://x?{number}" for number in range(501)]], ids=["none", "too many"])
def test_numbers_that_cannot_be(archive: Archive, runs: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"runs: there are {len(runs)}; a DataStore is made of 1 to 500"):
        archive.data_store(runs, tmp_path)
