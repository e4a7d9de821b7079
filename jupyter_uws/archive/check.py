"""Does an archive still agree with its files, and are the files what their format says?

An *error* is what makes an analysis fail or go wrong; a *warning* what its author should know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .database import read_archive
from .errors import ArchiveError
from .fitsfile import DamagedFile, Hdu, scan
from .ingest import file_digest
from .links import StoredHdu, StoredRun, find_runs

Progress = Callable[[int, int], None]

#: Cards that an EVENTS header must have (GADF 0.3), as numbers and as texts.
NUMBERS = ("RA_PNT", "DEC_PNT", "TSTART", "TSTOP", "MJDREFI", "MJDREFF", "ONTIME", "LIVETIME", "DEADC")
TEXTS = ("TELESCOP", "OBJECT")
#: Units by column; the first is the standard's.
ENERGIES = ("TeV", "GeV", "MeV", "keV", "eV")
UNITS: dict[str, dict[str, Sequence[str]]] = {
    "events": {"TIME": ("s",), "RA": ("deg",), "DEC": ("deg",), "ENERGY": ENERGIES},
    "gti": {"START": ("s",), "STOP": ("s",)},
    "aeff": {"ENERG_LO": ENERGIES, "ENERG_HI": ENERGIES, "THETA_HI": ("deg",), "EFFAREA": ("m2", "cm2", "m**2", "m^2")},
    "edisp": {"ENERG_LO": ENERGIES, "THETA_HI": ("deg",)},
    "psf": {"ENERG_LO": ENERGIES, "THETA_HI": ("deg",)},
    "bkg": {"ENERG_LO": ENERGIES},
}
#: Seconds by which times may disagree: what headers round to.
TOLERANCE = 1.0


@dataclass(frozen=True)
class Finding:
    """Something wrong: with a file of a collection, or with a run and its file."""

    collection: str
    obs_id: int | None
    file: str
    check: str
    message: str
    error: bool = True


@dataclass(frozen=True)
class CheckReport:
    """What was looked at, and what was found."""

    runs: int
    files: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        return sum(finding.error for finding in self.findings)

    def __str__(self) -> str:
        warnings = len(self.findings) - self.errors
        return f"{self.runs} runs, {self.files} files: {self.errors} errors, {warnings} warnings"


def check_archive(archive: Path, collections: Sequence[str] = (), progress: Progress | None = None) -> CheckReport:
    """Read every file of the collections (none: all) and compare it with the archive and with GADF.

    Raises ArchiveError where there is no archive, or a collection is not in it.
    """
    with read_archive(archive) as con:
        names = [row[0] for row in con.execute("SELECT name FROM _archive.collection ORDER BY name").fetchall()]
        for name in collections:
            if name not in names:
                raise ArchiveError(f"collection {name!r} is not in {archive}; there are: {', '.join(names) or 'none'}")
        wanted = list(collections) or names
        files = con.execute(
            "SELECT collection, name, root, path, size, sha256 FROM _archive.file"
            " WHERE list_contains(?, collection) ORDER BY ALL",
            [wanted],
        ).fetchall()
        indexed = con.execute(
            "SELECT obs_publisher_did, energy_min, energy_max, n_events FROM _archive.run"
            " WHERE list_contains(?, collection) ORDER BY collection, obs_id",
            [wanted],
        ).fetchall()
    runs = find_runs(archive, [row[0] for row in indexed])
    findings: list[Finding] = []
    total, done = len(files) + len(indexed), 0
    for collection, name, root, path, size, digest in files:
        if progress:
            progress(done, total)
        done += 1
        for check, message in _check_file(Path(root), path, size, digest):
            findings.append(Finding(collection, None, name, check, message))
    read = lru_cache(maxsize=8)(_read)
    for did, low, high, n_events in indexed:
        if progress:
            progress(done, total)
        done += 1
        run = runs[did]
        for hdu, check, message, error in _check_run(run, read, (low, high), n_events):
            findings.append(Finding(run.collection, run.obs_id, hdu.name, check, message, error))
    if progress:
        progress(total, total)
    return CheckReport(len(indexed), len(files), tuple(findings))


def _check_file(root: Path, path: str, size: int, digest: str) -> Iterator[tuple[str, str]]:
    location = root / path
    try:
        resolved = location.resolve(strict=True)
        now = resolved.stat().st_size
    except OSError as error:
        yield "file", f"cannot be opened: {error.strerror or error}"
        return
    if not resolved.is_relative_to(root.resolve()):
        yield "file", f"leads out of {root}"
    elif now != size:
        yield "checksum", f"has {now} bytes, {size} when it was indexed: run 'archive add' again"
    elif file_digest(resolved) != digest:
        yield "checksum", "is another file than was indexed (SHA-256): run 'archive add' again"


_Result = tuple[StoredHdu, str, str, bool]


def _check_run(
    run: StoredRun, read: Callable[[Path], Mapping[str, Hdu]], energy: tuple[float | None, float | None], n_events: int
) -> Iterator[_Result]:
    hdus: dict[str, Hdu] = {}
    for stored in run.hdus:
        try:
            hdu = read(stored.location).get(stored.hdu_name.upper())
        except OSError:
            continue  # the check of the files has told
        except DamagedFile as damage:
            yield stored, "file", str(damage), True
            continue
        if hdu is None:
            yield stored, "headers", f"has no HDU {stored.hdu_name!r}, which the archive has of it", True
            continue
        hdus.setdefault(stored.hdu_type, hdu)
        for check, message, error in _check_table(stored.hdu_type, hdu):
            yield stored, check, message, error
    events = hdus.get("events")
    if events is None:
        return
    for check, message, error in _check_events(run, events, hdus.get("gti"), n_events):
        yield run.events, check, message, error
    for message in _check_energies(events, hdus.get("aeff"), energy):
        yield run.events, "energy", message, True
    for kind in ("gti", "aeff", "edisp", "psf"):
        if not any(hdu.hdu_type == kind for hdu in run.hdus):
            yield run.events, "headers", f"the run has no {kind}", kind in ("gti", "aeff", "edisp")


def _check_table(kind: str, hdu: Hdu) -> Iterator[tuple[str, str, bool]]:
    names = {str(hdu.header[card]): card.removeprefix("TTYPE") for card in hdu.header["TTYPE*"]}
    for column, units in UNITS.get(kind, {}).items():
        if column not in names:
            yield "headers", f"{kind}: the column {column} is missing", kind in ("events", "gti")
            continue
        unit = str(hdu.header.get(f"TUNIT{names[column]}", "")).strip()
        if unit not in units:
            yield "units", f"{kind}: {column} is in {unit or 'no unit'}, not {units[0]}", bool(unit)


def _check_events(run: StoredRun, events: Hdu, gti: Hdu | None, n_events: int) -> Iterator[tuple[str, str, bool]]:
    header = events.header
    for card in NUMBERS:
        value = header.get(card)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield "headers", f"EVENTS: {card} is {value!r}, not a number", card not in ("ONTIME", "DEADC")
    for card in TEXTS:
        if not str(header.get(card, "")).strip():
            yield "headers", f"EVENTS: {card} is missing", False
    if header.get("OBS_ID") != run.obs_id:
        yield "headers", f"EVENTS: OBS_ID is {header.get('OBS_ID')!r}, the index says {run.obs_id}", False
    if header["NAXIS2"] != n_events:
        yield "checksum", f"holds {header['NAXIS2']} events, {n_events} when it was indexed", True
    if gti is not None and {"START", "STOP"} <= set(gti.header["TTYPE*"].values()):
        yield from _check_times(events, gti)


def _check_times(events: Hdu, gti: Hdu) -> Iterator[tuple[str, str, bool]]:
    table = gti.table
    start, stop = (np.asarray(table[name], float) for name in ("START", "STOP"))
    if not len(start):
        yield "gti", "GTI has no interval", True
        return
    if not (np.isfinite(start).all() and (start < stop).all()):
        yield "gti", "GTI has an interval that does not end after its start", True
        return
    if (start[1:] < stop[:-1]).any():
        yield "gti", "GTI has intervals that overlap or are out of order", True
        return
    first, last = events.header.get("TSTART"), events.header.get("TSTOP")
    if isinstance(first, float) and isinstance(last, float):
        over = max(first - start[0], stop[-1] - last)
        if over > TOLERANCE:
            yield "gti", f"GTI reaches {over:.1f} s beyond TSTART and TSTOP", True
    ontime = events.header.get("ONTIME")
    good = float((stop - start).sum())
    if isinstance(ontime, int | float) and abs(good - ontime) > TOLERANCE:
        yield "gti", f"GTI adds up to {good:.1f} s, ONTIME is {ontime:.1f} s", False
    time = np.asarray(events.table["TIME"], float) if "TIME" in events.table.names else np.empty(0)
    place = np.searchsorted(start, time, side="right") - 1
    outside = ~((place >= 0) & (time <= stop[np.maximum(place, 0)]))
    if outside.any():
        late = float(np.max(np.maximum(start[0] - time[outside], time[outside] - stop[-1]), initial=0.0))
        words = f"{int(outside.sum())} of {len(time)} events are outside of the good time intervals"
        yield "gti", f"{words}, by up to {late:.2f} s", False


def _check_energies(events: Hdu, aeff: Hdu | None, indexed: tuple[float | None, float | None]) -> Iterator[str]:
    low, high = indexed
    if "ENERGY" in events.table.names:
        energy = np.asarray(events.table["ENERGY"], float)
        bad = int((~(np.isfinite(energy) & (energy > 0))).sum())
        if bad:
            yield f"{bad} of {len(energy)} events have no energy greater than 0"
    if aeff is None:
        return
    table = aeff.table
    if not {"ENERG_LO", "ENERG_HI"} <= set(table.names):
        return
    lower, upper = (np.asarray(table[name], float).ravel() for name in ("ENERG_LO", "ENERG_HI"))
    if not (np.isfinite(lower).all() and (lower < upper).all() and (np.diff(lower) > 0).all()):
        yield "the energy axis of the effective area does not rise"
    elif low is not None and high is not None:
        scale = 1e12 / {"TeV": 1e12, "GeV": 1e9, "MeV": 1e6, "keV": 1e3, "eV": 1.0}.get(_unit(aeff, "ENERG_LO"), 1e12)
        if low < lower[0] / scale * 0.999 or high > upper[-1] / scale * 1.001:
            axis = f"{lower[0] / scale:.4g} to {upper[-1] / scale:.4g} TeV"
            yield f"the run's range, {low:.4g} to {high:.4g} TeV, is not within that of its effective area, {axis}"


def _unit(hdu: Hdu, column: str) -> str:
    return str(hdu.table.columns[column].unit or "TeV").strip()


def _read(path: Path) -> dict[str, Hdu]:
    return scan(path, keep=lambda header: bool(header.get("XTENSION") == "BINTABLE"))
