"""The simulated store: reproducible, small, and true to what was put in."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jupyter_uws.archive import TRUTH, ArchiveError, collections, data_store, ensure_archive, runs, simulate


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_small_and_quick(tmp_path: Path) -> None:
    begin = time.process_time()
    seen: list[tuple[int, int]] = []
    folder = simulate(tmp_path / "demo", progress=lambda *state: seen.append(state))
    assert time.process_time() - begin < 10
    assert seen == [(i, 28) for i in range(29)]
    files = content(folder)
    assert len(files) == 28 + 2 + 2
    assert sum(map(len, files.values())) < 30e6


def test_the_seed_decides(simulated: Path, tmp_path: Path) -> None:
    assert content(simulate(tmp_path / "again", energy_min=0.5)) == content(simulated)
    other = simulate(tmp_path / "other", energy_min=0.5, seed=2)
    names = content(simulated).keys()
    assert content(other).keys() == names
    event_file = "data/sim_dr1_obs_id_100001.fits.gz"
    assert content(other)[event_file] != content(simulated)[event_file]


def test_events_are_as_the_headers_say(simulated: Path) -> None:
    with fits.open(simulated / "data/sim_dr1_obs_id_100205.fits.gz") as hdus:
        events, header = hdus["EVENTS"].data, hdus["EVENTS"].header
        assert header["OBJECT"].startswith("Sim ")
        assert "simulation" in header["ORIGIN"]
        assert events["ENERGY"].min() >= 0.5
        assert (np.diff(events["TIME"]) >= 0).all()
        assert events["TIME"].min() >= header["TSTART"]
        assert events["TIME"].max() <= header["TSTOP"]
        assert len(set(events["EVENT_ID"])) == len(events)
    with fits.open(simulated / "obs-index.fits.gz") as hdus:
        assert len(hdus[1].data) == 28
        assert all(name.startswith("Sim ") for name in hdus[1].data["OBJECT"])


def test_what_cannot_be_simulated(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="exists already"):
        simulate(simulated)
    with pytest.raises(ArchiveError, match=r"energy_min 5: must be between 0.05 and 1 TeV"):
        simulate(tmp_path / "x", energy_min=5)
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="cannot write the simulated store"):
        simulate(tmp_path / "file" / "x")


def test_an_interrupted_simulation_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "x", energy_min=0.5, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_archive_is_made_once_by_many(tmp_path: Path) -> None:
    archive = tmp_path / "home" / "archive.duckdb"
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        made = pool.map(ensure_archive, [archive] * 3, chunksize=1)
    assert made == [archive] * 3
    assert [(c.name, c.store, c.runs) for c in collections(archive)] == [("SIM-DR1", archive.parent / "sim-dr1", 28)]
    assert not list(archive.parent.glob(".*.tmp"))
    before = archive.stat().st_mtime_ns
    assert ensure_archive(archive).stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gammapy.data")
    return ensure_archive(tmp_path_factory.mktemp("demo") / "archive.duckdb")


@pytest.mark.gamma
class TestTruth:
    """gammapy finds back what was put in, on the default store."""

    def test_spectrum_of_the_crab(self, demo: Path) -> None:
        import astropy.units as u
        from gammapy.modeling.models import ExpCutoffPowerLawSpectralModel

        crab = TRUTH[0]
        model = ExpCutoffPowerLawSpectralModel(index=2, amplitude="1e-11 cm-2 s-1 TeV-1", lambda_="0.05 TeV-1")
        fit_spectrum(demo, range(100001, 100005), crab.ra, crab.dec, model)
        assert_within(model.index, crab.index, at_most=0.05)
        assert_within(model.amplitude, crab.amplitude, at_most=0.06 * crab.amplitude)
        assert model.lambda_.value == pytest.approx(crab.lambda_, abs=4 * model.lambda_.error)
        true = crab.flux(np.array([1.0, 5.0]))
        assert model(u.Quantity([1, 5], "TeV")).to_value("cm-2 s-1 TeV-1") == pytest.approx(true, rel=0.12)

    @pytest.mark.parametrize("obs_id", [100201, 100205])
    def test_flux_of_the_agn_run_by_run(self, demo: Path, obs_id: int) -> None:
        from gammapy.modeling.models import PowerLawSpectralModel

        agn = TRUTH[2]
        model = PowerLawSpectralModel(index=2.5, amplitude="1e-11 cm-2 s-1 TeV-1")
        fit_spectrum(demo, [obs_id], agn.ra, agn.dec, model)
        amplitude = agn.amplitude * agn.light_curve[obs_id]
        assert_within(model.amplitude, amplitude, at_most=0.3 * amplitude)
        assert_within(model.index, agn.index, at_most=0.3)

    def test_shape_of_the_supernova_remnant(self, demo: Path) -> None:
        from astropy.coordinates import SkyCoord
        from gammapy.datasets import MapDataset
        from gammapy.makers import MapDatasetMaker, SafeMaskMaker
        from gammapy.maps import MapAxis, WcsGeom
        from gammapy.modeling import Fit
        from gammapy.modeling.models import (
            ExpCutoffPowerLawSpectralModel,
            FoVBackgroundModel,
            GaussianSpatialModel,
            SkyModel,
        )

        snr = TRUTH[1]
        centre = SkyCoord(snr.ra, snr.dec, unit="deg")
        axis = MapAxis.from_energy_bounds("0.3 TeV", "20 TeV", nbin=8)
        true_axis = MapAxis.from_energy_bounds("0.15 TeV", "50 TeV", nbin=14, name="energy_true")
        geom = WcsGeom.create(skydir=centre, width=3, binsz=0.05, axes=[axis])
        dataset = MapDataset.create(geom, energy_axis_true=true_axis, name="snr")
        maker, safe = MapDatasetMaker(), SafeMaskMaker(methods=["offset-max"], offset_max="3 deg")
        for observation in data_store(runs(demo, list(range(100101, 100107)))).get_observations():
            dataset.stack(safe.run(maker.run(dataset, observation), observation))
        shape = GaussianSpatialModel(lon_0=centre.ra, lat_0=centre.dec, sigma="0.2 deg", frame="icrs")
        shape.lon_0.min, shape.lon_0.max = snr.ra - 0.5, snr.ra + 0.5
        shape.lat_0.min, shape.lat_0.max = snr.dec - 0.5, snr.dec + 0.5
        spectrum = ExpCutoffPowerLawSpectralModel(index=2, amplitude="1e-11 cm-2 s-1 TeV-1", lambda_="0.03 TeV-1")
        spectrum.lambda_.frozen = True
        background = FoVBackgroundModel(dataset_name="snr")
        dataset.models = [SkyModel(spectrum, shape, name="source"), background]
        assert Fit().run([dataset]).success
        assert_within(shape.sigma, snr.sigma, at_most=0.02)
        assert_within(spectrum.amplitude, snr.amplitude, at_most=0.1 * snr.amplitude)
        assert_within(spectrum.index, snr.index, at_most=0.1)
        assert shape.position.separation(centre).deg < 0.02
        assert background.parameters["norm"].value == pytest.approx(1, abs=0.04)


def assert_within(parameter: object, truth: float, *, at_most: float) -> None:
    """Within four errors of the truth, and the error small enough that this means something."""
    value, error = parameter.value, parameter.error  # type: ignore[attr-defined]
    assert 0 < error < at_most
    assert abs(value - truth) < 4 * error


def fit_spectrum(archive: Path, ids: object, ra: float, dec: float, model: object) -> None:
    from astropy.coordinates import Angle, SkyCoord
    from gammapy.datasets import Datasets, SpectrumDataset
    from gammapy.makers import ReflectedRegionsBackgroundMaker, SpectrumDatasetMaker
    from gammapy.maps import MapAxis, RegionGeom
    from gammapy.modeling import Fit
    from gammapy.modeling.models import SkyModel
    from regions import CircleSkyRegion

    axis = MapAxis.from_energy_bounds("0.12 TeV", "30 TeV", nbin=6, per_decade=True)
    true_axis = MapAxis.from_energy_bounds("0.03 TeV", "100 TeV", nbin=12, per_decade=True, name="energy_true")
    region = CircleSkyRegion(SkyCoord(ra, dec, unit="deg"), radius=Angle("0.15 deg"))
    geom = RegionGeom.create(region, axes=[axis])
    maker = SpectrumDatasetMaker(containment_correction=True, selection=["counts", "exposure", "edisp"])
    background = ReflectedRegionsBackgroundMaker()
    datasets = Datasets()
    for observation in data_store(runs(archive, [str(i) for i in ids])).get_observations():  # type: ignore[attr-defined]
        empty = SpectrumDataset.create(geom=geom, energy_axis_true=true_axis, name=str(observation.obs_id))
        datasets.append(background.run(maker.run(empty, observation), observation))
    stacked = datasets.stack_reduce()
    stacked.models = [SkyModel(model)]
    assert Fit().run([stacked]).success
