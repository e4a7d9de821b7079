"""What belongs to a run: its events, its responses, all of it in one file, pictures, and jobs that take it.

These are the rows of DataLink 1.1 (:mod:`~jupyter_uws.archive.datalink` writes them down).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .database import read_archive

FITS = "application/fits"

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
    """A run of the archive and its HDUs, in the order of the store's index; degrees (ICRS), live time in s."""

    did: str
    collection: str
    obs_id: int
    target_name: str | None
    ra: float
    dec: float
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
    SELECT r.obs_publisher_did, r.collection, r.obs_id, o.target_name, o.s_ra, o.s_dec, o.t_exptime,
           h.hdu_type, h.hdu_class, h.hdu_name, f.root, f.path, f.name
    FROM _archive.run r JOIN _archive.obscore o USING (obs_publisher_did)
         JOIN _archive.hdu h USING (obs_publisher_did)
         JOIN _archive.file f ON f.collection = h.collection AND f.name = h.file_name
    WHERE r.obs_publisher_did IN (SELECT unnest(?))
    ORDER BY r.obs_publisher_did, h.position
"""


def find_runs(archive: Path, dids: Sequence[str]) -> dict[str, StoredRun]:
    """The runs with these obs_publisher_did, by it; those that the archive does not know are left out.

    Whether their files are still there is not looked at. Raises ArchiveError where the archive cannot be read.
    """
    with read_archive(archive) as con:
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

    ``root`` is the service's URL as the client sees it; ``processings`` are what takes a run; ``previews`` says whether
    pictures can be made. Looks at the files: call it in a thread. Raises ArchiveError.
    """
    found = find_runs(archive, dids)
    rows: list[Link] = []
    for did in dict.fromkeys(dids):
        run = found.get(did)
        if run is None:
            rows.append(Link(did, "#this", error_message=_unknown(did)))
        else:
            rows += _links_of_run(run, root, processings, previews)
    return rows


def links_url(did: str) -> str:
    """Where the links of a run are, below the service's root. The identifier has ``?`` and ``/``: all is quoted."""
    return f"datalink/links?ID={quote(did, safe='')}"


def file_url(collection: str, name: str, hdu: str = "") -> str:
    """Where a file is, below the service's root. The fragment says which HDU is meant; the file comes as a whole."""
    return f"files/{quote(collection)}/{quote(name)}" + (f"#{quote(hdu)}" if hdu else "")


def _links_of_run(run: StoredRun, root: str, processings: Sequence[Processing], previews: bool) -> Iterator[Link]:
    sizes = {name: _size(hdu.location) for name, hdu in run.files.items()}
    whole = all(size is not None for size in sizes.values())
    here = f"run {run.obs_id} ({run.collection})"
    events = run.events
    yield _file(run, events, root, sizes[events.name], "#this", "event-list", f"Events of {here}")
    for kind, (qualifier, words) in RESPONSES.items():
        hdu = next((hdu for hdu in run.hdus if hdu.hdu_type == kind), None)
        if hdu is not None:
            description = f"{words.capitalize()} of {here}"
            yield _file(run, hdu, root, sizes[hdu.name], "#calibration", qualifier, description)
    this = f"ID={quote(run.did, safe='')}"
    if whole:
        yield Link(
            run.did,
            "#package",
            f"Events and responses of {here} in one tar file",
            access_url=f"{root}datalink/bundle?{this}",
            content_type="application/x-tar",
            content_qualifier="event-bundle",
        )
    if previews and sizes[events.name] is not None:
        for name, (semantics, words) in PREVIEWS.items():
            url = f"{root}datalink/preview/{name}?{this}"
            yield Link(run.did, semantics, words, access_url=url, content_type="image/png", local_semantics=name)
    if whole:
        for processing in processings:
            yield Link(run.did, "#proc", processing.description, service_def=processing.name)


def _file(
    run: StoredRun, hdu: StoredHdu, root: str, size: int | None, semantics: str, qualifier: str, description: str
) -> Link:
    if size is None:
        gone = f"NotFoundFault: the file {hdu.name} is gone since the archive was made"
        return Link(run.did, semantics, description, error_message=gone, content_qualifier=qualifier)
    url = root + file_url(run.collection, hdu.name, "" if semantics == "#this" else hdu.hdu_name)
    return Link(
        run.did,
        semantics,
        description,
        access_url=url,
        content_type=FITS,
        content_length=size,
        content_qualifier=qualifier,
        local_semantics=hdu.hdu_class or None,
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _unknown(did: str) -> str:
    if not did.strip():
        return "NotFoundFault: the ID is empty: give the obs_publisher_did of a run"
    return f"NotFoundFault: the archive has no run with the obs_publisher_did {did[:200]!r}"
