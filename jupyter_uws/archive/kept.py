"""Archives that are kept open from one request to the next: to open one takes longer than to find a run in it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ..tap.errors import ArchiveUnavailable
from ..tap.identity import Identity, file_identity
from .database import ATTACHED, read_archive

#: Archives that are kept; that which was asked for least lately is closed for another one.
MOST = 4


@dataclass(eq=False)
class _Kept:
    """One version of an archive's file; it is closed with ``closing`` when it is ``old`` and has no users."""

    identity: Identity | None
    con: duckdb.DuckDBPyConnection
    closing: contextlib.ExitStack
    users: int = 0
    old: bool = False

    def close_if_done(self) -> None:
        if self.old and not self.users:
            self.closing.close()


_kept: dict[Path, _Kept] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def keep_reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of the caller's own that reads an archive as it is now; the next caller need not open it again.

    An archive that was replaced is noticed at once: later callers read the new one, the old one is closed when its last
    user is done. For a service; a process that forks others uses :func:`~.database.read_archive`.
    Raises ArchiveError where the file is no archive.
    """
    with _lock:
        kept = _current(path)
        kept.users += 1
        cursor = kept.con.cursor()
    try:
        cursor.execute(f"USE {ATTACHED}")  # as the connection itself does
        yield cursor
    finally:
        cursor.close()
        with _lock:
            kept.users -= 1
            kept.close_if_done()


def _current(path: Path) -> _Kept:
    try:
        identity = file_identity(path)
    except ArchiveUnavailable:
        identity = None  # to open it tells why
    kept = _kept.pop(path, None)
    if kept is not None and kept.identity != identity:
        _retire(kept)
        kept = None
    if kept is None:
        closing = contextlib.ExitStack()
        kept = _Kept(identity, closing.enter_context(read_archive(path)), closing)
    _kept[path] = kept  # the last one is that which was asked for last
    if len(_kept) > MOST:
        _retire(_kept.pop(next(iter(_kept))))
    return kept


def _retire(kept: _Kept) -> None:
    kept.old = True
    kept.close_if_done()
