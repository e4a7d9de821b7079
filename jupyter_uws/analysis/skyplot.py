"""The picture of a significance map: the sky, and how the background scatters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .summary import observed

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.maps import Map
    from matplotlib.axes import Axes

    from jupyter_uws.archive.reader import Run

#: The colours end here, so that a strong source does not flatten the rest; contours go on above.
COLOUR_RANGE = (-5.0, 10.0)
CONTOURS = (5, 10, 20, 40, 80, 160)
HISTOGRAM_RANGE = (-6.0, 12.25)


def significance_figure(
    path: Path, significance: Map, background_area: Map, runs: Sequence[Run], summary: dict[str, Any]
) -> None:
    """Write a PNG of the map with contours and pointings, beside the distribution of its pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, 2, width_ratios=[1.35, 1])
    _sky(figure.add_subplot(grid[0], projection=significance.geom.wcs), significance, runs, summary)
    _distribution(figure.add_subplot(grid[1]), significance, background_area, summary)
    energy, peak = summary["energy"], summary["peak"]
    title = (
        f"{observed(len(runs), summary)}, "
        f"{energy['min']:g} to {energy['max']:g} TeV: "
        f"peak {peak['significance']:.1f} σ at RA {peak['ra']:.3f}°, Dec {peak['dec']:.3f}°"
    )
    figure.suptitle(title.replace("-", "−"))
    figure.savefig(path, dpi=100)


def _sky(axes: Any, significance: Map, runs: Sequence[Run], summary: dict[str, Any]) -> None:
    import numpy as np
    from matplotlib.colors import TwoSlopeNorm

    low, high = COLOUR_RANGE
    image = axes.imshow(
        significance.data, origin="lower", cmap="RdBu_r", norm=TwoSlopeNorm(0, low, high), interpolation="nearest"
    )
    sigma = np.nan_to_num(significance.data, nan=0.0)
    levels = [level for level in CONTOURS if level < sigma.max()]
    if levels:
        axes.contour(sigma, levels=levels, colors="black", linewidths=0.7)
        axes.plot([], [], color="black", linewidth=0.7, label=f"{', '.join(map(str, levels))} σ")
    sky = axes.get_transform("icrs")
    centre = summary["centre"]
    axes.scatter(centre["ra"], centre["dec"], transform=sky, marker="+", s=90, color="lime", label="centre of the map")
    inside = [run for run in runs if _contains(significance, run.ra, run.dec)]
    if inside:
        ra, dec = [run.ra for run in inside], [run.dec for run in inside]
        axes.scatter(ra, dec, transform=sky, marker="o", s=28, facecolors="none", edgecolors="black", label="pointings")
    height, width = significance.data.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(-0.5, height - 0.5), xlabel="Right ascension", ylabel="Declination")
    _in_degrees(axes)
    axes.coords.grid(color="grey", alpha=0.3, linestyle="dotted")
    axes.legend(loc="upper right", fontsize=8, framealpha=0.8)
    bar = axes.figure.colorbar(image, ax=axes, extend="both", ticks=[-5, -2.5, 0, 2.5, 5, 7.5, 10], shrink=0.85)
    bar.set_label("Significance (σ)")


def _in_degrees(axes: Any) -> None:
    for coordinate in axes.coords:
        coordinate.set_format_unit("deg", decimal=True)


def _contains(one: Map, ra: float, dec: float) -> bool:
    from astropy.coordinates import SkyCoord

    return bool(one.geom.contains(SkyCoord(ra, dec, unit="deg"))[0])


def _distribution(axes: Axes, significance: Map, background_area: Map, summary: dict[str, Any]) -> None:
    import numpy as np

    valid = np.isfinite(significance.data)
    off = significance.data[valid & background_area.data]
    # it is about the background: a strong source's own pixels would take its room
    edges = list(np.arange(*HISTOGRAM_RANGE, 0.25))
    above = int((significance.data[valid] > edges[-1]).sum())
    label = f"all pixels ({above} above {edges[-1]:g} σ)" if above else "all pixels"
    axes.hist(significance.data[valid], edges, histtype="step", color="firebrick", label=label)
    background = summary["background"]
    if off.size:
        label = f"background: {background['mean']:.2f} ± {background['sigma']:.2f}".replace("-", "−")
        axes.hist(off, edges, alpha=0.5, color="steelblue", label=label)
        x = np.linspace(-5, 5, 201)
        normal = off.size * 0.25 / np.sqrt(2 * np.pi) * np.exp(-(x**2) / 2)
        axes.plot(x, normal, color="black", linewidth=1, label="expected: 0 ± 1")
    axes.set(yscale="log", xlabel="Significance (σ)", ylabel="Pixels")
    axes.set_ylim(0.5, 5 * axes.get_ylim()[1])  # room for the legend
    axes.legend(loc="upper right", fontsize=9)


def events_figure(path: Path, events: Table, summary: dict[str, Any]) -> None:
    """Write a PNG of the events of a circle (``RA``, ``DEC``, ``ENERGY``): counts on the sky, and by energy."""
    import numpy as np
    from astropy import units as u
    from astropy.wcs import WCS
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    centre, radius = summary["centre"], summary["radius"]["value"]
    wcs = WCS(naxis=2)
    bins, step = 60, 2 * radius / 60
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [centre["ra"], centre["dec"]], [30.5, 30.5]
    wcs.wcs.cdelt = [-step, step]
    x, y = wcs.all_world2pix(np.asarray(events["RA"], float), np.asarray(events["DEC"], float), 0)
    edges = np.arange(bins + 1) - 0.5
    counts, _, _ = np.histogram2d(y, x, bins=(edges, edges))
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, 2, width_ratios=[1.2, 1])
    sky = figure.add_subplot(grid[0], projection=wcs)
    image = sky.imshow(counts, origin="lower", cmap="viridis", interpolation="nearest", norm=PowerNorm(0.5))
    figure.colorbar(image, ax=sky, label=f"Events per pixel of {step:.2g}°", shrink=0.9)
    sky.set(xlabel="Right ascension", ylabel="Declination")
    _in_degrees(sky)
    energy = u.Quantity(events["ENERGY"]).to_value("TeV")
    axes = figure.add_subplot(grid[1])
    axes.hist(energy, list(np.geomspace(energy.min() * 0.999, energy.max() * 1.001, 40)), histtype="step", color="C0")
    axes.set(xscale="log", yscale="log", xlabel="Energy (TeV)", ylabel="Events")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    title = (
        f"{len(events)} events within {radius:g}° of RA {centre['ra']:.3f}°, Dec {centre['dec']:.3f}°, "
        f"{observed(len(summary['runs']['used']), summary)}"
    )
    figure.suptitle(title.replace("-", "−"))
    figure.savefig(path, dpi=100)


def residual_figure(path: Path, counts: Map, model: Map, residuals: Map, summary: dict[str, Any]) -> None:
    """Write a PNG of counts, of what the fitted model predicts, and of the significance of their difference."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    place, top = summary["parameters"], float(np.nanmax([counts.data.max(), model.data.max()]))
    for number, (title, one) in enumerate((("Counts", counts), ("Model", model), ("Residual significance", residuals))):
        axes = figure.add_subplot(1, 3, number + 1, projection=one.geom.wcs)
        colours: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -5, "vmax": 5}
        if number < 2:
            colours = {"cmap": "viridis", "vmin": 0, "vmax": top}
        image = axes.imshow(one.data, origin="lower", interpolation="nearest", **colours)
        figure.colorbar(image, ax=axes, shrink=0.8, label="σ" if number == 2 else "Events per pixel")
        where = {"transform": axes.get_transform("icrs"), "marker": "+", "s": 80}
        axes.scatter(place["lon_0"]["value"], place["lat_0"]["value"], color="red" if number < 2 else "black", **where)
        axes.set(title=title, xlabel="Right ascension", ylabel="Declination" if number == 0 else " ")
        _in_degrees(axes)
    scatter = summary["residuals"]
    title = (
        f"RA {place['lon_0']['value']:.4f}°, Dec {place['lat_0']['value']:.4f}°: √TS {summary['significance']:.1f}, "
        f"residuals {scatter['mean']:.2f} ± {scatter['sigma']:.2f} σ, "
        f"{observed(len(summary['runs']['used']), summary)}"
    )
    figure.suptitle(title.replace("-", "−"))
    figure.savefig(path, dpi=100)
