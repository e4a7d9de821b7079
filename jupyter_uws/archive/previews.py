"""Pictures of runs, made when they are asked for by :mod:`~jupyter_uws.archive.preview`, and kept within a size."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from .errors import ArchiveError
from .handlers import open_file
from .links import PREVIEWS, StoredRun
from .reader import DataFile

logger = logging.getLogger(__name__)

#: Bytes of pictures that are kept; those that were not looked at for longest go first.
LIMIT = 64 * 2**20
#: So many runs are drawn at a time, and one may take this long [s].
AT_A_TIME, TIMEOUT = 2, 60.0
#: So many more wait for it; the next is refused.
WAITING = 100


def can_draw() -> bool:
    """Whether pictures can be made here: matplotlib comes with ``jupyter-uws[gamma]``."""
    return find_spec("matplotlib") is not None


class Previews:
    """The pictures in ``folder``, which is made where there is none; ``limit`` in bytes."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._slots = asyncio.Semaphore(AT_A_TIME)
        for left in folder.glob("tmp*"):  # of a service that was killed
            shutil.rmtree(left, ignore_errors=True)
        self._drawing: dict[str, asyncio.Task[None]] = {}

    async def picture(self, run: StoredRun, kind: str) -> Path:
        """The file with the picture ``kind`` of a run, made where there is none.

        Raises ArchiveError where it cannot be made, OSError where the file with the events is gone.
        """
        key = await asyncio.to_thread(_key, run)
        path = self._folder / f"{key}-{kind}.png"
        if not path.exists():
            # all pictures of a run are made at once, by one process, for all who ask meanwhile
            task = self._drawing.get(key)
            if task is None:
                if len(self._drawing) >= WAITING:
                    raise ArchiveError("too many pictures are being drawn: try again later")
                task = self._drawing[key] = asyncio.create_task(self._draw(run, key))
                task.add_done_callback(lambda done: self._drawn(key, done))
            await asyncio.shield(task)
        with contextlib.suppress(OSError):
            # only when it was looked at: the other time is in its ETag
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        return path

    async def _draw(self, run: StoredRun, key: str) -> None:
        async with self._slots:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder) as made:
                await _run_program(run, made)
                for kind in PREVIEWS:
                    (Path(made) / f"{kind}.png").replace(self._folder / f"{key}-{kind}.png")
            await asyncio.to_thread(self._make_room, key)

    def _drawn(self, key: str, task: asyncio.Task[None]) -> None:
        del self._drawing[key]
        if not task.cancelled():
            task.exception()  # seen, also where all who asked have left

    def _make_room(self, newest: str) -> None:
        pictures = [(info.st_atime_ns, info.st_size, path) for path, info in _pictures(self._folder)]
        total = sum(size for _, size, _ in pictures)
        for _, size, path in sorted(pictures):
            if total <= self._limit:
                return
            if not path.name.startswith(newest):
                path.unlink(missing_ok=True)
                total -= size


async def _run_program(run: StoredRun, folder: str) -> None:
    hdu = run.events
    title = f"{run.target_name or 'run'} · {run.obs_id} ({run.collection})"
    command = [sys.executable, "-m", "jupyter_uws.archive.preview", str(hdu.location), hdu.hdu_name, title, folder]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        umask=0o077,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            _, errors = await process.communicate()
    except TimeoutError:
        raise ArchiveError(f"the pictures of run {run.obs_id} took longer than {TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        logger.warning("no pictures of run %s: %s", run.did, errors.decode(errors="replace")[-2000:])
        raise ArchiveError(f"the events of run {run.obs_id} cannot be drawn; the service's log tells more")


def _key(run: StoredRun) -> str:
    """What the pictures of a run are called; another one when its file changes."""
    file, info = open_file(DataFile(run.events.root, run.events.path))
    file.close()
    state = (run.did, str(run.events.location), info.st_size, info.st_mtime_ns)
    return hashlib.sha256(repr(state).encode()).hexdigest()[:32]


def _pictures(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in folder.glob("*.png"):
        with contextlib.suppress(OSError):
            found.append((path, path.stat()))
    return found
