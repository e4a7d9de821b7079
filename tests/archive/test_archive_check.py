"""``archive check``: what it finds in damaged stores, and that it finds nothing in good ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gadf_files import aeff_hdu, events_hdu, gti_hdu

from jupyter_uws.archive import ArchiveError, add_store, check_archive
from jupyter_uws.archive.fitsfile import Hdu
from jupyter_uws.archive.gadf_checks import check_columns
from jupyter_uws.cli import main

WriteStore = Callable[..., Path]


def good_times(*intervals: tuple[float, float], unit: str = "s", **cards: Any) -> fits.BinTableHDU:
    return gti_hdu(*intervals, unit=unit, **{"MJDREFI": 51910, "MJDREFF": 0.0, "TIMESYS": "TT", **cards})


#: What GADF asks for besides what an analysis needs.
CARDS = {
    "ORIGIN": "a test", "CREATOR": "a test", "HDUDOC": "-", "HDUVERS": "0.3", "TIMEUNIT": "s", "TIMEREF": "LOCAL",
    "RADECSYS": "ICRS", "EQUINOX": 2000.0, "ONTIME": 1800.0, "LIVETIME": 1710.0, "DEADC": 0.95,
}  # fmt: skip


def good_events(**cards: Any) -> fits.BinTableHDU:
    hdu = events_hdu(1, **{**CARDS, **cards})
    hdu.data["EVENT_ID"] = np.arange(10)
    hdu.data["TIME"] = 1000.0
    hdu.data["ENERGY"] = 1.0
    for column, unit in (("TIME", "s"), ("RA", "deg"), ("DEC", "deg"), ("ENERGY", "TeV")):
        hdu.columns[column].unit = unit
    return hdu


def found(
    write_store: WriteStore, tmp_path: Path, events: fits.BinTableHDU, gti: fits.BinTableHDU, **aeff: Any
) -> list[tuple[bool, str, str]]:
    return found_in(write_store, tmp_path, events, gti, aeff_hdu(**aeff))


def found_in(
    write_store: WriteStore, tmp_path: Path, events: fits.BinTableHDU, gti: fits.BinTableHDU, *responses: Any
) -> list[tuple[bool, str, str]]:
    kinds = {"EVENTS": ("events", "events"), "GTI": ("gti", "gti")}
    kinds |= {hdu.name: (hdu.name.lower(), CLASSES[hdu.name]) for hdu in responses}
    rows = [(1, kind, cls, "", "1.fits", name) for name, (kind, cls) in kinds.items()]
    store = write_store("store", {"store/1.fits": [events, gti, *responses]}, rows)
    report = add_store(tmp_path / "a.duckdb", store)
    assert report.skipped == []
    return [(f.error, f.check, f.message) for f in check_archive(tmp_path / "a.duckdb").findings]


CLASSES = {"AEFF": "aeff_2d", "EDISP": "edisp_2d", "PSF": "psf_3gauss", "BKG": "bkg_3d"}
BASE = [
    # what the tests' short stores lack
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
        (
            dict.fromkeys(("ORIGIN", "HDUVERS", "TIMEREF", "RADECSYS", "EQUINOX")),
            [(100, 1900)],
            [(False, "headers", "EVENTS: ORIGIN, HDUVERS, TIMEREF, RADECSYS, EQUINOX are missing")],
        ),
        ({"RADECSYS": None, "RADESYS": "ICRS"}, [(100, 1900)], []),
        (
            {"TIMESYS": None},
            [(100, 1900)],
            [(True, "headers", "EVENTS: TIMESYS is missing: taken for TT, other programs may differ by a minute")],
        ),
        (
            {"TSTART": 1900, "TSTOP": 100},  # whole numbers
            [(100, 1900)],
            [
                (True, "headers", "EVENTS: TSTOP (100.0) is not after TSTART (1900.0)"),
                (True, "gti", "GTI reaches 1800.0 s beyond TSTART and TSTOP"),
            ],
        ),
        (
            {"LIVETIME": 1900.0},
            [(100, 1900)],
            [(False, "headers", "EVENTS: LIVETIME is 1900.0 s, longer than ONTIME, 1800.0 s")],
        ),
        ({"DEADC": 1.5}, [(100, 1900)], [(False, "headers", "EVENTS: DEADC is 1.5, not from 0 to 1")]),
        (
            {"DEADC": 0.5},
            [(100, 1900)],
            [(False, "headers", "EVENTS: LIVETIME is 1710.0 s, DEADC times ONTIME is 900.0 s")],
        ),
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
            {"ONTIME": 900.0, "LIVETIME": 855.0},
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
    assert sorted(found(write_store, tmp_path, good_events(**cards), good_times(*intervals))) == sorted(BASE + expected)


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
    gti = good_times((100, 1900), unit="d")
    assert sorted(found(write_store, tmp_path, events, gti, LO_THRES=0.1, HI_THRES=20.0)) == sorted(BASE + expected)


def test_the_events_of_a_table(write_store: WriteStore, tmp_path: Path) -> None:
    events = good_events()
    events.data["EVENT_ID"][:4] = 7
    events.data["TIME"][3:5] = [1500, 900]
    events.data["DEC"][0] = 95
    events.data["RA"][1] = -1
    events.data["RA"][2] = np.nan
    expected = [
        (False, "events", "4 of 10 events have the EVENT_ID of another one"),
        (False, "events", "the events are not in the order of TIME"),
        (True, "events", "3 of 10 events are not on the sky"),
    ]
    assert sorted(found(write_store, tmp_path, events, good_times((100, 1900)))) == sorted(BASE + expected)


def test_events_without_times_or_columns(write_store: WriteStore, tmp_path: Path) -> None:
    events = good_events()
    events.data["TIME"][:2] = np.nan
    without = fits.BinTableHDU.from_columns(
        [column for column in events.columns if column.name not in ("EVENT_ID", "DEC")], header=events.header
    )
    findings = found(write_store, tmp_path, without, good_times((100, 1900)))
    assert (False, "headers", "events: the column EVENT_ID is missing") in findings
    assert (True, "headers", "events: the column DEC is missing") in findings
    assert (True, "events", "2 of 10 events have no TIME") in findings


@pytest.mark.parametrize(
    ("cards", "shift", "expected"),
    [
        ({"MJDREFI": 51909, "MJDREFF": 0.5}, 43200.0, [
            (False, "gti", "the reference time of GTI is -43200.000 s from that of EVENTS (MJDREFI, MJDREFF)"),
        ]),
        ({"MJDREFI": None, "TIMESYS": None}, 0.0, [
            (False, "headers", "GTI: MJDREFI, TIMESYS are missing: taken from EVENTS"),
        ]),
        ({"TIMESYS": "UTC"}, 0.0, [(True, "gti", "GTI and EVENTS have different time systems (TT, UTC)")]),
    ],
)  # fmt: skip
def test_the_reference_time_of_the_good_times(
    write_store: WriteStore, tmp_path: Path, cards: dict[str, Any], shift: float, expected: list[tuple[bool, str, str]]
) -> None:
    gti = good_times((100 + shift, 1900 + shift), **cards)
    assert sorted(found(write_store, tmp_path, good_events(), gti)) == sorted(BASE + expected)


@pytest.mark.parametrize(
    ("column", "values", "finding"),
    [
        ("ENERG_LO", [5, 0.5], (True, "responses", "aeff: the axis ENERG does not rise")),
        ("ENERG_LO", [0, 5], (True, "responses", "aeff: the axis ENERG does not begin above 0")),
        ("ENERG_HI", [0.5, 50], (True, "responses", "aeff: the axis ENERG does not rise")),
        ("THETA_LO", [0, np.nan], (True, "responses", "aeff: the axis THETA does not rise")),
        ("THETA_HI", [1, 0.5], (True, "responses", "aeff: the axis THETA does not rise")),
        ("EFFAREA", [1, 1, np.inf, 1], (True, "responses", "aeff: EFFAREA has values that are no numbers")),
        ("EFFAREA", [1, 1, -1, 1], (False, "responses", "aeff: 1 of 4 values of EFFAREA are below 0")),
        ("EFFAREA", [1, 1, 1], (True, "responses", "aeff: EFFAREA has 3 values, its axes have 4 bins")),
        ("EFFAREA", None, (True, "headers", "aeff: the column EFFAREA is missing")),
    ],
)
def test_a_response_that_is_out_of_shape(
    write_store: WriteStore, tmp_path: Path, column: str, values: list[float] | None, finding: tuple[bool, str, str]
) -> None:
    good = aeff_hdu(LO_THRES=5.0, HI_THRES=20.0)
    columns = [c for c in good.columns if c.name != column]
    if values is not None:
        unit = good.columns[column].unit
        columns.append(fits.Column(column, f"{len(values)}E", unit=unit, array=np.array([values], "f4")))
    aeff = fits.BinTableHDU.from_columns(columns, name="AEFF")
    aeff.header.update(LO_THRES=5.0, HI_THRES=20.0)
    assert sorted(found_in(write_store, tmp_path, good_events(), good_times((100, 1900)), aeff)) == sorted(
        [*BASE, finding]
    )


def test_responses_of_every_class_have_their_columns_in_their_units(simulated: Path) -> None:
    """Each column taken out of the simulated responses in turn, and each unit made a wrong one."""
    with fits.open(simulated / "caldb/sim_dr1_north.fits.gz") as hdus:
        kinds = {"AEFF": "aeff_2d", "EDISP": "edisp_2d", "PSF": "psf_3gauss", "BKG": "bkg_3d"}
        for name, cls in kinds.items():
            for column in hdus[name].columns:
                left = fits.BinTableHDU.from_columns([c for c in hdus[name].columns if c.name != column.name])
                hdu = Hdu(left.header, b"")
                assert list(check_columns("x", cls, hdu)) == [
                    ("headers", f"x: the column {column.name} is missing", True)
                ]
                header = hdus[name].header.copy()
                number = hdus[name].columns.names.index(column.name) + 1
                if f"TUNIT{number}" in header:
                    header[f"TUNIT{number}"] = "K"
                    ((check, message, error),) = check_columns("x", cls, Hdu(header, b""))
                    assert (check, error) == ("units", True)
                    assert message.startswith(f"x: {column.name} is in K, not ")
    header = fits.BinTableHDU.from_columns([fits.Column("BKG", "E", unit="1 / (s MeV sr)")]).header
    assert not [message for check, message, _ in check_columns("x", "bkg_2d", Hdu(header)) if check == "units"]
    assert list(check_columns("x", "psf_new", Hdu(header))) == [
        ("headers", "x: the index says that it is 'psf_new', which GADF does not know", False)
    ]


def test_checksums_of_the_file_itself(write_store: WriteStore, tmp_path: Path) -> None:
    """What was damaged before it was indexed: SHA-256 cannot tell."""
    kinds = (("events", "events"), ("gti", "gti"), ("aeff", "aeff_2d"))
    index = [(1, kind, cls, "", "1.fits", kind.upper()) for kind, cls in kinds]
    store = write_store("store", {"store/0.fits": [good_events(), good_times((100, 1900)), aeff_hdu()]}, index)
    with fits.open(store / "0.fits") as hdus:
        hdus.writeto(store / "1.fits", checksum=True)
    assert add_store(tmp_path / "a.duckdb", store).added == 1
    assert not [f for f in check_archive(tmp_path / "a.duckdb").findings if f.check == "checksum"]
    content = bytearray((store / "1.fits").read_bytes())
    content = content.replace(b"'A target'", b"'B target'", 1)
    content[-2880 + 4] ^= 1  # in the last block, which is data of the last HDU
    (store / "1.fits").write_bytes(content)
    assert add_store(tmp_path / "a.duckdb", store).updated == 1
    findings = {(f.check, f.message) for f in check_archive(tmp_path / "a.duckdb").findings if f.check == "checksum"}
    assert findings == {
        ("checksum", "events: it is not what its CHECKSUM was made of"),
        ("checksum", "aeff: its data are not those that its DATASUM was made of"),
    }


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
    assert len(late) == 89
    assert sum(int(f.message.split()[0]) for f in late) == 320
    # responses that were smoothed, or interpolated, into what cannot be
    negative = [f.message.partition(":")[0] for f in report.findings if f.message.endswith("are below 0")]
    assert Counter(negative) == {"psf": 22, "edisp": 22, "aeff": 13}
    assert len(report.findings) == 89 + 57
