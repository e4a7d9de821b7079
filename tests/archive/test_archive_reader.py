"""Finding runs again, and giving them to gammapy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from jupyter_uws.archive import ArchiveError, add_store, collections, data_store, runs

RESPONSES = {"aeff": "aeff_2d", "edisp": "edisp_2d", "psf": "psf_3gauss", "bkg": "bkg_3d"}


def test_runs_come_in_the_order_asked_for_each_once(archive: Path, simulated: Path) -> None:
    did = "ivo://jupyter-uws/SIM-DR1?100102"
    found = runs(archive, ["100205", did, " 100205 ", "100102", 100001])
    assert [run.obs_id for run in found] == [100205, 100102, 100001]
    run = found[1]
    assert (run.obs_publisher_did, run.collection, run.target_name) == (did, "SIM-DR1", "Sim SNR")
    assert (run.fov_radius, run.energy_min, run.energy_max) == (4, 0.5, 100)
    assert run.livetime == pytest.approx(1646.4)
    assert run.files == (simulated / "data/sim_dr1_obs_id_100102.fits.gz", simulated / "caldb/sim_dr1_south.fits.gz")
    assert {hdu.hdu_type: hdu.hdu_class for hdu in run.hdus} == {"events": "events", "gti": "gti", **RESPONSES}


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("100104x", "100104"),
        ("10020", "100201"),
        ("ivo://jupyter-uws/SIM-DR1?100399", "SIM-DR1[?]100309"),
        ("", "1000"),
    ],
)
def test_an_unknown_run(archive: Path, wanted: str, near: str) -> None:
    with pytest.raises(ArchiveError, match=rf"nearest: .*{near}.*100001 to 100310.* 28 runs") as caught:
        runs(archive, ["100001", wanted])
    assert f"run {wanted!r} is not in the archive" in str(caught.value)


def test_an_archive_of_another_version_is_refused(archive: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.duckdb"
    shutil.copy(archive, older)
    with duckdb.connect(str(older)) as con:
        con.execute("UPDATE _archive.meta SET version = 2")
    with pytest.raises(ArchiveError, match=r"older.duckdb: made by another version of jupyter-uws: move it away and"):
        runs(older, ["100001"])


def test_an_obs_id_in_two_collections(simulated: Path, own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, simulated)
    add_store(archive, own_store, collection="COPY")
    with pytest.raises(
        ArchiveError, match=r"obs_id 100001 is in several collections \(COPY, SIM-DR1\): give its obs_pub"
    ):
        runs(archive, ["100001"])
    both = runs(archive, ["ivo://jupyter-uws/COPY?100001", "ivo://jupyter-uws/SIM-DR1?100001"])
    assert [run.collection for run in both] == ["COPY", "SIM-DR1"]
    assert [(c.name, c.store, c.runs) for c in collections(archive)] == [
        ("COPY", own_store, 28),
        ("SIM-DR1", simulated, 28),
    ]


def test_a_file_that_is_gone(own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    gone = own_store / "caldb/sim_dr1_north.fits.gz"
    gone.unlink()
    with pytest.raises(ArchiveError, match=rf"run 100003 \(SIM-DR1\): its file {gone} is gone"):
        runs(archive, ["100101", "100003"])
    assert len(runs(archive, ["100101"])) == 1


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no archive; make one with"):
        runs(tmp_path / "a.duckdb", ["1"])


def test_reading_needs_no_astropy() -> None:
    code = (
        "import sys, jupyter_uws.archive.handlers\n"
        "from jupyter_uws.archive import ArchiveError, runs, default_archive\n"
        "print([m for m in ('astropy', 'gammapy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.gamma
class TestDataStore:
    """Needs gammapy."""

    @pytest.fixture(autouse=True)
    def _needs_gammapy(self) -> None:
        pytest.importorskip("gammapy.data")

    def test_shared_responses(self, archive: Path) -> None:
        store = data_store(runs(archive, [100101, 100001]))
        assert sorted(store.obs_ids) == [100001, 100101]
        north, south = store.get_observations([100001, 100101])
        for observation in (north, south):
            assert sorted(observation.available_irfs) == ["aeff", "bkg", "edisp", "psf"]
            assert len(observation.events.table) > 100
            assert observation.gti.time_sum.to_value("s") == pytest.approx(1680)
        assert north.aeff.meta["INSTRUME"] == "North"
        assert south.aeff.meta["INSTRUME"] == "South"
        assert (north.bkg.tag, north.psf.tag) == ("bkg_3d", "psf_3gauss")
        table = store.obs_table
        apart = table.time_start[list(table["OBS_ID"]).index(100001)] - north.tstart
        assert abs(apart.to_value("s")) < 1e-3

    def test_resolutions_agree_with_gammapy(self, archive: Path) -> None:
        from jupyter_uws.archive.database import read_archive

        (observation,) = data_store(runs(archive, [100201])).get_observations()
        with read_archive(archive) as con:
            ((radius, power),) = con.execute(
                "SELECT s_resolution, em_res_power FROM ivoa.obscore WHERE obs_id = '100201'"
            ).fetchall()
        expected = observation.psf.containment_radius(0.68, energy_true="1 TeV", offset="0.5 deg")
        assert radius == pytest.approx(expected.to_value("arcsec"), rel=0.05)
        assert 1 / power == pytest.approx(0.08, rel=0.05)

    def test_one_obs_id_twice(self, simulated: Path, own_store: Path, tmp_path: Path) -> None:
        archive = tmp_path / "a.duckdb"
        add_store(archive, simulated)
        add_store(archive, own_store, collection="COPY")
        both = runs(archive, ["ivo://jupyter-uws/COPY?100001", "ivo://jupyter-uws/SIM-DR1?100001"])
        with pytest.raises(ArchiveError, match="obs_id 100001 is in COPY and SIM-DR1"):
            data_store(both)
        with pytest.raises(ArchiveError, match="no runs"):
            data_store([])

    @pytest.mark.hess
    def test_hess_bundles(self, hess_archive: Path) -> None:
        (run,) = runs(hess_archive, ["23523"])
        assert len(run.files) == 1
        (observation,) = data_store([run]).get_observations()
        assert len(observation.events.table) == run.n_events
        assert (observation.psf.tag, observation.bkg.tag) == ("psf_table", "bkg_3d")
        assert observation.aeff.data.any()
        assert observation.edisp.data.any()
        pointing = observation.get_pointing_icrs(observation.tmid)
        # gammapy takes the header's FK5 for ICRS
        assert (pointing.ra.deg, pointing.dec.deg) == pytest.approx((run.ra, run.dec), abs=1e-5)
