"""Pictures with matplotlib: pointings on the sky, sky maps, flux points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table

    from .observations import ObservationTable

#: Beyond this extent (deg, from the centre) the whole sky is drawn.
_LOCAL = 60.0
#: Points of a field-of-view circle.
_CIRCLE = 73


def plot_pointings(table: ObservationTable, ax: Any = None) -> Any:
    """Pointings as points with circles of radius ``s_fov / 2``, and the target as a star.

    The map is centred on the data (distances from its centre are true; the whole sky where they are
    spread over more than 60 deg), so the poles and RA 0 need no care; RA increases to the left.
    Returns the WCSAxes.
    """
    from matplotlib.collections import LineCollection

    target = table.target
    pointings = table.pointings
    vectors = np.asarray(pointings.cartesian.xyz).T
    radii = np.ma.asarray(table["s_fov"], float).filled(np.nan) / 2 if len(table) else np.empty(0)
    centre = target.position.icrs.cartesian.xyz.value if target is not None else _mean_direction(vectors)
    reach = np.nan_to_num(radii) + np.rad2deg(np.arccos(np.clip(vectors @ centre, -1, 1)))
    extent = float(reach.max(initial=0.5)) * 1.05
    wcs = _local_wcs(centre, extent) if extent < _LOCAL else _all_sky_wcs()
    ax = _axes(ax, wcs, all_sky=extent >= _LOCAL)
    height, width = wcs.array_shape
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(-0.5, height - 0.5)
    ax.set_aspect("equal")

    collections = np.asarray(table["obs_collection"], str)
    for index, name in enumerate(np.unique(collections)):
        chosen = collections == name
        colour = f"C{index % 10}"
        # runs of the same pointing are one circle
        fields = np.unique(np.column_stack([vectors, np.nan_to_num(radii)])[chosen].round(7), axis=0)
        lines = _circles(fields[:, :3], fields[:, 3], wcs)
        alpha = float(np.clip(6 / max(len(fields), 1), 0.12, 0.8))
        ax.add_collection(LineCollection(lines, colors=colour, alpha=alpha, linewidths=1))
        x, y = _pixels(fields[:, :3], wcs)
        ax.plot(x, y, "+", color=colour, ms=6, label=f"{name} ({chosen.sum()})")
    if target is not None:
        x, y = _pixels(target.position.icrs.cartesian.xyz.value[None], wcs)
        ax.plot(x, y, "*", color="crimson", ms=13, mec="white", label=target.name, zorder=5)
    _name_axes(ax)
    if extent >= _LOCAL:
        _name_whole_sky(ax)
    elif abs(centre[2]) > np.cos(np.deg2rad(1.2 * extent)):
        _name_around_pole(ax, centre, extent)
    if len(table) or target is not None:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)} if extent >= _LOCAL else {"loc": "upper right"}
        ax.legend(**place, ncols=3 if extent >= _LOCAL else 1, fontsize="small", framealpha=0.8)
    ax.set_title(str(table.summary) if len(table) else "No observations")
    return ax


def plot_map(hdus: Any, ax: Any = None, title: str = "") -> Any:
    """The first image of a FITS file in its own coordinates; returns the WCSAxes.

    A significance map (values below 0 and a peak) is cut at -5 and 10, so that a bright source
    does not hide the sky; contours show 5, 10, 20 sigma.
    """
    from astropy.wcs import WCS
    from matplotlib.colors import TwoSlopeNorm

    hdu = next((hdu for hdu in hdus if hdu.is_image and hdu.data is not None), None)
    if hdu is None:
        raise ValueError("the FITS file holds no image")
    data = np.asarray(hdu.data, float)
    while data.ndim > 2:
        data = data[0]
    ax = _axes(ax, WCS(hdu.header).celestial)
    significance = "signif" in title.lower() or "sqrt_ts" in title.lower()
    colours: dict[str, Any] = {"cmap": "viridis"}
    if significance:
        colours = {"cmap": "RdBu_r", "norm": TwoSlopeNorm(0, vmin=-5, vmax=10)}
    image = ax.imshow(data, origin="lower", interpolation="nearest", **colours)
    if significance and np.nanmax(data, initial=0) > 5:
        ax.contour(np.nan_to_num(data), levels=[5, 10, 20], colors="black", linewidths=0.7)
    unit = str(hdu.header.get("BUNIT") or "")
    label = "Significance (σ)" if significance else f"{title} ({unit})" if unit else title
    ax.figure.colorbar(image, ax=ax, label=label, extend="both" if significance else "neither")
    ax.set_title(title)
    _name_axes(ax, galactic=ax.wcs.wcs.ctype[0].startswith("GLON"))
    return ax


def plot_flux_points(table: Table, ax: Any = None) -> Any:
    """A spectral energy distribution from flux points (GADF ``e_ref``, ``dnde`` or ``e2dnde``); returns the Axes."""
    import matplotlib.pyplot as plt
    from astropy import units as u
    from matplotlib.ticker import StrMethodFormatter

    if ax is None:
        _, ax = plt.subplots(figsize=(6.5, 4.5))
    energy = u.Quantity(table["e_ref"]).to_value(u.TeV)
    scale = 1.0 if "e2dnde" in table.colnames else u.Quantity(table["e_ref"]) ** 2
    kind = "e2dnde" if "e2dnde" in table.colnames else "dnde"

    def column(suffix: str) -> Any:
        name = kind + suffix
        if name not in table.colnames:
            return np.full(len(table), np.nan)
        value = u.Quantity(np.ma.filled(np.ma.asarray(table[name], float), np.nan), table[name].unit)
        return (value * scale).to_value("erg cm-2 s-1")

    flux, error, limit = column(""), column("_err"), column("_ul")
    low = energy - u.Quantity(table["e_min"]).to_value(u.TeV) if "e_min" in table.colnames else None
    high = u.Quantity(table["e_max"]).to_value(u.TeV) - energy if "e_max" in table.colnames else None
    is_limit = np.asarray(table["is_ul"], bool) if "is_ul" in table.colnames else ~np.isfinite(flux)
    width = None if low is None or high is None else np.vstack([low, high])
    colour = ax.plot([], [])[0].get_color()  # several sources on the same Axes each have their own
    for mask, values, errors, marker in ((~is_limit, flux, error, "o"), (is_limit, limit, 0.4 * limit, "none")):
        good = mask & np.isfinite(values)
        if good.any():
            x_errors = None if width is None else width[:, good]
            style = {"fmt": marker, "color": colour, "ms": 5, "uplims": mask is is_limit}
            ax.errorbar(energy[good], values[good], errors[good], x_errors, **style)
    ax.set(xscale="log", yscale="log", xlabel="Energy (TeV)", ylabel="E² dN/dE (erg cm⁻² s⁻¹)")
    # the error bar of a single count reaches to zero: it may leave the plot, the points may not
    shown = np.concatenate([flux[~is_limit], limit[is_limit]])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    if len(shown):
        ax.set_ylim(shown.min() / 5, shown.max() * 3)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.grid(alpha=0.3)
    return ax


def _axes(ax: Any, wcs: Any, all_sky: bool = False) -> Any:
    import matplotlib.pyplot as plt
    from astropy.visualization.wcsaxes.frame import EllipticalFrame

    if ax is None and all_sky:
        return plt.figure(figsize=(9, 5)).add_subplot(projection=wcs, frame_class=EllipticalFrame)
    if ax is None:
        return plt.figure(figsize=(6.5, 5.5)).add_subplot(projection=wcs)
    if not hasattr(ax, "wcs"):
        raise ValueError("ax must be a WCSAxes: plt.subplot(projection=wcs)")
    ax.reset_wcs(wcs)
    return ax


def _name_axes(ax: Any, galactic: bool = False) -> None:
    ax.coords[0].set_axislabel("Galactic longitude" if galactic else "Right ascension")
    ax.coords[1].set_axislabel("Galactic latitude" if galactic else "Declination")
    for coordinate in ax.coords:
        coordinate.set_format_unit("deg", decimal=True)  # as in the tables, and as jobs take them
        coordinate.set_ticklabel(exclude_overlapping=True)
    ax.coords.grid(color="grey", alpha=0.35, linestyle=":")


def _name_whole_sky(ax: Any) -> None:
    from astropy import units as u

    longitude, latitude = ax.coords
    longitude.set_ticks(spacing=60 * u.deg)
    longitude.set_ticklabel(color="grey", size="small")
    longitude.set_axislabel("")  # it would stand in the middle of the map
    latitude.set_ticks(spacing=30 * u.deg)


def _name_around_pole(ax: Any, centre: Any, extent: float) -> None:
    """Meridians reach all sides of the map, parallels perhaps none: those are named within it."""
    from astropy import units as u

    longitude, latitude = ax.coords
    longitude.set_ticks(spacing=30 * u.deg)
    longitude.set_ticklabel_position("lrb")
    longitude.set_axislabel_position("b")
    meridian, declination = _lonlat(centre)
    reach = 90 - abs(float(declination)) + extent
    step = next(size for size in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30) if reach / size < 9)
    latitude.set_ticks(spacing=step * u.deg)
    latitude.set_ticks_visible(False)
    latitude.set_ticklabel_visible(False)
    latitude.set_axislabel("")
    for count in range(1, int(reach / step) + 1):
        value = np.sign(declination) * (90 - count * step)
        x, y = ax.wcs.all_world2pix(meridian + 10, value, 0)
        text = f"{value:g}°".replace("-", "−")
        ax.text(x, y, text, color="grey", size="small", ha="center", va="center", clip_on=True)


def _mean_direction(vectors: Any) -> Any:
    if not len(vectors):
        return np.array([1.0, 0.0, 0.0])
    mean = vectors.mean(axis=0)
    length = np.linalg.norm(mean)
    return mean / length if length > 1e-6 else vectors[0]


def _lonlat(vectors: Any) -> tuple[Any, Any]:
    longitude = np.rad2deg(np.arctan2(vectors[..., 1], vectors[..., 0])) % 360
    return longitude, np.rad2deg(np.arctan2(vectors[..., 2], np.hypot(vectors[..., 0], vectors[..., 1])))


def _pixels(vectors: Any, wcs: Any) -> tuple[Any, Any]:
    x, y = wcs.all_world2pix(*_lonlat(vectors), 0)
    return x, y


def _local_wcs(centre: Any, extent: float) -> Any:
    size = 400
    longitude, latitude = _lonlat(centre)
    return _wcs("ARC", (float(longitude), float(latitude)), 2 * extent / size, (size, size))


def _all_sky_wcs() -> Any:
    # the ellipse of Aitoff's projection is 2 sqrt(2) by sqrt(2) radians, twice
    size = (720, 360)
    return _wcs("AIT", (0.0, 0.0), 4 * np.sqrt(2) * 180 / np.pi / size[0], size)


def _wcs(projection: str, centre: tuple[float, float], scale: float, size: tuple[int, int]) -> Any:
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{projection}", f"DEC--{projection}"]
    wcs.wcs.crval = centre
    wcs.wcs.cdelt = [-scale, scale]
    wcs.wcs.crpix = [(size[0] + 1) / 2, (size[1] + 1) / 2]
    wcs.wcs.radesys = "ICRS"
    wcs.array_shape = size[::-1]
    return wcs


def _circles(centres: Any, radii: Any, wcs: Any) -> list[Any]:
    """Small circles on the sphere as pixel polylines, cut where the map is."""
    drawn = radii > 0
    centres, radii = centres[drawn], np.deg2rad(radii[drawn])
    if not len(centres):
        return []
    # two directions at right angles to each centre; the pole helps unless the centre is there
    helper = np.where(np.abs(centres[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    east = np.cross(helper, centres)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(centres, east)
    angle = np.linspace(0, 2 * np.pi, _CIRCLE)[:, None, None]
    points = np.cos(radii)[:, None] * centres + np.sin(radii)[:, None] * (np.cos(angle) * east + np.sin(angle) * north)
    x, y = _pixels(points, wcs)
    longest = wcs.array_shape[1] / 4
    lines = []
    for column in range(len(centres)):
        line = np.column_stack([x[:, column], y[:, column]])
        jumps = np.nonzero(np.hypot(*np.diff(line, axis=0).T) > longest)[0] + 1
        lines += [part for part in np.split(line, jumps) if len(part) > 1]
    return lines
