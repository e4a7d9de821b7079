"""A real service whose job types are files in a folder of the test's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from described import DescribedService
from running import run_service


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, sim_archive: Path) -> Iterator[DescribedService]:
    folder = tmp_path_factory.mktemp("descriptions")
    home = tmp_path_factory.mktemp("described")
    with run_service(home, sim_archive, "--workers=2", JUPYTER_UWS_DESCRIPTIONS=str(folder)) as service:
        yield DescribedService(service, folder)
