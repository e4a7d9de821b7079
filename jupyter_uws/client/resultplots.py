"""Pictures of results with matplotlib: sky maps, spectra, light curves, theta-squared, sensitivities, events, areas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BadValue
from .plots import name_axes, sky_axes

if TYPE_CHECKING:
    from astropy.table import Table

#: Differential flux (cm-2 s-1 TeV-1) at an energy in TeV.
Curve = Callable[[Any], Any]

#: Published spectra to compare with: ``amplitude`` (cm-2 s-1 TeV-1 at 1 TeV), ``index``, ``cutoff`` (TeV).
#: Crab: H.E.S.S., A&A 457, 899 (2006).
REFERENCES: Mapping[str, Mapping[str, float]] = {"Crab": {"amplitude": 3.76e-11, "index": 2.39, "cutoff": 14.3}}
#: Bins of a histogram of significances (sigma).
_BINS = np.arange(-5.0, 12.01, 0.25)


def plot_map(hdus: Any, ax: Any = None, title: str = "") -> Any:
    """The first image of a FITS file in its own coordinates; returns the WCSAxes.

    A significance map (values below 0 and a peak) is cut at -5 and 10, so that a bright source
    does not hide the sky; contours show 5, 10, 20 sigma.
    """
    from astropy.wcs import WCS
    from matplotlib.colors import TwoSlopeNorm

    hdu = next((hdu for hdu in hdus if hdu.is_image and hdu.data is not None), None)
    if hdu is None:
        raise BadValue("the FITS file holds no image")
    data = np.asarray(hdu.data, float)
    while data.ndim > 2:
        data = data[0]
    ax = sky_axes(ax, WCS(hdu.header).celestial)
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
    name_axes(ax, galactic=ax.wcs.wcs.ctype[0].startswith("GLON"))
    return ax


def plot_significance(hdus: Any, ax: Any = None) -> Any:
    """The distribution of a significance map's pixels, and the standard normal that a field without sources follows.

    The mean and width in the legend are of the pixels between -5 and 3 sigma. Returns the Axes.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4))
    hdu = next((hdu for hdu in hdus if hdu.is_image and hdu.data is not None), None)
    if hdu is None:
        raise BadValue("the FITS file holds no image")
    values = np.asarray(hdu.data, float).ravel()
    values = values[np.isfinite(values)]
    field = values[np.abs(values + 1) < 4]
    label = f"pixels: mean {field.mean():.2f}, width {field.std():.2f} (−5 to 3 σ)" if len(field) else "pixels"
    ax.hist(np.clip(values, _BINS[0], _BINS[-1] - 1e-6), _BINS, color="C0", alpha=0.6, label=label)
    normal = np.exp(-(_BINS**2) / 2) / np.sqrt(2 * np.pi) * len(field) * 0.25
    ax.plot(_BINS, normal, color="black", lw=1, label="normal distribution")
    ax.set(yscale="log", ylim=(0.5, None), xlabel="Significance (σ)", ylabel="Pixels")
    beyond = int((values >= _BINS[-1]).sum())
    if beyond:
        ax.text(0.98, 0.6, f"{beyond} pixels above {_BINS[-1]:g} σ", transform=ax.transAxes, ha="right")
    ax.legend(fontsize="small")
    return ax


def plot_flux_points(table: Table, ax: Any = None, model: Any = None, reference: str | None = None) -> Any:
    """A spectral energy distribution from flux points (GADF ``e_ref``, ``dnde`` or ``e2dnde``); returns the Axes.

    ``model`` is a fitted model, as gammapy writes it to YAML (power law, with or without cut-off): it is drawn, and
    below the points, where no ``ax`` is given, how far each is from it in units of its error. ``reference`` is a
    spectrum to compare with, one of :data:`REFERENCES`.
    """
    import matplotlib.pyplot as plt
    from astropy import units as u
    from matplotlib.ticker import StrMethodFormatter

    below = None
    curve = None if model is None else spectral_model(model)
    other = None if reference is None else reference_model(reference)
    if ax is None and curve is not None:
        _, (ax, below) = plt.subplots(2, 1, figsize=(6.5, 6), sharex=True, height_ratios=[3, 1], layout="constrained")
    elif ax is None:
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
    span = np.geomspace(energy.min() / 1.3, energy.max() * 1.3, 100)
    if curve is not None:
        ax.plot(span, e2dnde(curve, span), color=colour, alpha=0.7, label="fit")
    if other is not None:
        ax.plot(span, e2dnde(other, span), "--", color="grey", label=f"{reference} (reference)")
    if curve is not None or other is not None:
        ax.legend(fontsize="small")
    if below is not None and curve is not None:
        good = ~is_limit & np.isfinite(flux) & (error > 0)
        below.errorbar(energy[good], ((flux - e2dnde(curve, energy)) / error)[good], 1.0, fmt="o", color=colour, ms=4)
        below.axhline(0, color="grey", lw=1)
        below.set(ylabel="residual (σ)", xlabel="Energy (TeV)")
        below.grid(alpha=0.3)
        ax.set_xlabel("")
    return ax


def spectral_model(document: Mapping[str, Any]) -> Curve:
    """A model of gammapy's YAML as a function of energy. Raises ValueError for one that is no power law."""
    component = document["components"][0] if "components" in document else document
    spectral = component.get("spectral", component)
    values = {parameter["name"]: float(parameter["value"]) for parameter in spectral.get("parameters", ())}
    if "PowerLaw" not in str(spectral.get("type")) or "index" not in values:
        raise BadValue(f"the model {spectral.get('type')!r} is not drawn here, only power laws are")
    units = {parameter["name"]: parameter.get("unit") or "" for parameter in spectral["parameters"]}
    from astropy import units as u

    amplitude = (values["amplitude"] * u.Unit(units["amplitude"])).to_value("cm-2 s-1 TeV-1")
    reference = (values.get("reference", 1.0) * u.Unit(units.get("reference") or "TeV")).to_value("TeV")
    decay = (values.get("lambda_", 0.0) * u.Unit(units.get("lambda_") or "TeV-1")).to_value("TeV-1")
    return lambda energy: amplitude * (energy / reference) ** -values["index"] * np.exp(-energy * decay)


def reference_model(name: str) -> Curve:
    """One of the :data:`REFERENCES`. Raises ValueError with the names there are."""
    known = REFERENCES.get(name)
    if known is None:
        raise BadValue(f"reference={name!r} is not known; there is: {', '.join(REFERENCES)}")
    return lambda energy: known["amplitude"] * energy ** -known["index"] * np.exp(-energy / known["cutoff"])


def e2dnde(curve: Curve, energy: Any) -> Any:
    """E² dN/dE (erg cm-2 s-1) at energies in TeV."""
    return curve(energy) * energy**2 * 1.602176634


def plot_light_curve(table: Table, ax: Any = None) -> Any:
    """Fluxes over time (GADF: ``time_min``, ``time_max`` in MJD, ``flux`` or ``dnde``); returns the Axes."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(7.5, 4))
    name = "flux" if "flux" in table.colnames else "dnde"
    start, stop = (_numbers(table, column) for column in ("time_min", "time_max"))
    flux, error, upper = (_numbers(table, column) for column in (name, f"{name}_err", f"{name}_ul"))
    is_limit = (
        np.asarray(table["is_ul"]).reshape(len(table), -1)[:, 0].astype(bool)
        if "is_ul" in table.colnames
        else ~np.isfinite(flux)
    )
    middle, width = (start + stop) / 2, (stop - start) / 2
    good, limit = ~is_limit & np.isfinite(flux), is_limit & np.isfinite(upper)
    ax.errorbar(middle[good], flux[good], error[good], width[good], fmt="o", ms=5, color="C0")
    if limit.any():
        ax.errorbar(
            middle[limit], upper[limit], 0.2 * upper[limit], width[limit], fmt="none", uplims=True, color="grey"
        )
    if good.sum() > 1 and np.all(error[good] > 0):
        weights = error[good] ** -2
        mean = float((flux[good] * weights).sum() / weights.sum())
        chi2 = float((((flux[good] - mean) / error[good]) ** 2).sum())
        label = f"constant: χ² = {chi2:.1f} for {good.sum() - 1}"
        ax.axhline(mean, color="grey", ls="--", lw=1, label=label)
        # beside the points: "best" does not see their error bars
        ax.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    ax.set(xlabel="Time (MJD)", ylabel=f"{name} ({table[name].unit or ''})")
    ax.ticklabel_format(axis="x", useOffset=False)
    ax.locator_params(axis="x", nbins=6)  # five digits and more are wide
    ax.grid(alpha=0.3)
    return ax


def plot_theta2(table: Table, ax: Any = None) -> Any:
    """Events by the square of their distance from the target (``theta2_min``, ``theta2_max``, ``counts``); the Axes."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4))
    low, high = _numbers(table, "theta2_min"), _numbers(table, "theta2_max")
    counts = _numbers(table, "counts")
    edges = np.append(low, high[-1])
    middle = (low + high) / 2
    ax.errorbar(middle, counts, np.sqrt(counts), (high - low) / 2, fmt="o", ms=4, color="black", label="ON")
    if "counts_off" in table.colnames:
        alpha = _numbers(table, "alpha") if "alpha" in table.colnames else np.ones(len(table))
        ax.stairs(_numbers(table, "counts_off") * alpha, edges, fill=True, color="C0", alpha=0.4, label="OFF")
    ax.set(xlabel="θ² (deg²)", ylabel="Events", xlim=(0, edges[-1]), ylim=(0, None))
    ax.legend(fontsize="small")
    ax.grid(alpha=0.3)
    return ax


def plot_sensitivity(table: Table, ax: Any = None, reference: str = "Crab") -> Any:
    """The least flux that is found, by energy (``e_ref``, ``e2dnde``), and fractions of a reference; the Axes."""
    import matplotlib.pyplot as plt
    from astropy import units as u

    if ax is None:
        _, ax = plt.subplots(figsize=(6.5, 4.5))
    energy, low, high = (u.Quantity(table[name]).to_value("TeV") for name in ("e_ref", "e_min", "e_max"))
    flux = u.Quantity(table["e2dnde"]).to_value("erg cm-2 s-1")
    ax.errorbar(energy, flux, xerr=[energy - low, high - energy], fmt="o", ms=4)
    span = np.geomspace(low.min(), high.max(), 100)
    curve = e2dnde(reference_model(reference), span)
    for fraction, style in ((1.0, "-"), (0.1, "--"), (0.01, "-."), (0.001, ":")):
        ax.plot(span, curve * fraction, style, color="grey", lw=1, label=f"{100 * fraction:g} % {reference}")
    ax.set(xscale="log", yscale="log", xlabel="Energy (TeV)", ylabel="E² dN/dE (erg cm⁻² s⁻¹)")
    ax.set_ylim(flux.min() / 3, flux.max() * 3)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(fontsize="small")
    ax.grid(alpha=0.3)
    return ax


def plot_events(events: Table, ax: Any = None) -> Any:
    """Where the events of a list came from (``RA``, ``DEC`` in deg), in pixels of 0.05 deg; returns the WCSAxes."""
    from astropy.wcs import WCS
    from matplotlib.colors import PowerNorm

    longitude, latitude = _numbers(events, "RA"), _numbers(events, "DEC")
    if not len(longitude):
        raise BadValue("the event list is empty")
    wcs = WCS(naxis=2)
    vectors = np.column_stack([f(np.deg2rad(longitude)) * np.cos(np.deg2rad(latitude)) for f in (np.cos, np.sin)])
    centre = (np.rad2deg(np.arctan2(*vectors.mean(axis=0)[::-1])) % 360, latitude.mean())
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], centre, [-0.05, 0.05]
    x, y = wcs.all_world2pix(longitude, latitude, 0)
    reach = int(np.ceil(np.nanquantile(np.hypot(x, y), 0.99)))
    size = 2 * reach + 1
    wcs.wcs.crpix = [reach + 1, reach + 1]
    edges = np.arange(-reach - 1.0, reach + 0.5) + 0.5
    counts, _, _ = np.histogram2d(y, x, bins=(edges, edges))
    wcs.array_shape = (size, size)
    ax = sky_axes(ax, wcs)
    image = ax.imshow(counts, origin="lower", interpolation="nearest", cmap="viridis", norm=PowerNorm(0.5))
    ax.figure.colorbar(image, ax=ax, label="events per pixel")
    ax.set_title(f"{len(longitude)} events")
    name_axes(ax)
    return ax


def plot_area(hdu: Any, ax: Any = None) -> Any:
    """An effective area (GADF ``aeff_2d``) over energy at some offsets; returns the Axes."""
    import matplotlib.pyplot as plt
    from astropy.table import QTable

    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4))
    table = QTable.read(hdu)
    row = {name.upper(): table[name][0] for name in table.colnames}
    energy = np.sqrt(row["ENERG_LO"].to_value("TeV") * row["ENERG_HI"].to_value("TeV"))
    offsets = ((row["THETA_LO"] + row["THETA_HI"]) / 2).to_value("deg")
    area = row["EFFAREA"].to_value("m2")
    for number in np.unique(np.linspace(0, len(offsets) - 1, 4).astype(int)):
        ax.plot(energy, np.where(area[number] > 0, area[number], np.nan), label=f"{offsets[number]:.2g}°")
    ax.set(xscale="log", yscale="log", xlabel="Energy (TeV)", ylabel="Effective area (m²)")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(title="offset", fontsize="small")
    ax.grid(alpha=0.3)
    return ax


def _numbers(table: Table, name: str) -> Any:
    """A column as numbers, the first of each cell where it holds several; NaN where there is none of that name."""
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    values: Any = np.ma.filled(np.ma.asarray(table[name], float), np.nan)
    return values.reshape(len(table), -1)[:, 0] if len(table) else values
