"""The file of pages beside an archive goes with it from state to state."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uws.archive import ArchiveError, add_store, remove_collection
from jupyter_uws.tap.adql import translate
from jupyter_uws.tap.pages import pages_of
from jupyter_uws.tap.snapshot import Snapshot

ROOT = {"root_url": "https://hub.example/jupyter-uws/"}


def near(snapshot: Snapshot) -> list[tuple[str, str]]:
    query = "SELECT access_url, obs_id FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(83.6, 22, 5))"
    reader = snapshot.cone(translate(query, snapshot.tables, limit=100), ROOT, 100)
    assert reader is not None
    return sorted((row["access_url"], row["obs_id"]) for row in reader.read_all().to_pylist())


def test_pages_are_those_of_the_last_state(
    simulated: Path, own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a[1].duckdb"
    seen = set()

    def found() -> list[tuple[str, str]]:
        (pages,) = pages_of(archive)
        seen.add(pages.name)
        return near(Snapshot(archive, threads=1, memory=2**28))

    add_store(archive, simulated)
    once = found()
    assert once
    for url, obs_id in once:
        assert url == f"{ROOT['root_url']}datalink/links?ID=ivo%3A%2F%2Fjupyter-uws%2FSIM-DR1%3F{obs_id}"
    (tmp_path / "a[1].duckdb.b.arrow").touch()  # not ours
    add_store(archive, own_store, collection="TWICE")
    (tmp_path / "a[1].duckdb.b.arrow").unlink()
    assert len(found()) == 2 * len(once)

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(ArchiveError, match="the disk is full"):
            remove_collection(archive, "TWICE")
    assert len(found()) == 2 * len(once)
    remove_collection(archive, "TWICE")
    assert found() == once
    remove_collection(archive, "SIM-DR1")
    assert found() == []
    assert len(seen) == 4


def test_who_has_an_archive_open_keeps_its_pages(simulated: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, simulated)
    snapshot = Snapshot(archive, threads=1, memory=2**28)
    before = near(snapshot)
    remove_collection(archive, "SIM-DR1")
    assert near(snapshot) == before
