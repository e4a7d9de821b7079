"""gammapy's own high-level analysis as a job: its YAML in, its products out.

gammapy is imported inside the functions: the service reads this module for its description only.
"""

from __future__ import annotations

import logging
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .gammapy_config import on_position, read_config, read_models, text_of
from .observations import RunIds, find_runs, select
from .summary import write_summary

if TYPE_CHECKING:
    from gammapy.analysis import Analysis

    from jupyter_uws.archive.reader import Run

log = logging.getLogger(__name__)

_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain", "application/octet-stream")


@job_type(
    name="gammapy",
    title="gammapy analysis",
    version="1",
    generated=[
        Generated(name="datasets", content_type="application/fits", description="The reduced data", optional=True),
        Generated(name="model", content_type="application/yaml", description="Fitted models", optional=True),
        Generated(name="flux_points", content_type="application/x-ecsv", description="gadf-sed", optional=True),
        Generated(name="light_curve", content_type="application/x-ecsv", description="GADF", optional=True),
        Generated(name="significance", content_type="application/fits", description="Map of sqrt(TS)", optional=True),
        Generated(name="config", content_type="application/yaml", description="As gammapy completed it"),
        Generated(name="summary", content_type="application/json", description="What was done, fitted values"),
    ],
    execution_duration=7200,
    execution_duration_max=172800,
    memory_limit=6144,
)
def gammapy_analysis(
    job: JobContext,
    *,
    obs_ids: RunIds,
    config: Annotated[
        Path,
        Parameter(
            title="Configuration",
            description="YAML of gammapy's Analysis (AnalysisConfig), without files",
            content_types=_YAML,
            max_size=1 << 20,
        ),
    ],
    models: Annotated[
        Path | None,
        Parameter(
            title="Models",
            description="YAML of gammapy's models; without them the data are reduced only",
            content_types=_YAML,
            max_size=1 << 20,
        ),
    ] = None,
) -> None:
    """Run a gammapy analysis on runs of the archive: reduce, fit, flux points, light curve, excess map.

    What the configuration asks for is done: flux points and light curve where they have an energy axis, the excess
    map where it has a correlation radius. Its data are the runs given, and results are the job's: entries that name
    files are refused.
    """
    from gammapy.analysis import Analysis

    job.progress(0, "reading the configuration")
    settings = read_config(text_of(config, "config"))
    chosen = None if models is None else read_models(text_of(models, "models"))
    if chosen is not None:
        _check_sources(settings, chosen.names)
    runs = find_runs(job, obs_ids)
    target = on_position(settings)
    if target is not None:
        runs = select(runs, target).runs
    job.progress(0.1, "opening the runs")
    store = job.folder / "store"
    _index(runs, store)
    settings.observations.datastore = store
    try:
        analysis = Analysis(settings)
        summary = _run(job, analysis, chosen)
    except JobError:
        raise
    except MemoryError:
        raise JobError("the analysis needs more memory than the job has: a smaller map, or MEMORY") from None
    except Exception as error:
        # what gammapy raises for settings that do not go together: ValueError, RuntimeError, AttributeError, ...
        log.exception("gammapy")
        raise JobError(f"gammapy: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(store, ignore_errors=True)
    settings.observations.datastore = Path("archive")
    (job.work / "config.yaml").write_text(settings.to_yaml())
    job.result("config", "config.yaml", description="As gammapy completed it")
    write_summary(job, summary, "What was done, fitted values")
    job.progress(1, ", ".join(summary["done"]))


def _check_sources(settings: Any, names: list[str]) -> None:
    """Whether flux points and light curve are of a source that is in the models; gammapy's default is ``source``."""
    for part, axis in (
        ("flux_points", settings.flux_points.energy),
        ("light_curve", settings.light_curve.energy_edges),
    ):
        source = getattr(settings, part).source
        if axis.min is not None and source not in names:
            raise JobError(f"config: {part}.source is {source!r}, allowed is one of the models: {', '.join(names)}")


def _index(runs: list[Run], folder: Path) -> None:
    """Index files of exactly these runs: all that gammapy is to see of the archive."""
    from jupyter_uws.archive.errors import ArchiveError
    from jupyter_uws.archive.reader import data_store

    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    folder.mkdir(mode=0o700)
    try:
        store = data_store(runs)
    except ArchiveError as error:
        raise JobError(str(error)) from error
    store.hdu_table.write(folder / "hdu-index.fits.gz")
    store.obs_table.write(folder / "obs-index.fits.gz")


def _run(job: JobContext, analysis: Analysis, models: Any) -> dict[str, Any]:
    """Step by step, as far as the configuration goes."""
    settings: Any = analysis.config
    analysis.get_observations()
    if not len(analysis.observations):
        raise JobError("config: observations selects none of the runs of obs_ids")
    job.progress(0.2, "reducing")
    analysis.get_datasets()
    if not len(analysis.datasets):
        raise JobError("no run is left: none has OFF regions or counts, see the log")
    done = ["datasets"]
    summary: dict[str, Any] = {"done": done, "runs": {"used": [str(obs.obs_id) for obs in analysis.observations]}}
    if len(analysis.datasets) == 1 and settings.datasets.type == "3d":
        analysis.datasets[0].write(job.work / "datasets.fits.gz")
        job.result("datasets", "datasets.fits.gz", description="The reduced data")
    if (
        settings.datasets.type == "3d"
        and settings.excess_map.correlation_radius is not None
        and settings.datasets.stack
    ):
        job.progress(0.6, "excess map")
        analysis.get_excess_map()
        sqrt_ts = analysis.excess_map["sqrt_ts"]
        sqrt_ts.sum_over_axes(keepdims=False).write(job.work / "significance.fits")
        job.result("significance", "significance.fits", description="Map of sqrt(TS)")
        done.append("excess map")
    if models is None:
        return summary
    analysis.set_models(models)
    job.progress(0.7, "fit")
    analysis.run_fit()
    if not analysis.fit_result.success:
        raise JobError(f"the fit did not converge: {analysis.fit_result.message}")
    done.append("fit")
    summary["parameters"] = {
        f"{model.name}.{parameter.name}": {
            "value": parameter.value,
            "error": parameter.error if math.isfinite(parameter.error) else None,
            "unit": str(parameter.unit),
        }
        for model in analysis.models
        for parameter in model.parameters.free_parameters
    }
    (job.work / "model.yaml").write_text(analysis.models.to_yaml())
    job.result("model", "model.yaml", description="Fitted models")
    for name, axis, make, options in (
        (
            "flux_points", settings.flux_points.energy, analysis.get_flux_points,
            {"sed_type": "dnde", "format": "gadf-sed"},
        ),
        (
            "light_curve", settings.light_curve.energy_edges, analysis.get_light_curve,
            {"sed_type": "flux", "format": "lightcurve"},
        ),
    ):  # fmt: skip
        if axis.min is None or axis.max is None or not axis.nbins:
            continue
        job.progress(0.85, name.replace("_", " "))
        make()
        found = analysis.flux_points.data if name == "flux_points" else analysis.light_curve
        found.to_table(**options).write(job.work / f"{name}.ecsv", format="ascii.ecsv")
        job.result(name, f"{name}.ecsv", description=options["format"])
        done.append(name.replace("_", " "))
    return summary
