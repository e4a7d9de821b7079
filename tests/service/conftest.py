"""A real service, one for all tests of this folder that leave it alive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import RunningService, run_service


@pytest.fixture(scope="session")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("service"), sim_archive) as running:
        yield running
