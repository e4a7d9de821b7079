"""Adding a DL3 data store to the archive."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .database import SCHEMAS, VERSION, lock_file, locked, read_archive, read_tables, to_table, write_archive
from .errors import ArchiveError
from .fitsfile import DamagedFile, Hdu
from .gadf import TABLES, IndexedRun, RunFacts, StoreIndex, read_file, read_index, run_facts
from .links import links_url
from .obscore import publisher_did
from .response_rows import has_responses, with_responses
from .rows import hea_rows, icrs_positions, is_convertible, obscore_rows

Progress = Callable[[int, int], None]

#: How runs are read. With another number those that an archive has are read again when their store is added next.
READING = 2
_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass
class AddReport:
    """What adding a store did: numbers of runs, and the files that kept a run out, each with the reason."""

    collection: str
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.added} added", f"{self.updated} updated", f"{self.unchanged} unchanged"]
        parts += [f"{self.removed} removed"] if self.removed else []
        parts += [f"{len(self.skipped)} problems"] if self.skipped else []
        return f"{self.collection}: {', '.join(parts)}"


@dataclass(frozen=True)
class _File:
    """A data file: ``root / path`` on disk, ``name`` within the collection's URLs."""

    name: str
    root: Path
    path: str
    size: int
    mtime_ns: int

    @property
    def location(self) -> Path:
        return self.root / self.path


class _Unusable(Exception):
    """A run stays out; carries the file and the reason."""


@dataclass(frozen=True)
class _Run:
    indexed: IndexedRun
    files: Mapping[str, _File]  # by the path in the index
    signature: str

    def tables(self, path: str) -> frozenset[str]:
        """The names of the HDUs of a file, by its path in the index, whose data is read."""
        return frozenset(h.name.upper() for h in self.indexed.hdus if h.path == path and h.hdu_type in TABLES)

    @property
    def events(self) -> _File:
        return next(self.files[hdu.path] for hdu in self.indexed.hdus if hdu.hdu_type == "events")


def add_store(
    archive: Path,
    store: Path,
    *,
    collection: str | None = None,
    roots: Sequence[Path] = (),
    responses: bool | None = None,
    progress: Progress | None = None,
) -> AddReport:
    """Index a GADF data store into the DuckDB file ``archive``, which is made where there is none.

    Only runs that are new or whose files or index rows changed are read; runs that are gone are taken out. A run with a
    missing or damaged file is left out and reported. Files must lie in the store's folder or in one of ``roots``; where
    none are given, those count that the store was added with.
    Nothing is ever written inside the store.

    ``collection`` names the runs' collection; by default the name the archive has for this store already, else
    the one in the store's index, else that of its folder in upper case. With ``responses`` the responses of the runs
    have rows of their own (:mod:`.response_rows`), with False none, by default as before. ``progress`` is called with
    (runs done, runs in all).

    Raises ArchiveError for a folder that is no data store, a collection name that is bad or taken, an archive that
    cannot be written.
    """
    store = store.expanduser().resolve()
    given = [root.expanduser().resolve() for root in roots]
    for root in given:
        if not root.is_dir():
            raise ArchiveError(f"root {root}: there is no such folder")
    index = read_index(store)

    archive = archive.expanduser()
    with locked(lock_file(archive)):
        old = _current(archive)
        name = _collection_name(old, store, collection, index)
        report = AddReport(name)
        allowed = [store, *(given or _known_roots(old, store))]
        runs = _usable_runs(index, store, allowed, report)
        known = _signatures(old, name, store, allowed)
        fresh = [run for run in runs if known.get(run.indexed.obs_id) != run.signature]
        facts = _read_runs(fresh, report, progress, total=len(runs))

        kept = {run.indexed.obs_id for run in runs} - {run.indexed.obs_id for run in fresh}
        report.unchanged = len(kept)
        report.updated = len(known.keys() & facts.keys())
        report.added = len(facts) - report.updated
        report.removed = len(known.keys() - kept - facts.keys())
        had = has_responses(old, _known_name(old, store) or name)
        wanted = had if responses is None else responses
        if facts or report.removed or wanted != had or not archive.exists():
            rows = _new_rows(name, [run for run in fresh if run.indexed.obs_id in facts], facts)
            rows["collection"] = [{"name": name, "store": str(store), "roots": [str(root) for root in allowed[1:]]}]
            merged = _merge(old, name, store, kept, rows)
            write_archive(archive, with_responses(merged, name) if wanted else merged)
    return report


def remove_collection(archive: Path, name: str) -> int:
    """Take a collection out of an archive; its files stay as they are. Gives the number of its runs.

    Raises ArchiveError where there is no archive, or no such collection in it.
    """
    archive = archive.expanduser()
    with locked(lock_file(archive)):
        with read_archive(archive) as con:
            old = read_tables(con)
        names = old["collection"]["name"].to_pylist()
        if name not in names:
            there = ", ".join(sorted(names)) or "none"
            raise ArchiveError(f"collection {name!r} is not in {archive}; there are: {there}")
        left = without_collections(old, [name])
        write_archive(archive, left)
    return int(old["run"].num_rows - left["run"].num_rows)


def without_collections(tables: Mapping[str, pa.Table], names: Sequence[str]) -> dict[str, pa.Table]:
    """All tables without the rows of these collections."""
    gone = pa.array(names, pa.string())
    rows = tables["obscore"].filter(pc.is_in(tables["obscore"]["obs_collection"], gone))["obs_publisher_did"]
    columns = {"collection": ("name", gone), "obscore": ("obs_collection", gone)}
    columns |= dict.fromkeys(("file", "run", "hdu"), ("collection", gone))
    columns |= {"obscore_hea": ("obs_publisher_did", rows)}
    left = {name: table for name, table in tables.items() if name not in columns}
    for table, (column, values) in columns.items():
        left[table] = tables[table].filter(pc.invert(pc.is_in(tables[table][column], values)))
    return left


def _current(archive: Path) -> dict[str, pa.Table]:
    if not archive.exists():
        empty = {name: to_table(name, ()) for name in SCHEMAS}
        return {**empty, "meta": to_table("meta", [{"version": VERSION}])}
    with read_archive(archive) as con:
        return read_tables(con)


def _known_roots(old: Mapping[str, pa.Table], store: Path) -> list[Path]:
    """The roots that the store was added with."""
    known = [row["roots"] for row in old["collection"].to_pylist() if row["store"] == str(store)]
    return [Path(root) for root in known[0]] if known else []


def _known_name(old: Mapping[str, pa.Table], store: Path) -> str | None:
    """What the archive calls the store."""
    return next((row["name"] for row in old["collection"].to_pylist() if row["store"] == str(store)), None)


def _collection_name(old: Mapping[str, pa.Table], store: Path, wanted: str | None, index: StoreIndex) -> str:
    stores = {row["name"]: row["store"] for row in old["collection"].to_pylist()}
    name = (
        wanted
        or _known_name(old, store)
        or index.collection
        or re.sub(r"[^A-Za-z0-9._-]+", "-", store.name).strip("-._").upper()
    )
    if not _COLLECTION.fullmatch(name):
        raise ArchiveError(
            f"collection {name!r}: not a valid name;"
            " use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    folder = stores.get(name, str(store))
    if folder != str(store) and Path(folder).exists():
        raise ArchiveError(
            f"collection {name!r} is the store {folder} already: give this one another name with --collection"
        )
    return name


def _usable_runs(index: StoreIndex, store: Path, allowed: Sequence[Path], report: AddReport) -> list[_Run]:
    @lru_cache(maxsize=65536)
    def locate(path: str) -> _File:
        return _locate(path, store, allowed)

    runs = []
    for indexed in index.runs:
        try:
            if not any(hdu.hdu_type == "events" for hdu in indexed.hdus):
                raise _Unusable("hdu-index", f"run {indexed.obs_id} has no events HDU in the index")
            files = {hdu.path: locate(hdu.path) for hdu in indexed.hdus}
        except _Unusable as problem:
            _skip(report, *problem.args)
            continue
        runs.append(_Run(indexed, files, _signature(indexed, files)))
    return runs


def _locate(path: str, store: Path, allowed: Sequence[Path]) -> _File:
    location = Path(os.path.normpath(store / path))
    try:
        resolved = location.resolve(strict=True)
        stat = resolved.stat()
    except OSError as error:
        raise _Unusable(str(location), f"cannot be opened: {error.strerror or error}") from error
    for number, root in enumerate(allowed):
        if resolved.is_relative_to(root):
            relative = resolved.relative_to(root).as_posix()
            name = relative if number == 0 else f"@{number}/{relative}"
            return _File(name, root, relative, stat.st_size, stat.st_mtime_ns)
    raise _Unusable(str(resolved), "lies outside the store; allow its folder with --root")


def _signature(run: IndexedRun, files: Mapping[str, _File]) -> str:
    state = [(path, str(f.root), f.name, f.size, f.mtime_ns) for path, f in sorted(files.items())]
    return hashlib.sha256(repr((READING, run, state)).encode()).hexdigest()[:32]


def _signatures(old: Mapping[str, pa.Table], name: str, store: Path, allowed: Sequence[Path]) -> dict[int, str]:
    roots = [str(root) for root in allowed[1:]]
    same = {"name": name, "store": str(store), "roots": roots} in old["collection"].to_pylist()
    runs = old["run"].filter(pc.equal(old["run"]["collection"], name)).to_pylist()
    # a store that moved, or has other roots, is read again: its rows name the old places
    return {row["obs_id"]: row["signature"] if same else "" for row in runs}


def _read_runs(
    runs: Sequence[_Run], report: AddReport, progress: Progress | None, *, total: int
) -> dict[int, RunFacts]:
    uses = Counter(file.location for run in runs for file in set(run.files.values()))
    shared = lru_cache(maxsize=8)(read_file)  # response files that many runs refer to
    done = total - len(runs)
    facts: dict[int, RunFacts] = {}
    for run in runs:
        if progress:
            progress(done, total)
        done += 1
        try:
            opened = {}
            for path, file in run.files.items():
                try:
                    read = shared if uses[file.location] > 1 else read_file
                    opened[path] = read(file.location, run.tables(path))
                except (DamagedFile, OSError) as error:
                    raise _Unusable(str(file.location), str(error)) from error
            facts[run.indexed.obs_id] = _facts(run, opened)
        except _Unusable as problem:
            _skip(report, *problem.args)
    if progress:
        progress(total, total)
    return facts


def _facts(run: _Run, opened: Mapping[str, Mapping[str, Hdu]]) -> RunFacts:
    hdus: dict[str, Hdu] = {}
    for indexed in run.indexed.hdus:
        where = str(run.files[indexed.path].location)
        hdu = opened[indexed.path].get(indexed.name.upper())  # names in the index differ in case from EXTNAME
        if hdu is None:
            raise _Unusable(
                where, f"has no HDU {indexed.name!r}, which the index promises for run {run.indexed.obs_id}"
            )
        hdus.setdefault(indexed.hdu_type, hdu)
    try:
        facts = run_facts(run.indexed, hdus)
    except (DamagedFile, KeyError, ValueError, TypeError, IndexError) as error:
        raise _Unusable(str(run.events.location), f"its tables cannot be read: {error}") from error
    if problem := is_convertible(facts):
        raise _Unusable(str(run.events.location), problem)
    return facts


def _skip(report: AddReport, file: str, reason: str) -> None:
    if (file, reason) not in report.skipped:
        report.skipped.append((file, reason))


def _new_rows(collection: str, runs: Sequence[_Run], facts: Mapping[int, RunFacts]) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    files: dict[str, _File] = {}
    sizes: dict[int, tuple[int, bool]] = {}
    for run in runs:
        obs_id, events = run.indexed.obs_id, run.events
        did = publisher_did(collection, obs_id)
        fact = facts[obs_id]
        energy = fact.energy or (None, None)
        rows["run"].append(
            {
                "obs_publisher_did": did, "collection": collection, "obs_id": obs_id, "file_name": events.name,
                "fov_radius": fact.fov_radius, "energy_min": energy[0], "energy_max": energy[1],
                "n_events": fact.n_events, "signature": run.signature,
            }
        )  # fmt: skip
        for position, hdu in enumerate(run.indexed.hdus):
            file = run.files[hdu.path]
            files[file.name] = file
            rows["hdu"].append(
                {
                    "obs_publisher_did": did, "collection": collection, "position": position, "hdu_type": hdu.hdu_type,
                    "hdu_class": hdu.hdu_class, "file_name": file.name, "hdu_name": hdu.name,
                }
            )  # fmt: skip
        bundle = any(h.hdu_type == "aeff" and run.files[h.path] == events for h in run.indexed.hdus)
        sizes[obs_id] = (events.size, bundle)
    rows["file"] = [
        {
            "collection": collection, "name": name, "root": str(file.root), "path": file.path,
            "size": file.size, "sha256": file_digest(file.location),
        }
        for name, file in files.items()
    ]  # fmt: skip
    ordered = [facts[run.indexed.obs_id] for run in runs]
    positions = icrs_positions(ordered)
    rows["obscore"] = obscore_rows(collection, ordered, positions, sizes)
    rows["obscore_hea"] = hea_rows(collection, ordered, positions)
    for row in rows["obscore"]:
        row.pop("access_url")
        row["_links"] = links_url(row["obs_publisher_did"])
    return rows


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits; empty where it is gone meanwhile."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _merge(
    old: Mapping[str, pa.Table], name: str, store: Path, kept: set[int], rows: Mapping[str, list[dict[str, Any]]]
) -> dict[str, pa.Table]:
    """The old tables without the runs of this store that are not ``kept``, and the new rows."""
    former = [row["name"] for row in old["collection"].to_pylist() if row["store"] == str(store)]
    gone = [*former, name]
    dids = pa.array([publisher_did(name, obs_id) for obs_id in kept], pa.string())
    merged = {"meta": old["meta"]}
    without = without_collections(old, gone)
    for table in old.keys() - {"meta"}:
        rest = without[table]
        if "obs_publisher_did" in old[table].column_names:
            own = pc.is_in(old[table]["obs_publisher_did"], dids)
            rest = pa.concat_tables([rest, old[table].filter(own)])
        merged[table] = pa.concat_tables([rest, to_table(table, rows[table])])
    used = merged["hdu"].filter(pc.equal(merged["hdu"]["collection"], name))["file_name"]
    earlier = old["file"].filter(
        pc.and_(pc.equal(old["file"]["collection"], name), pc.is_in(old["file"]["name"], used))
    )
    new = pa.array([row["name"] for row in rows["file"]], pa.string())
    earlier = earlier.filter(pc.invert(pc.is_in(earlier["name"], new)))
    merged["file"] = pa.concat_tables([merged["file"], earlier])
    return merged
