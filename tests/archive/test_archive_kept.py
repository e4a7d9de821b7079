"""The archive that a service reads is opened once, and anew when it was replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from running import recorded

from jupyter_uws.archive import ArchiveError, add_store, kept
from jupyter_uws.archive.kept import MOST, keep_reading
from jupyter_uws.archive.links import find_runs
from jupyter_uws.archive.reader import find_file

DID = "ivo://jupyter-uws/SIM-DR1?100001"
COUNT = "SELECT COUNT(*) FROM ivoa.obscore"


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The archives that were opened, one after the other."""
    return recorded(monkeypatch, kept, "read_archive")


@pytest.fixture
def own(simulated: Path, tmp_path: Path) -> Path:
    add_store(tmp_path / "a.duckdb", simulated)
    return tmp_path / "a.duckdb"


def test_many_requests_open_it_once(own: Path, opens: list[Path]) -> None:
    def ask(number: int) -> bool:
        if number % 2:
            return find_file(own, "SIM-DR1", "caldb/sim_dr1_north.fits.gz") is not None
        return list(find_runs(own, [DID])) == [DID]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(50)))
    assert opens == [own]


def test_a_new_one_is_seen_at_once_and_the_old_one_is_closed_after_its_last_reader(
    own: Path, simulated: Path, opens: list[Path]
) -> None:
    with keep_reading(own) as first:
        before = kept._kept[own].con
        add_store(own, simulated, responses=True)
        with keep_reading(own) as second:
            assert second.execute(COUNT).fetchall() == [(140,)]
        # who began before goes on with what was there
        assert first.execute(COUNT).fetchall() == [(28,)]
        assert before.execute(COUNT).fetchall() == [(28,)]
    with pytest.raises(duckdb.ConnectionException):
        before.execute(COUNT)
    assert opens == [own, own]
    # and it is not open in this process any more
    assert sum(str(own) in line for line in open_files()) == 1
    own.unlink()
    with pytest.raises(ArchiveError, match="there is no archive"), keep_reading(own):
        pass
    assert sum(str(own) in line for line in open_files()) == 0


def test_they_are_bounded(own: Path, opens: list[Path]) -> None:
    others = [own.with_name(f"{number}.duckdb") for number in range(MOST + 1)]
    for path in others:
        path.write_bytes(own.read_bytes())
        with keep_reading(path) as con:
            assert con.execute(COUNT).fetchall() == [(28,)]
    assert sum(str(own.parent) in line for line in open_files()) == MOST
    with keep_reading(others[-1]), keep_reading(others[0]):
        assert opens == [*others, others[0]]


def open_files() -> list[str]:
    """The files that this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:  # the one that lists them
            continue
    return found
