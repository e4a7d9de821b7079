"""Finding runs and their files in an archive: for jobs, for the file handler, for listings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .database import read_archive
from .errors import ArchiveError
from .index_files import TIME_CARDS, observation_columns
from .kept import keep_reading
from .links import runs_of_responses

if TYPE_CHECKING:
    import duckdb
    from gammapy.data import DataStore


@dataclass(frozen=True)
class RunHdu:
    """One HDU of a run: GADF's type and class, the file it is in and its name there."""

    hdu_type: str
    hdu_class: str
    file: Path
    name: str


@dataclass(frozen=True)
class Run:
    """A run: pointing and field-of-view radius in degrees (ICRS), times as MJD in TT, live time in s, energies in TeV.

    ``fov_radius``, ``livetime`` and the energies are None where the store does not tell them.
    """

    obs_publisher_did: str
    collection: str
    obs_id: int
    target_name: str | None
    ra: float
    dec: float
    fov_radius: float | None
    t_min: float
    t_max: float
    livetime: float | None
    energy_min: float | None
    energy_max: float | None
    n_events: int
    hdus: tuple[RunHdu, ...]
    facility: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the run, that with the events first."""
        first = sorted(self.hdus, key=lambda hdu: hdu.hdu_type != "events")
        return tuple(dict.fromkeys(hdu.file for hdu in first))


@dataclass(frozen=True)
class Collection:
    """A collection in an archive: its store's folder and the number of its runs."""

    name: str
    store: Path
    runs: int


@dataclass(frozen=True)
class DataFile:
    """A file that belongs to runs of an archive: ``path`` below ``root``, both as indexed."""

    root: Path
    path: str


_RUNS = """
    SELECT r.obs_publisher_did, r.collection, r.obs_id, o.target_name, o.s_ra, o.s_dec, r.fov_radius,
           o.t_min, o.t_max, o.t_exptime, r.energy_min, r.energy_max, r.n_events, o.facility_name
    FROM _archive.run r JOIN _archive.obscore o USING (obs_publisher_did)
    WHERE list_contains(?, r.obs_publisher_did) OR list_contains(?, r.obs_id)
"""
_HDUS = """
    SELECT h.obs_publisher_did, h.hdu_type, h.hdu_class, f.root, f.path, h.hdu_name
    FROM _archive.hdu h JOIN _archive.file f ON f.collection = h.collection AND f.name = h.file_name
    WHERE list_contains(?, h.obs_publisher_did)
    ORDER BY h.obs_publisher_did, h.position
"""


def runs(archive: Path | str, ids: Sequence[str | int]) -> list[Run]:
    """The runs with these ids, in their order, each once. An id is an obs_id or an obs_publisher_did.

    That of a response's own row stands for the response's run.
    Raises ArchiveError for an id that is unknown, an obs_id that is in several collections, a file that is gone since
    it was indexed.
    """
    wanted = list(dict.fromkeys(str(i).strip() for i in ids))
    numbers = [int(i) for i in wanted if _is_number(i)]
    with read_archive(archive) as con:
        rows = con.execute(_RUNS, [wanted, numbers]).fetchall()
        by_id: dict[str, list[tuple[Any, ...]]] = {}
        for row in rows:
            by_id.setdefault(row[0], []).append(row)
            by_id.setdefault(str(row[2]), []).append(row)
        responses = runs_of_responses(con, [i for i in wanted if not _is_number(i) and i not in by_id])
        if responses:
            rows = con.execute(_RUNS, [[run for run, _ in responses.values()], []]).fetchall()
            of_run = {row[0]: row for row in rows}
            by_id |= {did: [of_run[run]] for did, (run, _) in responses.items()}
        chosen = [_only(con, i, by_id.get(str(int(i)) if _is_number(i) else i, [])) for i in wanted]
        hdus: dict[str, list[RunHdu]] = {}
        for did, kind, cls, root, path, name in con.execute(_HDUS, [[row[0] for row in chosen]]).fetchall():
            hdus.setdefault(did, []).append(RunHdu(kind, cls, Path(root) / path, name))
    found = {row[0]: Run(*(*row[:-1], tuple(hdus.get(row[0], ())), row[-1])) for row in chosen}
    for run in found.values():
        for file in run.files:
            if not file.is_file():
                raise ArchiveError(
                    f"run {run.obs_id} ({run.collection}): its file {file} is gone since it was indexed;"
                    " put it back, or run 'jupyter uws archive add' on its store again"
                )
    return list(found.values())


def collections(archive: Path | str) -> list[Collection]:
    """The collections of an archive, by name."""
    with read_archive(archive) as con:
        rows = con.execute(
            "SELECT c.name, c.store, count(r.obs_id) FROM _archive.collection c"
            " LEFT JOIN _archive.run r ON r.collection = c.name GROUP BY ALL ORDER BY c.name"
        ).fetchall()
    return [Collection(name, Path(store), count) for name, store, count in rows]


def find_file(archive: Path, collection: str, name: str) -> DataFile | None:
    """The file that the archive serves as ``files/<collection>/<name>``; None where it knows none."""
    with keep_reading(archive) as con:
        rows = con.execute(
            "SELECT root, path FROM _archive.file WHERE collection = ? AND name = ?", [collection, name]
        ).fetchall()
    return DataFile(Path(rows[0][0]), rows[0][1]) if rows else None


def data_store(runs: Sequence[Run]) -> DataStore:
    """A gammapy DataStore of exactly these runs, made from the archive alone; the store's index files are not read.

    Raises ArchiveError for no runs, or two with one obs_id, which gammapy could not tell apart.
    """
    from gammapy.data import DataStore, HDUIndexTable, ObservationTable  # slow: 3 s, 200 MB

    if not runs:
        raise ArchiveError("no runs were given")
    by_id: dict[int, Run] = {}
    for run in runs:
        other = by_id.setdefault(run.obs_id, run)
        if other != run:
            raise ArchiveError(
                f"obs_id {run.obs_id} is in {other.collection} and {run.collection}: analyse them one after the other"
            )
    hdus = [(run.obs_id, hdu) for run in by_id.values() for hdu in run.hdus]
    hdu_table = HDUIndexTable(
        {
            "OBS_ID": [obs_id for obs_id, _ in hdus],
            "HDU_TYPE": [hdu.hdu_type for _, hdu in hdus],
            "HDU_CLASS": [hdu.hdu_class for _, hdu in hdus],
            "FILE_DIR": [str(hdu.file.parent) for _, hdu in hdus],
            "FILE_NAME": [hdu.file.name for _, hdu in hdus],
            "HDU_NAME": [hdu.name for _, hdu in hdus],
        }
    )
    columns = observation_columns(list(by_id.values()))
    obs_table = ObservationTable(
        {column.name: column.values for column in columns},
        units={column.name: column.unit for column in columns if column.unit},
        meta=dict(TIME_CARDS),
    )
    return DataStore(hdu_table=hdu_table, obs_table=obs_table)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _only(con: duckdb.DuckDBPyConnection, wanted: str, found: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(sorted(row[1] for row in found))
        raise ArchiveError(
            f"obs_id {wanted} is in several collections ({places}): give its obs_publisher_did, such as {found[0][0]}"
        )
    column = "obs_publisher_did" if wanted.startswith("ivo:") else "obs_id"
    near = con.execute(
        f"SELECT {column}::VARCHAR, levenshtein({column}::VARCHAR, ?) FROM _archive.run ORDER BY 2, 1 LIMIT 3",  # noqa: S608
        [wanted[:200]],
    ).fetchall()
    total, first, last = con.execute("SELECT count(*), min(obs_id), max(obs_id) FROM _archive.run").fetchall()[0]
    if not total:
        raise ArchiveError(f"run {wanted!r} is not in the archive, which is empty")
    raise ArchiveError(
        f"run {wanted!r} is not in the archive; nearest: {', '.join(row[0] for row in near)};"
        f" allowed: the obs_id ({first} to {last}) or obs_publisher_did of its {total} runs"
    )
