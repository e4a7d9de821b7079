"""The user's archive, with something in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .database import locked
from .ingest import AddReport, add_store
from .simulation import simulate

SIMULATED = "sim-dr1"


def ensure_archive(path: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """The archive ``path``; where there is none, it is made of the simulated store ``sim-dr1`` beside it.

    Safe when several processes do it at once: one works, the others wait for it. Raises ArchiveError.
    """
    path = path.expanduser()
    if not path.exists():
        add_simulated(path, progress=progress)
    return path


def add_simulated(
    archive: Path, folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> AddReport:
    """Add the simulated store to an archive; it is made in ``folder`` where it is not there yet.

    ``folder`` is by default ``sim-dr1`` beside the archive. Raises ArchiveError.
    """
    folder = folder or archive.expanduser().parent / SIMULATED
    folder = folder.expanduser().absolute()
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            simulate(folder, progress=progress)
        return add_store(archive, folder)
