"""Rows of response functions: there where they are asked for, and gone again without a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from jupyter_uws.archive import ArchiveError, add_store, remove_collection
from jupyter_uws.archive.database import read_archive
from jupyter_uws.archive.reader import find_file, runs

COUNT = "SELECT dataproduct_type, COUNT(*) FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea GROUP BY ALL ORDER BY ALL"


def ask(archive: Path, query: str) -> list[Any]:
    with read_archive(archive) as con:
        return con.execute(query).fetchall()


def test_a_row_for_each_response_with_what_its_run_has(archive: Path, simulated: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    add_store(path, simulated, responses=True)
    assert ask(path, COUNT) == [("event", 28), ("response-function", 112)]
    columns = "s_ra, s_dec, s_region, t_min, t_max, em_min, obs_collection, target_name"
    mine = f"SELECT {columns} FROM ivoa.obscore WHERE obs_id = '100001'"  # noqa: S608
    (row,) = set(ask(path, mine))
    assert row == ask(archive, mine)[0]
    found = ask(
        path,
        "SELECT obs_publisher_did, dataproduct_subtype, access_format, access_url, ev_xel, energy_min, access_estsize"
        " FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea"
        " WHERE obs_id = '100001' AND dataproduct_type = 'response-function' ORDER BY dataproduct_subtype",
    )
    assert [row[1] for row in found] == ["aeff", "bkgrate", "edisp", "psf"]
    did, _, media_type, url, events, energy, size = found[0]
    assert did == "ivo://jupyter-uws/SIM-DR1?100001/aeff"
    assert (media_type, events, energy) == ("application/fits", None, pytest.approx(0.5e12))
    assert url == "files/SIM-DR1/caldb/sim_dr1_north.fits.gz#AEFF"
    file = find_file(path, "SIM-DR1", "caldb/sim_dr1_north.fits.gz")
    assert file is not None
    assert size == round((file.root / file.path).stat().st_size / 1000)
    with fits.open(file.root / file.path) as hdus:
        assert "AEFF" in hdus
    # runs are found as ever
    assert len(runs(path, ["100001"])) == 1
    # and by the identifiers of their responses, each once
    run, other = runs(path, [did, "100001", "ivo://jupyter-uws/SIM-DR1?100002/psf"])
    assert (run.obs_publisher_did, other.obs_id) == ("ivo://jupyter-uws/SIM-DR1?100001", 100002)
    with pytest.raises(ArchiveError, match="is not in the archive; nearest"):
        runs(path, [f"{did}x"])


def test_the_switch_is_kept_until_it_is_turned(archive: Path, simulated: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    plain = ask(archive, "SELECT * FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea ORDER BY ALL")
    add_store(path, simulated)
    assert ask(path, COUNT) == [("event", 28)]
    assert add_store(path, simulated, responses=True).unchanged == 28
    assert ask(path, COUNT)[1] == ("response-function", 112)
    add_store(path, simulated)
    add_store(path, simulated, collection="RENAMED")
    assert ask(path, COUNT) == [("event", 28), ("response-function", 112)]
    assert ask(path, "SELECT COUNT(*) FROM ivoa.obscore WHERE obs_collection = 'RENAMED'") == [(140,)]
    add_store(path, simulated, collection="SIM-DR1", responses=False)
    assert ask(path, "SELECT * FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea ORDER BY ALL") == plain
    add_store(path, simulated, responses=True)
    remove_collection(path, "SIM-DR1")
    for table in ("ivoa.obscore", "ivoa.obscore_hea"):
        assert ask(path, f"SELECT COUNT(*) FROM {table}") == [(0,)]  # noqa: S608


def test_the_command(simulated: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jupyter_uws", "archive", "add", str(simulated), "--archive", str(tmp_path / "a")]
    for option, kinds in (("--responses", 2), ("--no-responses", 1)):
        subprocess.run([*command, option], check=True, capture_output=True, timeout=120)
        assert len(ask(tmp_path / "a", COUNT)) == kinds
