"""Spectra of real and simulated sources: the truth is found, and what is not there is not invented."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from analysis_checks import Outcome, run_job
from astropy.table import Table
from matplotlib.image import imread

from jupyter_uws.analysis.onoff import check_fit
from jupyter_uws.analysis.spectrum import deviations, spectrum
from jupyter_uws.archive.simulation import TRUTH
from jupyter_uws.jobs.context import JobError

pytest.importorskip("gammapy")
pytestmark = pytest.mark.gamma

CRAB_RUNS = ["23523", "23526", "23559", "23592"]
CRAB = {"RA": 83.633, "Dec": 22.0145}
SIM_CRAB_RUNS = ["100001", "100002", "100003", "100004"]
AGN = {"RA": 329.716938, "Dec": -30.225588}


@pytest.fixture(scope="module")
def crab(hess_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_job(spectrum, tmp_path_factory.mktemp("crab"), hess_archive, obs_ids=[*CRAB_RUNS, "20136"], **CRAB)


@pytest.mark.hess
def test_the_crab_in_hess_data(crab: Outcome) -> None:
    index, amplitude = (crab.summary["parameters"][name] for name in ("index", "amplitude"))
    assert index["value"] == pytest.approx(2.63, abs=0.10)
    assert index["error"] == pytest.approx(0.07, abs=0.02)
    assert amplitude["value"] == pytest.approx(4.25e-11, rel=0.15)
    assert amplitude["unit"] == "1 / (TeV s cm2)"
    assert crab.summary["significance"] == pytest.approx(38.2, abs=1.5)
    # the producers' thresholds of these runs are 0.66 to 0.87 TeV
    assert 0.66 < crab.summary["energy"]["min"] < 0.87
    assert crab.summary["flux_above_1TeV"]["value"] == pytest.approx(2.6e-11, rel=0.15)
    assert crab.summary["runs"]["used"] == CRAB_RUNS
    assert [run["obs_id"] for run in crab.summary["runs"]["dropped"]] == ["20136"]


@pytest.mark.hess
def test_its_files_are_read_by_gammapy(crab: Outcome) -> None:
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models

    (model,) = Models.read(crab.work / "model.yaml")
    points = FluxPoints.read(crab.work / "flux_points.ecsv", format="gadf-sed", reference_model=model)
    table = points.to_table(sed_type="dnde")
    assert 6 <= len(table) <= 14
    measured = ~table["is_ul"].data
    assert measured.sum() >= 6
    deviation = (table["dnde"].quantity - model.spectral_model(table["e_ref"].quantity)) / table["dnde_err"].quantity
    assert np.all(np.abs(deviation.to_value("")[measured]) < 3.5)
    assert np.all(table["dnde_ul"] > table["dnde"])
    picture = imread(crab.work / "sed.png")
    assert picture.shape[:2] == (650, 750)
    assert (picture[..., :3].sum(axis=2) < 0.5).sum() > 1000


def test_deviations_are_those_of_the_likelihood() -> None:
    """A point without a single count has nearly no error, and is not a thousand sigma away."""

    def values(*numbers: float) -> SimpleNamespace:
        return SimpleNamespace(data=np.array(numbers).reshape(-1, 1, 1))

    points = SimpleNamespace(norm=values(1.2, 0.7, 0.0), stat=values(3.0, 1.0, 0.0), stat_scan=values(4.0, 5.0, 2.25))
    assert deviations(points) == pytest.approx([1.0, -2.0, -1.5])


def test_the_simulated_truth_comes_back(sim_archive: Path, tmp_path: Path) -> None:
    truth = TRUTH[0]
    outcome = run_job(spectrum, tmp_path, sim_archive, obs_ids=SIM_CRAB_RUNS, RA=truth.ra, Dec=truth.dec, model="ecpl")
    found = outcome.summary["parameters"]
    for name, value in (("index", truth.index), ("amplitude", truth.amplitude), ("lambda_", truth.lambda_)):
        assert abs(found[name]["value"] - value) < 3 * found[name]["error"], name
    assert found["index"]["error"] < 0.05
    assert outcome.summary["model"] == "ecpl"
    assert outcome.summary["significance"] > 80
    assert outcome.summary["energy"]["min"] < 0.13
    points = Table.read(outcome.work / "flux_points.ecsv")
    assert {"e_ref", "dnde", "dnde_err", "dnde_ul", "is_ul"} < set(points.colnames)
    assert not {"stat_scan", "norm_scan"} & set(points.colnames)
    assert points["e_max"][-1] < 101  # not above where events count


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"obs_ids": ["99"]}, "run '99' is not in the archive"),
        # 75 deg away: reflected regions would ask for 22 GB
        ({"RA": 200.0}, "no run sees the target RA 200.0000 deg, Dec 22.0145 deg; nearest is run 100001: it points"),
        ({"Dec": 22.5145}, "run 100001: no OFF region: it points 0.00 deg from the target"),
        ({"Dec": 23.4}, "no significant signal at RA 83.6331 deg, Dec 23.4000 deg"),
        ({"energy_min": 5, "energy_max": 1}, "energy_min 5 TeV is not below energy_max 1 TeV"),
        ({"energy_max": 0.03}, "no usable effective area between 0.01 and 0.03 TeV"),
        ({"energy_min": 60}, "no event at RA 83.6331 deg, Dec 22.0145 deg nor in the OFF regions"),
        # 13 photons do not make a cut-off
        (
            {"obs_ids": ["100201"], **AGN, "model": "ecpl", "energy_min": 0.9},
            "the data do not constrain the model: amplitude is",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    sim_archive: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    given = {"obs_ids": ["100001"], "RA": TRUTH[0].ra, "Dec": TRUTH[0].dec} | values
    with pytest.raises(JobError) as error:
        run_job(spectrum, tmp_path, sim_archive, **given)
    assert message in str(error.value)
    assert "nan" not in str(error.value)
    assert not (tmp_path / "results.json").exists()


def test_a_fit_that_failed_is_no_result() -> None:
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    model = SkyModel(spectral_model=PowerLawSpectralModel(), name="source")
    model.spectral_model.amplitude.error = 1e-13
    model.spectral_model.index.error = 0.1
    check_fit(SimpleNamespace(success=True, message="fine"), model)
    with pytest.raises(JobError, match="the fit did not converge: too many calls"):
        check_fit(SimpleNamespace(success=False, message="too many calls"), model)
    model.spectral_model.index.error = float("nan")
    with pytest.raises(JobError, match="do not constrain the model: index"):
        check_fit(SimpleNamespace(success=True, message="fine"), model)
