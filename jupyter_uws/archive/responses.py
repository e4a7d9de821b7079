"""A telescope array that does not exist: smooth response functions and their GADF tables.

The simulation draws its events from the very functions that are tabulated here, so an analysis must find back what was
put in. The nodes resemble what CTAO expects of its sites, to a factor of two; nothing else is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf
from typing import Any

import numpy as np
from astropy.io import fits

Array = np.ndarray[Any, np.dtype[np.float64]]

FOV_RADIUS = 4.0  # deg
MIGRA_RANGE = (0.2, 2.6)  # of reconstructed over true energy
ENERGY_RANGE = (0.02, 200.0)  # TeV

_NODES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 200.0)  # TeV
_R68_OVER_SIGMA = 1.5095921854516636  # of a two-dimensional Gaussian
_AEFF_WIDTH = 3.5  # deg
_PSF_WIDTH = 5.0  # deg
_BKG_WIDTH = 2.5  # deg
_THETA_NODES = np.arange(0, 2 * FOV_RADIUS + 1) / 2


@dataclass(frozen=True)
class Site:
    """An array's place and its on-axis response at the nodes: m2, deg, relative, s-1 sr-1 TeV-1."""

    name: str
    latitude: float
    longitude: float
    altitude: float
    aeff: tuple[float, ...]
    r68: tuple[float, ...]
    resolution: tuple[float, ...]
    background: tuple[float, ...]

    def effective_area(self, energy: Array, offset: Array) -> Array:
        """Effective area in m2 at a true energy in TeV and an offset in deg."""
        return _interpolate(energy, self.aeff) * np.exp(-0.5 * (offset / _AEFF_WIDTH) ** 2)

    def psf_sigma(self, energy: Array, offset: Array) -> Array:
        """Width of the Gaussian point spread function in deg."""
        return _interpolate(energy, self.r68) / _R68_OVER_SIGMA * (1 + (offset / _PSF_WIDTH) ** 2)

    def energy_sigma(self, energy: Array) -> Array:
        """Relative width of the Gaussian energy dispersion."""
        return _interpolate(energy, self.resolution)

    def background_rate(self, energy: Array, offset: Array) -> Array:
        """Background rate in s-1 sr-1 TeV-1 at a reconstructed energy in TeV and an offset in deg."""
        return _interpolate(energy, self.background) * background_shape(offset)


def background_shape(offset: Array) -> Array:
    """How the background falls off from the centre of the field of view; the same at all energies."""
    return np.exp(-0.5 * (offset / _BKG_WIDTH) ** 2)


def _interpolate(energy: Array, values: Sequence[float]) -> Array:
    return np.exp(np.interp(np.log(energy), np.log(_NODES), np.log(values)))


NORTH = Site(
    "North",
    28.761758, -17.890659, 2200.0,
    aeff=(1.5e3, 2e4, 6e4, 1.2e5, 2.3e5, 3.2e5, 4.5e5, 6e5, 7e5, 8e5, 8.5e5, 8.5e5),
    r68=(0.25, 0.15, 0.11, 0.085, 0.062, 0.050, 0.043, 0.036, 0.032, 0.028, 0.026, 0.026),
    resolution=(0.30, 0.22, 0.16, 0.12, 0.09, 0.08, 0.07, 0.06, 0.055, 0.05, 0.05, 0.05),
    background=(1.6e6, 1.1e5, 1.5e4, 1.9e3, 1.3e2, 18.0, 2.6, 0.21, 0.03, 1.3e-3, 4e-5, 6e-6),
)  # fmt: skip
SOUTH = Site(
    "South",
    -24.683429, -70.316344, 2147.0,
    aeff=(1e2, 5e3, 4e4, 1.2e5, 3e5, 6e5, 1e6, 2e6, 3e6, 4e6, 5e6, 5e6),
    r68=(0.27, 0.17, 0.12, 0.09, 0.065, 0.052, 0.044, 0.036, 0.030, 0.023, 0.018, 0.018),
    resolution=(0.32, 0.24, 0.17, 0.12, 0.09, 0.08, 0.07, 0.06, 0.055, 0.05, 0.05, 0.05),
    background=(1.2e6, 1.2e5, 1.9e4, 2.4e3, 1.7e2, 24.0, 3.5, 0.30, 0.045, 2e-3, 6e-5, 9e-6),
)  # fmt: skip


def response_hdus(site: Site, energy_min: float) -> list[fits.BinTableHDU]:
    """AEFF, EDISP, PSF and BKG of a site; ``energy_min`` (TeV) is the threshold the effective area declares."""
    energy = np.geomspace(*ENERGY_RANGE, 81)
    centres = np.sqrt(energy[:-1] * energy[1:])
    theta = _THETA_NODES
    true_axis = {"ENERG": (energy[:-1], energy[1:], "TeV")}
    offset_axis = {"THETA": (theta, theta, "deg")}
    grid = np.meshgrid(centres, theta)

    aeff = _hdu(
        "AEFF", ("EFF_AREA", "AEFF_2D"), {**true_axis, **offset_axis}, {"EFFAREA": (site.effective_area(*grid), "m2")}
    )
    aeff.header["LO_THRES"] = (energy_min, "[TeV]")
    aeff.header["HI_THRES"] = (100.0, "[TeV]")

    # the same at all offsets: two nodes are enough
    migra = np.linspace(*MIGRA_RANGE, 121)
    standard = (migra[:, None] - 1) / site.energy_sigma(centres)[None, :] / np.sqrt(2)
    matrix = np.diff(np.vectorize(erf)(standard) / 2, axis=0) / np.diff(migra)[:, None]
    ends = np.array([0.0, FOV_RADIUS])
    edisp = _hdu(
        "EDISP",
        ("EDISP", "EDISP_2D"),
        {**true_axis, "MIGRA": (migra[:-1], migra[1:], ""), "THETA": (ends, ends, "deg")},
        {"MATRIX": (np.stack([matrix, matrix]), "")},
    )

    sigma = site.psf_sigma(*grid)
    scale = 1 / (2 * np.pi * np.radians(sigma) ** 2)
    nothing = np.zeros_like(sigma)
    psf = _hdu(
        "PSF",
        ("RPSF", "PSF_3GAUSS"),
        {**true_axis, **offset_axis},
        {
            "SCALE": (scale, "sr-1"),
            "SIGMA_1": (sigma, "deg"),
            "AMPL_2": (nothing, ""),
            "SIGMA_2": (sigma, "deg"),
            "AMPL_3": (nothing, ""),
            "SIGMA_3": (sigma, "deg"),
        },
    )

    energy = np.geomspace(*ENERGY_RANGE, 33)
    centres = np.sqrt(energy[:-1] * energy[1:])
    det = np.linspace(-FOV_RADIUS - 0.4, FOV_RADIUS + 0.4, 23)
    middle = np.radians((det[:-1] + det[1:]) / 2)
    offset = np.degrees(np.arccos(np.cos(middle)[None, :] * np.cos(middle)[:, None]))
    rate = site.background_rate(centres[:, None, None], offset[None, :, :]) * 1e-6
    bkg = _hdu(
        "BKG",
        ("BKG", "BKG_3D"),
        {
            "DETX": (det[:-1], det[1:], "deg"),
            "DETY": (det[:-1], det[1:], "deg"),
            "ENERG": (energy[:-1], energy[1:], "TeV"),
        },
        {"BKG": (rate, "s-1 MeV-1 sr-1")},
    )
    bkg.header["FOVALIGN"] = "RADEC"
    for hdu in (aeff, edisp, psf, bkg):
        hdu.header["TELESCOP"] = "SIM-CTAO"
        hdu.header["INSTRUME"] = site.name
    return [aeff, edisp, psf, bkg]


def _hdu(
    name: str,
    classes: tuple[str, str],
    axes: dict[str, tuple[Array, Array, str]],
    values: dict[str, tuple[Array, str]],
) -> fits.BinTableHDU:
    columns = []
    for axis, (low, high, unit) in axes.items():
        for suffix, edges in (("LO", low), ("HI", high)):
            columns.append(_vector(f"{axis}_{suffix}", edges, unit))
    columns += [_vector(column, value, unit) for column, (value, unit) in values.items()]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(
        HDUCLASS="GADF",
        HDUDOC="https://github.com/open-gamma-ray-astro/gamma-astro-data-formats",
        HDUVERS="0.3",
        HDUCLAS1="RESPONSE",
        HDUCLAS2=classes[0],
        HDUCLAS3="FULL-ENCLOSURE",
        HDUCLAS4=classes[1],
    )
    return hdu


def _vector(name: str, values: Array, unit: str) -> fits.Column:
    """A column of one row that holds the whole array."""
    # seven digits: the last bits of exp and log differ between numpy builds, the file should not
    rounded = np.array([float(f"{value:.6g}") for value in values.ravel()], dtype="f4").reshape(values.shape)
    dim = f"({','.join(str(n) for n in reversed(values.shape))})" if values.ndim > 1 else None
    return fits.Column(name, f"{values.size}E", unit=unit or None, dim=dim, array=rounded[None])
