"""Reading a DL3 data store in the format of GADF (gamma-astro-data-formats 0.2 and 0.3).

The index tables of real stores are less exact than the headers of the files they point to (float32 positions,
wrong sizes), so the indices say what there is and the headers say what it is like.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from .errors import ArchiveError
from .fitsfile import DamagedFile, Hdu, scan
from .resolution import angular_resolution, resolving_power

OBS_INDEX = "obs-index"
HDU_INDEX = "hdu-index"

_ENERGY_IN_TEV = {"TEV": 1.0, "GEV": 1e-3, "MEV": 1e-6, "KEV": 1e-9, "EV": 1e-12}
#: HDU types of the tables that are read, and not only their headers.
TABLES = ("aeff", "psf", "edisp", "gti")
_CIRCLE = re.compile(r"CIRCLE\(([-+0-9.E]+),([-+0-9.E]+),([0-9.E+-]+)\)")
#: Columns of the high-energy extension of ObsCore, and the cards they are read from. It has more, which
#: GADF has no cards for.
MODES = {"obs_mode": "OBS_MODE", "event_type": "EV_CLASS"}


@dataclass(frozen=True)
class IndexedHdu:
    """A row of the HDU index; ``path`` as the index says it, relative to the store."""

    hdu_type: str
    hdu_class: str
    path: str
    name: str


@dataclass(frozen=True)
class IndexedRun:
    """A row of the observation index with its HDUs. Energies in TeV."""

    obs_id: int
    hdus: tuple[IndexedHdu, ...]
    safe_energy: tuple[float, float] | None = None


@dataclass(frozen=True)
class StoreIndex:
    """Both index tables; ``collection`` is the name the store gives itself, where it does (card COLLECT)."""

    runs: tuple[IndexedRun, ...]
    collection: str | None = None


@dataclass(frozen=True)
class RunFacts:
    """What the headers say of a run: degrees in ``frame``, seconds since the reference time, TeV."""

    obs_id: int
    ra: float
    dec: float
    frame: str
    equinox: float
    tstart: float
    tstop: float
    mjdref: tuple[float, float]
    timesys: str
    livetime: float | None
    target_name: str | None
    telescope: str | None
    instrument: str | None
    n_events: int
    fov_radius: float | None
    energy: tuple[float, float] | None
    time_resolution: float | None
    angular_resolution: float | None  # arcsec
    resolving_power: float | None
    good_times: tuple[tuple[float, float], ...]  # seconds since the reference time
    modes: Mapping[str, str | None]  # by the names of MODES


def read_index(store: Path) -> StoreIndex:
    """Read ``obs-index.fits[.gz]`` and ``hdu-index.fits[.gz]`` of a store.

    Raises ArchiveError where the folder or an index is missing, unreadable, or lacks a mandatory column.
    """
    if not store.is_dir():
        raise ArchiveError(f"{store}: {'not a folder' if store.exists() else 'there is no such folder'}")
    _, obs = _read_table(_index_file(store, OBS_INDEX), ("OBS_ID",))
    header, hdus = _read_table(
        _index_file(store, HDU_INDEX), ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    )
    # where it is given, paths begin there and not at the index (GADF, "BASE_DIR")
    base = str(header.get("BASE_DIR", "")).strip()
    by_run: dict[int, list[IndexedHdu]] = {}
    text = [[str(value).strip() for value in hdus[name]] for name in ("HDU_TYPE", "HDU_CLASS", "HDU_NAME")]
    for obs_id, kind, cls, name, folder, file in zip(
        hdus["OBS_ID"], *text, hdus["FILE_DIR"], hdus["FILE_NAME"], strict=True
    ):
        path = os.path.join(base, *(part for part in (str(folder).strip(), str(file).strip()) if part))
        by_run.setdefault(int(obs_id), []).append(IndexedHdu(kind.lower(), cls.lower(), path, name))

    runs: dict[int, IndexedRun] = {}
    for row in range(len(obs)):
        obs_id = int(obs["OBS_ID"][row])
        runs.setdefault(obs_id, IndexedRun(obs_id, tuple(by_run.get(obs_id, ())), _safe_energy(obs, row)))
    collection = str(header.get("COLLECT", "")).strip() or None
    return StoreIndex(tuple(runs.values()), collection)


def read_file(path: Path, tables: Collection[str]) -> dict[str, Hdu]:
    """The HDUs of a data file, with the data of those with a name in ``tables`` (upper case). Raises DamagedFile.

    The index says which HDU is what: the cards HDUCLASn are spelled in several ways (RPSF, PSF), or are not there.
    """
    return scan(path, keep=lambda header: str(header.get("EXTNAME", "")).strip().upper() in tables)


def run_facts(run: IndexedRun, hdus: Mapping[str, Hdu]) -> RunFacts:
    """The facts of a run from its HDUs, given by HDU type (``events``, ``aeff``, ...).

    The energy range is that of the index where it has one, else the thresholds of the effective
    area, else its whole energy axis. Raises DamagedFile where a mandatory keyword is missing or not a number, or times
    are not in seconds.
    """
    header = hdus["events"].header
    unit = optional_text(header, "TIMEUNIT") or "s"
    if unit.lower() != "s":
        raise DamagedFile(f"the times of the EVENTS header are in {unit!r}, not in 's' (TIMEUNIT)")
    mjdref = (_number(header, "MJDREFI"), _number(header, "MJDREFF"))
    aeff = hdus.get("aeff")
    field = None if aeff is None else field_radius(aeff)
    return RunFacts(
        obs_id=run.obs_id,
        ra=_number(header, "RA_PNT"),
        dec=_number(header, "DEC_PNT"),
        frame=str(header.get("RADESYS") or header.get("RADECSYS") or "ICRS").strip().upper(),
        equinox=float(header.get("EQUINOX", 2000.0)),
        tstart=_number(header, "TSTART"),
        tstop=_number(header, "TSTOP"),
        mjdref=mjdref,
        timesys=str(header.get("TIMESYS", "TT")).strip().lower(),
        livetime=optional_number(header, "LIVETIME"),
        target_name=optional_text(header, "OBJECT"),
        telescope=optional_text(header, "TELESCOP"),
        instrument=optional_text(header, "INSTRUME"),
        n_events=int(header["NAXIS2"]),
        fov_radius=min((radius for radius in (_selected_radius(header), field) if radius is not None), default=None),
        energy=run.safe_energy or _energy_range(aeff),
        time_resolution=optional_number(header, "TIMEDEL"),
        angular_resolution=angular_resolution(hdus["psf"]) if "psf" in hdus else None,
        resolving_power=resolving_power(hdus["edisp"]) if "edisp" in hdus else None,
        good_times=_good_times(hdus.get("gti"), mjdref),
        modes={name: optional_text(header, card) for name, card in MODES.items()},
    )


def _index_file(store: Path, stem: str) -> Path:
    for name in (f"{stem}.fits.gz", f"{stem}.fits"):
        if (store / name).is_file():
            return store / name
    raise ArchiveError(f"{store}: not a DL3 data store: {stem}.fits.gz (or {stem}.fits) is missing")


def _read_table(path: Path, mandatory: Sequence[str]) -> tuple[fits.Header, Any]:
    try:
        hdus = scan(path, keep=lambda header: header.get("XTENSION") == "BINTABLE")
        table = next((hdu for hdu in hdus.values() if hdu.data is not None), None)
        if table is None:
            raise DamagedFile("it holds no table")
        data = table.table
    except (OSError, DamagedFile) as error:
        raise ArchiveError(f"{path}: cannot read this index: {error}") from error
    missing = [name for name in mandatory if name not in data.names]
    if missing:
        raise ArchiveError(f"{path}: the index lacks the mandatory column {', '.join(missing)}")
    return table.header, data


def _safe_energy(obs: Any, row: int) -> tuple[float, float] | None:
    if not {"SAFE_ENERGY_LO", "SAFE_ENERGY_HI"} <= set(obs.names):
        return None
    # through the shortest decimal: a float32 0.40738028 must not become 0.40738028287887573
    low, high = (float(str(obs[name][row])) for name in ("SAFE_ENERGY_LO", "SAFE_ENERGY_HI"))
    unit = in_tev(obs.columns["SAFE_ENERGY_LO"].unit)
    return (low * unit, high * unit) if 0 < low < high < math.inf else None


def _energy_range(aeff: Hdu | None) -> tuple[float, float] | None:
    if aeff is None:
        return None
    low, high = (optional_number(aeff.header, key) for key in ("LO_THRES", "HI_THRES"))
    if low is not None and high is not None and 0 < low < high:
        return low, high
    table = aeff.table
    if not {"ENERG_LO", "ENERG_HI"} <= set(table.names):
        return None
    unit = in_tev(table.columns["ENERG_LO"].unit)
    low, high = float(str(np.min(table["ENERG_LO"]))), float(str(np.max(table["ENERG_HI"])))
    return (low * unit, high * unit) if 0 < low < high < math.inf else None


def field_radius(aeff: Hdu) -> float | None:
    """How far from the pointing events can be seen, in deg: the outermost offset with any effective area.

    None where the table has no axis of offsets.
    """
    table = aeff.table
    if "THETA_HI" not in table.names or not table["THETA_HI"].size:
        return None
    edges = np.asarray(table["THETA_HI"], float).ravel()
    if "EFFAREA" in table.names and table["EFFAREA"].size % len(edges) == 0:
        # (offset, energy)
        seen = np.nan_to_num(np.asarray(table["EFFAREA"], float)).reshape(len(edges), -1).max(axis=1) > 0
        edges = edges[seen] if seen.any() else edges
    value = float(edges.max())
    return value if 0 < value <= 180 else None


def _selected_radius(header: fits.Header) -> float | None:
    """The circle around the pointing, in deg, that the events were selected from, where the header tells one.

    It does so by the cards of the data subspace: ``DSTYP2 = 'POS(RA,DEC)'``, ``DSVAL2 = 'CIRCLE(83.6,22.5,5)'``.
    """
    for card in header["DSTYP*"]:
        if str(header[card]).replace(" ", "").upper() != "POS(RA,DEC)":
            continue
        match = _CIRCLE.fullmatch(str(header.get(card.replace("DSTYP", "DSVAL"), "")).replace(" ", "").upper())
        if match is not None:
            ra, dec, radius = map(float, match.groups())
            east = (ra - _number(header, "RA_PNT") + 180) % 360 - 180
            away = math.hypot(east * math.cos(math.radians(dec)), dec - _number(header, "DEC_PNT"))
            return radius if away < 0.1 and 0 < radius <= 180 else None
    return None


def reference_offset(header: fits.Header, mjdref: tuple[float, float]) -> float:
    """What is to be added to the times of a table, in s, to count them from ``mjdref``; 0 where it has no MJDREF."""
    own = (optional_number(header, "MJDREFI"), optional_number(header, "MJDREFF"))
    if own[0] is None or own[1] is None:
        return 0.0
    return ((own[0] - mjdref[0]) + (own[1] - mjdref[1])) * 86400.0


def _good_times(gti: Hdu | None, mjdref: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    if gti is None or not {"START", "STOP"} <= set(gti.table.names):
        return ()
    offset = reference_offset(gti.header, mjdref)
    pairs = zip(gti.table["START"].tolist(), gti.table["STOP"].tolist(), strict=True)
    good = [(start, stop) for start, stop in pairs if math.isfinite(start) and start < stop < math.inf]
    return tuple((start + offset, stop + offset) for start, stop in good)


def in_tev(unit: str | None) -> float:
    """How many TeV a unit of energy is; 1 for none, and for one that is not known."""
    return _ENERGY_IN_TEV.get((unit or "TeV").strip().upper(), 1.0)


def _number(header: fits.Header, key: str) -> float:
    value = optional_number(header, key)
    if value is None:
        raise DamagedFile(f"the EVENTS header has no number {key}")
    return value


def optional_number(header: fits.Header, key: str) -> float | None:
    """The number of a card; None where it has none, or one that is not finite."""
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def optional_text(header: fits.Header, key: str) -> str | None:
    """The text of a card; None where it has none, or an empty one."""
    return str(header.get(key, "")).strip() or None
