"""The light curve of a point source: its flux by night, by run, or by pieces of runs.

gammapy, numpy and matplotlib are imported inside the functions: the service reads this module
for its description only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, open_observations, select
from .onoff import ENERGIES, OnRegion, Unusable, check_counts, counts_summary, fit, parameters_summary, spectral_model
from .parameters import HighestEnergy, OnRadius, SourceDec, SourceRA, SpectralShape, check_energies
from .reduction import Part, livetime, reduce_runs
from .summary import write_summary
from .timeplot import light_curve_figure

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import Observation
    from gammapy.datasets import Datasets, SpectrumDatasetOnOff
    from gammapy.modeling.models import SkyModel

    from jupyter_uws.archive.reader import Run

#: Runs from which on helpers save time: one takes a second.
MANY = 20
#: A run's end that is shorter than this fraction of a piece belongs to the piece before.
SHORTEST = 0.5
#: Most points of a light curve.
POINTS = 2000


@job_type(
    title="Light curve of a point source",
    version="1",
    generated=[
        Generated(name="image", content_type="image/png", description="Flux over time"),
        Generated(name="light_curve", content_type="application/x-ecsv", description="Fluxes (GADF light curve)"),
        Generated(name="model", content_type="application/yaml", description="The spectrum assumed (gammapy)"),
        Generated(name="summary", content_type="application/json", description="Variability, spectrum, runs"),
    ],
    execution_duration=7200,
    execution_duration_max=86400,
    memory_limit=4096,
)
def lightcurve(
    job: JobContext,
    *,
    obs_ids: RunIds,
    RA: SourceRA,
    Dec: SourceDec,
    bins: Annotated[
        Literal["night", "run", "minutes"],
        Parameter(title="Points", description="One for each night, for each run, or for each piece of some minutes"),
    ] = "run",
    minutes: Annotated[
        float,
        Parameter(
            title="Length of a piece",
            description="Of a run, where the points are of minutes",
            unit="min",
            ucd="time.interval",
            minimum=1,
            maximum=30,
        ),
    ] = 5,
    model: SpectralShape = "pl",
    index: Annotated[
        float | None,
        Parameter(
            title="Photon index",
            description="Of a power law to assume, for sources too weak for a fit; without: fitted to all runs",
            minimum=0,
            maximum=6,
        ),
    ] = None,
    on_radius: OnRadius = 0.11,
    energy_min: Annotated[
        float | None,
        Parameter(
            title="Lowest energy",
            description="Of the flux; the nearest edge of ten bins per decade is taken. Without: where the first of "
            "the runs begins to count",
            unit="TeV",
            ucd="em.energy;stat.min",
            minimum=0.01,
            maximum=100,
        ),
    ] = None,
    energy_max: HighestEnergy = None,
) -> None:
    """Flux of a point source over time, with background from reflected regions.

    The shape of the spectrum is fitted to all runs together, or a power law of a given index; the flux of each
    interval is that shape, scaled to its counts. Below 2 sigma a point is an upper limit (95 % confidence).
    """
    check_energies(energy_min, energy_max)
    if index is not None and model != "pl":
        raise JobError(f"index {index:g} is that of a power law, and model is {model!r}: allowed with index is pl")
    job.progress(0, "opening the runs")
    target = Position(RA, Dec)
    selection = select(find_runs(job, obs_ids), target)
    if bins == "minutes":
        _check_number(selection.runs, minutes)
    region = OnRegion(target, on_radius, energy_min or ENERGIES[0], energy_max or ENERGIES[1])
    reduce = partial(reduce_some, region=region, minutes=minutes if bins == "minutes" else None)
    whole = reduce_runs(job, selection.runs, reduce, (0.1, 0.6), MANY, join)
    selection.drop_all(whole.dropped)
    if whole.dataset is None:
        obs_id, reason = next(iter(selection.dropped.items()))
        raise JobError(f"no run is left to make a light curve of; run {obs_id}: {reason}")
    job.progress(0.6, "fit")
    stacked = whole.dataset.stack_reduce(name="stacked")
    source = _spectrum(stacked, model, index, target)
    job.progress(0.65, "fluxes")
    groups = _by_night(whole.dataset) if bins == "night" else [[dataset] for dataset in whole.dataset]
    table = _fluxes(groups, source, stacked)
    summary = {
        "target": {"ra": RA, "dec": Dec},
        **counts_summary(stacked),
        "model": source.spectral_model.tag[1],
        "index": float(source.spectral_model.index.value),
        "parameters": parameters_summary(source) if index is None else {},
        "energy": {"min": float(table["e_min"][0, 0]), "max": float(table["e_max"][0, 0]), "unit": "TeV"},
        **variability(table),
        "livetime": livetime(whole),
        "runs": selection.summary(),
    }
    job.progress(0.95, "image")
    _write(job, table, source, summary)
    job.progress(1, f"{len(table)} points")


def _check_number(runs: Sequence[Run], minutes: float) -> None:
    number = sum((run.t_max - run.t_min) * 1440 / minutes for run in runs)
    if number > POINTS:
        raise JobError(f"minutes {minutes:g} makes {number:.0f} points of {len(runs)} runs, allowed are {POINTS}")


def reduce_some(runs: Sequence[Run], region: OnRegion, minutes: float | None) -> Part:
    """ON and OFF counts of some runs, a dataset for each or for each piece; runs on any worker, maybe twice."""
    from gammapy.datasets import Datasets

    part = Part()
    for observation in open_observations(runs):
        made = []
        for number, piece in enumerate(pieces(observation, minutes)):
            try:
                dataset = region.counts(piece)
            except Unusable as reason:
                part.dropped[observation.obs_id] = str(reason)
                break
            made.append(dataset.copy(name=f"run-{observation.obs_id}-{number}"))
        if made:
            part.dataset = Datasets([*(part.dataset or []), *made])
            part.keep(observation)
    return part


def pieces(observation: Observation, minutes: float | None) -> Iterator[Observation]:
    """A run cut into pieces of some minutes, the last up to half as long again; whole without ``minutes``."""
    from astropy import units as u
    from astropy.time import Time

    if minutes is None:
        yield observation
        return
    start, stop = observation.gti.time_start[0], observation.gti.time_stop[-1]
    number = max(1, math.floor((stop - start).to_value("min") / minutes + SHORTEST))
    edges = [start + piece * minutes * u.min for piece in range(number)] + [stop]
    for low, high in itertools.pairwise(edges):
        piece = observation.select_time(Time([low, high]))
        if piece.gti.time_sum > 0 * u.s:
            yield piece


def join(one: Part, two: Part) -> Part:
    """The datasets of two parts, in their order."""
    from gammapy.datasets import Datasets

    datasets = [*(one.dataset or []), *(two.dataset or [])]
    return Part(Datasets(datasets) if datasets else None, one.dropped | two.dropped, one.livetime | two.livetime)


def _spectrum(stacked: SpectrumDatasetOnOff, kind: str, index: float | None, target: Position) -> SkyModel:
    """The spectrum that each interval scales: fitted, or a power law of the given index."""
    from gammapy.modeling.models import SkyModel

    if index is None:
        return fit(stacked, kind, target)[0]
    check_counts(stacked, target)
    spectral = spectral_model("pl")
    spectral.index.value = index
    spectral.index.frozen = True
    return SkyModel(spectral_model=spectral, name="source")


def _by_night(datasets: Datasets) -> list[list[SpectrumDatasetOnOff]]:
    """Runs of one night together: between two that are half a day apart is a day."""
    nights: list[list[Any]] = []
    last = -math.inf
    for dataset in sorted(datasets, key=lambda dataset: dataset.gti.time_start[0].mjd):
        if dataset.gti.time_start[0].mjd - last > 0.5:
            nights.append([])
        nights[-1].append(dataset)
        last = dataset.gti.time_stop[-1].mjd
    return nights


def _fluxes(groups: Sequence[Sequence[SpectrumDatasetOnOff]], source: SkyModel, stacked: SpectrumDatasetOnOff) -> Table:
    """The light curve as GADF has it, one row for each group of datasets."""
    from gammapy.datasets import Datasets
    from gammapy.estimators import LightCurveEstimator

    datasets = Datasets(
        [Datasets(list(group)).stack_reduce(name=f"interval-{number}") for number, group in enumerate(groups)]
    )
    datasets = Datasets(sorted(datasets, key=lambda dataset: dataset.gti.time_start[0].mjd))
    datasets.models = [source]
    estimator = LightCurveEstimator(
        energy_edges=list(stacked.energy_range_total),
        time_intervals=[(dataset.gti.time_start[0], dataset.gti.time_stop[-1]) for dataset in datasets],
        source="source",
        selection_optional=["ul"],
    )
    return estimator.run(datasets).to_table(sed_type="flux", format="lightcurve")


def variability(table: Table) -> dict[str, Any]:
    """The constant flux that fits best, chi-squared of it, and the fractional variability (Vaughan et al. 2003).

    Of the points with an error; where there are fewer than two, None.
    """
    import numpy as np

    flux, error = (np.asarray(table[name], float)[:, 0] for name in ("flux", "flux_err"))
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    flux, error = flux[good], error[good]
    found: dict[str, Any] = {"points": len(table), "constant": None, "fractional_variability": None}
    if len(flux) < 2:
        return found
    weights = error**-2
    mean = float((flux * weights).sum() / weights.sum())
    chi2 = float((((flux - mean) / error) ** 2).sum())
    found["constant"] = {"flux": mean, "unit": "cm-2 s-1", "chi2": chi2, "degrees": len(flux) - 1}
    excess = float(flux.var(ddof=1) - (error**2).mean())
    if excess > 0 and flux.mean() > 0:
        found["fractional_variability"] = math.sqrt(excess) / float(flux.mean())
    found["flux"] = {"min": float(flux.min()), "max": float(flux.max()), "unit": "cm-2 s-1"}
    return found


def _write(job: JobContext, table: Table, source: SkyModel, summary: dict[str, Any]) -> None:
    from gammapy.modeling.models import Models

    table.write(job.work / "light_curve.ecsv", format="ascii.ecsv")
    job.result("light_curve", "light_curve.ecsv", description="Fluxes (GADF light curve)")
    (job.work / "model.yaml").write_text(Models([source]).to_yaml())
    job.result("model", "model.yaml", description="The spectrum assumed (gammapy)")
    light_curve_figure(job.work / "image.png", table, summary)
    job.result("image", "image.png", description="Flux over time")
    write_summary(job, summary, "Variability, spectrum, runs")
