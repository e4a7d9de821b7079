"""The pictures of light curves and of theta-squared distributions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .summary import observed

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

#: Points closer together than this, in days, are drawn over the hours of their day.
SHORT = 10


def _figure(size: tuple[float, float]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _title(summary: dict[str, Any]) -> str:
    target, runs = summary["target"], summary["runs"]["used"]
    title = (
        f"RA {target['ra']:.3f}°, Dec {target['dec']:.3f}°: {summary['significance']:.1f} σ, "
        f"{observed(len(runs), summary)}"
    )
    return title.replace("-", "−")


def theta2_figure(path: Path, table: Table, summary: dict[str, Any]) -> None:
    """Write a PNG of ON counts with errors over the OFF counts that are expected under them."""
    import numpy as np

    figure = _figure((7.5, 5))
    axes = figure.subplots()
    low, high, on = (np.asarray(table[name], float) for name in ("theta2_min", "theta2_max", "counts"))
    off, alpha = (np.asarray(table[name], float) for name in ("counts_off", "alpha"))
    edges = [*low, high[-1]]
    axes.stairs(off * alpha, edges, fill=True, color="C0", alpha=0.4, label="OFF, scaled")
    axes.errorbar((low + high) / 2, off * alpha, np.sqrt(off) * alpha, fmt="none", color="C0")
    axes.errorbar((low + high) / 2, on, np.sqrt(on), (high - low) / 2, fmt="o", ms=4, color="black", label="ON")
    radius, counts = summary["on_radius"]["value"], summary["counts"]
    label = f"ON radius {radius:g}°: ON {counts['on']}, OFF {counts['off']}, α {counts['alpha']:.3f}"
    axes.axvline(radius**2, color="grey", linestyle="--", label=label)
    axes.set(xlabel="θ² (deg²)", ylabel="Events", xlim=(0, edges[-1]), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    axes.set_title(_title(summary), fontsize=11)
    figure.savefig(path, dpi=100)


def light_curve_figure(path: Path, table: Table, summary: dict[str, Any]) -> None:
    """Write a PNG of fluxes (cm⁻² s⁻¹) over time with the constant that fits them best."""
    import numpy as np

    figure = _figure((8.5, 5))
    axes = figure.subplots()
    start, stop, flux, error, limit = (
        np.asarray(table[name], float).reshape(len(table), -1)[:, 0]
        for name in ("time_min", "time_max", "flux", "flux_err", "flux_ul")
    )
    day = int(np.floor(start[0])) if stop[-1] - start[0] < SHORT else 0
    middle, width = (start + stop) / 2 - day, (stop - start) / 2
    is_limit = np.asarray(table["is_ul"]).reshape(len(table), -1)[:, 0].astype(bool)
    good = ~is_limit & np.isfinite(flux)
    axes.errorbar(middle[good], flux[good], error[good], width[good], fmt="o", ms=4, color="black", label="flux")
    limited = is_limit & np.isfinite(limit)
    if limited.any():
        drop = 0.25 * limit[limited]
        axes.errorbar(
            middle[limited], limit[limited], drop, width[limited], uplims=True, fmt="none", color="grey",
            label="upper limits, 95 %",
        )  # fmt: skip
    constant, energy = summary["constant"], summary["energy"]
    if constant:
        label = f"constant: χ² = {constant['chi2']:.1f} for {constant['degrees']} degrees of freedom"
        axes.axhline(constant["flux"], color="C0", linestyle="--", linewidth=1, label=label)
    axes.set(
        xlabel=f"Time (MJD − {day}, TT)" if day else "Time (MJD, TT)",
        ylabel=f"Flux, {energy['min']:.3g} to {energy['max']:.3g} TeV (cm⁻² s⁻¹)",
    )
    axes.axhline(0, color="black", linewidth=0.5)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    axes.set_title(_title(summary), fontsize=11)
    figure.savefig(path, dpi=100)
