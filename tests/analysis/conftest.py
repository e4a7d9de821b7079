"""The simulated archive that the analysis is tested on, with all events."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uws.archive.ingest import add_store
from jupyter_uws.archive.simulation import simulate


@pytest.fixture(scope="session")
def sim_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sim")
    simulate(folder / "store")
    add_store(folder / "archive.duckdb", folder / "store")
    return folder / "archive.duckdb"
