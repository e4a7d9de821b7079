"""A state folder, and a Jupyter server with the stand-in behind it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyters import STANDIN, Jupyter, kill_service, run_jupyter

from jupyter_uws import rendezvous


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose service is killed after the test."""
    folder = rendezvous.state_dir(tmp_path / "state")
    yield folder
    kill_service(folder, signal.SIGCONT)
    kill_service(folder)
    rendezvous.socket_path(folder).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A Jupyter server with the stand-in behind it, and short bounds; tests may kill the service."""
    folder = tmp_path_factory.mktemp("jupyter")
    state = rendezvous.state_dir(folder / "state")
    (state / "files").mkdir()
    bounds = {"silence_timeout": 0.8, "probe_timeout": 0.8, "long_poll_timeout": 1.0, "answer_timeout": 2.0}
    try:
        with run_jupyter(folder, state, service_command=STANDIN, **bounds) as server:
            yield server
    finally:
        kill_service(state)
        rendezvous.socket_path(state).unlink(missing_ok=True)
