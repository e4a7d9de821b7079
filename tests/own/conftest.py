"""A service that runs code of its own user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import RunningService, run_service

from jupyter_uws.client import Connection, JobService


@pytest.fixture(scope="module")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("own"), sim_archive, "--ServeApp.python_jobs=True") as running:
        yield running


@pytest.fixture(scope="module")
def jobs(service: RunningService) -> JobService:
    return JobService(connection=Connection(service.url, service.token))
