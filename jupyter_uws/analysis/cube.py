"""Position, extent and spectrum of a source in one fit: all events of a field, in a cube of sky and energy.

gammapy, numpy and matplotlib are imported inside the functions: the service reads this module
for its description only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, open_observations, select
from .onoff import check_fit, parameters_summary, spectral_model
from .parameters import EnergyMax, EnergyMin, SourceDec, SourceRA, SpectralShape, check_energies
from .reduction import Part, livetime, reduce_runs
from .skyplot import residual_figure
from .summary import write_summary

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset
    from gammapy.maps import Map, WcsGeom
    from gammapy.modeling import FitResult
    from gammapy.modeling.models import SkyModel

    from jupyter_uws.archive.reader import Run

#: Runs from which on helpers save time: one takes two seconds.
MANY = 20
BINS_PER_DECADE, TRUE_BINS_PER_DECADE = 5, 8
#: The position is sought within this many degrees of the one given: without bounds Minuit's first step leaves the map.
REACH = 0.5
#: Beyond this from the source, in degrees, the background of each run is normalised.
EXCLUSION = 0.4
#: Below this, as the root of the test statistic, there is no source to describe.
MIN_SQRT_TS = 3.0
#: Radius in degrees of the circles whose residuals are shown.
CORRELATION = 0.1


@job_type(
    title="Cube: position, extent and spectrum",
    version="1",
    generated=[
        Generated(name="image", content_type="image/png", description="Counts, model, residual significance"),
        Generated(name="residual_significance", content_type="application/fits", description="Data against model"),
        Generated(name="model", content_type="application/yaml", description="Fitted models (gammapy)"),
        Generated(name="dataset", content_type="application/fits", description="The stacked MapDataset (gammapy)"),
        Generated(name="summary", content_type="application/json", description="Fitted values, runs"),
    ],
    execution_duration=7200,
    execution_duration_max=172800,
    memory_limit=6144,
)
def cube(
    job: JobContext,
    *,
    obs_ids: RunIds,
    RA: SourceRA,
    Dec: SourceDec,
    shape: Annotated[
        Literal["point", "gauss"],
        Parameter(title="Shape", description="A point, or a Gaussian of equal width in all directions"),
    ] = "point",
    model: SpectralShape = "pl",
    width: Annotated[float, Parameter(title="Width of the field", unit="deg", minimum=1, maximum=10)] = 3.0,
    binsz: Annotated[float, Parameter(title="Pixel size", unit="deg", minimum=0.01, maximum=0.2)] = 0.04,
    energy_min: EnergyMin = 0.5,
    energy_max: EnergyMax = 50.0,
    offset_max: Annotated[
        float,
        Parameter(
            title="Largest offset",
            description="Events farther than this from their run's pointing are not used",
            unit="deg",
            minimum=0.5,
            maximum=10,
        ),
    ] = 2.5,
) -> None:
    """Fit of a source's position, extent and spectrum to all events of a field, with background models.

    The runs' background models are normalised outside of the source and stacked; the fit is by the Cash statistic,
    with the model folded with all responses, from the highest of the runs' energy thresholds on. The position is
    sought within 0.5 deg of the one given. One source is fitted: another one in the field shows in the residuals.
    """
    check_energies(energy_min, energy_max)
    job.progress(0, "opening the runs")
    target = Position(RA, Dec)
    selection = select(find_runs(job, obs_ids), target)
    # the highest threshold of all runs: energies that only some runs measure well bias the stacked fit
    low = max([energy_min, *(run.energy_min for run in selection.runs if run.energy_min is not None)])
    if low >= energy_max:
        raise JobError(f"energy_max {energy_max:g} TeV is not above the runs' energy threshold of {low:.3g} TeV")
    geom = _geometry(target, width, binsz, low, energy_max)
    whole = reduce_runs(
        job, selection.runs, partial(reduce_some, geom=geom, target=target, offset_max=offset_max), (0.05, 0.6), MANY
    )
    selection.drop_all(whole.dropped)
    stacked = whole.dataset
    if stacked is None:
        obs_id, reason = next(iter(selection.dropped.items()))
        raise JobError(f"no run is left; run {obs_id}: {reason}")
    if not stacked.counts.data[stacked.mask_safe.data].any():
        raise JobError(f"no event in the field around {target} between {low:.3g} and {energy_max:g} TeV")
    job.progress(0.6, "fit")
    source, result, sqrt_ts = _fit(stacked, target, shape, model)
    job.progress(0.85, "residuals")
    residuals = _residuals(stacked)
    summary = {
        "target": {"ra": RA, "dec": Dec},
        "significance": sqrt_ts,
        "shape": shape,
        "model": source.spectral_model.tag[1],
        "parameters": parameters_summary(source),
        "reference_energy": {"value": 1.0, "unit": "TeV"},
        "energy": {"min": low, "max": energy_max, "unit": "TeV"},
        "background": {"norm": float(stacked.background_model.spectral_model.norm.value)},
        "residuals": _scatter(residuals),
        "fit": {"statistic": "cash", "value": float(result.total_stat), "free": len(result.parameters.free_parameters)},
        "livetime": livetime(whole),
        "runs": selection.summary(),
    }
    job.progress(0.9, "files")
    _write(job, stacked, residuals, summary)
    job.progress(1, f"{sqrt_ts:.1f} sigma")


def _geometry(target: Position, width: float, binsz: float, low: float, high: float) -> WcsGeom:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import MapAxis, WcsGeom

    n_bins = max(1, math.ceil(math.log10(high / low) * BINS_PER_DECADE - 1e-6))
    axis = MapAxis.from_energy_bounds(low, high, n_bins, unit="TeV")
    # digits that a FITS header holds: pickled, as on its way to a worker, the geometry stays the same
    centre = SkyCoord(round(target.ra, 9), round(target.dec, 9), unit="deg")
    return WcsGeom.create(skydir=centre, width=width, binsz=binsz, proj="TAN", frame="icrs", axes=[axis])


def reduce_some(runs: Sequence[Run], geom: WcsGeom, target: Position, offset_max: float) -> Part:
    """Counts, background and responses of some runs, stacked; runs on any worker, maybe twice."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from gammapy.datasets import MapDataset
    from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
    from gammapy.maps import Map, MapAxis

    low, high = geom.axes["energy"].edges[[0, -1]].to_value("TeV")
    n_true = math.ceil(math.log10(2 * high / (low / 3)) * TRUE_BINS_PER_DECADE)
    true_axis = MapAxis.from_energy_bounds(low / 3, 2 * high, n_true, unit="TeV", name="energy_true")
    away = geom.to_image().separation(SkyCoord(target.ra, target.dec, unit="deg")).deg > EXCLUSION
    exclusion = Map.from_geom(geom.to_image(), data=away)
    stacked = MapDataset.create(geom, energy_axis_true=true_axis, binsz_irf=0.5, name="stacked")
    safe = SafeMaskMaker(methods=["offset-max"], offset_max=offset_max * u.deg)
    maker, background = MapDatasetMaker(), FoVBackgroundMaker(method="scale", exclusion_mask=exclusion)
    part = Part()
    for observation in open_observations(runs):
        if observation.bkg is None:
            part.dropped[observation.obs_id] = "it has no background model"
            continue
        empty = MapDataset.create(geom, energy_axis_true=true_axis, binsz_irf=0.5, name=f"run-{observation.obs_id}")
        dataset = background.run(safe.run(maker.run(empty, observation), observation))
        if not dataset.mask_safe.data.any():
            part.dropped[observation.obs_id] = f"nothing of the field is usable between {low:g} and {high:g} TeV"
            continue
        stacked.stack(dataset)
        part.dataset = stacked
        part.keep(observation)
    return part


def _fit(stacked: MapDataset, target: Position, shape: str, kind: str) -> tuple[SkyModel, FitResult, float]:
    """The fitted source, and the root of its test statistic against no source; the dataset carries the models.

    Raises
    ------
    JobError
        Where there is no source, the fit does not converge, or its errors are not known.
    """
    from gammapy.modeling import Fit
    from gammapy.modeling.models import FoVBackgroundModel, GaussianSpatialModel, PointSpatialModel, SkyModel

    background = FoVBackgroundModel(dataset_name=stacked.name)
    stacked.models = [background]
    without = Fit().run(stacked)
    place = {"lon_0": f"{target.ra} deg", "lat_0": f"{target.dec} deg", "frame": "icrs"}
    if shape == "gauss":
        spatial = GaussianSpatialModel(**place, sigma="0.1 deg")
        spatial.sigma.min, spatial.sigma.max = 0.005, 1.0
    else:
        spatial = PointSpatialModel(**place)
    reach = REACH / math.cos(math.radians(target.dec)) if abs(target.dec) < 89 else 180
    spatial.lon_0.min, spatial.lon_0.max = target.ra - reach, target.ra + reach
    spatial.lat_0.min, spatial.lat_0.max = target.dec - REACH, target.dec + REACH
    source = SkyModel(spectral_model=spectral_model(kind), spatial_model=spatial, name="source")
    stacked.models = [source, background]
    result = Fit().run(stacked)
    sqrt_ts = math.sqrt(max(0.0, float(without.total_stat - result.total_stat)))
    if not sqrt_ts >= MIN_SQRT_TS:
        raise JobError(f"no significant signal near {target}: sqrt(TS) {sqrt_ts:.1f}, a fit needs {MIN_SQRT_TS:g}")
    check_fit(result, source)
    for parameter in (spatial.lon_0, spatial.lat_0):
        if min(parameter.value - parameter.min, parameter.max - parameter.value) < 1e-3:
            raise JobError(f"the source is not within {REACH:g} deg of {target}: {parameter.name} is at its bound")
    return source, result, sqrt_ts


def _residuals(stacked: MapDataset) -> Map:
    """Significance of data against model in circles, NaN where no run looked."""
    import numpy as np
    from astropy import units as u
    from gammapy.estimators import ExcessMapEstimator

    estimator = ExcessMapEstimator(CORRELATION * u.deg, selection_optional=[], sum_over_energy_groups=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        residuals = estimator.run(stacked)["sqrt_ts"].sum_over_axes(keepdims=False)
    residuals.data[~stacked.mask_safe.data.any(axis=0)] = np.nan
    return residuals


def _scatter(residuals: Map) -> dict[str, float]:
    """Mean and width, 0 and 1 where the model is right."""
    import numpy as np

    return {"mean": float(np.nanmean(residuals.data)), "sigma": float(np.nanstd(residuals.data))}


def _write(job: JobContext, stacked: MapDataset, residuals: Map, summary: dict[str, Any]) -> None:
    counts, predicted = (one.sum_over_axes(keepdims=False) for one in (stacked.counts, stacked.npred()))
    residual_figure(job.work / "image.png", counts, predicted, residuals, summary)
    job.result("image", "image.png", description="Counts, model, residual significance")
    hdu = residuals.to_hdulist()[0]
    hdu.header["COMMENT"] = f"significance of data against model in circles of {CORRELATION:g} deg"
    hdu.writeto(job.work / "residual_significance.fits")
    job.result("residual_significance", "residual_significance.fits", description="Data against model")
    (job.work / "model.yaml").write_text(stacked.models.to_yaml())
    job.result("model", "model.yaml", description="Fitted models (gammapy)")
    stacked.write(job.work / "dataset.fits.gz")
    job.result("dataset", "dataset.fits.gz", description="The stacked MapDataset (gammapy)")
    write_summary(job, summary, "Fitted values, runs")
