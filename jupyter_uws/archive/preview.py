"""Draws the pictures of one run, as a program: ``python -m jupyter_uws.archive.preview FILE HDU TITLE FOLDER``.

A program of its own, because matplotlib and astropy are large and slow to load, and the file may be anything.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .fitsfile import Hdu, scan

Array = np.ndarray[Any, np.dtype[np.float64]]

_TEV = {"TEV": 1.0, "GEV": 1e-3, "MEV": 1e-6}
_COLOUR = "#0072B2"
_SIZE, _DPI = (5.0, 4.0), 100
_PIXELS = 100


def main(file: str, hdu: str, title: str, folder: str) -> None:
    """Write ``counts.png``, ``energy.png`` and ``time.png`` into ``folder``."""
    name = hdu.upper()
    events = scan(Path(file), keep=lambda header: str(header.get("EXTNAME", "")).strip().upper() == name)[name]
    for kind, draw in (("counts", _counts), ("energy", _energy), ("time", _time)):
        figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, fontsize="medium")
        draw(axes, events)
        figure.savefig(Path(folder) / f"{kind}.png")


def _counts(axes: Any, events: Hdu) -> None:
    """Events on the sky, in a plane that touches it at the pointing; east is left."""
    table, header = events.table, events.header
    x, y = offsets(table["RA"], table["DEC"], float(header["RA_PNT"]), float(header["DEC_PNT"]))
    # an event far out must not shrink the rest to a dot
    radius = max(0.5, float(np.quantile(np.hypot(x, y), 0.98))) if len(x) else 1.0
    counts, _, _ = np.histogram2d(y, x, bins=_PIXELS, range=[[-radius, radius]] * 2)
    image = axes.imshow(np.sqrt(counts), origin="lower", extent=(-radius, radius, -radius, radius), cmap="inferno")
    axes.invert_xaxis()
    axes.set_xlabel("offset in right ascension [deg]")
    axes.set_ylabel("offset in declination [deg]")
    bar = axes.figure.colorbar(image, ax=axes)
    ticks = np.unique(np.round(np.linspace(0, np.sqrt(counts.max(initial=1)), 5) ** 2))
    bar.set_ticks(list(np.sqrt(ticks)), labels=[f"{tick:.0f}" for tick in ticks])
    bar.set_label(f"events per ({2 * radius / _PIXELS:.2g} deg)²; {len(x)} in all")


def _energy(axes: Any, events: Hdu) -> None:
    """How many events there are at which energy."""
    table = events.table
    unit = (table.columns["ENERGY"].unit or "TeV").strip()
    energy = np.asarray(table["ENERGY"], float) * _TEV.get(unit.upper(), 1.0)
    energy = energy[np.isfinite(energy) & (energy > 0)]
    low, high = (float(energy.min()), float(energy.max())) if len(energy) else (0.1, 10.0)
    edges = np.geomspace(low, max(high, low * 1.01), 41)
    axes.hist(np.clip(energy, edges[0], edges[-1]), bins=edges, color=_COLOUR)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.set_xlabel("reconstructed energy [TeV]")
    axes.set_ylabel("events per bin")


def _time(axes: Any, events: Hdu) -> None:
    """The rate of all events from the beginning of the run to its end."""
    start, stop = float(events.header["TSTART"]), float(events.header["TSTOP"])
    since = np.asarray(events.table["TIME"], float) - start
    span = max(stop - start, 1e-3)
    counts, edges = np.histogram(since, bins=50, range=(0, span))
    width = edges[1] - edges[0]
    axes.stairs(counts / width, edges / 60, color=_COLOUR)
    errors = np.sqrt(counts) / width
    axes.errorbar((edges[:-1] + edges[1:]) / 120, counts / width, errors, fmt="none", color=_COLOUR, alpha=0.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time since the start of the run [min]")
    axes.set_ylabel("events [s$^{-1}$]")


def offsets(ra: Any, dec: Any, ra0: float, dec0: float) -> tuple[Array, Array]:
    """Where positions are in the plane that touches the sky at (ra0, dec0): east and north; all in degrees.

    Those on the other half of the sky are left out.
    """
    lat, lat0 = np.radians(np.asarray(dec, float)), np.radians(dec0)
    dlon = np.radians(np.asarray(ra, float) - ra0)
    along = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(dlon)
    there = along > 1e-3
    east = np.cos(lat) * np.sin(dlon)
    north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(dlon)
    return np.degrees(east[there] / along[there]), np.degrees(north[there] / along[there])


if __name__ == "__main__":
    main(*sys.argv[1:])
