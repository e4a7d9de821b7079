"""One JupyterHub for all tests of this folder."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub.hubs import HERE, RunningHub, run_hub


def load_frontend() -> Any:
    """``tools/frontend.py``, which finds a Node."""
    spec = importlib.util.spec_from_file_location("frontend", HERE.parents[1] / "tools" / "frontend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install_proxy() -> list[str]:
    """The command of configurable-http-proxy, installed by the lock file of this folder."""
    command, environment = load_frontend().npm_command()
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(
            [*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=HERE, env=environment, check=True, timeout=240,
        )  # fmt: skip
    node = Path(environment["PATH"].partition(":")[0]) / "node"
    return [str(node), str(HERE / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy")]


@pytest.fixture(scope="session")
def hub(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    options = ["--ServeApp.hub_cache_seconds=1"]
    with run_hub(tmp_path_factory.mktemp("hub"), sim_archive, install_proxy(), *options) as running:
        yield running
