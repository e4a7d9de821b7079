"""Quick look at a patch of sky: counts, excess and significance by ring background.

gammapy, numpy and matplotlib are imported inside the functions: the service reads this module
for its description only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, mean_pointing, open_observations, select
from .parameters import EnergyMin, check_energies
from .reduction import Part, livetime, reduce_runs
from .skyplot import significance_figure
from .summary import write_summary

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.datasets import MapDataset
    from gammapy.maps import Map, WcsGeom

    from jupyter_uws.archive.reader import Run

#: Ring around each pixel from which its background is taken, in degrees.
RING_INNER, RING_WIDTH = 0.5, 0.3
#: The map is made at least this wide, so that small maps have a ring too; degrees.
MIN_WIDTH = 3.0
MAX_WIDTH = 30.0
#: Fine enough that runs with different energy thresholds add up without steps in the acceptance.
BINS_PER_DECADE = 4
#: Runs from which on helpers save time: one takes half a second.
MANY = 40
#: Pixels above this significance are no background (second pass), with this margin in degrees.
SOURCE_SIGMA, SOURCE_MARGIN = 5.0, 0.2


@job_type(
    title="Quick look: significance map",
    version="1",
    generated=[
        Generated(name="image", content_type="image/png", description="Significance map and its distribution"),
        Generated(name="significance", content_type="application/fits", description="Li & Ma significance"),
        Generated(name="excess", content_type="application/fits", description="Counts minus background, per pixel"),
        Generated(name="counts", content_type="application/fits", description="Counts per pixel"),
        Generated(name="summary", content_type="application/json", description="Peak, background quality, runs"),
    ],
    execution_duration=1800,
    execution_duration_max=86400,
    memory_limit=4096,
)
def quicklook(
    job: JobContext,
    *,
    obs_ids: RunIds,
    RA: Annotated[
        float | None,
        Parameter(
            title="Right ascension",
            description="Centre of the map (ICRS); without RA and Dec: the middle of the runs' pointings",
            unit="deg",
            ucd="pos.eq.ra",
            minimum=0,
            maximum=360,
        ),
    ] = None,
    Dec: Annotated[
        float | None,
        Parameter(title="Declination", unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90),
    ] = None,
    nxpix: Annotated[int, Parameter(title="Pixels in x", minimum=10, maximum=1000)] = 200,
    nypix: Annotated[int, Parameter(title="Pixels in y", minimum=10, maximum=1000)] = 200,
    binsz: Annotated[float, Parameter(title="Pixel size", unit="deg", minimum=0.005, maximum=0.2)] = 0.02,
    energy_min: EnergyMin = 0.5,
    energy_max: Annotated[
        float, Parameter(title="Highest energy", unit="TeV", ucd="em.energy;stat.max", minimum=0.02, maximum=300)
    ] = 50.0,
    correlation_radius: Annotated[
        float,
        Parameter(
            title="Correlation radius",
            description="Each pixel's significance is that of the circle of this radius around it",
            unit="deg",
            minimum=0.02,
            maximum=0.4,
        ),
    ] = 0.1,
    exclusion_radius: Annotated[
        float,
        Parameter(
            title="Exclusion radius",
            description="Around the centre, this much sky is not used as background",
            unit="deg",
            minimum=0,
            maximum=2,
        ),
    ] = 0.3,
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
    """Counts, excess and significance map of a patch of sky, with ring background.

    The runs are stacked, weighted by their background models; each pixel's background is taken
    from a ring of 0.5 to 0.8 deg around it. Sources above 5 sigma are found in a first pass and
    kept out of the rings in the second.
    """
    check_energies(energy_min, energy_max)
    if max(nxpix, nypix) * binsz > MAX_WIDTH:
        raise JobError(f"the map would be {max(nxpix, nypix) * binsz:g} deg wide, allowed are {MAX_WIDTH:g} deg")
    job.progress(0, "opening the runs")
    runs = find_runs(job, obs_ids)
    centre = _centre(runs, RA, Dec)
    try:
        selection = select(runs, centre, margin=max(nxpix, nypix) * binsz / 2)
    except JobError as error:
        if RA is not None:
            raise
        raise JobError(f"without RA and Dec the map is around the middle of the pointings, and {error}") from None

    frame = Frame.around(centre, nxpix, nypix, binsz, energy_min, energy_max)
    whole = reduce_runs(
        job, selection.runs, partial(reduce_some, frame=frame, offset_max=offset_max), (0.1, 0.75), MANY
    )
    selection.drop_all(whole.dropped)
    stacked = whole.dataset
    if stacked is None:
        raise JobError("no run is left: none has a background model")
    if not stacked.counts.data.any():
        raise JobError(
            f"no event of the {len(selection.runs)} runs lies in the map around {centre}, "
            f"between {energy_min:g} and {energy_max:g} TeV and within {offset_max:g} deg of its pointing"
        )
    job.progress(0.75, "ring background")
    maps = _ring_maps(stacked, centre, exclusion_radius, correlation_radius).each(frame.cropped)
    summary = {
        "centre": {"ra": centre.ra, "dec": centre.dec, "from": "runs" if RA is None else "parameters"},
        "energy": {"min": energy_min, "max": energy_max, "unit": "TeV"},
        **_measure(maps, centre, correlation_radius),
        "livetime": livetime(whole),
        "runs": selection.summary(),
    }
    _write_maps(job, maps, correlation_radius, energy_min, energy_max)
    job.progress(0.85, "image")
    significance_figure(job.work / "image.png", maps.significance, maps.background_area, selection.runs, summary)
    job.result("image", "image.png", description="Significance map and its distribution")
    write_summary(job, summary, "Peak, background quality, runs")
    job.progress(1, f"{summary['peak']['significance']:.1f} sigma")


@dataclass(frozen=True)
class Frame:
    """The map's geometry, wider by ``padding`` pixels (x, y) on each side than what was asked for."""

    geom: WcsGeom
    padding: tuple[int, int]

    @classmethod
    def around(cls, centre: Position, nxpix: int, nypix: int, binsz: float, low: float, high: float) -> Frame:
        from gammapy.maps import MapAxis, WcsGeom

        n_bins = max(1, math.ceil(math.log10(high / low) * BINS_PER_DECADE))
        axis = MapAxis.from_energy_bounds(low, high, nbin=n_bins, unit="TeV")
        padding = [max(0, math.ceil((MIN_WIDTH / binsz - n) / 2)) for n in (nxpix, nypix)]
        npix = (nxpix + 2 * padding[0], nypix + 2 * padding[1])
        # digits that a FITS header holds: pickled, as on its way to a worker, the geometry stays the same
        middle = _sky(Position(round(centre.ra, 9), round(centre.dec, 9)))
        geom = WcsGeom.create(skydir=middle, npix=npix, binsz=binsz, proj="TAN", frame="icrs", axes=[axis])
        return cls(geom, (padding[0], padding[1]))

    def cropped(self, one: Map) -> Map:
        """The part of a map that was asked for."""
        return one.crop(self.padding) if any(self.padding) else one


@dataclass(frozen=True)
class Maps:
    """The outcome, as images: counts and excess per pixel, significance by circle, True where background is."""

    counts: Map
    excess: Map
    significance: Map
    background_area: Map

    def each(self, change: Callable[[Map], Map]) -> Maps:
        return Maps(*(change(getattr(self, part.name)) for part in fields(self)))


def _sky(position: Position) -> SkyCoord:
    from astropy.coordinates import SkyCoord

    return SkyCoord(position.ra, position.dec, unit="deg", frame="icrs")


def _centre(runs: Sequence[Run], ra: float | None, dec: float | None) -> Position:
    if (ra is None) != (dec is None):
        raise JobError("RA and Dec belong together: give both or none")
    return mean_pointing(runs) if ra is None or dec is None else Position(ra, dec)


def reduce_some(runs: Sequence[Run], frame: Frame, offset_max: float) -> Part:
    """Stack counts and background models of some runs; runs on any worker, maybe twice."""
    from astropy import units as u
    from gammapy.datasets import MapDataset
    from gammapy.makers import MapDatasetMaker, SafeMaskMaker

    # same edges as the reconstructed energies: the excess estimator multiplies maps of both
    true_axis = frame.geom.axes["energy"].copy(name="energy_true")
    stacked = MapDataset.create(frame.geom, energy_axis_true=true_axis, name="stacked")
    maker = MapDatasetMaker(selection=["counts", "background", "exposure"])
    safe = SafeMaskMaker(methods=["offset-max"], offset_max=offset_max * u.deg)
    part = Part()
    for observation in open_observations(runs):
        if observation.bkg is None:
            part.dropped[observation.obs_id] = "it has no background model"
            continue
        empty = MapDataset.create(frame.geom, energy_axis_true=true_axis, name=f"run-{observation.obs_id}")
        stacked.stack(safe.run(maker.run(empty, observation), observation))
        part.dataset = stacked
        part.keep(observation)
    return part


def _ring_maps(stacked: MapDataset, centre: Position, exclusion_radius: float, correlation_radius: float) -> Maps:
    """Ring background in two passes: the second keeps out what the first found to be sources."""
    import numpy as np
    from astropy import units as u
    from gammapy.estimators import ExcessMapEstimator
    from gammapy.makers import RingBackgroundMaker
    from gammapy.maps import Map

    image = stacked.counts.geom.to_image()
    # where no run looked, gammapy gives 0 sigma as if something had been measured
    observed = stacked.mask_safe.data.any(axis=0)
    estimator = ExcessMapEstimator(correlation_radius * u.deg, selection_optional=[], correlate_off=False)
    background_area = Map.from_geom(image, data=image.separation(_sky(centre)).deg >= exclusion_radius)
    for _ in range(2):
        ring = RingBackgroundMaker(RING_INNER * u.deg, RING_WIDTH * u.deg, exclusion_mask=background_area)
        with np.errstate(divide="ignore", invalid="ignore"):  # outside of all fields of view
            onoff = ring.run(stacked)
            significance = estimator.run(onoff)["sqrt_ts"].sum_over_axes(keepdims=False)
        significance.data[~observed] = np.nan
        sources = Map.from_geom(image, data=significance.data > SOURCE_SIGMA)
        near_sources = sources.binary_dilate(SOURCE_MARGIN * u.deg).data.astype(bool)
        background_area = Map.from_geom(image, data=background_area.data & ~near_sources)
    return Maps(
        counts=onoff.counts.sum_over_axes(keepdims=False),
        excess=onoff.excess.sum_over_axes(keepdims=False),
        significance=significance,
        background_area=background_area,
    )


def _measure(maps: Maps, centre: Position, radius: float) -> dict[str, Any]:
    """Peak, what lies around the centre, and how well the background is known.

    Where the background is right, the significances outside of sources scatter with mean 0 and
    standard deviation 1.
    """
    import numpy as np

    sigma = maps.significance.data
    if not np.isfinite(sigma).any():
        raise JobError("no pixel of the map has a background: the runs' fields of view do not reach around it")
    row, column = np.unravel_index(np.nanargmax(sigma), sigma.shape)
    ra, dec = (float(value.to_value("deg")) for value in maps.significance.geom.pix_to_coord((column, row)))
    off = sigma[maps.background_area.data & np.isfinite(sigma)]
    on = maps.counts.geom.separation(_sky(centre)).deg <= radius
    at_centre = float(sigma[tuple(n // 2 for n in sigma.shape)])
    return {
        "peak": {
            "significance": float(sigma[row, column]),
            "ra": ra,
            "dec": dec,
            "separation": {"value": centre.separation(ra, dec), "unit": "deg"},
        },
        "at_centre": {
            "radius": {"value": radius, "unit": "deg"},
            "counts": int(maps.counts.data[on].sum()),
            "excess": float(np.nansum(maps.excess.data[on])),
            "significance": at_centre if math.isfinite(at_centre) else None,  # where no run looked: nothing
        },
        "background": {
            "mean": float(off.mean()) if off.size else None,
            "sigma": float(off.std()) if off.size else None,
            "pixels": int(off.size),
        },
    }


def _write_maps(job: JobContext, maps: Maps, correlation_radius: float, energy_min: float, energy_max: float) -> None:
    notes = {
        "counts": ("", "counts per pixel"),
        "excess": ("", "counts minus ring background per pixel"),
        "significance": ("", f"Li & Ma significance in circles of {correlation_radius:g} deg"),
    }
    for name, (unit, comment) in notes.items():
        hdu = getattr(maps, name).to_hdulist()[0]
        hdu.header["EXTNAME"] = name.upper()
        hdu.header["BUNIT"] = unit
        hdu.header["E_MIN"] = (energy_min, "[TeV] lowest reconstructed energy")
        hdu.header["E_MAX"] = (energy_max, "[TeV] highest reconstructed energy")
        hdu.header["COMMENT"] = comment
        hdu.writeto(job.work / f"{name}.fits", overwrite=True)
        job.result(name, f"{name}.fits", description=comment)
