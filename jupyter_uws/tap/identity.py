"""How a file is told from the one that was in its place before."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ArchiveUnavailable

Identity = tuple[int, int, int, int]


def file_identity(path: Path) -> Identity:
    """What changes when a file is replaced or written. Raises ArchiveUnavailable."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise ArchiveUnavailable(f"the archive {path.name} cannot be read: {error.strerror}") from None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
