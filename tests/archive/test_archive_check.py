"""``archive check``: what it finds in damaged stores, and that it finds nothing in good ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gadf_files import aeff_hdu, events_hdu

from jupyter_uws.archive import ArchiveError, add_store, check_archive
from jupyter_uws.cli import main

WriteStore = Callable[..., Path]


def gti_hdu(*intervals: tuple[float, float], unit: str = "s") -> fits.BinTableHDU:
    columns = [
        fits.Column(name, "D", unit=unit, array=np.array([pair[side] for pair in intervals]))
        for side, name in enumerate(("START", "STOP"))
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    hdu.header["HDUCLAS1"] = "GTI"
    return hdu


def good_events(**cards: Any) -> fits.BinTableHDU:
    hdu = events_hdu(1, **{"ONTIME": 1800.0, "DEADC": 0.95, **cards})
    hdu.data["TIME"] = 1000.0
    hdu.data["ENERGY"] = 1.0
    for column, unit in (("TIME", "s"), ("RA", "deg"), ("DEC", "deg"), ("ENERGY", "TeV")):
        hdu.columns[column].unit = unit
    return hdu


def found(
    write_store: WriteStore, tmp_path: Path, events: fits.BinTableHDU, gti: fits.BinTableHDU, **aeff: Any
) -> list[tuple[bool, str, str]]:
    rows = [
        (1, kind, kind, "", "1.fits", name) for kind, name in (("events", "EVENTS"), ("gti", "GTI"), ("aeff", "AEFF"))
    ]
    store = write_store("store", {"store/1.fits": [events, gti, aeff_hdu(**aeff)]}, rows)
    report = add_store(tmp_path / "a.duckdb", store)
    assert report.skipped == []
    return [(f.error, f.check, f.message) for f in check_archive(tmp_path / "a.duckdb").findings]


BASE = [
    # what the tests' short tables lack
    (False, "units", "aeff: THETA_HI is in no unit, not deg"),
    (False, "units", "aeff: EFFAREA is in no unit, not m2"),
    (True, "headers", "the run has no edisp"),
    (False, "headers", "the run has no psf"),
]


def test_the_simulated_store_is_without_fault(archive: Path) -> None:
    steps: list[tuple[int, int]] = []
    report = check_archive(archive, progress=lambda done, total: steps.append((done, total)))
    assert (report.runs, report.files, report.findings) == (28, 30, ())
    assert steps[0] == (0, 58)
    assert steps[-1] == (58, 58)


@pytest.mark.parametrize(
    ("cards", "intervals", "expected"),
    [
        ({}, [(100, 1900)], []),
        ({"TELESCOP": None}, [(100, 1900)], [(False, "headers", "EVENTS: TELESCOP is missing")]),
        ({"LIVETIME": "long"}, [(100, 1900)], [(True, "headers", "EVENTS: LIVETIME is 'long', not a number")]),
        ({"OBS_ID": 7}, [(100, 1900)], [(False, "headers", "EVENTS: OBS_ID is 7, the index says 1")]),
        ({}, [], [(True, "gti", "GTI has no interval")]),
        ({}, [(100, 100)], [(True, "gti", "GTI has an interval that does not end after its start")]),
        ({}, [(100, 900), (800, 1900)], [(True, "gti", "GTI has intervals that overlap or are out of order")]),
        (
            {},
            [(90, 1890)],
            [(True, "gti", "GTI reaches 10.0 s beyond TSTART and TSTOP")],
        ),
        (
            {"ONTIME": 900.0},
            [(100, 999.5), (1900 - 0.5, 1900)],
            [(False, "gti", "10 of 10 events are outside of the good time intervals, by up to 0.00 s")],
        ),
        ({}, [(100, 1500)], [(False, "gti", "GTI adds up to 1400.0 s, ONTIME is 1800.0 s")]),
    ],
)
def test_headers_and_times(
    write_store: WriteStore,
    tmp_path: Path,
    cards: dict[str, Any],
    intervals: list[tuple[float, float]],
    expected: list[tuple[bool, str, str]],
) -> None:
    assert sorted(found(write_store, tmp_path, good_events(**cards), gti_hdu(*intervals))) == sorted(BASE + expected)


def test_units_and_energies(write_store: WriteStore, tmp_path: Path) -> None:
    events = good_events()
    events.columns["ENERGY"].unit = "erg"
    events.data["ENERGY"][:3] = [np.nan, -1, 0]
    expected = [
        (True, "units", "events: ENERGY is in erg, not TeV"),
        (True, "units", "gti: START is in d, not s"),
        (True, "units", "gti: STOP is in d, not s"),
        (True, "energy", "3 of 10 events have no energy greater than 0"),
        (True, "energy", "the run's range, 0.1 to 20 TeV, is not within that of its effective area, 0.5 to 50 TeV"),
    ]
    gti = gti_hdu((100, 1900), unit="d")
    assert sorted(found(write_store, tmp_path, events, gti, LO_THRES=0.1, HI_THRES=20.0)) == sorted(BASE + expected)


def test_files_that_changed_are_gone_or_are_damaged(own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    data = own_store / "data"
    flipped = bytearray((data / "sim_dr1_obs_id_100001.fits.gz").read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (data / "sim_dr1_obs_id_100001.fits.gz").write_bytes(flipped)
    (data / "sim_dr1_obs_id_100002.fits.gz").unlink()
    size = (data / "sim_dr1_obs_id_100003.fits.gz").stat().st_size
    (data / "sim_dr1_obs_id_100003.fits.gz").write_bytes(b"")
    outside = tmp_path / "elsewhere.fits.gz"
    (data / "sim_dr1_obs_id_100004.fits.gz").rename(outside)
    (data / "sim_dr1_obs_id_100004.fits.gz").symlink_to(outside)
    report = check_archive(archive)
    files = {f.file[-14:-8]: f.message for f in report.findings if f.obs_id is None}
    assert files == {
        "100001": "is another file than was indexed (SHA-256): run 'archive add' again",
        "100002": "cannot be opened: No such file or directory",
        "100003": f"has 0 bytes, {size} when it was indexed: run 'archive add' again",
        "100004": f"leads out of {own_store}",
    }
    assert {f.obs_id for f in report.findings if f.obs_id} == {100001, 100003}  # damaged within, too
    assert report.errors == len(report.findings)


def test_the_command_prints_a_table_and_its_status_tells(
    own_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    command = ["archive", "check", "--archive", str(archive)]
    assert main(command) == 0
    assert capsys.readouterr().out == f"28 runs, 30 files: 0 errors, 0 warnings ({archive})\n"
    (own_store / "data/sim_dr1_obs_id_100001.fits.gz").unlink()
    assert main([*command, "SIM-DR1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["collection", "run", "check", "file", "what"]
    assert lines[1].split()[:4] == ["error", "SIM-DR1", "file", "data/sim_dr1_obs_id_100001.fits.gz"]
    assert lines[2] == f"28 runs, 30 files: 1 errors, 0 warnings ({archive})"
    assert main([*command, "NOSUCH"]) == 1
    assert "there are: SIM-DR1" in capsys.readouterr().err


def test_an_unknown_collection_is_named(archive: Path) -> None:
    with pytest.raises(ArchiveError, match="collection 'X' is not in .*; there are: SIM-DR1"):
        check_archive(archive, ["X"])


def test_the_hess_release_has_no_errors(hess_archive: Path) -> None:
    report = check_archive(hess_archive)
    assert (report.runs, report.files, report.errors) == (105, 105, 0)
    late = [f for f in report.findings if "outside of the good time intervals" in f.message]
    assert len(late) == len(report.findings) == 89
    assert sum(int(f.message.split()[0]) for f in late) == 320
