"""``jupyter uws backup`` and ``restore``: the job store and the job folders, in one tar file.

The service may run meanwhile: SQLite's own backup makes a copy of the store as it is at one moment, and of the jobs
in that copy the folders follow. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from . import rendezvous
from ._version import __version__

STORE = "jobs.sqlite"
JOBS = "jobs"
LABEL = "backup.json"


class BackupError(Exception):
    """No backup could be made, or restored; one sentence."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = commands.add_parser("backup", help="copy the job store and the job folders into a tar file")
    backup.add_argument("file", type=Path, metavar="FILE", help="the new tar file (.tar, .tar.gz)")
    restore = commands.add_parser("restore", help="bring back what was backed up, into an empty state folder")
    restore.add_argument("file", type=Path, metavar="FILE", help="the tar file")
    for parser in (backup, restore):
        parser.add_argument("--state-dir", metavar="DIR", help="the service's state folder ($JUPYTER_UWS_STATE_DIR)")
    backup.set_defaults(run=_run_backup)
    restore.set_defaults(run=_run_restore)


def _run_backup(arguments: argparse.Namespace) -> int:
    with _said("backup"):
        jobs, folders = make_backup(rendezvous.state_dir(arguments.state_dir), arguments.file)
        print(f"{jobs} jobs, {folders} folders: {arguments.file}")
        return 0
    return 1


def _run_restore(arguments: argparse.Namespace) -> int:
    with _said("restore"):
        jobs = restore_backup(arguments.file, rendezvous.state_dir(arguments.state_dir))
        print(f"{jobs} jobs are back in {rendezvous.state_dir(arguments.state_dir)}")
        return 0
    return 1


@contextlib.contextmanager
def _said(command: str) -> Iterator[None]:
    """Errors as one sentence."""
    try:
        yield
    except (BackupError, rendezvous.RendezvousError, sqlite3.Error, tarfile.TarError, OSError) as error:
        print(f"jupyter uws {command}: {error}", file=sys.stderr)


def make_backup(state_dir: Path, target: Path) -> tuple[int, int]:
    """Write the tar file ``target`` (0600); returns the numbers of jobs and of folders in it.

    Secrets stay behind, but what the store holds is in it: parameters, owners, digests of tokens.
    """
    source = state_dir / STORE
    if not source.is_file():
        raise BackupError(f"there is no {STORE} in {state_dir}; of a store in PostgreSQL take a dump, and copy {JOBS}/")
    if target.exists():
        raise BackupError(f"{target} is there already")
    target = target.absolute()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch:
        copy = Path(scratch) / STORE
        ids = _copy_store(source, copy)
        partial = Path(scratch) / "partial"
        folders = 0
        zipped = target.name.endswith("gz")
        with tarfile.open(partial, "w:gz") if zipped else tarfile.open(partial, "w") as tar:
            label = {"version": __version__, "made": datetime.now(UTC).isoformat(timespec="seconds"), "jobs": len(ids)}
            _add_text(tar, LABEL, json.dumps(label))
            tar.add(copy, STORE)
            for job_id in ids:
                if (state_dir / JOBS / job_id).is_dir():
                    _add_folder(tar, state_dir / JOBS / job_id, f"{JOBS}/{job_id}")
                    folders += 1
        partial.chmod(0o600)
        partial.rename(target)
    return len(ids), folders


def _copy_store(source: Path, copy: Path) -> list[str]:
    """Copy the store as it is at one moment; returns the ids of its jobs."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        contextlib.closing(sqlite3.connect(copy)) as kept,
    ):
        live.backup(kept, pages=2000, sleep=0.01)
        kept.execute("PRAGMA journal_mode=DELETE")  # one file, without a journal beside it
        return [row[0] for row in kept.execute("SELECT job_id FROM jobs ORDER BY job_id")]


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    tar.addfile(entry, io.BytesIO(text.encode()))


def _add_folder(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    """The folder of a job that may be running: its files as long as they are at this moment, and as much as there is.

    Links that lead out of it, pipes and sockets are left out.
    """
    tar.add(folder, name, recursive=False)
    for where, folders, files in os.walk(folder):
        for each in sorted(folders) + sorted(files):
            path = Path(where, each)
            inside = f"{name}/{path.relative_to(folder).as_posix()}"
            with contextlib.suppress(FileNotFoundError):
                if path.is_symlink():
                    if not os.path.isabs(os.readlink(path)) and path.resolve().is_relative_to(folder.resolve()):
                        tar.add(path, inside, recursive=False)
                elif path.is_dir():
                    tar.add(path, inside, recursive=False)
                elif path.is_file():
                    _add_file(tar, path, inside)


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as file:
        entry = tar.gettarinfo(arcname=name, fileobj=file)
        entry.type, entry.linkname = tarfile.REGTYPE, ""  # a second name of a file is a file of its own here
        entry.size = os.fstat(file.fileno()).st_size
        tar.addfile(entry, _Padded(file))


class _Padded:
    """A file that is as long as it was said to be, if it was cut short meanwhile: with zeros at its end."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size).ljust(max(size, 0), b"\0")


def restore_backup(source: Path, state_dir: Path) -> int:
    """Unpack the tar file into a state folder without jobs; returns their number.

    Raises AlreadyRunning where a service holds the folder, BackupError where the file is none of ours.
    """
    with rendezvous.hold_lock(state_dir), tempfile.TemporaryDirectory(dir=state_dir, prefix=".restore-") as scratch:
        jobs = state_dir / JOBS
        if (state_dir / STORE).exists() or (jobs.exists() and any(jobs.iterdir())):
            raise BackupError(f"there are jobs in {state_dir} already; restore into an empty folder")
        new = Path(scratch)
        with tarfile.open(source) as tar:
            tar.extractall(new, members=_ours(tar), filter="data")
        if not (new / LABEL).is_file() or not (new / STORE).is_file():
            raise BackupError(f"{source} is not a backup of jupyter uws: it has no {LABEL}, or no {STORE}")
        with contextlib.closing(sqlite3.connect(new / STORE)) as store:
            found = store.execute("PRAGMA integrity_check").fetchone()[0]
            if found != "ok":
                raise BackupError(f"the job store in {source} is broken: {found}")
            count = int(store.execute("SELECT count(*) FROM jobs").fetchone()[0])
        (new / STORE).chmod(0o600)
        (new / JOBS).mkdir(exist_ok=True)
        (new / JOBS).chmod(0o700)
        if jobs.exists():
            jobs.rmdir()
        (new / JOBS).rename(jobs)
        shutil.move(new / STORE, state_dir / STORE)  # last: with it the jobs are there
    return count


def _ours(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for entry in tar:
        parts = PurePosixPath(entry.name).parts
        if entry.name in (LABEL, STORE) or (parts[:1] == (JOBS,) and ".." not in parts):
            yield entry
