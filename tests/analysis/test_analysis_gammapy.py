"""gammapy's own analysis as a job: it runs, and neither configuration nor models reach a file that is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from astropy.table import Table

from jupyter_uws.analysis.gammapy_analysis import gammapy_analysis
from jupyter_uws.analysis.gammapy_config import read_config, read_document, read_models
from jupyter_uws.archive.simulation import TRUTH
from jupyter_uws.jobs.context import JobContext, JobError

pytest.importorskip("gammapy")
pytestmark = pytest.mark.gamma

CONFIG = f"""
datasets:
  type: 1d
  stack: true
  geom:
    axes:
      energy: {{min: 0.2 TeV, max: 50 TeV, nbins: 12}}
      energy_true: {{min: 0.1 TeV, max: 100 TeV, nbins: 24}}
  on_region: {{frame: icrs, lon: {TRUTH[0].ra} deg, lat: {TRUTH[0].dec} deg, radius: 0.11 deg}}
  containment_correction: true
  background: {{method: reflected}}
  safe_mask: {{methods: [aeff-max], parameters: {{aeff_percent: 5}}}}
flux_points:
  energy: {{min: 0.2 TeV, max: 50 TeV, nbins: 6}}
  source: crab
  parameters: {{selection_optional: [ul]}}
"""
MODELS = """
components:
- name: crab
  type: SkyModel
  spectral:
    type: ExpCutoffPowerLawSpectralModel
    parameters:
    - {name: index, value: 2.2}
    - {name: amplitude, value: 3.0e-11, unit: TeV-1 s-1 cm-2}
    - {name: reference, value: 1.0, unit: TeV, frozen: true}
    - {name: lambda_, value: 0.05, unit: TeV-1}
"""


def run(folder: Path, archive: Path, config: str = CONFIG, models: str | None = MODELS) -> JobContext:
    job = JobContext.local(folder / "job", archive)
    (folder / "config").write_text(config)
    if models is not None:
        (folder / "models").write_text(models)
    gammapy_analysis(
        job, obs_ids=["100001"], config=folder / "config", models=None if models is None else folder / "models"
    )  # type: ignore[arg-type]
    return job


def test_an_analysis_from_yaml(sim_archive: Path, tmp_path: Path) -> None:
    job = run(tmp_path, sim_archive)
    names = {path.name for path in job.work.iterdir()}
    assert names == {"model.yaml", "flux_points.ecsv", "config.yaml", "summary.json"}
    assert {path.name for path in job.folder.iterdir()} == {"work", "results.json"}  # the index is gone
    found = yaml.safe_load((job.work / "summary.json").read_text())
    assert found["done"] == ["datasets", "fit", "flux points"]
    assert found["runs"]["used"] == ["100001"]
    for name, truth in (("index", TRUTH[0].index), ("amplitude", TRUTH[0].amplitude)):
        value = found["parameters"][f"crab.{name}"]
        assert abs(value["value"] - truth) < 3.5 * value["error"]
    assert len(Table.read(job.work / "flux_points.ecsv")) >= 4
    assert str(sim_archive.parent) not in (job.work / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("general: {outdir: /tmp}", "config: general.outdir is not allowed: results are in the job's folder"),
        ("general: {log: {filename: /tmp/x}}", "config: general.log.filename is not allowed"),
        ("general: {models_file: ../../m.yaml}", "config: general.models_file is not allowed: give models"),
        ("general: {n_jobs: 64}", "config: general.n_jobs is not allowed"),
        ("observations: {datastore: /etc}", "config: observations.datastore is not allowed: the data are the runs"),
        ("observations: {obs_file: /etc/passwd}", "config: observations.obs_file is not allowed"),
        ("datasets: {background: {exclusion: $HOME/x.fits}}", "config: datasets.background.exclusion is not allowed"),
        (
            "flux_points: {parameters: {parallel_backend: ray}}",
            "config: flux_points.parameters.parallel_backend is not allowed, allowed are n_sigma,",
        ),
        ("datasets: {type: 4d}", "config: datasets.type is '4d': Input should be '1d' or '3d'"),
        ("datasets: {colour: blue}", "config: datasets.colour is 'blue': Extra inputs are not permitted"),
        ("x: [", "config, line 1: it is not YAML"),
        ("!!python/object/apply:os.system [echo]", "config, line 1: it is not YAML: could not determine a constructor"),
        ("- a", "config: it must be a mapping, and is list"),
        (
            "datasets: {type: 3d, geom: {wcs: {binsize: 0.0001 deg, width: {width: 10 deg, height: 10 deg}}}}",
            "config: datasets.geom makes 100000 x 100000 pixels",
        ),
    ],
)
def test_what_a_configuration_may_not_say(entry: str, message: str) -> None:
    with pytest.raises(JobError) as error:
        read_config(entry)
    assert message in str(error.value)


def test_a_bomb_of_aliases() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(JobError, match="config: it has more than 10000 entries"):
        read_document("\n".join(lines), "config")


@pytest.mark.parametrize(
    "spatial",
    [
        "{type: TemplateSpatialModel, filename: /etc/passwd}",
        "{type: TemplateSpatialModel}",
        "{type: PointSpatialModel, filename: x}",
    ],
)
def test_models_are_no_files(spatial: str) -> None:
    text = MODELS + f"  spatial: {spatial}\n"
    with pytest.raises(JobError, match=r"models\.components\.0.* is not allowed: models are made of functions"):
        read_models(text)
    with pytest.raises(JobError, match="models: gammapy cannot read them"):
        read_models("components: [{name: x, type: SkyModel, spectral: {type: NoModel}}]")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        # 75 deg away: reflected regions would ask for 22 GB
        (CONFIG.replace(f"lon: {TRUTH[0].ra}", "lon: 200"), "no run sees the target RA 200.0000 deg"),
        (CONFIG.replace("frame: icrs, ", ""), "config: datasets.on_region needs frame, lon, lat and radius"),
        (CONFIG + "observations: {obs_ids: [20136]}", "20136"),
        (
            CONFIG.replace("  source: crab\n", ""),
            "config: flux_points.source is 'source', allowed is one of the models: crab",
        ),
    ],
)
def test_what_cannot_be_done_is_said(sim_archive: Path, tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(JobError) as error:
        run(tmp_path, sim_archive, config)
    assert message in str(error.value)
    assert not (tmp_path / "job" / "store").exists()
