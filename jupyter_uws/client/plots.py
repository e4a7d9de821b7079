"""Pictures of observations with matplotlib: pointings on the sky, times and energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BadValue

if TYPE_CHECKING:
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
    ax = sky_axes(ax, wcs, all_sky=extent >= _LOCAL)
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
    name_axes(ax)
    if extent >= _LOCAL:
        _name_whole_sky(ax)
    elif abs(centre[2]) > np.cos(np.deg2rad(1.2 * extent)):
        _name_around_pole(ax, centre, extent)
    if len(table) or target is not None:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)} if extent >= _LOCAL else {"loc": "upper right"}
        ax.legend(**place, ncols=3 if extent >= _LOCAL else 1, fontsize="small", framealpha=0.8)
    ax.set_title(str(table.summary) if len(table) else "No observations")
    return ax


def plot_coverage(table: ObservationTable, ax: Any = None) -> Any:
    """When the observations were, and the energies they cover, by collection; returns the Axes."""
    import matplotlib.pyplot as plt
    from astropy.time import Time
    from matplotlib import dates

    if ax is None:
        _, ax = plt.subplots(figsize=(7.5, 3.5), layout="constrained")
    if not len(table):
        ax.set_title("No observations")
        return ax
    times: list[Any] = [np.ma.asarray(table[name], float).filled(np.nan) for name in ("t_min", "t_max")]
    energies: list[Any] = [np.ma.asarray(table[name], float).filled(np.nan) for name in ("energy_min", "energy_max")]
    known = np.isfinite(times[0]) & np.isfinite(times[1]) & np.all(np.isfinite(energies), axis=0)
    collections = np.asarray(table["obs_collection"], str)
    for index, name in enumerate(np.unique(collections)):
        chosen = known & (collections == name)
        start, stop = (Time(time[chosen], format="mjd", scale="tt").utc.datetime64 for time in times)
        low, high = (energy[chosen] for energy in energies)
        colour = f"C{index % 10}"
        ax.bar(start, high - low, bottom=low, width=stop - start, align="edge", color=colour, ec=colour, alpha=0.6,
               label=f"{name} ({(collections == name).sum()})")  # fmt: skip
    ax.set(yscale="log", xlabel="Start (UTC)", ylabel="Energy (TeV)", title=str(table.summary))
    locator = dates.AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.yaxis.set_major_formatter("{x:g}")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    if not known.all():
        ax.text(0.01, 0.02, f"{(~known).sum()} without times or energies are not shown", transform=ax.transAxes,
                fontsize="small", color="grey")  # fmt: skip
    return ax


def sky_axes(ax: Any, wcs: Any, all_sky: bool = False) -> Any:
    """The WCSAxes that are given, with this WCS, or new ones. Raises ValueError for Axes of another kind."""
    import matplotlib.pyplot as plt
    from astropy.visualization.wcsaxes.frame import EllipticalFrame

    if ax is None and all_sky:
        return plt.figure(figsize=(9, 5)).add_subplot(projection=wcs, frame_class=EllipticalFrame)
    if ax is None:
        return plt.figure(figsize=(6.5, 5.5)).add_subplot(projection=wcs)
    if not hasattr(ax, "wcs"):
        raise BadValue("ax must be a WCSAxes: plt.subplot(projection=wcs)")
    ax.reset_wcs(wcs)
    return ax


def name_axes(ax: Any, galactic: bool = False) -> None:
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
