"""One JupyterHub for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.hubs import RunningHub, install_proxy, run_hub


@pytest.fixture(scope="session")
def hub(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    options = ["--ServeApp.hub_cache_seconds=1"]
    with run_hub(tmp_path_factory.mktemp("hub"), sim_archive, install_proxy(), *options) as running:
        yield running
