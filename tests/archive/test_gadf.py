"""Stores as GADF allows them, and as they are written all the same: which HDU is what, times, folders, responses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gadf_files import aeff_hdu, events_hdu, gti_hdu

from jupyter_uws.archive import add_store
from jupyter_uws.archive.database import read_archive

WriteStore = Callable[..., Path]
COLUMNS = "obs_id, s_resolution, em_res_power, em_min, em_max, s_region, t_intervals"


def facts(archive: Path) -> list[tuple[Any, ...]]:
    with read_archive(archive) as con:
        query = f"SELECT {COLUMNS} FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea ORDER BY obs_id"  # noqa: S608
        return con.execute(query).fetchall()


@pytest.mark.parametrize("cards", [{"HDUCLAS2": "PSF"}, {"HDUCLAS1": None, "HDUCLAS2": None}])
def test_the_index_says_which_hdu_is_what(
    simulated: Path, own_store: Path, tmp_path: Path, cards: dict[str, str | None]
) -> None:
    """GADF itself spells a PSF's HDUCLAS2 in two ways, RPSF and PSF; the cards may be missing altogether."""
    for path in sorted(own_store.rglob("sim_dr1_*.fits.gz")):
        with fits.open(path) as hdus:
            for hdu in hdus[1:]:
                if "HDUCLAS2" not in cards or cards["HDUCLAS2"] is None or hdu.name == "PSF":
                    for card, value in cards.items():
                        hdu.header.remove(card, ignore_missing=True)
                        if value is not None:
                            hdu.header[card] = value
            hdus.writeto(tmp_path / "new.fits.gz", overwrite=True)
        (tmp_path / "new.fits.gz").rename(path)
    assert add_store(tmp_path / "as-it-is.duckdb", simulated).skipped == []
    assert add_store(tmp_path / "other.duckdb", own_store).skipped == []
    found = facts(tmp_path / "other.duckdb")
    assert found == facts(tmp_path / "as-it-is.duckdb")
    assert all(value is not None for row in found for value in row)


def test_good_times_count_from_their_own_reference(write_store: WriteStore, tmp_path: Path) -> None:
    rows = [(i, kind, kind, "", f"{i}.fits", kind.upper()) for i in (1, 2, 3) for kind in ("events", "gti")]
    files = {
        "s/1.fits": [events_hdu(1), gti_hdu((100, 900), (1000, 1900))],  # without a reference: that of the events
        "s/2.fits": [events_hdu(2), gti_hdu((100, 900), (1000, 1900), MJDREFI=51910, MJDREFF=0.0)],
        "s/3.fits": [
            events_hdu(3), gti_hdu((43300, 44100), (44200, 45100), MJDREFI=51909, MJDREFF=0.5),
        ],
    }  # fmt: skip
    assert add_store(tmp_path / "a.duckdb", write_store("s", files, rows)).skipped == []
    one, two, three = (row[-1] for row in facts(tmp_path / "a.duckdb"))
    assert one == two == three
    assert one.startswith("t")


def test_paths_begin_at_the_base_folder_of_the_index(write_store: WriteStore, tmp_path: Path) -> None:
    rows = [(1, "events", "events", "x", "1.fits", "EVENTS")]
    store = write_store("s", {"far/x/1.fits": [events_hdu(1)]}, rows)
    fits.setval(store / "hdu-index.fits", "BASE_DIR", value=str(tmp_path / "far"), ext=1)
    archive = tmp_path / "a.duckdb"
    assert "allow its folder with --root" in add_store(archive, store).skipped[0][1]
    report = add_store(archive, store, roots=[tmp_path / "far"])
    assert (report.added, report.skipped) == (1, [])


def test_the_resolution_of_a_king_function(write_store: WriteStore, tmp_path: Path) -> None:
    """Against the formula of GADF, integrated by hand."""
    sigma, gamma = 0.08, 1.7
    shape = (1, 2, 3)
    columns = [
        fits.Column(name, f"{len(values)}E", unit=unit, array=np.array([values], "f4"))
        for name, values, unit in (
            ("ENERG_LO", [0.1, 0.5, 5], "TeV"), ("ENERG_HI", [0.5, 5, 50], "TeV"),
            ("THETA_LO", [0, 1], "deg"), ("THETA_HI", [1, 3], "deg"),
        )
    ]  # fmt: skip
    for name, value in (("GAMMA", gamma), ("SIGMA", sigma)):
        values = np.full(shape, 9.0, "f4")
        values[0, 0, 1] = value  # at 1 TeV and 0.5 deg, and nowhere else
        columns.append(fits.Column(name, "6E", dim="(3,2)", array=values))
    psf = fits.BinTableHDU.from_columns(columns, name="PSF")
    index = [
        (1, "events", "events", "", "1.fits", "EVENTS"),
        (1, "psf", "psf_king", "", "1.fits", "PSF"),
        (1, "aeff", "aeff_2d", "", "1.fits", "AEFF"),
    ]
    store = write_store("s", {"s/1.fits": [events_hdu(1), psf, aeff_hdu()]}, index)
    assert add_store(tmp_path / "a.duckdb", store).skipped == []
    radius = np.linspace(0, 100, 2_000_001)
    density = (1 - 1 / gamma) * (1 + radius**2 / (2 * gamma * sigma**2)) ** -gamma * radius / sigma**2
    held = np.cumsum(density) * (radius[1] - radius[0])
    assert facts(tmp_path / "a.duckdb")[0][1] == pytest.approx(3600 * np.interp(0.68, held, radius), rel=1e-3)
