"""Angular and energy resolution of a run at a reference point, from its response tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from .fitsfile import Hdu

ENERGY = 1.0  # TeV
OFFSET = 0.5  # deg

Array = np.ndarray[Any, np.dtype[np.float64]]


def angular_resolution(psf: Hdu) -> float | None:
    """68 % containment radius in arcsec at 1 TeV, 0.5 deg off-axis; None for a table of another kind or an empty one.

    Reads GADF's PSF_TABLE, PSF_3GAUSS and PSF_KING, told apart by their columns.
    """
    row = _Row(psf)
    if "RPSF" in row.names and "RAD_LO" in row.names:
        # (rad, offset, energy)
        low, high = row.vector("RAD_LO"), row.vector("RAD_HI")
        density = row.vector("RPSF")[:, row.offset, row.energy]
        contained = np.cumsum(density * (high**2 - low**2))
        radii, fraction = np.append(low[0], high), np.append(0.0, contained)
    elif "SIGMA_1" in row.names:
        # (offset, energy)
        radii = np.linspace(0, 2, 2001)
        fraction = np.zeros_like(radii)
        for number in (1, 2, 3):
            sigma = row.vector(f"SIGMA_{number}")[row.offset, row.energy]
            amplitude = 1.0 if number == 1 else row.vector(f"AMPL_{number}")[row.offset, row.energy]
            if sigma > 0 and amplitude > 0:
                fraction += amplitude * sigma**2 * (1 - np.exp(-0.5 * (radii / sigma) ** 2))
    elif {"SIGMA", "GAMMA"} <= set(row.names):
        sigma, gamma = (float(row.vector(name)[row.offset, row.energy]) for name in ("SIGMA", "GAMMA"))
        if not (sigma > 0 and gamma > 1):
            return None
        # the integral of a King function, solved for the radius that holds 68 %
        return float(sigma * np.sqrt(2 * gamma * ((1 - 0.68) ** (1 / (1 - gamma)) - 1))) * 3600
    else:
        return None
    radius = _quantile(radii, fraction, 0.68)
    return None if radius is None else radius * 3600


def resolving_power(edisp: Hdu) -> float | None:
    """E over dE at 1 TeV and 0.5 deg off-axis; dE is half the width that holds the central 68 %."""
    row = _Row(edisp)
    if not {"MIGRA_LO", "MIGRA_HI", "MATRIX"} <= set(row.names):
        return None
    low, high = row.vector("MIGRA_LO"), row.vector("MIGRA_HI")
    density = row.vector("MATRIX")[row.offset, :, row.energy]  # (offset, migra, energy)
    edges, fraction = np.append(low[0], high), np.append(0.0, np.cumsum(density * (high - low)))
    first, last = _quantile(edges, fraction, 0.16), _quantile(edges, fraction, 0.84)
    return 2 / (last - first) if first is not None and last is not None and last > first else None


class _Row:
    """The only row of a response table, and where on its axes the reference point is."""

    def __init__(self, hdu: Hdu) -> None:
        self._table = hdu.table
        self.names = list(self._table.names)
        energy = np.sqrt(self.vector("ENERG_LO") * self.vector("ENERG_HI"))
        offset = (self.vector("THETA_LO") + self.vector("THETA_HI")) / 2
        self.energy = int(np.argmin(np.abs(np.log(np.maximum(energy, 1e-9) / ENERGY))))
        self.offset = int(np.argmin(np.abs(offset - OFFSET)))

    def vector(self, name: str) -> Array:
        values: Array = np.nan_to_num(np.asarray(self._table[name][0], dtype=float))
        return values


def _quantile(edges: Array, cumulative: Array, fraction: float) -> float | None:
    if not cumulative[-1] > 0:
        return None
    return float(np.interp(fraction, cumulative / cumulative[-1], edges))
