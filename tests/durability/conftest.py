"""Stores for the tests of this folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from manual import make_manager

from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.store import JobStore


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jobs.sqlite'}"


@pytest.fixture
def store(store_url: str) -> Iterator[JobStore]:
    store = JobStore(store_url)
    yield store
    store.close()


@pytest.fixture
async def manager(store: JobStore) -> AsyncIterator[JobManager]:
    manager = make_manager(store)
    yield manager
    await manager.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, in memory. Only root can make one."""
    if os.getuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs root, to mount a small file system")
    folder.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"cannot mount a small file system: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """8 MB and no more."""
    with ExitStack() as stack:
        yield stack.enter_context(small_disk(tmp_path / "disk", "8m"))


def fill(disk: Path) -> Path:
    """Take all the room there is; the file that has it."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


async def until(condition: object, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)
