"""The spectrum of a point source: reflected regions, a forward-folded fit, flux points.

gammapy, numpy and matplotlib are imported inside the functions: the service reads this module
for its description only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, open_observations, select
from .reduction import Part, livetime, reduce_runs
from .sedplot import sed_figure

if TYPE_CHECKING:
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.estimators import FluxPoints
    from gammapy.modeling import FitResult
    from gammapy.modeling.models import SkyModel

    from jupyter_uws.archive.reader import Run

#: Reconstructed energies, in TeV, and bins per decade; flux points take PER_POINT bins each.
ENERGIES, TRUE_ENERGIES = (0.01, 200.0), (0.01, 300.0)
BINS_PER_DECADE, TRUE_BINS_PER_DECADE, PER_POINT = 10, 16, 2
#: Where the producers of a run give no energy threshold (LO_THRES of its effective area), energies
#: count from where the effective area reaches this percentage of its maximum.
SAFE_AREA_PERCENT = 5
#: Runs from which on helpers save time: one takes a second.
MANY = 20
#: Below this, in sigma, a fit would describe the background's fluctuations.
MIN_SIGNIFICANCE = 3.0


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
    RA: Annotated[
        float,
        Parameter(
            title="Right ascension",
            description="Of the source (ICRS)",
            unit="deg",
            ucd="pos.eq.ra",
            minimum=0,
            maximum=360,
        ),
    ],
    Dec: Annotated[
        float,
        Parameter(
            title="Declination", description="Of the source", unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90
        ),
    ],
    model: Annotated[
        Literal["pl", "ecpl"],
        Parameter(title="Model", description="Power law, or power law with exponential cut-off"),
    ] = "pl",
    on_radius: Annotated[
        float,
        Parameter(
            title="ON radius",
            description="Of the region around the source; the flux is corrected for the gamma rays outside of it",
            unit="deg",
            minimum=0.02,
            maximum=1,
        ),
    ] = 0.11,
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
    energy_max: Annotated[
        float | None,
        Parameter(title="Highest energy", unit="TeV", ucd="em.energy;stat.max", minimum=0.02, maximum=200),
    ] = None,
) -> None:
    """Spectrum of a point source: model fit and flux points, with background from reflected regions.

    The runs are reduced one by one, stacked, and fitted by forward folding (Cash statistic with
    measured background). Flux points below 2 sigma come with upper limits (95 % confidence).
    """
    low, high = energy_min or ENERGIES[0], energy_max or ENERGIES[1]
    if low >= high:
        raise JobError(f"energy_min {low:g} TeV is not below energy_max {high:g} TeV")
    job.progress(0, "opening the runs")
    target = Position(RA, Dec)
    selection = select(find_runs(job, obs_ids), target)

    reduce = partial(reduce_some, target=target, on_radius=on_radius, low=low, high=high)
    whole = reduce_runs(job, selection.runs, reduce, (0.1, 0.6), MANY)
    selection.drop_all(whole.dropped)
    stacked = whole.dataset
    if stacked is None:
        obs_id, reason = next(iter(selection.dropped.items()))
        raise JobError(f"no run is left to make a spectrum of; run {obs_id}: {reason}")
    job.progress(0.6, "fit")
    fitted, result = _fit(stacked, model, target)
    job.progress(0.7, "flux points")
    points = _flux_points(stacked)
    summary = {
        "target": {"ra": RA, "dec": Dec},
        **_counts(stacked),
        **_fit_summary(fitted, result, stacked),
        "livetime": livetime(whole),
        "runs": selection.summary(),
    }
    job.progress(0.9, "image")
    _write(job, fitted, points, summary)
    job.progress(1, f"{summary['significance']:.1f} sigma")


def reduce_some(runs: Sequence[Run], target: Position, on_radius: float, low: float, high: float) -> Part:
    """ON and OFF counts of some runs, stacked; those that cannot contribute are dropped with their reason.

    Runs on any worker, maybe twice.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from gammapy.datasets import Datasets, SpectrumDataset
    from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
    from gammapy.maps import MapAxis, RegionGeom
    from regions import CircleSkyRegion

    axis = MapAxis.from_energy_bounds(*ENERGIES, BINS_PER_DECADE, unit="TeV", per_decade=True)
    true_axis = MapAxis.from_energy_bounds(
        *TRUE_ENERGIES, TRUE_BINS_PER_DECADE, unit="TeV", per_decade=True, name="energy_true"
    )
    region = CircleSkyRegion(SkyCoord(target.ra, target.dec, unit="deg"), on_radius * u.deg)
    geom = RegionGeom.create(region, axes=[axis])
    empty = SpectrumDataset.create(geom, energy_axis_true=true_axis)
    maker = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)
    background = ReflectedRegionsBackgroundMaker()
    threshold_given = SafeMaskMaker(methods=["aeff-default"])
    threshold_guessed = SafeMaskMaker(methods=["aeff-max"], aeff_percent=SAFE_AREA_PERCENT)
    wanted = geom.energy_mask(low * u.TeV, high * u.TeV, round_to_edge=True)

    part, datasets = Part(), Datasets()
    pointings = {run.obs_id: target.separation(run.ra, run.dec) for run in runs}
    for observation in open_observations(runs):
        dataset = maker.run(empty.copy(name=f"run-{observation.obs_id}"), observation)
        dataset = background.run(dataset, observation)
        if dataset.counts_off is None:
            part.dropped[observation.obs_id] = (
                f"no OFF region: it points {pointings[observation.obs_id]:.2f} deg from the target, "
                f"too near for a second circle of {on_radius:g} deg at the same distance"
            )
            continue
        safe = threshold_given if "LO_THRES" in observation.aeff.meta else threshold_guessed
        dataset = safe.run(dataset, observation)
        dataset.mask_safe &= wanted
        if dataset.mask_safe.data.any():
            datasets.append(dataset)
            part.keep(observation)
        else:
            part.dropped[observation.obs_id] = f"no usable effective area between {low:g} and {high:g} TeV"
    if datasets:
        part.dataset = datasets.stack_reduce(name="stacked")
    return part


def _fit(stacked: SpectrumDatasetOnOff, kind: str, target: Position) -> tuple[SkyModel, FitResult]:
    """Fit the model; the stacked dataset carries it afterwards.

    Raises
    ------
    JobError
        Where there is nothing to fit, the fit does not converge, or its errors are not known.
    """
    from gammapy.modeling import Fit
    from gammapy.modeling.models import ExpCutoffPowerLawSpectralModel, PowerLawSpectralModel, SkyModel

    usable = stacked.mask_safe.data
    if not (stacked.counts.data[usable].any() or stacked.counts_off.data[usable].any()):
        low, high = (edge.to_value("TeV") for edge in stacked.energy_range_total)
        raise JobError(f"no event at {target} nor in the OFF regions between {low:.3g} and {high:.3g} TeV")
    info = stacked.info_dict()
    on, off, significance = info["counts"], info["counts_off"], float(info["sqrt_ts"])
    if not significance >= MIN_SIGNIFICANCE:
        raise JobError(
            f"no significant signal at {target}: {significance:.1f} sigma "
            f"(ON {on:.0f}, OFF {off:.0f}, alpha {info['acceptance'] / info['acceptance_off']:.3f}); "
            f"a spectrum needs {MIN_SIGNIFICANCE:g} sigma"
        )
    if kind == "ecpl":
        spectral = ExpCutoffPowerLawSpectralModel(
            amplitude="1e-11 cm-2 s-1 TeV-1", reference="1 TeV", index=2.2, lambda_="0.05 TeV-1"
        )
    else:
        spectral = PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1", reference="1 TeV", index=2.5)
    # weak sources make the amplitude jump below zero, where the index means nothing
    spectral.amplitude.min = 0
    fitted = SkyModel(spectral_model=spectral, name="source")
    stacked.models = fitted
    result = Fit().run(stacked)
    check_fit(result, fitted)
    return fitted, result


def check_fit(result: FitResult, fitted: SkyModel) -> None:
    """Raise JobError unless the fit converged, knows every error, and measured a flux."""
    if not result.success:
        raise JobError(f"the fit did not converge: {result.message}")
    for parameter in fitted.parameters.free_parameters:
        known = math.isfinite(parameter.value) and math.isfinite(parameter.error) and parameter.error > 0
        if not known or (parameter.name == "amplitude" and parameter.error >= parameter.value):
            raise JobError(
                f"the data do not constrain the model: {parameter.name} is {parameter.value:.3g} ± "
                f"{parameter.error:.3g} {parameter.unit}; try the simpler model, more runs or a wider energy range"
            )


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


def _counts(stacked: SpectrumDatasetOnOff) -> dict[str, Any]:
    info = stacked.info_dict()
    return {
        "significance": float(info["sqrt_ts"]),
        "counts": {
            "on": int(info["counts"]),
            "off": int(info["counts_off"]),
            "alpha": float(info["acceptance"] / info["acceptance_off"]),
            "excess": float(info["excess"]),
        },
    }


def _fit_summary(fitted: SkyModel, result: FitResult, stacked: SpectrumDatasetOnOff) -> dict[str, Any]:
    from astropy import units as u

    spectral = fitted.spectral_model
    low, high = stacked.energy_range_total
    flux, error = spectral.integral_error(1 * u.TeV, 100 * u.TeV)[:2]
    bins = int(stacked.mask_safe.data.sum())
    free = list(fitted.parameters.free_parameters)
    return {
        "model": spectral.tag[1],
        "parameters": {
            parameter.name: {"value": parameter.value, "error": parameter.error, "unit": str(parameter.unit)}
            for parameter in free
        },
        "reference_energy": {"value": spectral.reference.value, "unit": str(spectral.reference.unit)},
        "flux_above_1TeV": {
            "value": float(flux.to_value("cm-2 s-1")),
            "error": float(error.to_value("cm-2 s-1")),
            "unit": "cm-2 s-1",
        },
        "energy": {"min": float(low.to_value("TeV")), "max": float(high.to_value("TeV")), "unit": "TeV"},
        "fit": {"statistic": "wstat", "value": float(result.total_stat), "bins": bins, "free": len(free)},
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
    (job.work / "summary.json").write_text(json.dumps(summary, indent=1))
    job.result("summary", "summary.json", description="Fitted values, significance, runs")
