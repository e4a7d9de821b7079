"""Quick looks at real and simulated runs: the truth is found, the files are what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from analysis_checks import Outcome, run_job
from astropy.io import fits
from astropy.wcs import WCS
from matplotlib.image import imread

from jupyter_uws.analysis.quicklook import quicklook
from jupyter_uws.archive.ingest import add_store
from jupyter_uws.archive.reader import runs
from jupyter_uws.archive.simulation import TRUTH
from jupyter_uws.jobs.context import JobContext, JobError

pytest.importorskip("gammapy")
pytestmark = pytest.mark.gamma

CRAB_RUNS = ["23523", "23526", "23559", "23592"]
CRAB = {"RA": 83.633, "Dec": 22.0145}


@pytest.fixture(scope="module")
def crab(hess_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_job(quicklook, tmp_path_factory.mktemp("crab"), hess_archive, obs_ids=CRAB_RUNS, **CRAB)


@pytest.mark.hess
def test_the_crab_is_found_in_hess_data(crab: Outcome) -> None:
    peak, background = crab.summary["peak"], crab.summary["background"]
    assert peak["significance"] == pytest.approx(41.8, abs=1.5)
    assert peak["separation"]["value"] < 0.05
    assert background["mean"] == pytest.approx(0, abs=0.2)
    assert background["sigma"] == pytest.approx(1.0, abs=0.15)
    assert crab.summary["livetime"]["value"] == pytest.approx(1.754, abs=0.01)
    assert crab.summary["runs"] == {"used": CRAB_RUNS, "dropped": []}


@pytest.mark.hess
def test_the_maps_are_images_with_a_sky(crab: Outcome) -> None:
    images = {}
    for name in ("counts", "excess", "significance"):
        with fits.open(crab.work / f"{name}.fits") as hdus:
            header, images[name] = hdus[0].header, hdus[0].data
            assert images[name].shape == (200, 200)
            assert (header["CTYPE1"], header["EXTNAME"]) == ("RA---TAN", name.upper())
            ra, dec = WCS(header).pixel_to_world_values(99.5, 99.5)
            assert (float(ra), float(dec)) == pytest.approx((83.633, 22.0145), abs=1e-6)
    assert images["significance"].max() == pytest.approx(crab.summary["peak"]["significance"])
    assert images["counts"].sum() > 10_000
    assert np.all(images["counts"] == np.round(images["counts"]))
    around = np.hypot(*(np.indices((200, 200)) - 99.5)) < 5
    assert images["excess"][around].sum() == pytest.approx(crab.summary["at_centre"]["excess"], rel=0.1)


@pytest.mark.hess
def test_the_picture_is_a_picture(crab: Outcome) -> None:
    picture = imread(crab.work / "image.png")
    assert picture.shape[:2] == (520, 1150)
    # dark red of the source, black of contours and text: not an empty canvas
    red, green, blue = (picture[..., channel] for channel in range(3))
    assert ((red > 0.3) & (red < 0.6) & (green < 0.1) & (blue < 0.2)).sum() > 200


@pytest.mark.hess
def test_a_run_that_looks_elsewhere_is_dropped_and_named(hess_archive: Path, tmp_path: Path) -> None:
    did = runs(hess_archive, ["23523"])[0].obs_publisher_did
    outcome = run_job(quicklook, tmp_path, hess_archive, obs_ids=[did, "20136"], nxpix=31, nypix=20, **CRAB)
    assert outcome.summary["runs"]["used"] == ["23523"]
    dropped = outcome.summary["runs"]["dropped"]
    assert [run["obs_id"] for run in dropped] == ["20136"]
    assert "field of view has a radius of 2.5 deg" in dropped[0]["reason"]
    # too small for a ring of its own, yet with a background
    assert fits.getdata(outcome.work / "significance.fits").shape == (20, 31)
    assert outcome.summary["peak"]["significance"] > 10


def test_simulated_sources_are_where_they_were_put(sim_archive: Path, tmp_path: Path) -> None:
    """Without RA and Dec the map is around the middle of the wobble pointings, which is the source."""
    ids = ["100001", "100002", "100003", "100004"]
    outcome = run_job(quicklook, tmp_path, sim_archive, obs_ids=ids, energy_min=0.2, nxpix=100, nypix=100)
    truth = TRUTH[0]
    assert outcome.summary["centre"]["from"] == "runs"
    assert outcome.summary["centre"]["ra"] == pytest.approx(truth.ra, abs=0.01)
    peak = outcome.summary["peak"]
    assert peak["significance"] > 80
    assert (peak["ra"], peak["dec"]) == pytest.approx((truth.ra, truth.dec), abs=0.05)
    assert outcome.summary["background"]["sigma"] == pytest.approx(1.0, abs=0.15)


def test_outside_of_the_fields_of_view_there_is_nothing(sim_archive: Path, tmp_path: Path) -> None:
    outcome = run_job(
        quicklook, tmp_path, sim_archive, obs_ids=["100301"], offset_max=1.5, nxpix=100, nypix=100, binsz=0.05
    )
    significance = fits.getdata(outcome.work / "significance.fits")
    assert np.isnan(significance[0, 0])
    assert np.isfinite(significance[50, 50])
    assert 0.2 < np.isfinite(significance).mean() < 0.5


def test_the_centre_may_be_where_no_run_looked(sim_archive: Path, tmp_path: Path) -> None:
    """The edge of a field of view reaches into the map, its centre stays dark; JSON knows no NaN."""
    outcome = run_job(
        quicklook, tmp_path, sim_archive, obs_ids=["100001"], RA=83.6331, Dec=26.5, nxpix=80, nypix=80, binsz=0.05
    )
    assert outcome.summary["at_centre"]["significance"] is None
    assert "NaN" not in (outcome.work / "summary.json").read_text()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"obs_ids": ["99"]}, "run '99' is not in the archive"),
        ({"RA": 10.0, "Dec": 20.0}, "no run sees the target RA 10.0000 deg, Dec 20.0000 deg; nearest is run 100001"),
        # two targets of one store: their middle is in no field of view
        (
            {"obs_ids": ["100001", "100201"]},
            "without RA and Dec the map is around the middle of the pointings, and no run sees the target RA",
        ),
        ({"RA": 83.6}, "RA and Dec belong together"),
        ({"energy_min": 5, "energy_max": 5}, "energy_min 5 TeV is not below energy_max 5 TeV"),
        ({"energy_min": 99, "energy_max": 299}, "no event of the 1 runs lies in the map"),
        ({"nxpix": 1000, "binsz": 0.2}, "the map would be 200 deg wide, allowed are 30 deg"),
    ],
)
def test_what_cannot_be_done_is_said(
    sim_archive: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(JobError) as error:
        run_job(quicklook, tmp_path, sim_archive, **({"obs_ids": ["100001"]} | values))
    assert message in str(error.value)
    assert not (tmp_path / "results.json").exists()


@pytest.mark.hess
def test_real_and_simulated_runs_are_not_stacked(hess_dir: Path, sim_archive: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.duckdb"
    shutil.copy(sim_archive, archive)
    add_store(archive, hess_dir)
    with pytest.raises(JobError, match=r"of several observatories, SIM-CTAO \(1\), H\.E\.S\.S\. \(2\): take"):
        run_job(quicklook, tmp_path, archive, obs_ids=["100001", "23523", "23526"])


def test_a_missing_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="archive"):
        quicklook(JobContext.local(tmp_path, tmp_path / "none.duckdb"), obs_ids=["1"])
    with pytest.raises(JobError, match="JUPYTER_UWS_ARCHIVE is not set"):
        quicklook(JobContext.local(tmp_path), obs_ids=["1"])
