"""Runs in one tar file: what goes into it and how long it gets, so that it can be made while it is sent.

It unpacks into a folder that is a data store of its own: the files of the runs below the names they have in the
archive, and index tables of exactly these runs.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import ArchiveError
from .index_files import hdu_index, observation_index
from .links import StoredRun
from .reader import DataFile

#: What ends a tar file.
END = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Member:
    """A file of the bundle: its ``content``, or where it is; sizes in bytes, ``mtime`` in seconds since 1970."""

    name: str
    size: int
    mtime: int
    content: bytes | DataFile

    @property
    def header(self) -> bytes:
        """What comes before the content (POSIX pax format)."""
        info = tarfile.TarInfo(self.name)
        info.size, info.mtime, info.mode = self.size, self.mtime, 0o644
        return info.tobuf(tarfile.PAX_FORMAT)

    @property
    def padding(self) -> bytes:
        """What comes after it."""
        return bytes(-self.size % tarfile.BLOCKSIZE)


def members(runs: Sequence[StoredRun]) -> list[Member]:
    """What the bundle of these runs holds, each file once, in one folder for each collection.

    Raises ArchiveError where a file is gone.
    """
    found: list[Member] = []
    for collection in dict.fromkeys(run.collection for run in runs):
        own = [run for run in runs if run.collection == collection]
        folder = folder_name(own)
        files: list[Member] = []
        for name, hdu in {name: hdu for run in own for name, hdu in run.files.items()}.items():
            try:
                info = hdu.location.stat()
            except OSError as error:
                raise ArchiveError(f"the file {name} of {collection} is gone since the archive was made") from error
            source = DataFile(hdu.root, hdu.path)
            files.append(Member(f"{folder}/{name}", info.st_size, int(info.st_mtime), source))
        mtime = max(file.mtime for file in files)
        for name, content in (("obs-index.fits.gz", observation_index(own)), ("hdu-index.fits.gz", hdu_index(own))):
            found.append(Member(f"{folder}/{name}", len(content), mtime, content))
        found += files
    return found


def folder_name(runs: Sequence[StoredRun]) -> str:
    """The folder that runs of one collection unpack into: the collection's, or that of the only run."""
    collection = runs[0].collection
    return f"{collection}-{runs[0].obs_id}" if len(runs) == 1 else collection


def length(files: Sequence[Member]) -> int:
    """Bytes of the whole tar file."""
    return sum(len(file.header) + file.size + len(file.padding) for file in files) + len(END)
