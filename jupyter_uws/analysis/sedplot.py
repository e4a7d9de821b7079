"""The picture of a spectrum: flux points, fitted model with its error band, residuals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .summary import observed

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.modeling.models import SpectralModel
    from matplotlib.axes import Axes

SED_UNIT = "erg cm-2 s-1"


def sed_figure(path: Path, model: SpectralModel, table: Table, deviation: Any, summary: dict[str, Any]) -> None:
    """Write a PNG of E² dN/dE (erg cm⁻² s⁻¹), and below how far the flux points are from the model, in sigma.

    ``table`` are the points (gadf-sed, dnde), ``deviation`` has a number for each of them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _sed(top, model, table, summary)
    _residuals(bottom, table, deviation)
    target, runs = summary["target"], summary["runs"]["used"]
    title = (
        f"RA {target['ra']:.3f}°, Dec {target['dec']:.3f}°: {summary['significance']:.1f} σ, "
        f"{observed(len(runs), summary)}"
    )
    figure.suptitle(title.replace("-", "−"))
    figure.savefig(path, dpi=100)


def _sed(axes: Axes, model: SpectralModel, table: Table, summary: dict[str, Any]) -> None:
    import numpy as np
    from astropy import units as u

    energy = np.geomspace(summary["energy"]["min"], table["e_max"].quantity[-1].to_value("TeV"), 100) * u.TeV
    dnde, error = model.evaluate_error(energy)[:2]
    middle, width = _sed_value(energy, dnde), _sed_value(energy, error)
    axes.fill_between(energy.value, np.maximum(middle - width, middle / 100), middle + width, alpha=0.3, color="C0")
    axes.plot(energy.value, middle, color="C0", label=_words(summary))

    x = table["e_ref"].quantity
    span = [
        (x - table["e_min"].quantity).to_value("TeV"),
        (table["e_max"].quantity - x).to_value("TeV"),
    ]
    limit = table["is_ul"].data.astype(bool)
    value, upper = (_sed_value(x, table[name].quantity) for name in ("dnde", "dnde_ul"))
    axes.errorbar(
        x.to_value("TeV")[~limit],
        value[~limit],
        xerr=[side[~limit] for side in span],
        yerr=_sed_value(x, table["dnde_err"].quantity)[~limit],
        fmt="o",
        color="black",
        markersize=4,
        label="flux points",
    )
    if limit.any():
        axes.errorbar(
            x.to_value("TeV")[limit],
            upper[limit],
            xerr=[side[limit] for side in span],
            yerr=0.4 * upper[limit],
            uplims=True,
            fmt="none",
            color="grey",
            label="upper limits, 95 %",
        )
    # the error bar of a single count reaches to zero: it may leave the plot, the points may not
    shown = np.concatenate([middle, value[~limit], upper[limit]])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    axes.set(xscale="log", yscale="log", ylim=(shown.min() / 5, shown.max() * 3), ylabel="E² dN/dE (erg cm⁻² s⁻¹)")
    axes.grid(which="major", alpha=0.3)
    axes.legend(loc="lower left", fontsize=9)


def _residuals(axes: Axes, table: Table, deviation: Any) -> None:
    import numpy as np
    from matplotlib.ticker import LogFormatter, StrMethodFormatter

    x = table["e_ref"].quantity.to_value("TeV")
    limit = table["is_ul"].data.astype(bool)
    for chosen, color in ((~limit, "black"), (limit, "grey")):
        axes.errorbar(x[chosen], deviation[chosen], yerr=1, fmt="o", color=color, markersize=4)
    axes.axhline(0, color="C0")
    reach = max(3.5, float(np.nanmax(np.abs(deviation), initial=0)) + 1.5)
    axes.set(ylim=(-reach, reach), xlabel="Energy (TeV)", ylabel="Deviation (σ)")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
    axes.grid(which="major", alpha=0.3)


def _sed_value(energy: Any, dnde: Any) -> Any:
    return (energy**2 * dnde).to_value(SED_UNIT)


def _words(summary: dict[str, Any]) -> str:
    """The fit as the legend tells it."""
    values = summary["parameters"]
    amplitude = values["amplitude"]
    lines = [
        "power law" if summary["model"] == "pl" else "power law with exponential cut-off",
        f"index {values['index']['value']:.2f} ± {values['index']['error']:.2f}",
        f"dN/dE(1 TeV) ({amplitude['value'] / 1e-12:.3g} ± {amplitude['error'] / 1e-12:.2g})·10⁻¹² cm⁻² s⁻¹ TeV⁻¹",
    ]
    if "lambda_" in values:
        value, error = values["lambda_"]["value"], values["lambda_"]["error"]
        # the error of the cut-off energy itself is lopsided, that of its inverse is not
        cut_off = f"cut-off at {1 / value:.3g} TeV" if value > 0 else "no cut-off"
        lines.insert(2, f"{cut_off} (λ {value:.3f} ± {error:.3f} TeV⁻¹)")
    return "\n".join(lines)


def sensitivity_figure(path: Path, table: Table, summary: dict[str, Any]) -> None:
    """Write a PNG of the least flux by energy beside fractions of a Crab-like spectrum."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    energy, low, high = (table[name].quantity.to_value("TeV") for name in ("e_ref", "e_min", "e_max"))
    flux = table["e2dnde"].quantity.to_value(SED_UNIT)
    width = [energy - low, high - energy]
    for criterion, marker in (("significance", "o"), ("gamma", "s"), ("bkg", "^")):
        chosen = np.asarray(table["criterion"]) == criterion
        if chosen.any():
            label = {"significance": "significance", "gamma": "number of gamma rays", "bkg": "systematics"}[criterion]
            span = [side[chosen] for side in width]
            axes.errorbar(energy[chosen], flux[chosen], xerr=span, fmt=marker, ms=5, label=f"limited by {label}")
    # H.E.S.S., A&A 457, 899 (2006)
    x = np.geomspace(low.min(), high.max(), 100)
    crab = 3.76e-11 * x**-0.39 * np.exp(-x / 14.3) * 1.602176634
    bottom, top = flux.min() / 3, flux.max() * 3
    for fraction in (1, 0.1, 0.01, 0.001):
        axes.plot(x, crab * fraction, color="grey", linewidth=1, linestyle="--")
        at = len(x) // 3
        if bottom < crab[at] * fraction < top:
            axes.annotate(f"{100 * fraction:g} % Crab", (x[at], crab[at] * fraction), fontsize=8, color="grey")
    axes.set(xscale="log", yscale="log", ylim=(bottom, top), xlabel="Energy (TeV)")
    axes.set_ylabel("E² dN/dE (erg cm⁻² s⁻¹)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    given = summary["for"]
    axes.set_title(
        f"Sensitivity: {given['significance']:g} σ in {given['livetime']['value']:g} h, "
        f"{given['offset']['value']:g}° from the pointing",
        fontsize=11,
    )
    figure.savefig(path, dpi=100)
