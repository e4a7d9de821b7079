"""The archive and the server of the TAP tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tap_server import Server, make_archive, run_server

from jupyter_uws.tap.engine import Engine


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("tap") / "archive.duckdb")


@pytest.fixture(scope="session")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from run_server(Engine(archive, timeout=20), tmp_path_factory.mktemp("queries"))
