"""The faintest source that some hours with these responses would find.

gammapy, numpy and matplotlib are imported inside the functions: the service reads this module
for its description only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import RunIds, find_runs, open_observations
from .onoff import TRUE_BINS_PER_DECADE, TRUE_ENERGIES
from .parameters import EnergyMax, EnergyMin, check_energies
from .reduction import Part, gather, reduce_runs
from .sedplot import sensitivity_figure
from .summary import write_summary

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import SpectrumDataset

    from jupyter_uws.archive.reader import Run

#: Runs from which on helpers save time: one takes half a second.
MANY = 40


@job_type(
    title="Sensitivity",
    version="1",
    generated=[
        Generated(name="image", content_type="image/png", description="Sensitivity over energy"),
        Generated(name="sensitivity", content_type="application/x-ecsv", description="Least flux by energy"),
        Generated(name="summary", content_type="application/json", description="Best energy, assumptions, runs"),
    ],
    execution_duration=1800,
    execution_duration_max=86400,
    memory_limit=4096,
)
def sensitivity(
    job: JobContext,
    *,
    obs_ids: RunIds,
    livetime: Annotated[
        float, Parameter(title="Live time", unit="h", ucd="time.duration;obs.exposure", minimum=0.01, maximum=10000)
    ] = 50.0,
    offset: Annotated[
        float,
        Parameter(title="Offset", description="Of the source from the pointing", unit="deg", minimum=0, maximum=10),
    ] = 0.5,
    on_radius: Annotated[float, Parameter(title="ON radius", unit="deg", minimum=0.02, maximum=1)] = 0.11,
    alpha: Annotated[
        float,
        Parameter(title="Alpha", description="Exposure of ON by that of OFF", minimum=0.01, maximum=1),
    ] = 0.2,
    energy_min: EnergyMin = 0.1,
    energy_max: EnergyMax = 100.0,
    bins_per_decade: Annotated[int, Parameter(title="Bins per decade", minimum=1, maximum=20)] = 5,
    index: Annotated[
        float, Parameter(title="Photon index", description="Of the source within a bin", minimum=0, maximum=6)
    ] = 2.0,
    n_sigma: Annotated[float, Parameter(title="Significance", unit="", minimum=1, maximum=20)] = 5.0,
    gamma_min: Annotated[float, Parameter(title="Least number of gamma rays", minimum=0, maximum=1000)] = 10.0,
    background_systematics: Annotated[
        float,
        Parameter(
            title="Systematic error of the background",
            description="The excess must be at least this fraction of it",
            minimum=0,
            maximum=1,
        ),
    ] = 0.05,
) -> None:
    """The flux that a point source needs to be found in each energy bin, from the responses of runs.

    Responses and background models of the runs, at one offset, weighted with their live times and scaled to the one
    that is asked for. In each bin the excess must be significant (Li & Ma, with OFF counts), of enough gamma rays,
    and above the background's systematic error; ``criterion`` tells which of these decides.
    """
    check_energies(energy_min, energy_max)
    job.progress(0, "opening the runs")
    runs = find_runs(job, obs_ids)
    reduce = partial(
        reduce_some,
        offset=offset,
        on_radius=on_radius,
        energies=(energy_min, energy_max),
        bins_per_decade=bins_per_decade,
    )
    whole = reduce_runs(job, runs, reduce, (0.1, 0.8), MANY, gather)
    datasets, dropped = whole.dataset, whole.dropped
    if not datasets:
        obs_id, reason = next(iter(dropped.items()))
        raise JobError(f"no run is left; run {obs_id}: {reason}")
    job.progress(0.85, "sensitivity")
    table = _sensitivity(datasets, livetime, alpha, index, n_sigma, gamma_min, background_systematics)
    if not len(table):
        raise JobError(
            f"no effective area between {energy_min:g} and {energy_max:g} TeV at an offset of {offset:g} deg"
        )
    best = min(table, key=lambda row: row["e2dnde"])
    summary = {
        "best": {
            "energy": {"value": float(best["e_ref"]), "unit": "TeV"},
            "flux": {"value": float(best["e2dnde"]), "unit": "erg cm-2 s-1"},
        },
        "for": {
            "livetime": {"value": livetime, "unit": "h"},
            "offset": {"value": offset, "unit": "deg"},
            "on_radius": {"value": on_radius, "unit": "deg"},
            "alpha": alpha,
            "index": index,
            "significance": n_sigma,
            "least_gammas": gamma_min,
            "background_systematics": background_systematics,
        },
        "runs": {
            "used": [str(run.obs_id) for run in runs if run.obs_id not in dropped],
            "dropped": [{"obs_id": str(obs_id), "reason": reason} for obs_id, reason in dropped.items()],
        },
    }
    table.write(job.work / "sensitivity.ecsv", format="ascii.ecsv")
    job.result("sensitivity", "sensitivity.ecsv", description="Least flux by energy")
    sensitivity_figure(job.work / "image.png", table, summary)
    job.result("image", "image.png", description="Sensitivity over energy")
    write_summary(job, summary, "Best energy, assumptions, runs")
    job.progress(1, f"{best['e2dnde']:.2g} erg cm-2 s-1 at {best['e_ref']:.2g} TeV")


def reduce_some(
    runs: Sequence[Run], offset: float, on_radius: float, energies: tuple[float, float], bins_per_decade: int
) -> Part:
    """What is expected of each of some runs, as a list; runs on any worker, maybe twice."""
    part = Part()
    for run in runs:
        if run.fov_radius is None or offset > run.fov_radius:
            part.dropped[run.obs_id] = f"offset {offset:g} deg is outside of its field of view"
            continue
        dataset = _expected(run, offset, on_radius, *energies, bins_per_decade)
        if dataset is None:
            part.dropped[run.obs_id] = "it has no background model"
        else:
            part.dataset = [*(part.dataset or ()), dataset]
    return part


def _expected(
    run: Run, offset: float, on_radius: float, low: float, high: float, bins_per_decade: int
) -> SpectrumDataset | None:
    """Exposure and background of a run in a circle north of its pointing; None where it has no background model."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from gammapy.datasets import SpectrumDataset
    from gammapy.makers import SpectrumDatasetMaker
    from gammapy.maps import MapAxis, RegionGeom
    from regions import CircleSkyRegion

    (observation,) = open_observations([run])
    if observation.bkg is None:
        return None
    n_bins = max(1, math.ceil(math.log10(high / low) * bins_per_decade - 1e-6))
    axis = MapAxis.from_energy_bounds(low, high, n_bins, unit="TeV")
    true_axis = MapAxis.from_energy_bounds(
        *TRUE_ENERGIES, TRUE_BINS_PER_DECADE, unit="TeV", per_decade=True, name="energy_true"
    )
    source = SkyCoord(run.ra, run.dec, unit="deg").directional_offset_by(0 * u.deg, offset * u.deg)
    geom = RegionGeom.create(CircleSkyRegion(source, on_radius * u.deg), axes=[axis])
    maker = SpectrumDatasetMaker(selection=["exposure", "edisp", "background"], containment_correction=True)
    empty = SpectrumDataset.create(geom, energy_axis_true=true_axis, name=f"run-{run.obs_id}")
    return maker.run(empty, observation)


def _sensitivity(
    datasets: list[SpectrumDataset],
    livetime: float,
    alpha: float,
    index: float,
    n_sigma: float,
    gamma_min: float,
    systematics: float,
) -> Table:
    """One row for each energy bin in which the source would be seen at all."""
    import numpy as np
    from gammapy.datasets import SpectrumDataset, SpectrumDatasetOnOff
    from gammapy.estimators import SensitivityEstimator
    from gammapy.modeling.models import PowerLawSpectralModel

    # regions differ from run to run, and their sums do not depend on where they are
    first = datasets[0]
    live = sum(float(dataset.exposure.meta["livetime"].to_value("h")) for dataset in datasets)
    weights = [float(dataset.exposure.meta["livetime"].to_value("h")) / live for dataset in datasets]
    exposure, background = first.exposure.copy(), first.background.copy()
    exposure.data = sum(dataset.exposure.data for dataset in datasets) * livetime / live
    background.data = sum(dataset.background.data for dataset in datasets) * livetime / live
    edisp = first.edisp.copy()
    edisp.edisp_map.data = sum(
        dataset.edisp.edisp_map.data * weight for dataset, weight in zip(datasets, weights, strict=True)
    )
    expected = SpectrumDataset(
        name="expected", exposure=exposure, background=background, edisp=edisp, gti=first.gti, counts=first.counts
    )
    dataset = SpectrumDatasetOnOff.from_spectrum_dataset(
        dataset=expected, acceptance=1, acceptance_off=1 / alpha, counts_off=expected.background / alpha
    )
    estimator = SensitivityEstimator(
        spectral_model=PowerLawSpectralModel(index=index, amplitude="1 cm-2 s-1 TeV-1"),
        n_sigma=n_sigma,
        gamma_min=gamma_min,
        bkg_syst_fraction=systematics,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        table = estimator.run(dataset)
    return table[np.isfinite(table["e2dnde"]) & (table["e2dnde"] > 0)]
