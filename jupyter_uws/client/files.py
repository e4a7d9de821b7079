"""The files of observations: what DataLink says there is, fetched once and kept, and as a data store for gammapy."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .connection import Connection, reachable
from .errors import ClientError
from .parallel import in_parallel
from .progress import Progress, progress_bar

if TYPE_CHECKING:
    from astropy.table import Table

#: Identifiers of one request: a service answers so many.
PAGE = 500
_CHUNK = 1 << 20
#: DataLink's names of high-energy products -> GADF's HDU types.
HDU_TYPES = {"event-list": "events", "aeff": "aeff", "edisp": "edisp", "psf": "psf", "bkgrate": "bkg"}


def cache_folder(part: str) -> Path:
    """A folder of the cache, for its user only: in ``$JUPYTER_UWS_CACHE``, else ``jupyter-uws`` in the user's cache."""
    named = os.environ.get("JUPYTER_UWS_CACHE")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (Path(named).expanduser() if named else cache / "jupyter-uws") / part
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def links(connection: Connection, dids: Sequence[str]) -> Table:
    """What belongs to observations (DataLink 1.1, section 4.3), by their ``obs_publisher_did``."""
    from astropy.table import vstack

    from .votable import read_votable

    pages = []
    for start in range(0, len(dids), PAGE):
        response = connection.post("datalink/links", data={"ID": list(dids[start : start + PAGE])})
        pages.append(read_votable(response.content)[0])
    return vstack(pages, metadata_conflicts="silent") if len(pages) > 1 else pages[0]


def products(table: Table) -> list[dict[str, Any]]:
    """The links to events and responses, each as ``did``, ``type`` (GADF's), ``class``, ``url``, ``hdu``, ``size``.

    Raises
    ------
    ClientError
        An observation has no events, or a file of it is not there any more; the text is the archive's.
    """
    found = []
    for row in table:
        kind = HDU_TYPES.get(str(row["content_qualifier"]))
        why = str(row["error_message"] or "")
        if str(row["semantics"]) not in ("#this", "#calibration"):
            continue
        if why and why != "--":
            raise ClientError(why)
        if kind is None:
            continue
        url, _, hdu = str(row["access_url"]).partition("#")
        size = row["content_length"]
        found.append({
            "did": str(row["ID"]),
            "type": kind,
            "class": str(row["local_semantics"] or ""),
            "url": url,
            "hdu": unquote(hdu),
            "size": None if hasattr(size, "mask") else int(size),
        })  # fmt: skip
    return found


def fetch(
    connection: Connection, sizes: dict[str, int | None], folder: Path | None = None, *, progress: bool = True
) -> dict[str, Path]:
    """Fetch files by their URL, a few at the same time, into a folder (the cache), but those that are there.

    ``sizes`` are in bytes, None where they are not known; a file of another size is refused and removed.

    Raises
    ------
    ClientError
        A file came with another size than it should have.
    ServiceError, ServiceUnreachable
        It cannot be had.
    """
    if folder is None:
        folder = cache_folder("files")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = {url: folder / file_name(url) for url in sizes}
    missing = [url for url, path in paths.items() if not _is_there(path, sizes[url])]
    bar = progress_bar(f"{len(missing)} files") if progress and missing else None
    done = _Count(len(missing), bar)
    try:
        in_parallel(lambda url: done.after(_fetch(connection, url, paths[url], sizes[url])), missing)
    finally:
        if bar is not None:
            bar.close()
    return paths


def file_name(url: str) -> str:
    """A name for the file of a URL: never a path, and another one for another URL."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in last).lstrip(".")
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{plain[-100:] or 'file'}"


class _Count:
    """How many files are there, for the progress bar."""

    def __init__(self, total: int, bar: Progress | None) -> None:
        self._total, self._bar, self._done = total, bar, 0

    def after(self, path: Path) -> Path:
        self._done += 1
        if self._bar is not None:
            phase = "COMPLETED" if self._done == self._total else "EXECUTING"
            self._bar.show(phase, self._done / self._total, f"{self._done} of {self._total}")
        return path


def _is_there(path: Path, size: int | None) -> bool:
    return path.is_file() and size in (None, path.stat().st_size)


def _fetch(connection: Connection, url: str, path: Path, size: int | None) -> Path:
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        response = connection.get(url, stream=True)
        with reachable(url), response, partial.open("wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
        there = partial.stat().st_size
        if size not in (None, there):
            raise ClientError(f"{path.name} came with {there} bytes and should have {size}; try again.")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def index_tables(rows: Table, found: Iterable[dict[str, Any]], paths: dict[str, Path]) -> tuple[Table, Table]:
    """GADF's observation index and HDU index of fetched files; files are by name in one folder.

    Raises
    ------
    ClientError
        Two of the observations have the same number, or one has none: gammapy knows them by it.
    """
    from astropy.table import Table

    numbers: dict[str, int] = {}
    for row in rows:
        try:
            numbers[str(row["obs_publisher_did"])] = int(str(row["obs_id"]))
        except ValueError:
            raise ClientError(f"Run {row['obs_id']!r} has no number, by which gammapy could know it.") from None
    if len(set(numbers.values())) < len(numbers):
        raise ClientError("Two runs have the same number: take those of one collection at a time.")
    observations = Table({
        "OBS_ID": [numbers[str(did)] for did in rows["obs_publisher_did"]],
        "OBJECT": [str(name) for name in rows["target_name"]],
        "RA_PNT": rows["s_ra"].data.astype(float),
        "DEC_PNT": rows["s_dec"].data.astype(float),
    })  # fmt: skip
    observations["RA_PNT"].unit = observations["DEC_PNT"].unit = "deg"
    hdus = []
    for product in found:
        number, name = numbers[product["did"]], paths[product["url"]].name
        hdus.append((number, product["type"], product["class"], "", name, product["hdu"] or product["type"].upper()))
        if product["type"] == "events":
            hdus.append((number, "gti", "gti", "", name, "GTI"))
    names = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
    observations.meta.update(EXTNAME="OBS_INDEX", HDUCLASS="GADF", HDUCLAS1="INDEX", HDUCLAS2="OBS")
    index = Table(rows=hdus, names=names)
    index.meta.update(EXTNAME="HDU_INDEX", HDUCLASS="GADF", HDUCLAS1="INDEX", HDUCLAS2="HDU")
    return observations, index
