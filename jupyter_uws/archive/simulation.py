"""SIM-DR1: a small CTAO-like data store made from nothing, for trying things out without real data.

28 runs of 28 minutes. Nothing in it is measured; its targets are called "Sim ..." and its collection SIM-DR1 so that
nobody takes it for data. :data:`TRUTH` says what was put in. numpy's RandomState is used because its stream is frozen
(NEP 19): the same seed makes the same store on every machine, up to the last digits of the mathematics library.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from .errors import ArchiveError
from .responses import (
    ENERGY_RANGE,
    FOV_RADIUS,
    MIGRA_RANGE,
    NORTH,
    SOUTH,
    Array,
    Site,
    background_shape,
    response_hdus,
)

COLLECTION = "SIM-DR1"
ONTIME = 1680.0  # s
DEADC = 0.98
_MJDREF = 58849  # 2020-01-01


@dataclass(frozen=True)
class Source:
    """A simulated source: position in deg (ICRS), dN/dE = amplitude (E/TeV)^-index exp(-lambda_ E).

    ``amplitude`` in cm-2 s-1 TeV-1, ``lambda_`` in TeV-1, ``sigma`` of the Gaussian shape in deg (0: a point),
    ``light_curve`` the factors on the amplitude by obs_id, 1 elsewhere.
    """

    name: str
    ra: float
    dec: float
    amplitude: float
    index: float
    lambda_: float = 0.0
    sigma: float = 0.0
    light_curve: dict[int, float] = field(default_factory=dict)

    def flux(self, energy: Array) -> Array:
        """dN/dE in cm-2 s-1 TeV-1 at energies in TeV."""
        return self.amplitude * energy**-self.index * np.exp(-self.lambda_ * energy)


def _galactic(lon: float, lat: float) -> tuple[float, float]:
    there = SkyCoord(lon, lat, unit="deg", frame="galactic").icrs
    return round(float(there.ra.deg), 6), round(float(there.dec.deg), 6)


_AGN_FACTORS = (1.0, 1.6, 3.0, 8.0, 26.0, 14.0, 5.0, 2.0)

TRUTH: tuple[Source, ...] = (
    Source("Sim Crab", 83.633083, 22.0145, 3.8e-11, 2.39, lambda_=1 / 14.3),
    Source("Sim SNR", 258.388333, -39.762222, 2.0e-11, 2.1, lambda_=0.03, sigma=0.25),
    Source(
        "Sim AGN", 329.716938, -30.225588, 2.0e-12, 3.0,
        light_curve={100201 + i: factor for i, factor in enumerate(_AGN_FACTORS)},
    ),
    Source("Sim Plane A", *_galactic(332.4, -0.2), 6.0e-12, 2.3),
    Source("Sim Plane B", *_galactic(335.6, 0.4), 8.0e-12, 2.1, sigma=0.1),
    Source("Sim Plane C", *_galactic(338.8, -0.1), 8.0e-12, 2.5),
)  # fmt: skip


@dataclass(frozen=True)
class _Plan:
    """A run to simulate: pointing in deg (ICRS), start as MJD in TT."""

    obs_id: int
    target: str
    object_ra: float
    object_dec: float
    ra: float
    dec: float
    start: float
    site: Site


def simulate(
    folder: Path,
    *,
    energy_min: float = 0.1,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make the data store SIM-DR1 in ``folder``, which must not exist yet; it appears when it is complete.

    ``energy_min`` (TeV, 0.05 to 1) is the threshold on the reconstructed energy: 0.2 makes a store a third the size.
    ``progress`` is called with (runs done, runs in all). Raises ArchiveError where the folder exists or cannot be made.
    """
    if not 0.05 <= energy_min <= 1:
        raise ArchiveError(f"energy_min {energy_min}: must be between 0.05 and 1 TeV")
    folder = folder.expanduser().absolute()
    if folder.exists():
        raise ArchiveError(f"{folder}: exists already; give a new folder or remove it first")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        (temporary / "data").mkdir(parents=True)
        (temporary / "caldb").mkdir()
        _make(temporary, energy_min, seed, progress)
        temporary.rename(folder)
    except OSError as error:
        raise ArchiveError(f"{folder}: cannot write the simulated store: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _make(folder: Path, energy_min: float, seed: int, progress: Callable[[int, int], None] | None) -> None:
    for site in (NORTH, SOUTH):
        _write(folder / _response_file(site), response_hdus(site, energy_min))
    plans = _plans()
    counts = []
    for done, plan in enumerate(plans):
        if progress:
            progress(done, len(plans))
        rng = np.random.RandomState(zlib.crc32(f"{seed}:{plan.obs_id}".encode()))
        events = _events(plan, energy_min, rng)
        counts.append(len(events))
        _write(folder / _event_file(plan), _event_hdus(plan, events))
    if progress:
        progress(len(plans), len(plans))
    _write(folder / "obs-index.fits.gz", [_obs_index(plans, counts, energy_min)])
    _write(folder / "hdu-index.fits.gz", [_hdu_index(plans)])


def _plans() -> list[_Plan]:
    """Four runs on the Crab in wobble mode, six on the supernova remnant, eight on the AGN, ten along the plane."""
    crab, snr, agn = TRUTH[:3]
    plans = []
    for first, source, site, wobble, angle, count, day, step in (
        (100001, crab, NORTH, 0.5, 90, 4, 60250.05, 0.021),
        (100101, snr, SOUTH, 0.7, 60, 6, 60110.10, 0.021),
        (100201, agn, SOUTH, 0.5, 90, 8, 60170.15, 1.0),
    ):
        for i in range(count):
            ra, dec = _offset(np.array(source.ra), np.array(source.dec), np.array(wobble), np.radians(angle * i))
            plans.append(
                _Plan(
                    first + i, source.name, source.ra, source.dec, round(float(ra), 6), round(float(dec), 6),
                    round(day + i * step, 6), site,
                )
            )  # fmt: skip
    for i in range(10):
        lon, lat = _galactic(331.0 + i, 0.5 * (-1) ** i)
        plans.append(_Plan(100301 + i, "Sim Plane", lon, lat, lon, lat, round(60130.05 + i * 0.021, 6), SOUTH))
    return plans


def _events(plan: _Plan, energy_min: float, rng: np.random.RandomState) -> Any:
    """The events of a run, ordered by time, as a structured array."""
    parts = [_background(plan, energy_min, rng)]
    for source in TRUTH:
        if _separation(plan.ra, plan.dec, source.ra, source.dec) < FOV_RADIUS + 4 * source.sigma:
            parts.append(_gammas(plan, source, energy_min, rng))
    ra, dec, energy = (np.concatenate(column) for column in zip(*parts, strict=True))
    events = np.zeros(
        len(ra), dtype=[("EVENT_ID", "i8"), ("TIME", "f8"), ("RA", "f4"), ("DEC", "f4"), ("ENERGY", "f4")]
    )
    order = rng.permutation(len(ra))
    events["EVENT_ID"] = np.arange(1, len(ra) + 1)
    # whole microseconds: what a real clock gives
    events["TIME"] = np.round(_met(plan) + np.sort(rng.uniform(0, ONTIME, len(ra))), 6)
    events["RA"], events["DEC"], events["ENERGY"] = ra[order], dec[order], energy[order]
    return events


def _gammas(plan: _Plan, source: Source, energy_min: float, rng: np.random.RandomState) -> tuple[Array, Array, Array]:
    site = plan.site
    edges = np.geomspace(max(ENERGY_RANGE[0], energy_min / 3), ENERGY_RANGE[1], 401)
    centres = np.sqrt(edges[:-1] * edges[1:])
    on_axis = site.effective_area(centres, np.zeros(1)) * 1e4  # cm2
    expected = source.flux(centres) * on_axis * np.diff(edges) * ONTIME * DEADC
    expected *= source.light_curve.get(plan.obs_id, 1.0)
    n = rng.poisson(expected.sum())
    energy = _draw_energy(expected, edges, n, rng)
    ra, dec = _scatter(np.full(n, source.ra), np.full(n, source.dec), np.full(n, source.sigma), rng)
    offset = _separation(plan.ra, plan.dec, ra, dec)
    zero = np.zeros(n)
    acceptance = site.effective_area(energy, offset) / site.effective_area(energy, zero)
    seen = (rng.uniform(size=n) < acceptance) & (offset < FOV_RADIUS)
    ra, dec, energy, offset = ra[seen], dec[seen], energy[seen], offset[seen]

    ra, dec = _scatter(ra, dec, site.psf_sigma(energy, offset), rng)
    migra = 1 + site.energy_sigma(energy) * rng.standard_normal(len(energy))
    energy = energy * migra
    kept = (energy >= energy_min) & (migra > MIGRA_RANGE[0]) & (migra < MIGRA_RANGE[1])
    kept &= _separation(plan.ra, plan.dec, ra, dec) < FOV_RADIUS
    return ra[kept], dec[kept], energy[kept]


def _background(plan: _Plan, energy_min: float, rng: np.random.RandomState) -> tuple[Array, Array, Array]:
    edges = np.geomspace(energy_min, ENERGY_RANGE[1], 401)
    centres = np.sqrt(edges[:-1] * edges[1:])
    rings = np.linspace(0, FOV_RADIUS, 401)
    middle = (rings[:-1] + rings[1:]) / 2
    per_ring = background_shape(middle) * 2 * np.pi * -np.diff(np.cos(np.radians(rings)))
    # a background model predicts what was recorded, dead time and all: hence ONTIME (as gammapy does)
    per_bin = plan.site.background_rate(centres, np.zeros(1)) * np.diff(edges) * ONTIME
    n = rng.poisson(per_bin.sum() * per_ring.sum())
    energy = _draw_energy(per_bin, edges, n, rng)
    cumulative = np.concatenate([[0], np.cumsum(per_ring)])
    offset = np.interp(rng.uniform(0, cumulative[-1], n), cumulative, rings)
    ra, dec = _offset(np.full(n, plan.ra), np.full(n, plan.dec), offset, rng.uniform(0, 2 * np.pi, n))
    return ra, dec, energy


def _draw_energy(weights: Array, edges: Array, n: int, rng: np.random.RandomState) -> Array:
    cumulative = np.concatenate([[0], np.cumsum(weights)])
    return np.exp(np.interp(rng.uniform(0, cumulative[-1], n), cumulative, np.log(edges)))


def _scatter(ra: Array, dec: Array, sigma: Array, rng: np.random.RandomState) -> tuple[Array, Array]:
    """Positions moved by a two-dimensional Gaussian of width ``sigma``, all in deg."""
    distance = sigma * np.sqrt(-2 * np.log(1 - rng.uniform(size=len(ra))))
    return _offset(ra, dec, distance, rng.uniform(0, 2 * np.pi, len(ra)))


def _offset(ra: Array, dec: Array, distance: Array, angle: Array | float) -> tuple[Array, Array]:
    """Positions at a distance (deg) in the direction of a position angle (rad, from north to east)."""
    lat, step = np.radians(dec), np.radians(distance)
    sin_lat = np.sin(lat) * np.cos(step) + np.cos(lat) * np.sin(step) * np.cos(angle)
    dlon = np.arctan2(np.sin(angle) * np.sin(step) * np.cos(lat), np.cos(step) - np.sin(lat) * sin_lat)
    return np.mod(ra + np.degrees(dlon), 360), np.degrees(np.arcsin(sin_lat))


def _separation(ra: float, dec: float, ra2: Any, dec2: Any) -> Any:
    lat, lat2, dlon = np.radians(dec), np.radians(dec2), np.radians(np.asarray(ra2) - ra)
    haversine = np.sin((lat2 - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat2) * np.sin(dlon / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(haversine)))


def _met(plan: _Plan) -> float:
    return float(round((plan.start - _MJDREF) * 86400))


def _event_file(plan: _Plan) -> str:
    return f"data/sim_dr1_obs_id_{plan.obs_id}.fits.gz"


def _response_file(site: Site) -> str:
    return f"caldb/sim_dr1_{site.name.lower()}.fits.gz"


def _time_cards() -> dict[str, Any]:
    return {"MJDREFI": _MJDREF, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "TT", "TIMEREF": "LOCAL"}


def _class_cards(first: str, second: str = "") -> dict[str, Any]:
    cards = {
        "HDUCLASS": "GADF",
        "HDUDOC": "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats",
        "HDUVERS": "0.3",
        "HDUCLAS1": first,
    }
    return {**cards, "HDUCLAS2": second} if second else cards


def _event_hdus(plan: _Plan, events: Any) -> list[fits.BinTableHDU]:
    start = _met(plan)
    hdu = fits.BinTableHDU(events, name="EVENTS")
    for column, unit in (("TIME", "s"), ("RA", "deg"), ("DEC", "deg"), ("ENERGY", "TeV")):
        hdu.columns[column].unit = unit
    site = plan.site
    hdu.header.update(
        {
            **_class_cards("EVENTS"),
            "CREATOR": "jupyter_uws",
            "ORIGIN": "simulation: not measured data",
            "TELESCOP": "SIM-CTAO",
            "INSTRUME": site.name,
            "OBS_ID": plan.obs_id,
            "OBS_MODE": "POINTING",
            "OBJECT": plan.target,
            "RA_OBJ": plan.object_ra,
            "DEC_OBJ": plan.object_dec,
            "RA_PNT": plan.ra,
            "DEC_PNT": plan.dec,
            "ALT_PNT": round(90 - abs(site.latitude - plan.dec), 3),
            "AZ_PNT": 180.0 if plan.dec < site.latitude else 0.0,
            "RADECSYS": "ICRS",
            "EQUINOX": 2000.0,
            "TSTART": start,
            "TSTOP": start + ONTIME,
            **_time_cards(),
            "TELAPSE": ONTIME,
            "ONTIME": ONTIME,
            "LIVETIME": round(ONTIME * DEADC, 6),
            "DEADC": DEADC,
            "EV_CLASS": "std",
            "GEOLAT": site.latitude,
            "GEOLON": site.longitude,
            "ALTITUDE": site.altitude,
            "EUNIT": "TeV",
        }
    )
    gti = fits.BinTableHDU.from_columns(
        [
            fits.Column("START", "D", unit="s", array=np.array([start])),
            fits.Column("STOP", "D", unit="s", array=np.array([start + ONTIME])),
        ],
        name="GTI",
    )
    gti.header.update({**_class_cards("GTI"), **_time_cards()})
    return [hdu, gti]


def _obs_index(plans: list[_Plan], counts: list[int], energy_min: float) -> fits.BinTableHDU:
    def numbers(name: str, values: Any, unit: str | None = None) -> fits.Column:
        return fits.Column(name, "D", unit=unit, array=np.array(values, dtype=float))

    n = len(plans)
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column("OBS_ID", "K", array=np.array([p.obs_id for p in plans])),
            fits.Column("OBJECT", "16A", array=np.array([p.target for p in plans])),
            numbers("RA_PNT", [p.ra for p in plans], "deg"),
            numbers("DEC_PNT", [p.dec for p in plans], "deg"),
            numbers("ZEN_PNT", [round(abs(p.site.latitude - p.dec), 3) for p in plans], "deg"),
            numbers("TSTART", [_met(p) for p in plans], "s"),
            numbers("TSTOP", [_met(p) + ONTIME for p in plans], "s"),
            numbers("ONTIME", [ONTIME] * n, "s"),
            numbers("LIVETIME", [round(ONTIME * DEADC, 6)] * n, "s"),
            numbers("DEADC", [DEADC] * n),
            fits.Column("EVENT_COUNT", "K", array=np.array(counts)),
            numbers("SAFE_ENERGY_LO", [energy_min] * n, "TeV"),
            numbers("SAFE_ENERGY_HI", [100.0] * n, "TeV"),
        ],
        name="OBS_INDEX",
    )
    hdu.header.update({**_class_cards("INDEX", "OBS"), **_time_cards()})
    return hdu


def _hdu_index(plans: list[_Plan]) -> fits.BinTableHDU:
    rows = []
    for plan in plans:
        for file, hdus in (
            (_event_file(plan), (("events", "events"), ("gti", "gti"))),
            (
                _response_file(plan.site),
                (("aeff", "aeff_2d"), ("edisp", "edisp_2d"), ("psf", "psf_3gauss"), ("bkg", "bkg_3d")),
            ),
        ):
            rows += [(plan.obs_id, kind, cls, *file.split("/"), kind.upper()) for kind, cls in hdus]
    columns = list(zip(*rows, strict=True))
    names = ("HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column("OBS_ID", "K", array=np.array(columns[0])),
            *(fits.Column(name, "40A", array=np.array(c)) for name, c in zip(names, columns[1:], strict=True)),
        ],
        name="HDU_INDEX",
    )
    hdu.header.update({**_class_cards("INDEX", "HDU"), "COLLECT": (COLLECTION, "name of this data collection")})
    return hdu


def _write(path: Path, hdus: list[fits.BinTableHDU]) -> None:
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer)
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file:
        file.write(buffer.getbuffer())
