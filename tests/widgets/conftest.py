"""A Jupyter server for JupyterLab and for Notebook 7, and a service apart from it for the widgets without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.conftest import browsing, lab
from running import RunningService, run_service

__all__ = ["browsing", "lab", "service"]


@pytest.fixture(scope="session")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("apart"), sim_archive) as running:
        yield running
