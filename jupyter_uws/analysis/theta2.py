"""Events by the square of their distance from a source, beside those of OFF positions in the same field of view.

astropy, gammapy and matplotlib are imported inside the functions: the service reads this module for its description
only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, open_observations, select
from .parameters import HighestEnergy, LowestEnergy, SourceDec, SourceRA, check_energies
from .reduction import Part, livetime, reduce_runs
from .summary import write_summary
from .timeplot import theta2_figure

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import Observation

    from jupyter_uws.archive.reader import Run

#: Runs from which on helpers save time: one takes a tenth of a second.
MANY = 100


@job_type(
    title="Theta-squared distribution",
    version="1",
    generated=[
        Generated(name="image", content_type="image/png", description="Events by squared distance, ON and OFF"),
        Generated(name="theta2", content_type="application/x-ecsv", description="Counts by squared distance"),
        Generated(name="summary", content_type="application/json", description="Counts, significance, runs"),
    ],
    execution_duration=1800,
    execution_duration_max=86400,
    memory_limit=4096,
)
def theta2(
    job: JobContext,
    *,
    obs_ids: RunIds,
    RA: SourceRA,
    Dec: SourceDec,
    on_radius: Annotated[
        float,
        Parameter(
            title="ON radius",
            description="Counts and significance are those of the circle of this radius",
            unit="deg",
            minimum=0.02,
            maximum=1,
        ),
    ] = 0.11,
    theta2_max: Annotated[
        float,
        Parameter(
            title="Largest squared distance",
            description="Where the distribution ends; at least the square of the ON radius",
            unit="deg2",
            minimum=0.01,
            maximum=1,
        ),
    ] = 0.16,
    n_bins: Annotated[int, Parameter(title="Bins", minimum=2, maximum=200)] = 32,
    n_off: Annotated[
        int,
        Parameter(
            title="OFF positions",
            description="At most so many in each run, at the target's distance from the pointing",
            minimum=1,
            maximum=20,
        ),
    ] = 5,
    energy_min: LowestEnergy = None,
    energy_max: HighestEnergy = None,
) -> None:
    """Events by the square of their distance from a source, with the background of positions that mirror it.

    A flat background is flat in squared distance; a point source is a peak at zero as wide as the point spread
    function, one that is wider is extended or not where it was looked for. Each run takes as many OFF positions as
    have room on the circle around its pointing.
    """
    check_energies(energy_min, energy_max)
    if on_radius**2 > theta2_max:
        raise JobError(f"on_radius {on_radius:g} deg is beyond theta2_max {theta2_max:g} deg2: allowed is its root")
    job.progress(0, "opening the runs")
    target = Position(RA, Dec)
    selection = select(find_runs(job, obs_ids), target)
    reduce = partial(
        reduce_some,
        target=target,
        edges=tuple(theta2_max * number / n_bins for number in range(n_bins + 1)),
        on_radius=on_radius,
        n_off=n_off,
        energies=(energy_min or 0.0, energy_max or math.inf),
    )
    whole = reduce_runs(job, selection.runs, reduce, (0.1, 0.8), MANY, join)
    selection.drop_all(whole.dropped)
    if whole.dataset is None:
        obs_id, reason = next(iter(selection.dropped.items()))
        raise JobError(f"no run is left; run {obs_id}: {reason}")
    table, within = whole.dataset.table(), whole.dataset.within
    if not within[0] and not within[1]:
        raise JobError(f"no event within {on_radius:g} deg of {target} nor of the OFF positions, in these energies")
    summary = {
        "target": {"ra": RA, "dec": Dec},
        "on_radius": {"value": on_radius, "unit": "deg"},
        **_measure(*within),
        "energy": {"min": energy_min, "max": energy_max, "unit": "TeV"},
        "livetime": livetime(whole),
        "runs": selection.summary(),
    }
    job.progress(0.9, "image")
    table.write(job.work / "theta2.ecsv", format="ascii.ecsv")
    job.result("theta2", "theta2.ecsv", description="Counts by squared distance")
    theta2_figure(job.work / "image.png", table, summary)
    job.result("image", "image.png", description="Events by squared distance, ON and OFF")
    write_summary(job, summary, "Counts, significance, runs")
    job.progress(1, f"{summary['significance']:.1f} sigma")


class Histogram:
    """ON and OFF counts of some runs by squared distance (deg2), and within the ON radius.

    ``background`` is OFF counts by the number of the run's OFF positions: its sum over runs is what is expected
    under the source.
    """

    def __init__(self, edges: tuple[float, ...], on: Any, off: Any, background: Any, within: Any) -> None:
        self.edges, self.on, self.off, self.background = edges, on, off, background
        #: ON, OFF, background.
        self.within = within

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(
            self.edges,
            self.on + other.on,
            self.off + other.off,
            self.background + other.background,
            self.within + other.within,
        )

    def table(self) -> Table:
        """One row for each bin, with the columns of gammapy's theta-squared tables."""
        import numpy as np
        from astropy.table import Table
        from gammapy.stats import WStatCountsStatistic

        # where a bin has no OFF count, the mean of all runs
        alpha = np.full(len(self.on), self.background.sum() / max(self.off.sum(), 1))
        np.divide(self.background, self.off, out=alpha, where=self.off > 0)
        alpha[alpha == 0] = 1.0
        statistic = WStatCountsStatistic(self.on, self.off, alpha)
        table = Table(
            {
                "theta2_min": np.array(self.edges[:-1]),
                "theta2_max": np.array(self.edges[1:]),
                "counts": self.on,
                "counts_off": self.off,
                "acceptance": np.ones(len(self.on)),
                "acceptance_off": 1 / alpha,
                "alpha": alpha,
                "excess": statistic.n_sig,
                "sqrt_ts": statistic.sqrt_ts,
                "excess_errn": statistic.compute_errn(),
                "excess_errp": statistic.compute_errp(),
            }
        )
        table["theta2_min"].unit = table["theta2_max"].unit = "deg2"
        return table


def join(one: Part, two: Part) -> Part:
    """The counts of two parts together."""
    if one.dataset is None or two.dataset is None:
        dataset = two.dataset if one.dataset is None else one.dataset
    else:
        dataset = one.dataset + two.dataset
    return Part(dataset, one.dropped | two.dropped, one.livetime | two.livetime)


def reduce_some(
    runs: Sequence[Run],
    target: Position,
    edges: tuple[float, ...],
    on_radius: float,
    n_off: int,
    energies: tuple[float, float],
) -> Part:
    """The counts of some runs; runs on any worker, maybe twice."""
    part = Part()
    separations = {run.obs_id: target.separation(run.ra, run.dec) for run in runs}
    for observation in open_observations(runs):
        offset = separations[observation.obs_id]
        reach = math.sqrt(edges[-1])
        room = off_positions(offset, reach + on_radius)
        if room < 1:
            part.dropped[observation.obs_id] = (
                f"no OFF position: it points {offset:.2f} deg from the target, and ON and OFF circles of {reach:.2f} "
                f"and {on_radius:g} deg would overlap; a smaller theta2_max needs less room"
            )
            continue
        counted = count(observation, target, edges, on_radius, min(room, n_off), energies)
        part.dataset = counted if part.dataset is None else part.dataset + counted
        part.keep(observation)
    return part


def off_positions(offset: float, distance: float) -> int:
    """How many OFF positions have room on a circle of radius ``offset`` with the source, ``distance`` apart (deg)."""
    half = math.sin(math.radians(distance / 2)) / max(math.sin(math.radians(offset)), 1e-9)
    return 0 if half > 1 else int(math.pi / math.asin(half) + 1e-9) - 1


def count(
    observation: Observation,
    target: Position,
    edges: tuple[float, ...],
    on_radius: float,
    n_off: int,
    energies: tuple[float, float],
) -> Histogram:
    """A run's events around the target and around its ``n_off`` images on the circle around the pointing."""
    import numpy as np
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    source = SkyCoord(target.ra, target.dec, unit="deg")
    pointing = observation.get_pointing_icrs(observation.tmid)
    angle, offset = pointing.position_angle(source), pointing.separation(source)
    turns = np.arange(n_off + 1) * 360 / (n_off + 1) * u.deg
    positions = pointing.directional_offset_by(angle + turns, offset)
    energy = observation.events.energy.to_value("TeV")
    events = observation.events.radec[(energy >= energies[0]) & (energy < energies[1])]
    squared = [position.separation(events).deg ** 2 for position in positions]
    on, *off = (np.histogram(values, edges)[0] for values in squared)
    inside, *outside = (int((values < on_radius**2).sum()) for values in squared)
    all_off = np.sum(off, axis=0)
    within = np.array([inside, sum(outside), sum(outside) / n_off])
    return Histogram(edges, on, all_off, all_off / n_off, within)


def _measure(on: float, off: float, background: float) -> dict[str, Any]:
    """Counts within the ON radius and Li & Ma's significance."""
    from gammapy.stats import WStatCountsStatistic

    alpha = background / off if off else 1.0
    return {
        "significance": float(WStatCountsStatistic(on, off, alpha).sqrt_ts),
        "counts": {"on": int(on), "off": int(off), "alpha": float(alpha), "excess": float(on - background)},
    }
