"""Does an archive still agree with its files, and are the files what their format says?

An *error* is what makes an analysis fail or go wrong; a *warning* what its author should know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .database import read_archive
from .errors import ArchiveError
from .fitsfile import DamagedFile, Hdu, scan
from .gadf import in_tev
from .gadf_checks import Wrong, check_cards, check_columns, check_events, check_good_times, check_response, check_sums
from .ingest import file_digest
from .links import StoredHdu, StoredRun, find_runs

Progress = Callable[[int, int], None]


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
        if hdu.data is None:
            yield stored, "headers", f"{stored.hdu_type}: the HDU {stored.hdu_name!r} is no binary table", True
            continue
        hdus.setdefault(stored.hdu_type, hdu)
        for check, message, error in _check_table(stored, hdu):
            yield stored, check, message, error
    events = hdus.get("events")
    if events is None:
        return
    for check, message, error in _check_events(run, events, hdus.get("gti"), n_events):
        yield run.events, check, message, error
    for message in _check_range(hdus.get("aeff"), energy):
        yield run.events, "energy", message, True
    for kind in ("gti", "aeff", "edisp", "psf"):
        if not any(hdu.hdu_type == kind for hdu in run.hdus):
            yield run.events, "headers", f"the run has no {kind}", kind in ("gti", "aeff", "edisp")


def _check_table(stored: StoredHdu, hdu: Hdu) -> Wrong:
    kind, cls = stored.hdu_type, stored.hdu_class
    yield from check_columns(kind, cls, hdu)
    yield from check_sums(kind, hdu)
    if kind not in ("events", "gti"):
        yield from check_response(kind, cls, hdu)


def _check_events(run: StoredRun, events: Hdu, gti: Hdu | None, n_events: int) -> Wrong:
    yield from check_cards(events.header, run.obs_id)
    if events.header["NAXIS2"] != n_events:
        yield "checksum", f"holds {events.header['NAXIS2']} events, {n_events} when it was indexed", True
    yield from check_events(events)
    if gti is not None:
        yield from check_good_times(events, gti)


def _check_range(aeff: Hdu | None, indexed: tuple[float | None, float | None]) -> Iterator[str]:
    """Whether the energies that the run is said to be good for, in TeV, are those of its effective area."""
    low, high = indexed
    if aeff is None or low is None or high is None or not {"ENERG_LO", "ENERG_HI"} <= set(aeff.table.names):
        return
    unit = in_tev(aeff.table.columns["ENERG_LO"].unit)
    lower, upper = (np.asarray(aeff.table[name], float).ravel() * unit for name in ("ENERG_LO", "ENERG_HI"))
    if low < lower[0] * 0.999 or high > upper[-1] * 1.001:
        axis = f"{lower[0]:.4g} to {upper[-1]:.4g} TeV"
        yield f"the run's range, {low:.4g} to {high:.4g} TeV, is not within that of its effective area, {axis}"


def _read(path: Path) -> dict[str, Hdu]:
    return scan(path, keep=lambda header: bool(header.get("XTENSION") == "BINTABLE"))
