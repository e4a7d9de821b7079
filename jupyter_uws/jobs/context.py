"""What a job's code is given: where it works, and how it tells of progress and results.

Standard library only, so that a job pays for no import it does not need.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
#: Longest suffixes first: ``counts.fits.gz`` is FITS.
CONTENT_TYPES = {
    ".fits.gz": "application/fits",
    ".fits": "application/fits",
    ".ecsv": "application/x-ecsv",
    ".vot": "application/x-votable+xml",
    ".yaml": "application/yaml",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".txt": "text/plain",
    ".log": "text/plain",
}


class JobError(Exception):
    """The job cannot go on; the message is one clear sentence for the observer who launched it.

    ``type`` is *transient* where running the same job again may succeed.
    """

    def __init__(self, message: str, type: Literal["transient", "fatal"] = "fatal") -> None:
        super().__init__(message)
        self.type = type


@dataclass
class JobContext:
    """A run of a job, seen from inside.

    ``folder`` is the job folder, ``work`` the folder for result files (the current directory
    of a job that the service runs), ``archive`` the archive file (DuckDB) or None.
    """

    job_id: str
    folder: Path
    archive: Path | None = None
    progress_fd: int | None = None
    _results: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> JobContext:
        """The context of the job this process is, from the variables its supervisor set."""
        fd = environ.get("UWS_PROGRESS_FD")
        progress_fd = int(fd) if fd else None
        if progress_fd is not None:
            # a full pipe must not stop the job, and the job's own children have no business with it
            os.set_blocking(progress_fd, False)
            os.set_inheritable(progress_fd, False)
        archive = environ.get("JUPYTER_UWS_ARCHIVE")
        return cls(
            job_id=environ["UWS_JOB_ID"],
            folder=Path(environ["UWS_JOB_DIR"]).resolve(),
            archive=Path(archive) if archive else None,
            progress_fd=progress_fd,
        )

    @classmethod
    def local(cls, folder: str | os.PathLike[str], archive: str | os.PathLike[str] | None = None) -> JobContext:
        """A context without a service, for tests and for trying a job's function out by hand."""
        path = Path(folder).resolve()
        (path / "work").mkdir(parents=True, exist_ok=True)
        return cls(job_id="local", folder=path, archive=Path(archive) if archive else None)

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell how far the job is (0..1) and what it does now. Never blocks and never fails."""
        fraction = min(max(float(fraction), 0.0), 1.0)
        log.info("%3.0f %% %s", 100 * fraction, message)
        if self.progress_fd is None:
            return
        line = json.dumps({"progress": round(fraction, 4), "message": message[:500]}) + "\n"
        # shorter than PIPE_BUF, so lines of one write are never torn; a reader that is
        # behind or gone costs this message only
        with contextlib.suppress(OSError):
            os.write(self.progress_fd, line.encode())

    def result(
        self,
        name: str,
        path: str | os.PathLike[str],
        content_type: str | None = None,
        description: str = "",
    ) -> None:
        """Declare a finished file in ``work`` as the result ``name``; a second time replaces the first.

        ``path`` is absolute or relative to ``work``. The content type is guessed from the
        suffix where it is not given. Clients see the result from now on, so the file should
        not change any more.

        Raises
        ------
        ValueError
            Where the name is not letters, digits, ``_ . -``, or the file lies outside ``work``.
        FileNotFoundError
            Where there is no such regular file.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"result name {name!r} must be letters, digits, '_', '.', '-', and begin with a letter")
        work = self.work.resolve()
        file = (work / path).resolve()
        if not file.is_relative_to(work):
            raise ValueError(f"result {name!r}: {os.fspath(path)!r} is outside the job's work folder")
        if not file.is_file():
            raise FileNotFoundError(f"result {name!r}: there is no file {os.fspath(path)!r} in the job's work folder")
        self._results[name] = {
            "name": name,
            "path": file.relative_to(work).as_posix(),
            "content_type": content_type or guess_content_type(file.name),
            "size": file.stat().st_size,
            "description": description,
        }
        write_json(self.folder / "results.json", list(self._results.values()))


def guess_content_type(filename: str) -> str:
    """The media type of a file by its suffix."""
    for suffix, content_type in CONTENT_TYPES.items():
        if filename.lower().endswith(suffix):
            return content_type
    return "application/octet-stream"


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file in one step: a reader sees the old content or the new, never a part."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("w", encoding="utf-8") as stream:
            json.dump(document, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
