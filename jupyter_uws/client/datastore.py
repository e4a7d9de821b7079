"""Runs of a search as a gammapy DataStore: their files are fetched once, in one piece, and kept."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arrow import Pieces
from .connection import Connection, reachable
from .errors import BadValue, ClientError, ServiceError

if TYPE_CHECKING:
    from gammapy.data import DataStore

#: So many runs come in one piece; the service sends no more.
MOST = 500
_PIECE = 2**20


def data_store(connection: Connection, runs: Any, folder: str | Path | None = None) -> DataStore:
    """Events and responses of the ``runs`` as a gammapy DataStore, to read on this machine.

    ``runs`` is the table of a search, or identifiers (``obs_publisher_did``) of one collection. The files go to a
    folder of their own in ``folder`` (``$XDG_CACHE_HOME/jupyter-uws/runs`` by default); the same runs are not fetched
    again.

    Raises
    ------
    ValueError
        There are no runs, more than 500, or runs of several collections.
    ClientError
        gammapy is not installed here.
    ServiceError, ServiceUnreachable
        The service does not have them, or did not answer.
    """
    try:
        from gammapy.data import DataStore
    except ImportError:
        raise ClientError("A DataStore needs gammapy: install jupyter-uws[gamma].") from None
    return DataStore.from_dir(fetch(connection, _identifiers(runs), Path(folder) if folder else _cache()))


def fetch(connection: Connection, dids: Sequence[str], folder: Path) -> Path:
    """Fetch the files of runs into a folder in ``folder``, where they are not there yet; returns the data store's."""
    key = hashlib.sha256("\n".join([connection.url, *dids]).encode()).hexdigest()[:16]
    target = folder.expanduser().absolute() / key
    if not target.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".coming-") as coming:
            _unpack(connection, dids, Path(coming) / "runs")
            try:
                os.replace(Path(coming) / "runs", target)
            except OSError:
                if not target.is_dir():  # another process was quicker
                    raise
    stores = [path.parent for path in target.glob("*/hdu-index.fits.gz")]
    if len(stores) != 1:
        raise BadValue("runs are of several collections: a DataStore is of one; select them by obs_collection")
    return stores[0]


def _unpack(connection: Connection, dids: Sequence[str], target: Path) -> None:
    form = [("ID", did) for did in dids]
    with connection.post("datalink/bundle", data=form, stream=True) as response, reachable(response.url):
        try:
            with tarfile.open(fileobj=Pieces(response.iter_content(_PIECE)), mode="r|") as tar:
                tar.extractall(target, filter="data")
        except tarfile.TarError:
            raise ServiceError("The files of the runs broke off on their way: try again.") from None


def _identifiers(runs: Any) -> list[str]:
    rows = runs["obs_publisher_did"] if hasattr(runs, "colnames") else [runs] if isinstance(runs, str) else runs
    dids = list(dict.fromkeys(str(row) for row in rows))
    if not dids or len(dids) > MOST:
        raise BadValue(f"runs: there are {len(dids)}; a DataStore is made of 1 to {MOST}")
    return dids


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "jupyter-uws" / "runs"
