"""The job folder: the truth of what happened to a job, on a file system that all hosts see.

The layout is in docs/developers/architecture.md. Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Events after which nothing more happens in a run.
LAST_WORDS = frozenset({"completed", "failed", "aborted", "lost"})
#: Files that jobs write and we read whole are read up to this size, in bytes.
FILE_LIMIT = 16 << 20

Event = dict[str, Any]


def now() -> str:
    """The time as events carry it: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class JobFolder:
    """One job's folder. Nothing is made until :meth:`prepare`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def request(self) -> Path:
        return self.path / "request.json"

    @property
    def stdout(self) -> Path:
        return self.path / "stdout"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def fanout(self) -> Path:
        """What is there only while the job fans out: keys, and Dask's own files."""
        return self.path / "fanout"

    def prepare(self, request: dict[str, Any]) -> None:
        """Make the folder ready for a run: an empty ``work/`` and a new ``request.json``.

        What an earlier run left is removed, but for its events and its marker. Raises OSError.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for tree in (self.work, self.fanout, self.path / "helpers"):
            if tree.exists():
                remove_tree(tree)
        for name in ("results.json", "error.json", "stdout", "stderr"):
            (self.path / name).unlink(missing_ok=True)
        self.work.mkdir(mode=0o700)
        write_json(self.request, request)

    def begin(self, run: int, content: dict[str, Any]) -> bool:
        """Claim the run for the caller; False where it was begun before. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(self.path / f"started.{run}", flags, 0o600)
        except FileExistsError:
            return False
        with open(fd, "wb") as file:
            file.write(json.dumps(content).encode())
        return True

    def begun(self, run: int) -> dict[str, Any] | None:
        """What the one who began the run wrote into its marker; None where nobody did."""
        try:
            text = (self.path / f"started.{run}").read_text()
        except FileNotFoundError:
            return None
        try:
            content = json.loads(text)
        except ValueError:  # begun this instant, or on a full disk
            return {}
        return content if isinstance(content, dict) else {}

    def append(self, event: Event) -> None:
        """Add an event; a line is written whole or not at all. Raises OSError (a full disk, say)."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        fd = os.open(self.path / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            written = os.write(fd, line)
            if written != len(line):
                os.ftruncate(fd, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / "events.jsonl"))
        finally:
            os.close(fd)

    def events(self, run: int) -> list[Event]:
        """The events of a run, oldest first; lines torn by a crash are passed over."""
        try:
            lines = (self.path / "events.jsonl").read_bytes().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("run") == run:
                found.append(event)
        return found

    def last_word(self, run: int) -> Event | None:
        """How the run ended; None while nobody has said. The first last word counts."""
        return next((event for event in self.events(run) if event.get("event") in LAST_WORDS), None)

    def result(self, path: str) -> Path:
        """The file of a result, given its path relative to ``work/``, with all links resolved.

        Raises ValueError where that is not a regular file inside ``work/``.
        """
        work = self.work.resolve()
        try:
            file = (work / path).resolve()
            mode = file.stat().st_mode if file.is_relative_to(work) else None
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ValueError(f"{path!r} cannot be read: {reason}") from None
        if mode is None:
            raise ValueError(f"{path!r} is outside the job's work folder")
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path!r} is not a file")
        return file

    def read_json(self, name: str) -> Any:
        """The content of a JSON file the job wrote, None where it wrote none. Raises ValueError."""
        try:
            with open(self.path / name, "rb") as file:
                text = file.read(FILE_LIMIT + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{name} cannot be read: {error.strerror}") from None
        if len(text) > FILE_LIMIT:
            raise ValueError(f"{name} is larger than {FILE_LIMIT >> 20} MiB")
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"{name} is not JSON: {error}") from None

    def tail(self, name: str, size: int = 4000, lines: int = 20) -> str:
        """The last lines of a text file, empty where there is none."""
        try:
            with open(self.path / name, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - size))
                text = file.read(size).decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def forget_keys(self) -> None:
        """Remove the keys of a job that fanned out and ended without doing so itself."""
        if self.fanout.exists():
            with contextlib.suppress(OSError):
                remove_tree(self.fanout)

    def size(self) -> int:
        """Bytes on the disk of all in the folder, links not followed; what cannot be read counts nothing."""
        total = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
        return total

    def remove(self) -> None:
        """Remove the folder and all in it; links are removed, never followed. Raises OSError."""
        if self.path.is_symlink():
            self.path.unlink()
        elif self.path.exists():
            remove_tree(self.path)


def write_json(path: Path, content: Any) -> None:
    """Write a file that readers find whole: the old one or the new one. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(content, file)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def remove_tree(path: Path) -> None:
    """``rm -rf`` that never follows a link, also where a job made its own folders read-only. Raises OSError."""
    import shutil  # here: it is large, and the supervisor seldom needs it

    try:
        shutil.rmtree(path)
    except PermissionError:
        path.chmod(stat.S_IRWXU)
        for folder, names, _ in os.walk(path):
            for name in names:
                inner = os.path.join(folder, name)
                if not os.path.islink(inner):
                    os.chmod(inner, stat.S_IRWXU)
        shutil.rmtree(path)
