"""Files that clients give for parameters: inline in a multipart form, or as a URL to be fetched.

Which parameters take files is said by the job type, as a mapping of their names to :class:`FileRule`.
A file is kept in the job folder as ``uploads/<digest>-<name>``; that path is the parameter's value.
"""

from __future__ import annotations

from dataclasses import dataclass

FOLDER = "uploads"


@dataclass(frozen=True)
class FileRule:
    """What a file parameter accepts: ``content_types`` (none: any), at most ``size_max`` bytes."""

    content_types: tuple[str, ...] = ()
    size_max: int = 100 * 1024 * 1024
