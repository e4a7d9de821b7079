"""The user's archive, with something in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ..tap.pages import move_archive, pages_of
from .database import VERSION, lock_file, locked, open_any_version
from .errors import ArchiveError

if TYPE_CHECKING:
    from .ingest import AddReport

SIMULATED = "sim-dr1"


def ensure_archive(path: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """The archive ``path``; where there is none, it is made of the simulated store ``sim-dr1`` beside it.

    So is one that an earlier version made of that store and of nothing else. Safe when several processes do it at once:
    one works, the others wait for it. Raises ArchiveError.
    """
    path = path.expanduser()
    if not path.exists() or is_outdated(path):
        add_simulated(path, progress=progress)
    return path


def add_simulated(
    archive: Path, folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> AddReport:
    """Add the simulated store to an archive; it is made in ``folder`` where it is not there yet.

    ``folder`` is by default ``sim-dr1`` beside the archive. An archive that :func:`is_outdated` is made anew.
    Raises ArchiveError.
    """
    from .ingest import add_store  # slow: astropy, which the service is to start without
    from .simulation import simulate

    archive = archive.expanduser()
    folder = (folder or archive.parent / SIMULATED).expanduser().absolute()
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            simulate(folder, progress=progress)
        if not is_outdated(archive):
            return add_store(archive, folder)
        fresh = archive.with_name(f".{archive.name}.{os.getpid()}.new")
        with locked(lock_file(archive)):
            try:
                report = add_store(fresh, folder)
                move_archive(fresh, archive)
            finally:
                for left in (fresh, lock_file(fresh), *pages_of(fresh)):
                    left.unlink(missing_ok=True)
        return report


def is_outdated(archive: Path) -> bool:
    """Whether an earlier version made the archive, of nothing but the simulated store beside it.

    It can be made anew, and nothing is lost. Of an archive with anything else in it, or that cannot be read, this is
    not for us to say.
    """
    archive = archive.expanduser()
    try:
        with open_any_version(archive) as (con, version):
            found = con.execute(_CONTENT).fetchall() if version < VERSION else []
    except (ArchiveError, duckdb.Error):
        return False
    return found == [(SIMULATED.upper(), str((archive.parent / SIMULATED).resolve()), True)]


# whether there is a row for each run, and none for anything else
_CONTENT = """
    SELECT name, store, (SELECT count(*) FROM _archive.obscore) = (SELECT count(*) FROM _archive.run)
    FROM _archive.collection
"""
