"""The user's archive, with something in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .database import locked
from .ingest import add_store
from .simulation import simulate

SIMULATED = "sim-dr1"


def ensure_archive(path: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """The archive ``path``; where there is none, it is made of the simulated store ``sim-dr1`` beside it.

    Safe when several processes do it at once: one works, the others wait for it. Raises ArchiveError.
    """
    path = path.expanduser()
    if path.exists():
        return path
    store = path.parent / SIMULATED
    with locked(path.parent / f"{SIMULATED}.lock"):
        if not path.exists():
            if not store.exists():
                simulate(store, progress=progress)
            add_store(path, store)
    return path
