"""An archive of an earlier version: made anew where it is the simulated one alone, else refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from tornado.web import HTTPError

from jupyter_uws.archive import ArchiveError, add_store, collections, ensure_archive
from jupyter_uws.archive.database import VERSION
from jupyter_uws.service.archive import ServedArchive
from jupyter_uws.tap.pages import pages_of
from jupyter_uws.tap.snapshot import Snapshot


@pytest.fixture
def older(simulated: Path, archive: Path, tmp_path: Path) -> Path:
    """What an earlier version left: the simulated store, and an archive of it beside it, with tables of its own."""
    shutil.copytree(simulated, tmp_path / "sim-dr1")
    shutil.copy(archive, tmp_path / "archive.duckdb")
    store = str((tmp_path / "sim-dr1").resolve())
    with duckdb.connect(str(tmp_path / "archive.duckdb")) as con:
        con.execute("UPDATE _archive.collection SET store = ?", [store])
        con.execute("UPDATE _archive.meta SET version = ?", [VERSION - 1])
        con.execute("ALTER TABLE _archive.collection DROP roots; ALTER TABLE _archive.run DROP signature")
    return tmp_path / "archive.duckdb"


def change(archive: Path, statement: str) -> None:
    with duckdb.connect(str(archive)) as con:
        con.execute(statement)


def test_the_simulated_archive_is_made_anew(older: Path) -> None:
    with pytest.raises(ArchiveError, match="another version"):
        collections(older)
    assert ensure_archive(older) == older
    assert [(c.name, c.store, c.runs) for c in collections(older)] == [("SIM-DR1", older.parent / "sim-dr1", 28)]
    (pages,) = pages_of(older)
    assert {path.name for path in older.parent.iterdir()} == {
        "archive.duckdb", "archive.duckdb.lock", "sim-dr1", ".sim-dr1.lock", pages.name,
    }  # fmt: skip
    assert Snapshot(older, threads=1, memory=2**28)._pages.keys() == {"ivoa.obscore"}
    made = older.stat().st_ino
    assert ensure_archive(older).stat().st_ino == made


async def test_the_service_makes_it_anew(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_UWS_ARCHIVE", str(older))
    served = ServedArchive(None)
    served.open()
    await served.ready()
    assert [c.runs for c in collections(older)] == [28]
    await served.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO _archive.collection VALUES ('MINE', '/data/mine')",
        "UPDATE _archive.collection SET name = 'MINE'",
        "UPDATE _archive.collection SET store = '/data/sim-dr1'",
        "DELETE FROM _archive.collection",
        "INSERT INTO _archive.obscore SELECT * FROM _archive.obscore LIMIT 1",
        "UPDATE _archive.meta SET version = version + 2",
        "DROP TABLE _archive.collection CASCADE",
    ],
)
async def test_any_other_is_left_as_it_is(older: Path, statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change(older, statement)
    before = older.read_bytes()
    with pytest.raises(ArchiveError, match="another version of jupyter-uws: move it away and index the stores again"):
        collections(ensure_archive(older))
    with pytest.raises(ArchiveError, match="another version"):
        add_store(older, older.parent / "sim-dr1")
    monkeypatch.setenv("JUPYTER_UWS_ARCHIVE", str(older))
    served = ServedArchive(None)
    await served.ready()
    await served.close()
    assert older.read_bytes() == before


async def test_one_that_the_operator_names_is_left_as_it_is(older: Path) -> None:
    before = older.read_bytes()
    served = ServedArchive(older)
    served.open()
    await served.ready()
    assert older.read_bytes() == before
    older.unlink()
    with pytest.raises(HTTPError, match="not there any more"):
        await served.ready()
