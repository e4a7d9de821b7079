"""What belongs to a run: its events, its responses, all of it in one file, pictures, and jobs that take it.

These are the rows of DataLink 1.1 (:mod:`~jupyter_uws.archive.datalink` writes them down).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .kept import keep_reading

if TYPE_CHECKING:
    import duckdb

FITS = "application/fits"

#: The ``dataproduct_type`` of responses that have rows of their own (:mod:`~jupyter_uws.archive.response_rows`).
RESPONSE = "response-function"

#: GADF's HDU types -> DataLink's content qualifier (the IVOA's names of high-energy products), and words.
RESPONSES = {
    "aeff": ("aeff", "effective area"),
    "edisp": ("edisp", "energy dispersion"),
    "psf": ("psf", "point spread function"),
    "bkg": ("bkgrate", "background rate"),
}
#: Pictures that are made on request: name -> semantics, words.
PREVIEWS = {
    "counts": ("#preview-image", "Events on the sky (counts map)"),
    "energy": ("#preview-plot", "Energies of the events (histogram)"),
    "time": ("#preview-plot", "Rate of the events over the run"),
}


@dataclass(frozen=True)
class StoredHdu:
    """An HDU of a run: GADF's type and class, its name, and its file: ``root / path``, ``name`` within URLs."""

    hdu_type: str
    hdu_class: str
    hdu_name: str
    root: Path
    path: str
    name: str

    @property
    def location(self) -> Path:
        return self.root / self.path


@dataclass(frozen=True)
class StoredRun:
    """A run of the archive and its HDUs, in the order of the store's index.

    Degrees (ICRS), MJD in TT, live time in s.
    """

    did: str
    collection: str
    obs_id: int
    target_name: str | None
    ra: float
    dec: float
    t_min: float
    t_max: float
    livetime: float | None
    hdus: tuple[StoredHdu, ...]

    @property
    def events(self) -> StoredHdu:
        return next(hdu for hdu in self.hdus if hdu.hdu_type == "events")

    @property
    def files(self) -> dict[str, StoredHdu]:
        """One HDU of each file, by the file's name in URLs; the file with the events comes first."""
        found: dict[str, StoredHdu] = {}
        for hdu in sorted(self.hdus, key=lambda hdu: hdu.hdu_type != "events"):
            found.setdefault(hdu.name, hdu)
        return found


@dataclass(frozen=True)
class Processing:
    """A service that takes a run: ``resource`` is its descriptor, a ready RESOURCE with the XML ID ``name``."""

    name: str
    description: str
    resource: str


@dataclass(frozen=True)
class Link:
    """A row of DataLink's table; of ``access_url``, ``service_def`` and ``error_message`` it has exactly one."""

    ID: str
    semantics: str
    description: str = ""
    access_url: str | None = None
    service_def: str | None = None
    error_message: str | None = None
    content_type: str | None = None
    content_length: int | None = None
    content_qualifier: str | None = None
    local_semantics: str | None = None


_HDUS = """
    SELECT r.obs_publisher_did, r.collection, r.obs_id, o.target_name, o.s_ra, o.s_dec, o.t_min, o.t_max,
           o.t_exptime, h.hdu_type, h.hdu_class, h.hdu_name, f.root, f.path, f.name
    FROM _archive.run r JOIN _archive.obscore o USING (obs_publisher_did)
         JOIN _archive.hdu h USING (obs_publisher_did)
         JOIN _archive.file f ON f.collection = h.collection AND f.name = h.file_name
    WHERE r.obs_publisher_did IN (SELECT unnest(?))
    ORDER BY r.obs_publisher_did, h.position
"""
# of a response's row: the run it is of, by its place in the archive rather than by how its identifier is made
_RUNS_OF_RESPONSES = """
    SELECT o.obs_publisher_did, r.obs_publisher_did, o.dataproduct_subtype
    FROM _archive.obscore o JOIN _archive.run r
         ON r.collection = o.obs_collection AND r.obs_id = TRY_CAST(o.obs_id AS BIGINT)
    WHERE o.obs_publisher_did IN (SELECT unnest(?)) AND o.dataproduct_type = ?
"""


def find_runs(archive: Path, dids: Sequence[str]) -> dict[str, StoredRun]:
    """The runs with these obs_publisher_did, by it; those that the archive does not know are left out.

    That of a response's own row leads to the response's run. Whether their files are still there is not looked at.
    Raises ArchiveError where the archive cannot be read.
    """
    return _find(archive, dids)[0]


def _find(archive: Path, dids: Sequence[str]) -> tuple[dict[str, StoredRun], dict[str, str]]:
    """The runs, also by the identifiers of responses, and the content qualifiers of these."""
    with keep_reading(archive) as con:
        found = _stored_runs(con, dids)
        responses = runs_of_responses(con, [did for did in dids if did not in found])
        found |= _stored_runs(con, [run for run, _ in responses.values()]) if responses else {}
    return found | {did: found[run] for did, (run, _) in responses.items()}, {k: q for k, (_, q) in responses.items()}


def runs_of_responses(con: duckdb.DuckDBPyConnection, dids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Of these identifiers those of responses' own rows, each with that of its run and with its content qualifier."""
    if not dids:
        return {}
    rows = con.execute(_RUNS_OF_RESPONSES, [list(dids), RESPONSE]).fetchall()
    return {did: (run, qualifier) for did, run, qualifier in rows}


def _stored_runs(con: duckdb.DuckDBPyConnection, dids: Sequence[str]) -> dict[str, StoredRun]:
    rows = con.execute(_HDUS, [list(dids)]).fetchall()
    found: dict[tuple[Any, ...], list[StoredHdu]] = {}
    for *run, kind, cls, hdu_name, root, path, name in rows:
        found.setdefault(tuple(run), []).append(StoredHdu(kind, cls, hdu_name, Path(root), path, name))
    made: list[tuple[Any, ...]] = [(*run, tuple(hdus)) for run, hdus in found.items()]
    return {run[0]: StoredRun(*run) for run in made}


def links(
    archive: Path, dids: Sequence[str], root: str, processings: Sequence[Processing] = (), *, previews: bool = True
) -> list[Link]:
    """The links of each of ``dids``, in their order; one with an error for an identifier that is not known.

    An identifier is that of a run, or that of one of its responses where these have rows of their own. ``root`` is the
    service's URL as the client sees it; ``processings`` are what takes a run; ``previews`` says whether pictures can be
    made. Looks at the files: call it in a thread. Raises ArchiveError.
    """
    found, responses = _find(archive, dids)
    rows: list[Link] = []
    for did in dict.fromkeys(dids):
        if did in responses:
            rows += _links_of_response(did, found[did], responses[did], root)
        elif did in found:
            rows += _links_of_run(found[did], root, processings, previews)
        else:
            rows.append(Link(did, "#this", error_message=_unknown(did)))
    return rows


def links_url(did: str) -> str:
    """Where the links of a run are, below the service's root. The identifier has ``?`` and ``/``: all is quoted."""
    return f"datalink/links?ID={quote(did, safe='')}"


def file_url(collection: str, name: str, hdu: str = "") -> str:
    """Where a file is, below the service's root. The fragment says which HDU is meant; the file comes as a whole."""
    return f"files/{quote(collection)}/{quote(name)}" + (f"#{quote(hdu)}" if hdu else "")


def _links_of_run(run: StoredRun, root: str, processings: Sequence[Processing], previews: bool) -> Iterator[Link]:
    sizes = _sizes(run)
    files = _files(run, root, sizes)
    whole = None not in sizes.values()
    yield files[0]
    yield from (replace(link, semantics="#calibration") for link in files[1:])
    yield from _others(run, root, sizes)
    if whole:
        yield _bundle(run.did, run, root)
    if previews and files[0].access_url:
        for name, (semantics, words) in PREVIEWS.items():
            url = f"{root}datalink/preview/{name}?{_query(run)}"
            yield Link(run.did, semantics, words, access_url=url, content_type="image/png", local_semantics=name)
    if whole:
        for processing in processings:
            yield Link(run.did, "#proc", processing.description, service_def=processing.name)


def _links_of_response(did: str, run: StoredRun, qualifier: str, root: str) -> Iterator[Link]:
    """The response itself, and what else is of its run."""
    sizes = _sizes(run)
    files = [replace(link, ID=did) for link in _files(run, root, sizes)]
    yield from (link for link in files if link.content_qualifier == qualifier)
    yield from (replace(link, semantics="#coderived") for link in files if link.content_qualifier != qualifier)
    yield from (replace(link, ID=did) for link in _others(run, root, sizes))
    if None not in sizes.values():
        yield _bundle(did, run, root)


def _files(run: StoredRun, root: str, sizes: Mapping[str, int | None]) -> list[Link]:
    """Links to the events and to each response, all of them ``#this``."""
    here = f"run {run.obs_id} ({run.collection})"
    events = run.events
    url = root + file_url(run.collection, events.name)
    made = [_file(run, events, url, sizes[events.name], "event-list", f"Events of {here}")]
    for kind, (qualifier, words) in RESPONSES.items():
        hdu = next((hdu for hdu in run.hdus if hdu.hdu_type == kind), None)
        if hdu is not None:
            url = root + file_url(run.collection, hdu.name, hdu.hdu_name)
            made.append(_file(run, hdu, url, sizes[hdu.name], qualifier, f"{words.capitalize()} of {here}"))
    return made


def _others(run: StoredRun, root: str, sizes: Mapping[str, int | None]) -> Iterator[Link]:
    """Links to what no other leads to: HDUs of further kinds (``gti``, ``rad_max``) in files of their own."""
    linked = [run.events, *(hdu for hdu in run.hdus if hdu.hdu_type in RESPONSES)]
    names = {hdu.name for hdu in linked}
    for hdu in run.hdus:
        if hdu.name not in names:
            url = root + file_url(run.collection, hdu.name, hdu.hdu_name)
            words = f"{hdu.hdu_type} of run {run.obs_id} ({run.collection})"
            yield replace(_file(run, hdu, url, sizes[hdu.name], None, words), semantics="#auxiliary")


def _file(run: StoredRun, hdu: StoredHdu, url: str, size: int | None, qualifier: str | None, description: str) -> Link:
    if size is None:
        gone = f"FatalFault: the file {hdu.name} is gone since the archive was made"
        return Link(run.did, "#this", description, error_message=gone, content_qualifier=qualifier)
    return Link(
        run.did,
        "#this",
        description,
        access_url=url,
        content_type=FITS,
        content_length=size,
        content_qualifier=qualifier,
        local_semantics=hdu.hdu_class or None,
    )


def _bundle(did: str, run: StoredRun, root: str) -> Link:
    return Link(
        did,
        "#package",
        f"Events and responses of run {run.obs_id} ({run.collection}) in one tar file",
        access_url=f"{root}datalink/bundle?{_query(run)}",
        content_type="application/x-tar",
        content_qualifier="event-bundle",
    )


def _query(run: StoredRun) -> str:
    return f"ID={quote(run.did, safe='')}"


def _sizes(run: StoredRun) -> dict[str, int | None]:
    """Bytes of each file of a run, by its name; None of one that is gone."""
    return {name: _size(hdu.location) for name, hdu in run.files.items()}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _unknown(did: str) -> str:
    if not did.strip():
        return "UsageFault: the ID is empty: give the obs_publisher_did of a run"
    return f"NotFoundFault: the archive has no run with the obs_publisher_did {did[:200]!r}"
