"""A real Grid Engine for the tests of this folder, once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gridengine_daemons
import pytest
from gridengine_daemons import GridEngine

for room in ("execution", "slurm"):  # their benches
    sys.path.append(str(Path(__file__).resolve().parent.parent / room))


@pytest.fixture(scope="session")
def engine(need: Callable[[str, str], str]) -> Iterator[GridEngine]:
    """Grid Engine with one node of six slots; the client programs find it."""
    for program, package in gridengine_daemons.PROGRAMS.items():
        need(program, package)
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs root: sge_execd runs as root")
    with gridengine_daemons.grid_engine() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running
