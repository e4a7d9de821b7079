"""Description files in folders: read, and read again when they change, without a restart.

A file that cannot be used is a problem, with line and reason, and the others go on. Where it could be
used before, that version of it is kept.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .describe import DescriptionError
from .description import JobDescription
from .jdl import read_jdl
from .yaml_file import read_yaml

log = logging.getLogger(__name__)

SUFFIXES = (".yaml", ".yml", ".xml")
#: Largest file that is read, in bytes.
SIZE_MAX = 1 << 20
#: Seconds between two looks at the folders.
INTERVAL = 1.0
#: Most files of a folder.
FILES_MAX = 1000

#: What tells that a file was changed: time of its content, of its inode, size, and which inode.
Signature = tuple[tuple[int, int, int, int], ...]


def default_folders() -> list[Path]:
    """``$JUPYTER_UWS_DESCRIPTIONS``, and ``jupyter-uws/jobs`` in Jupyter's data folders: user, environment, system."""
    from jupyter_core.paths import jupyter_path

    named = [Path(name) for name in os.environ.get("JUPYTER_UWS_DESCRIPTIONS", "").split(os.pathsep) if name]
    return [*named, *(Path(folder) for folder in jupyter_path("jupyter-uws", "jobs"))]


def read_description(path: Path) -> JobDescription:
    """The description in a file, YAML or VOTable by its suffix.

    Raises
    ------
    DescriptionError
        Naming file, line and reason.
    """
    if path.suffix not in SUFFIXES:
        raise DescriptionError(f"{path}: its name must end with one of {', '.join(SUFFIXES)}")
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise DescriptionError(f"{path}: it is not a file")
        if info.st_mode & stat.S_IWOTH:
            raise DescriptionError(f"{path}: everybody may write it, and what it says is run; chmod o-w")
        if info.st_size > SIZE_MAX:
            raise DescriptionError(f"{path}: it is larger than {SIZE_MAX >> 20} MiB")
        document = path.read_bytes()
    except OSError as error:
        raise DescriptionError(f"{path}: it cannot be read: {error.strerror}") from None
    if path.suffix == ".xml":
        return read_jdl(path, document)
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        raise DescriptionError(f"{path}, line {line}: it is not UTF-8") from None
    return read_yaml(path, text)


class DescriptionFiles:
    """The descriptions in some folders, none of which need exist."""

    def __init__(self, folders: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self.folders = [folder.expanduser().absolute() for folder in folders]
        #: By file, in the order of the folders; and why others cannot be used.
        self.descriptions: dict[Path, JobDescription] = {}
        self.problems: dict[Path, str] = {}
        self._clock = clock
        self._next = 0.0
        self._seen: dict[Path, Signature] = {}
        self._shut: dict[Path, str] = {}

    def look(self) -> bool:
        """Read what is new or changed, if the last look was long enough ago; whether there was anything."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + INTERVAL
        shut = {folder: reason for folder in self.folders if (reason := _distrust(folder))}
        found = {path: _signature(path) for folder in self.folders if folder not in shut for path in _files(folder)}
        if found == self._seen and shut == self._shut:
            return False
        for folder in shut.keys() - self._shut.keys():
            log.warning("no job descriptions are read from %s", shut[folder])
        changed = [path for path, signature in found.items() if self._seen.get(path) != signature]
        read = {path: self._read(path) for path in changed}
        # in the order of the folders, without the files that are gone
        known = {**self.descriptions, **{path: description for path, description in read.items() if description}}
        self.descriptions = {path: known[path] for path in found if path in known}
        self.problems = {path: reason for path, reason in self.problems.items() if path in found} | shut
        self._seen, self._shut = found, shut
        return True

    def _read(self, path: Path) -> JobDescription | None:
        try:
            description = read_description(path)
        except DescriptionError as error:
            before = self.descriptions.get(path)
            kept = f"; its version {before.version} from before is kept" if before else ""
            self.problems[path] = f"{error}{kept}"
            log.warning("a job description is left out: %s", self.problems[path])
            return None
        self.problems.pop(path, None)
        log.info("job type %s is described by %s", description.name, path)
        return description


def _distrust(folder: Path) -> str | None:
    """Why nothing in a folder is read: whoever may add files there would decide what is run."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return None
    return f"{folder}: everybody may write there, and what is there is run; chmod o-w" if mode & stat.S_IWOTH else None


def _files(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name for entry in entries if entry.name.endswith(SUFFIXES) and not entry.name.startswith(".")
            ]
    except OSError:
        return
    yield from (folder / name for name in sorted(names)[:FILES_MAX])


def _signature(path: Path) -> Signature:
    """Of the file, and of the script that may stand beside a VOTable."""
    paths = [path]
    if path.suffix == ".xml":
        stem = path.name.removesuffix(".xml")
        paths += [path.with_name(f"{name}.sh") for name in (stem, stem.removesuffix("_vot"))]
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[int, int, int, int]:
    try:
        info = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)
