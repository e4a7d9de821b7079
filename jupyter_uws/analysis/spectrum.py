"""The spectrum of a point source: reflected regions, a forward-folded fit, flux points.

gammapy, numpy and matplotlib are imported inside the functions: the service reads this module
for its description only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, open_observations, select
from .onoff import ENERGIES, OnRegion, Unusable, counts_summary, fit, parameters_summary
from .parameters import HighestEnergy, OnRadius, SourceDec, SourceRA, SpectralShape, check_energies
from .reduction import Part, livetime, reduce_runs
from .sedplot import sed_figure
from .summary import write_summary

if TYPE_CHECKING:
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.estimators import FluxPoints
    from gammapy.modeling import FitResult
    from gammapy.modeling.models import SkyModel

    from jupyter_uws.archive.reader import Run

#: Bins of each flux point.
PER_POINT = 2
#: Runs from which on helpers save time: one takes a second.
MANY = 20


@job_type(
    title="Spectrum of a point source",
    version="1",
    generated=[
        Generated(name="sed", content_type="image/png", description="Spectral energy distribution with residuals"),
        Generated(name="flux_points", content_type="application/x-ecsv", description="Flux points (gadf-sed, dnde)"),
        Generated(name="model", content_type="application/yaml", description="Fitted model (gammapy)"),
        Generated(name="summary", content_type="application/json", description="Fitted values, significance, runs"),
    ],
    execution_duration=3600,
    execution_duration_max=86400,
    memory_limit=4096,
)
def spectrum(
    job: JobContext,
    *,
    obs_ids: RunIds,
    RA: SourceRA,
    Dec: SourceDec,
    model: SpectralShape = "pl",
    on_radius: OnRadius = 0.11,
    energy_min: Annotated[
        float | None,
        Parameter(
            title="Lowest energy",
            description="Of fit and flux points; events below the runs' own energy thresholds are never used",
            unit="TeV",
            ucd="em.energy;stat.min",
            minimum=0.01,
            maximum=100,
        ),
    ] = None,
    energy_max: HighestEnergy = None,
) -> None:
    """Spectrum of a point source: model fit and flux points, with background from reflected regions.

    The runs are reduced one by one, stacked, and fitted by forward folding (Cash statistic with
    measured background). Flux points below 2 sigma come with upper limits (95 % confidence).
    """
    low, high = energy_min or ENERGIES[0], energy_max or ENERGIES[1]
    check_energies(low, high)
    job.progress(0, "opening the runs")
    target = Position(RA, Dec)
    selection = select(find_runs(job, obs_ids), target)

    reduce = partial(reduce_some, region=OnRegion(target, on_radius, low, high))
    whole = reduce_runs(job, selection.runs, reduce, (0.1, 0.6), MANY)
    selection.drop_all(whole.dropped)
    stacked = whole.dataset
    if stacked is None:
        obs_id, reason = next(iter(selection.dropped.items()))
        raise JobError(f"no run is left to make a spectrum of; run {obs_id}: {reason}")
    job.progress(0.6, "fit")
    fitted, result = fit(stacked, model, target)
    job.progress(0.7, "flux points")
    points = _flux_points(stacked)
    summary = {
        "target": {"ra": RA, "dec": Dec},
        **counts_summary(stacked),
        **_fit_summary(fitted, result, stacked),
        "livetime": livetime(whole),
        "runs": selection.summary(),
    }
    job.progress(0.9, "image")
    _write(job, fitted, points, summary)
    job.progress(1, f"{summary['significance']:.1f} sigma")


def reduce_some(runs: Sequence[Run], region: OnRegion) -> Part:
    """ON and OFF counts of some runs, stacked; those that cannot contribute are dropped with their reason.

    Runs on any worker, maybe twice.
    """
    from gammapy.datasets import Datasets

    part, datasets = Part(), Datasets()
    for observation in open_observations(runs):
        try:
            datasets.append(region.counts(observation))
        except Unusable as reason:
            part.dropped[observation.obs_id] = str(reason)
        else:
            part.keep(observation)
    if datasets:
        part.dataset = datasets.stack_reduce(name="stacked")
    return part


def _flux_points(stacked: SpectrumDatasetOnOff) -> FluxPoints:
    """Flux points from the lowest usable energy to the highest ON count, with upper limits."""
    import numpy as np
    from gammapy.estimators import FluxPointsEstimator

    edges = stacked.counts.geom.axes["energy"].edges
    usable = stacked.mask_safe.data.ravel()
    first, end = np.flatnonzero(usable)[[0, -1]] + [0, 1]
    last = np.flatnonzero(stacked.counts.data.ravel() * usable)[-1]
    ends = np.minimum(np.arange(first, last + 1 + PER_POINT, PER_POINT), end)
    estimator = FluxPointsEstimator(
        energy_edges=edges[ends],
        source="source",
        # "all" would add errors by likelihood scans at five times the cost
        selection_optional=["ul", "scan"],
    )
    estimator.norm.scan_values = np.array([1.0])  # the model itself: see deviations()
    return estimator.run(stacked)


def deviations(points: FluxPoints) -> Any:
    """How far each flux point is from the model, in sigma, by the likelihood (shape: number of points).

    The errors of points with few counts are no measure of that: no count at all has an error of nearly 0.
    """
    import numpy as np

    worse = points.stat_scan.data.ravel() - points.stat.data.ravel()
    return np.sign(points.norm.data.ravel() - 1) * np.sqrt(np.maximum(worse, 0))


def _fit_summary(fitted: SkyModel, result: FitResult, stacked: SpectrumDatasetOnOff) -> dict[str, Any]:
    from astropy import units as u

    spectral = fitted.spectral_model
    low, high = stacked.energy_range_total
    flux, error = spectral.integral_error(1 * u.TeV, 100 * u.TeV)[:2]
    bins = int(stacked.mask_safe.data.sum())
    return {
        "model": spectral.tag[1],
        "parameters": parameters_summary(fitted),
        "reference_energy": {"value": spectral.reference.value, "unit": str(spectral.reference.unit)},
        "flux_above_1TeV": {
            "value": float(flux.to_value("cm-2 s-1")),
            "error": float(error.to_value("cm-2 s-1")),
            "unit": "cm-2 s-1",
        },
        "energy": {"min": float(low.to_value("TeV")), "max": float(high.to_value("TeV")), "unit": "TeV"},
        "fit": {
            "statistic": "wstat",
            "value": float(result.total_stat),
            "bins": bins,
            "free": len(fitted.parameters.free_parameters),
        },
    }


def _write(job: JobContext, fitted: SkyModel, points: FluxPoints, summary: dict[str, Any]) -> None:
    from gammapy.modeling.models import Models

    table = points.to_table(sed_type="dnde", format="gadf-sed")
    table.remove_columns(["stat_scan", "norm_scan"])
    table.write(job.work / "flux_points.ecsv", format="ascii.ecsv")
    job.result("flux_points", "flux_points.ecsv", description="Flux points (gadf-sed, dnde)")
    (job.work / "model.yaml").write_text(Models([fitted]).to_yaml())
    job.result("model", "model.yaml", description="Fitted model (gammapy)")
    sed_figure(job.work / "sed.png", fitted.spectral_model, table, deviations(points), summary)
    job.result("sed", "sed.png", description="Spectral energy distribution with residuals")
    write_summary(job, summary, "Fitted values, significance, runs")
