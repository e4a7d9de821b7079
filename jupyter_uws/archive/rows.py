"""How a run becomes a row of ``ivoa.obscore``: positions to ICRS, times to TT, energies to wavelengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.constants import c
from astropy.coordinates import FK4, FK5, ICRS, BaseCoordinateFrame, SkyCoord, get_body_barycentric
from astropy.time import Time

from . import resolution
from .gadf import RunFacts
from .obscore import OBSCORE, publisher_did
from .timemoc import time_moc

# a run is several files (events, responses): its address is that of its links
ACCESS_FORMAT = "application/x-votable+xml;content=datalink"

#: Right ascension and declination in degrees, ICRS.
Position = tuple[float, float]

_HC_EV_M = 1.239841984332e-6  # Planck's constant times the speed of light
_FACILITIES = {"HESS": "H.E.S.S.", "CTA": "CTAO"}
_TIME_SCALES = {"tt", "utc", "tai", "tdb", "tcb", "tcg"}


def obscore_rows(
    collection: str, runs: Sequence[RunFacts], positions: Sequence[Position], files: Mapping[int, tuple[int, bool]]
) -> list[dict[str, Any]]:
    """ObsCore rows of the runs at their :func:`icrs_positions`, without access_url.

    ``files`` gives by obs_id the bytes of the event file and whether it holds the responses too.
    """
    times = tt_times(runs)
    return [
        _row(collection, run, *files[run.obs_id], position, time)
        for run, position, time in zip(runs, positions, times, strict=True)
    ]


def hea_rows(collection: str, runs: Sequence[RunFacts], positions: Sequence[Position]) -> list[dict[str, Any]]:
    """Rows of the high-energy extension of ObsCore, in the order of the runs and their :func:`icrs_positions`."""
    return [
        {
            "obs_publisher_did": publisher_did(collection, run.obs_id),
            "ev_xel": run.n_events,
            **dict.fromkeys(("s_ref_energy", "em_ref_energy", "s_ref_oaa", "em_ref_oaa")),
            **(_reference("s") if run.angular_resolution is not None else {}),
            **(_reference("em") if run.resolving_power is not None else {}),
            "t_intervals": time_moc(_julian_dates(run, position)) or None,
            "energy_min": None if run.energy is None else run.energy[0] * 1e12,
            "energy_max": None if run.energy is None else run.energy[1] * 1e12,
            **run.modes,
            "messenger_name": "photon",
            "messenger_pdgid": "+22",
        }
        for run, position in zip(runs, positions, strict=True)
    ]


def _reference(axis: str) -> dict[str, float]:
    """At which energy [eV] and off-axis angle [deg] a resolution is given."""
    return {f"{axis}_ref_energy": resolution.ENERGY * 1e12, f"{axis}_ref_oaa": resolution.OFFSET}


def _julian_dates(run: RunFacts, position: Position) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The good time intervals as Julian dates, each in two parts; the whole run where it tells none.

    In TCB, and as MOC 2.0 wants it for when what comes from the pointing passes the barycentre of the solar system: up
    to 8.3 minutes before or after it passes the Earth (where on it makes 0.02 s).
    """
    intervals = run.good_times or ((run.tstart, run.tstop),)
    seconds = np.array(intervals).ravel()
    days = np.full(seconds.shape, run.mjdref[0])
    times = Time(days, run.mjdref[1] + seconds / 86400.0, format="mjd", scale=run.timesys).tdb
    direction = SkyCoord(*position, unit="deg").cartesian
    # the ephemeris that comes with astropy: nothing is fetched
    delay = get_body_barycentric("earth", times, ephemeris="builtin").dot(direction) / c
    times = (times + delay).tcb
    dates = list(zip(times.jd1.tolist(), times.jd2.tolist(), strict=True))
    return list(zip(dates[::2], dates[1::2], strict=True))


def icrs_positions(runs: Sequence[RunFacts]) -> list[Position]:
    """Right ascension and declination of the pointings in degrees, ICRS, whatever frame the headers use."""
    found: list[Position] = [(run.ra % 360, run.dec) for run in runs]
    for key in {(run.frame, run.equinox) for run in runs}:
        frame = _frame(*key)
        if isinstance(frame, ICRS):
            continue
        rows = [i for i, run in enumerate(runs) if (run.frame, run.equinox) == key]
        there = SkyCoord([runs[i].ra for i in rows], [runs[i].dec for i in rows], unit="deg", frame=frame).icrs
        for i, ra, dec in zip(rows, there.ra.deg, there.dec.deg, strict=True):
            found[i] = (float(ra), float(dec))
    return found


def tt_times(runs: Sequence[RunFacts]) -> list[tuple[float, float]]:
    """Start and end of the runs as MJD in TT, from MJDREF and TIMESYS.

    Never from DATE-OBS: its time system differs between stores.
    """
    found: list[tuple[float, float]] = [(0.0, 0.0)] * len(runs)
    for scale in {run.timesys for run in runs}:
        rows = [i for i, run in enumerate(runs) if run.timesys == scale]
        days = np.array([runs[i].mjdref[0] for i in rows])
        for which in (0, 1):
            seconds = np.array([(runs[i].tstart, runs[i].tstop)[which] for i in rows])
            fraction = np.array([runs[i].mjdref[1] for i in rows]) + seconds / 86400.0
            mjd = Time(days, fraction, format="mjd", scale=scale).tt.mjd
            for i, value in zip(rows, np.atleast_1d(mjd), strict=True):
                start, stop = found[i]
                found[i] = (float(value), stop) if which == 0 else (start, float(value))
    return found


def is_convertible(run: RunFacts) -> str | None:
    """Why the position or the times of a run cannot be converted; None where they can."""
    if run.frame not in {"ICRS", "FK5", "FK4"}:
        return f"unknown coordinate system {run.frame!r} (known: ICRS, FK5, FK4)"
    if run.timesys not in _TIME_SCALES:
        return f"unknown time system {run.timesys!r} (known: {', '.join(sorted(_TIME_SCALES))})"
    if not (0 <= run.ra <= 360 and -90 <= run.dec <= 90):
        return f"the pointing RA_PNT={run.ra} DEC_PNT={run.dec} is not on the sky"
    return None


def _frame(name: str, equinox: float) -> BaseCoordinateFrame:
    if name == "FK5":
        return FK5(equinox=f"J{equinox}")
    if name == "FK4":
        return FK4(equinox=f"B{equinox}")
    return ICRS()


def _row(
    collection: str, run: RunFacts, size: int, bundle: bool, position: tuple[float, float], time: tuple[float, float]
) -> dict[str, Any]:
    ra, dec = position
    radius = run.fov_radius
    row: dict[str, Any] = {column.name: None for column in OBSCORE.columns}
    row.update(
        dataproduct_type="event",
        dataproduct_subtype="event-bundle" if bundle else "event-list",
        calib_level=2,
        obs_collection=collection,
        obs_id=str(run.obs_id),
        obs_publisher_did=publisher_did(collection, run.obs_id),
        access_format=ACCESS_FORMAT,
        access_estsize=max(1, round(size / 1000)),
        target_name=run.target_name,
        s_ra=ra,
        s_dec=dec,
        s_fov=None if radius is None else 2 * radius,
        s_region=None if radius is None else f"CIRCLE ICRS {round(ra, 6) % 360:.6f} {dec:.6f} {radius:g}",
        t_min=time[0],
        t_max=time[1],
        t_exptime=run.livetime,
        t_resolution=run.time_resolution,
        s_resolution=run.angular_resolution,
        em_res_power=run.resolving_power,
        facility_name=_FACILITIES.get((run.telescope or "").upper(), run.telescope),
        instrument_name=run.instrument,
        pol_xel=0,
        **dict.fromkeys(("s_xel1", "s_xel2", "t_xel", "em_xel"), -1),
    )
    if run.energy is not None:
        low, high = run.energy
        row.update(em_min=_HC_EV_M / (high * 1e12), em_max=_HC_EV_M / (low * 1e12))
    return row
