"""Stores for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from manual import make_manager
from small_disk import small_disk

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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """8 MB and no more."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        yield disk
