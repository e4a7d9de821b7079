"""Adding data stores: the rows, changes, damage, escapes."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from astropy.coordinates import FK4, SkyCoord
from astropy.io import fits
from astropy.time import Time
from gadf_files import aeff_hdu, events_hdu

from jupyter_uws.archive import ArchiveError, add_store, remove_collection, runs
from jupyter_uws.archive.database import read_archive
from jupyter_uws.archive.fitsfile import DamagedFile, scan
from jupyter_uws.archive.links import links
from jupyter_uws.archive.obscore import OBSCORE
from jupyter_uws.tap.schema import read_tap_schema

WriteStore = Callable[..., Path]

MANDATORY = {
    "dataproduct_type", "calib_level", "obs_collection", "obs_id", "obs_publisher_did", "access_url", "access_format",
    "access_estsize", "target_name", "s_ra", "s_dec", "s_fov", "s_region", "s_resolution", "s_xel1", "s_xel2",
    "t_min", "t_max", "t_exptime", "t_resolution", "t_xel", "em_min", "em_max", "em_res_power", "em_xel", "o_ucd",
    "pol_states", "pol_xel", "facility_name", "instrument_name",
}  # fmt: skip


def rows(archive: Path, where: str = "true") -> list[dict[str, Any]]:
    with read_archive(archive) as con:
        result = con.execute(f"SELECT * FROM ivoa.obscore WHERE {where} ORDER BY obs_id")  # noqa: S608
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def test_row_of_a_run(archive: Path, simulated: Path) -> None:
    (row,) = rows(archive, "obs_id = '100002'")
    size = (simulated / "data/sim_dr1_obs_id_100002.fits.gz").stat().st_size
    assert row["dataproduct_type"] == "event"
    assert row["obs_publisher_did"] == "ivo://jupyter-uws/SIM-DR1?100002"
    assert row["access_url"] == "datalink/links?ID=ivo%3A%2F%2Fjupyter-uws%2FSIM-DR1%3F100002"
    assert row["access_format"] == "application/x-votable+xml;content=datalink"
    assert row["access_estsize"] == round(size / 1000)
    assert row["target_name"] == "Sim Crab"
    assert row["s_region"] == f"CIRCLE ICRS {row['s_ra']:.6f} {row['s_dec']:.6f} 4"
    assert row["s_fov"] == 8
    assert row["t_min"] == pytest.approx(60250.071, abs=1e-5)
    assert (row["t_max"] - row["t_min"]) * 86400 == pytest.approx(1680, abs=1e-3)
    assert row["t_exptime"] == pytest.approx(1680 * 0.98)
    assert row["em_max"] == pytest.approx(1.239841984332e-6 / 0.5e12)
    assert row["em_min"] == pytest.approx(1.239841984332e-6 / 100e12)
    assert row["em_min"] < row["em_max"]
    assert row["_cell"] == 360 * (90 + 22) + int(row["s_ra"])
    assert row["_region_is_circle"]
    assert [row["_region_lon"], row["_region_lat"]] == pytest.approx([row["s_ra"], row["s_dec"]], abs=1e-6)
    assert row["_region_radius"] == 4
    assert row["_region_reach"] == pytest.approx(4, abs=1e-6)


def test_all_mandatory_columns_are_there_and_described(archive: Path) -> None:
    with read_archive(archive) as con:
        described = read_tap_schema(con)["ivoa.obscore"]
        con.execute("USE stored")
        types = {name: kind for name, kind, *_ in con.execute("DESCRIBE ivoa.obscore").fetchall()}
    assert {column.name for column in described.columns} >= MANDATORY
    assert described.utype == "ivo://ivoa.net/std/obscore#core-1.1"
    duck = {"char": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "double": "DOUBLE"}
    for column in described.columns:
        assert types[column.name] == duck[column.datatype], column.name
        assert column.ucd, column.name
        assert column.utype, column.name
        assert column.description, column.name
    assert described.columns == OBSCORE.columns


def test_access_url_begins_with_the_root_of_the_cursor(archive: Path) -> None:
    with read_archive(archive) as con:
        cursor = con.cursor()
        cursor.execute("SET VARIABLE root_url = 'https://hub.example/jupyter-uws/'")
        cursor.execute("USE stored")
        ((url,),) = cursor.execute("SELECT access_url FROM ivoa.obscore WHERE obs_id = '100001'").fetchall()
    assert url == "https://hub.example/jupyter-uws/datalink/links?ID=ivo%3A%2F%2Fjupyter-uws%2FSIM-DR1%3F100001"


def test_same_store_again_changes_nothing(own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    store_before = {p: p.stat().st_mtime_ns for p in own_store.rglob("*")}
    assert add_store(archive, own_store).added == 28
    before = archive.stat()
    report = add_store(archive, own_store)
    assert (report.added, report.updated, report.unchanged, report.removed) == (0, 0, 28, 0)
    assert (archive.stat().st_ino, archive.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert {p: p.stat().st_mtime_ns for p in own_store.rglob("*")} == store_before


def test_runs_that_were_read_in_another_way_are_read_again(
    own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a.duckdb"
    monkeypatch.setattr("jupyter_uws.archive.ingest.READING", 1)
    add_store(archive, own_store)
    assert add_store(archive, own_store).unchanged == 28
    monkeypatch.undo()
    report = add_store(archive, own_store)
    assert (report.updated, report.unchanged) == (28, 0)
    assert add_store(archive, own_store).unchanged == 28


def test_a_changed_file_is_read_again_and_only_it(own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    path = own_store / "data/sim_dr1_obs_id_100203.fits.gz"
    with fits.open(path) as hdus:
        hdus["EVENTS"].header["OBJECT"] = "Renamed"
        hdus.writeto(tmp_path / "new.fits.gz")
    (tmp_path / "new.fits.gz").replace(path)
    done: list[tuple[int, int]] = []
    report = add_store(archive, own_store, progress=lambda *state: done.append(state))
    assert (report.added, report.updated, report.unchanged) == (0, 1, 27)
    assert done == [(27, 28), (28, 28)]
    assert [row["target_name"] for row in rows(archive, "obs_id = '100203'")] == ["Renamed"]
    assert len(rows(archive)) == 28
    assert len(runs(archive, ["100203"])[0].hdus) == 6
    assert len(runs(archive, ["100204"])[0].hdus) == 6


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def truncate_unpacked(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-2880]))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "No such file"),
        (truncate, "gzip"),
        (flip, "gzip|cut short|valid FITS"),
        (truncate_unpacked, "cut short in HDU 'GTI'"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"not FITS" * 1000), "FITS"),
        (lambda path: (path.unlink(), path.mkdir()), "directory"),
    ],
    ids=["missing", "short gzip", "flipped bits", "short table", "empty", "text", "folder"],
)
def test_a_damaged_file_keeps_its_run_out(own_store: Path, tmp_path: Path, damage: Any, reason: str) -> None:
    path = own_store / "data/sim_dr1_obs_id_100104.fits.gz"
    good = path.read_bytes()
    damage(path)
    archive = tmp_path / "a.duckdb"
    report = add_store(archive, own_store)
    assert report.added == 27
    ((file, why),) = report.skipped
    assert file == str(path)
    assert re.search(reason, why), why
    assert "100104" not in {row["obs_id"] for row in rows(archive)}

    path.rmdir() if path.is_dir() else None
    path.write_bytes(good)
    repaired = add_store(archive, own_store)
    assert (repaired.added, repaired.unchanged, repaired.skipped) == (1, 27, [])


def test_a_run_that_went_bad_is_taken_out(own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    path = own_store / "caldb/sim_dr1_north.fits.gz"
    truncate(path)
    report = add_store(archive, own_store)
    assert (report.removed, report.unchanged) == (4, 24)
    assert [file for file, _ in report.skipped] == [str(path)]
    assert len(rows(archive)) == 24


def test_headers_in_other_frames_time_systems_and_units(write_store: WriteStore, tmp_path: Path) -> None:
    store = write_store(
        "index",
        {
            "index/a b#1.fits": [
                events_hdu(7, EXTNAME="EVENT LIST", RADECSYS="FK4", EQUINOX=1950.0, TIMESYS="UTC", INSTRUME=""),
                aeff_hdu("EFFECTIVE AREA"),
            ],
            "index/8.fits": [events_hdu(8), aeff_hdu(LO_THRES=0.7, HI_THRES=40.0)],
            "index/9.fits": [events_hdu(9, LIVETIME=None, OBJECT=None)],
        },
        [
            (7, "events", "events", "", "a b#1.fits", "event list"),
            (7, "aeff", "aeff_2d", "", "a b#1.fits", "effective area"),
            (8, "events", "events", "", "8.fits", "events"),
            (8, "aeff", "aeff_2d", "", "8.fits", "aeff"),
            (9, "events", "events", "", "9.fits", "events"),
        ],
    )
    archive = tmp_path / "a.duckdb"
    report = add_store(archive, store)
    assert (report.collection, report.added, report.skipped) == ("INDEX", 3, [])
    seven, eight, nine = rows(archive)
    there = SkyCoord(10, -20, unit="deg", frame=FK4(equinox="B1950")).icrs
    assert (seven["s_ra"], seven["s_dec"]) == pytest.approx((there.ra.deg, there.dec.deg))
    assert seven["t_min"] == pytest.approx(Time(51910 + 100 / 86400, format="mjd", scale="utc").tt.mjd, abs=1e-9)
    assert seven["t_min"] - eight["t_min"] == pytest.approx(64.184 / 86400, abs=1e-9)
    assert links(archive, [seven["obs_publisher_did"]], "")[0].access_url == "files/INDEX/a%20b%231.fits"
    assert (seven["s_fov"], seven["instrument_name"], seven["facility_name"]) == (6, None, "H.E.S.S.")
    assert seven["em_max"] == pytest.approx(1.239841984332e-6 / 0.5e12)  # the whole axis
    assert eight["em_max"] == pytest.approx(1.239841984332e-6 / 0.7e12)  # the thresholds
    assert (eight["s_ra"], eight["s_dec"]) == (10, -20)
    assert (nine["s_fov"], nine["s_region"], nine["em_min"], nine["t_exptime"], nine["target_name"]) == (None,) * 5
    assert (eight["dataproduct_subtype"], nine["dataproduct_subtype"]) == ("event-bundle", "event-list")


def test_the_index_gives_the_energy_range_first(write_store: WriteStore, tmp_path: Path) -> None:
    safe = [
        fits.Column(f"SAFE_ENERGY_{k}", "E", unit="TeV", array=np.array([v]))
        for k, v in (("LO", 0.40738028), ("HI", 100))
    ]
    store = write_store(
        "s",
        {"s/1.fits": [events_hdu(1), aeff_hdu(LO_THRES=0.7, HI_THRES=40.0)]},
        [(1, "events", "events", ".", "1.fits", "EVENTS"), (1, "aeff", "aeff_2d", ".", "1.fits", "AEFF")],
        safe,
    )
    add_store(tmp_path / "a.duckdb", store)
    assert runs(tmp_path / "a.duckdb", [1])[0].energy_min == 0.40738028
    assert runs(tmp_path / "a.duckdb", [1])[0].energy_max == 100


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"RA_PNT": None}, "no number RA_PNT"),
        ({"TSTART": "soon"}, "no number TSTART"),
        ({"RADECSYS": "GALACTIC"}, "unknown coordinate system 'GALACTIC'"),
        ({"TIMESYS": "LOCAL"}, "unknown time system 'local'"),
        ({"DEC_PNT": 123.0}, "not on the sky"),
        ({"TIMEUNIT": "d"}, "times of the EVENTS header are in 'd', not in 's'"),
    ],
)
def test_a_header_that_makes_no_sense(
    write_store: WriteStore, tmp_path: Path, cards: dict[str, Any], reason: str
) -> None:
    files = {"s/1.fits": [events_hdu(1, **cards)], "s/2.fits": [events_hdu(2)]}
    store = write_store("s", files, [(i, "events", "events", "", f"{i}.fits", "EVENTS") for i in (1, 2)])
    report = add_store(tmp_path / "a.duckdb", store)
    assert report.added == 1
    assert [(Path(file).name, reason in why) for file, why in report.skipped] == [("1.fits", True)]


def test_an_hdu_that_the_index_promises_is_missing(write_store: WriteStore, tmp_path: Path) -> None:
    store = write_store(
        "s",
        {"s/1.fits": [events_hdu(1)]},
        [(1, "events", "events", "", "1.fits", "EVENTS"), (1, "psf", "psf_table", "", "1.fits", "PSF")],
    )
    report = add_store(tmp_path / "a.duckdb", store)
    assert report.skipped == [(str(store / "1.fits"), "has no HDU 'PSF', which the index promises for run 1")]


def test_plain_file_cut_short(write_store: WriteStore, tmp_path: Path) -> None:
    store = write_store("s", {"s/1.fits": [events_hdu(1, n=1000)]}, [(1, "events", "events", "", "1.fits", "EVENTS")])
    truncate(store / "1.fits")
    assert "cut short" in add_store(tmp_path / "a.duckdb", store).skipped[0][1]


@pytest.mark.parametrize("packed", [True, False])
def test_every_cut_is_noticed(tmp_path: Path, packed: bool) -> None:
    fits.HDUList([fits.PrimaryHDU(), events_hdu(1, n=200), aeff_hdu()]).writeto(tmp_path / "whole.fits")
    data = (tmp_path / "whole.fits").read_bytes()
    data = gzip.compress(data) if packed else data
    path = tmp_path / "cut.fits"
    path.write_bytes(data)
    assert set(scan(path)) == {"PRIMARY", "EVENTS", "AEFF"}
    # a plain file cut between two HDUs is a whole file with fewer of them
    for length in range(0, len(data), max(1, len(data) // 100)):
        if packed or length % 2880:
            path.write_bytes(data[:length])
            with pytest.raises(DamagedFile):
                scan(path)


def climbing(write_store: WriteStore) -> Path:
    return write_store(
        "cta/index/gps",
        {"cta/data/1.fits": [events_hdu(1), aeff_hdu()]},
        [
            (1, "events", "events", "../../data", "1.fits", "EVENTS"),
            (1, "aeff", "aeff_2d", "../../data", "1.fits", "AEFF"),
        ],
    )


def test_files_outside_the_store_need_a_root(write_store: WriteStore, tmp_path: Path) -> None:
    store, archive = climbing(write_store), tmp_path / "a.duckdb"
    report = add_store(archive, store)
    assert report.added == 0
    assert report.skipped == [
        (str(tmp_path / "cta/data/1.fits"), "lies outside the store; allow its folder with --root")
    ]

    allowed = add_store(archive, store, roots=[tmp_path / "cta/data"])
    assert (allowed.added, allowed.skipped) == (1, [])
    assert links(archive, [rows(archive)[0]["obs_publisher_did"]], "")[0].access_url == "files/GPS/%401/1.fits"
    assert runs(archive, ["1"])[0].files == (tmp_path / "cta/data/1.fits",)


def test_a_link_out_of_the_store_is_refused(own_store: Path, tmp_path: Path) -> None:
    path = own_store / "data/sim_dr1_obs_id_100001.fits.gz"
    path.rename(tmp_path / "secret.fits.gz")
    path.symlink_to(tmp_path / "secret.fits.gz")
    report = add_store(tmp_path / "a.duckdb", own_store)
    assert report.skipped == [
        (str(tmp_path / "secret.fits.gz"), "lies outside the store; allow its folder with --root")
    ]


def test_two_collections_live_side_by_side(simulated: Path, own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, simulated)
    with pytest.raises(ArchiveError, match=r"collection 'SIM-DR1' is the store .* already"):
        add_store(archive, own_store)
    assert add_store(archive, own_store, collection="COPY").added == 28
    assert len(rows(archive)) == 56
    assert add_store(archive, simulated).unchanged == 28
    # without a name, a known store keeps its own; with another one it is renamed
    assert add_store(archive, own_store).collection == "COPY"
    assert add_store(archive, own_store, collection="RENAMED").added == 28
    assert {row["obs_collection"] for row in rows(archive)} == {"SIM-DR1", "RENAMED"}
    assert len(rows(archive)) == 56


def test_a_store_that_moved_is_found_at_its_new_place(own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    moved = own_store.rename(tmp_path / "elsewhere")
    assert add_store(archive, moved).updated == 28
    assert runs(archive, [100001])[0].files[0].is_relative_to(moved)
    assert len(rows(archive)) == 28


def test_what_is_no_data_store(tmp_path: Path, own_store: Path) -> None:
    archive = tmp_path / "a.duckdb"
    with pytest.raises(ArchiveError, match="there is no such folder"):
        add_store(archive, tmp_path / "nothing")
    with pytest.raises(ArchiveError, match="not a folder"):
        add_store(archive, own_store / "obs-index.fits.gz")
    with pytest.raises(ArchiveError, match=r"obs-index.fits.gz \(or obs-index.fits\) is missing"):
        add_store(archive, own_store / "data")
    with pytest.raises(ArchiveError, match="root .*nothing: there is no such folder"):
        add_store(archive, own_store, roots=[tmp_path / "nothing"])
    with pytest.raises(ArchiveError, match=r"collection '\.\./x': not a valid name; use"):
        add_store(archive, own_store, collection="../x")
    shutil.copy(own_store / "obs-index.fits.gz", own_store / "hdu-index.fits.gz")
    with pytest.raises(ArchiveError, match=r"hdu-index.fits.gz: the index lacks .* HDU_TYPE, HDU_CLASS, FILE_DIR"):
        add_store(archive, own_store)
    truncate(own_store / "obs-index.fits.gz")
    with pytest.raises(ArchiveError, match=r"obs-index.fits.gz: cannot read this index: broken gzip"):
        add_store(archive, own_store)
    assert not archive.exists()


def test_what_is_no_archive(tmp_path: Path, simulated: Path) -> None:
    path = tmp_path / "a.duckdb"
    path.write_text("something else" * 1000)
    with pytest.raises(ArchiveError, match="not an archive of jupyter-uws"):
        add_store(path, simulated)
    assert path.read_text() == "something else" * 1000
    other = tmp_path / "b.duckdb"
    with duckdb.connect(str(other)) as con:
        con.execute("CREATE TABLE mine AS SELECT 1")
    with pytest.raises(ArchiveError, match="not an archive of jupyter-uws"):
        add_store(other, simulated)
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="cannot write there"):
        add_store(tmp_path / "file" / "a.duckdb", simulated)


@pytest.mark.hess
def test_hess_dl3_dr1(hess_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    begin = time.process_time()
    report = add_store(archive, hess_dir)
    assert time.process_time() - begin < 10
    assert (report.collection, report.added, report.skipped) == ("HESS-DL3-DR1", 105, [])
    found = rows(archive)
    assert sum(row["t_exptime"] for row in found) / 3600 == pytest.approx(44.79, abs=0.01)
    assert (min(row["access_estsize"] for row in found), max(row["access_estsize"] for row in found)) == (456, 729)
    row = found[0]
    assert (row["obs_id"], row["target_name"], row["facility_name"]) == ("20136", "MSH15-52", "H.E.S.S.")
    assert (row["s_ra"], row["s_dec"]) == pytest.approx((228.6124845, -58.7716691), abs=1e-7)
    assert row["s_region"] == "CIRCLE ICRS 228.612484 -58.771669 2.5"
    assert (row["t_min"], row["t_max"]) == pytest.approx((53090.123451, 53090.142919), abs=1e-6)
    assert (row["t_exptime"], row["s_fov"], row["access_estsize"]) == (pytest.approx(1521.03, abs=0.01), 5, 630)
    assert (row["em_min"], row["em_max"]) == pytest.approx((1.2398419843e-20, 3.0434511e-18), rel=1e-7)
    assert row["dataproduct_subtype"] == "event-bundle"
    assert 280 < min(row["s_resolution"] for row in found) < max(row["s_resolution"] for row in found) < 600

    again = add_store(archive, hess_dir)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 105)


def test_a_collection_is_taken_out_and_the_others_stay(own_store: Path, simulated: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, simulated)
    add_store(archive, own_store, collection="OTHER")
    with read_archive(archive) as con:
        before = con.execute("SELECT count(*) FROM ivoa.obscore_hea").fetchone()
        assert remove_collection(archive, "OTHER") == 28
        # who has it open keeps what was there
        assert con.execute("SELECT count(*) FROM ivoa.obscore_hea").fetchone() == before == (56,)
    for table in ("collection", "file", "run", "hdu", "obscore", "obscore_hea"):
        with read_archive(archive) as con:
            found = con.execute(f"SELECT * FROM _archive.{table}").fetchall()  # noqa: S608
        assert found, table
        assert not [row for row in found if "OTHER" in str(row)], table
    assert len(rows(archive)) == 28
    assert (own_store / "hdu-index.fits.gz").exists()
    with pytest.raises(ArchiveError, match="collection 'OTHER' is not in .*; there are: SIM-DR1"):
        remove_collection(archive, "OTHER")
    assert add_store(archive, own_store, collection="OTHER").added == 28


READER = """
import sys
from pathlib import Path
from jupyter_uws.archive.database import read_archive
archive, seen = Path(sys.argv[1]), set()
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    with read_archive(archive) as con:
        seen.add(con.execute("SELECT count(*), (SELECT count(*) FROM ivoa.obscore_hea) FROM ivoa.obscore").fetchone())
print(sorted(seen))
"""


def test_many_processes_read_while_it_is_replaced(own_store: Path, simulated: Path, tmp_path: Path) -> None:
    """Each sees one state or another, whole."""
    archive, stop = tmp_path / "a.duckdb", tmp_path / "stop"
    add_store(archive, simulated)
    command = [sys.executable, "-c", READER, str(archive), str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for _ in range(3):
            add_store(archive, own_store, collection="OTHER")
            remove_collection(archive, "OTHER")
        stop.touch()
        for reader in readers:
            said, _ = reader.communicate(timeout=60)
            assert reader.returncode == 0
            assert set(re.findall(r"\(.*?\)", said)) <= {"(28, 28)", "(56, 56)"}
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


def test_roots_are_remembered(write_store: WriteStore, tmp_path: Path) -> None:
    store, archive = climbing(write_store), tmp_path / "a.duckdb"
    assert add_store(archive, store, roots=[tmp_path / "cta/data"]).added == 1
    report = add_store(archive, store)
    assert (report.unchanged, report.removed, report.skipped) == (1, 0, [])
    other = tmp_path / "other"
    other.mkdir()
    report = add_store(archive, store, roots=[other])  # others take their place
    assert (report.removed, len(report.skipped)) == (1, 1)
