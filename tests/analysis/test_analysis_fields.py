"""Fits of cubes, cutouts and sensitivities: the Crab, and simulated truth."""

from __future__ import annotations

import math
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis_checks import Outcome, run_job
from astropy.table import Table

from jupyter_uws.analysis.cube import cube
from jupyter_uws.analysis.cutout import cutout
from jupyter_uws.analysis.sensitivity import sensitivity
from jupyter_uws.archive.responses import SOUTH
from jupyter_uws.archive.simulation import TRUTH
from jupyter_uws.jobs.context import JobError

pytest.importorskip("gammapy")
pytestmark = pytest.mark.gamma

CRAB: dict[str, Any] = {"obs_ids": ["23523", "23526", "23559", "23592"], "RA": 83.633, "Dec": 22.0145}
SIM_CRAB = {"obs_ids": ["100001"], "RA": TRUTH[0].ra, "Dec": TRUTH[0].dec}


@pytest.fixture(scope="module")
def cut(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("cut")
    return run_job(cutout, folder, sim_archive, **{**SIM_CRAB, "obs_ids": ["100001", "100002"]}, radius=0.3)


@pytest.mark.hess
def test_a_cube_of_the_crab(hess_archive: Path, tmp_path: Path) -> None:
    outcome = run_job(cube, tmp_path, hess_archive, **{**CRAB, "obs_ids": CRAB["obs_ids"][:2]}, width=2, binsz=0.05)
    found = outcome.summary["parameters"]
    # from the highest threshold on: from lower ones the index is anything from 2.4 to 2.9; see docs/observers/jobs.md
    assert found["index"]["value"] == pytest.approx(2.66, abs=0.06)
    assert found["amplitude"]["value"] == pytest.approx(4.4e-11, rel=0.07)
    assert found["lon_0"]["value"] == pytest.approx(83.62, abs=0.015)
    assert found["lat_0"]["value"] == pytest.approx(22.025, abs=0.012)
    # the producers' thresholds of these runs are 0.66 to 0.87 TeV
    assert outcome.summary["energy"]["min"] == pytest.approx(0.871, abs=0.001)
    assert outcome.summary["residuals"]["sigma"] == pytest.approx(1.05, abs=0.12)


def test_the_extent_of_a_simulated_remnant(sim_archive: Path, tmp_path: Path) -> None:
    from gammapy.datasets import MapDataset
    from gammapy.modeling.models import Models

    truth = TRUTH[1]
    given = {"obs_ids": ["100101"], "RA": truth.ra + 0.1, "Dec": truth.dec}
    outcome = run_job(
        cube, tmp_path, sim_archive, **given, shape="gauss", width=3, binsz=0.1, energy_min=0.5, energy_max=10
    )
    found = outcome.summary["parameters"]
    assert abs(found["sigma"]["value"] - truth.sigma) < 4 * found["sigma"]["error"]
    assert found["sigma"]["error"] < 0.02
    assert math.hypot(found["lon_0"]["value"] - truth.ra, found["lat_0"]["value"] - truth.dec) < 0.05
    # a power law for one with a cut-off at 33 TeV is somewhat softer
    assert truth.index < found["index"]["value"] < truth.index + 0.5
    assert found["amplitude"]["value"] == pytest.approx(truth.amplitude, rel=0.15)
    assert outcome.summary["significance"] > 25
    models = Models.read(outcome.work / "model.yaml")
    assert models.names == ["source", "stacked-bkg"]
    assert MapDataset.read(outcome.work / "dataset.fits.gz").counts.data.sum() > 500


def test_a_cutout_is_a_data_store(cut: Outcome, sim_archive: Path, tmp_path: Path) -> None:
    from gammapy.data import DataStore

    from jupyter_uws.analysis.observations import open_observations
    from jupyter_uws.archive.reader import runs

    with tarfile.open(cut.work / "package.tar") as package:
        assert all(not member.uname for member in package)
        package.extractall(tmp_path, filter="data")
    observations = DataStore.from_dir(tmp_path / "cutout").get_observations(required_irf="full-enclosure")
    originals = open_observations(runs(sim_archive, ["100001", "100002"]))
    for kept, original in zip(observations, originals, strict=True):
        near = original.events.radec.separation(kept.events.radec[0]).deg < 1
        assert 0 < len(kept.events.table) < near.sum()
        assert len(kept.events.table) == cut.summary["events"]["by_run"][str(kept.obs_id)]
        assert np.array_equal(kept.gti.table["START"], original.gti.table["START"])
        assert np.allclose(kept.aeff.data, original.aeff.data)
        lasted = (kept.observation_live_time_duration / original.observation_live_time_duration).to_value("")
        assert lasted == pytest.approx(1)


def test_its_events_in_one_table(cut: Outcome) -> None:
    from astropy.coordinates import SkyCoord

    events = Table.read(cut.work / "events.fits", hdu="EVENTS")
    assert len(events) == cut.summary["events"]["all"] == sum(cut.summary["events"]["by_run"].values())
    assert set(np.unique(events["OBS_ID"])) == {100001, 100002}
    centre = SkyCoord(SIM_CRAB["RA"], SIM_CRAB["Dec"], unit="deg")
    assert SkyCoord(events["RA"], events["DEC"], unit="deg").separation(centre).deg.max() < 0.3


def test_sensitivity_by_hand(sim_archive: Path, tmp_path: Path) -> None:
    given = {"obs_ids": ["100101"], "livetime": 50, "on_radius": 0.2, "bins_per_decade": 4}
    outcome = run_job(sensitivity, tmp_path, sim_archive, **given)
    table = Table.read(outcome.work / "sensitivity.ecsv")
    # where ten gamma rays decide: their flux through the area of the responses
    row = next(row for row in table if row["criterion"] == "gamma")
    low, high = row["e_min"], row["e_max"]
    area = SOUTH.effective_area(np.array([row["e_ref"]]), np.array([0.5]))[0] * 1e4  # cm2
    flux = 10 / (area * 50 * 3600 * (1 / low - 1 / high)) * 1.602  # E^2 dN/dE of an index of 2, in erg
    assert row["excess"] == pytest.approx(10)
    assert row["e2dnde"] == pytest.approx(flux, rel=0.2)
    assert 2e-14 < outcome.summary["best"]["flux"]["value"] < 3e-13


@pytest.mark.hess
def test_sensitivity_of_hess(hess_archive: Path, tmp_path: Path) -> None:
    outcome = run_job(sensitivity, tmp_path, hess_archive, obs_ids=["23523"])
    best = outcome.summary["best"]
    # a few per cent of the Crab in 50 h, without the cuts for faint sources
    assert best["flux"]["value"] == pytest.approx(1.3e-12, rel=0.25)


@pytest.mark.parametrize(
    ("job", "values", "message"),
    [
        (cube, {"energy_min": 5, "energy_max": 1}, "energy_min 5 TeV is not below energy_max 1 TeV"),
        (cube, {"energy_min": 0.02, "energy_max": 0.05}, "energy_max 0.05 TeV is not above the runs' energy threshold"),
        (cube, {"RA": 200.0}, "no run sees the target RA 200.0000 deg"),
        (cutout, {"energy_min": 99, "energy_max": 99.1}, "no event within 1 deg of RA 83.6331 deg"),
        (cutout, {"RA": 200.0}, "no run sees the target RA 200.0000 deg"),
        (sensitivity, {"offset": 9.5, "RA": None, "Dec": None}, "run 100001: offset 9.5 deg is outside"),
        (sensitivity, {"energy_min": 5, "energy_max": 1, "RA": None, "Dec": None}, "energy_min 5 TeV is not below"),
    ],
)
def test_what_cannot_be_done_is_said(
    sim_archive: Path, tmp_path: Path, job: Callable[..., None], values: dict[str, object], message: str
) -> None:
    given = {name: value for name, value in {**SIM_CRAB, **values}.items() if value is not None}
    with pytest.raises(JobError) as error:
        run_job(job, tmp_path, sim_archive, **given)
    assert message in str(error.value)
