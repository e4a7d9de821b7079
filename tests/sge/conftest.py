"""A real Grid Engine for the tests of this folder, once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gridengine_daemons
import pytest
from daemons import for_tests
from gridengine_daemons import GridEngine

for room in ("execution", "slurm"):  # their benches
    sys.path.append(str(Path(__file__).resolve().parent.parent / room))


@pytest.fixture(scope="session")
def engine(need: Callable[[str, str], str]) -> Iterator[GridEngine]:
    """Grid Engine with one node of six slots; the client programs find it."""
    with for_tests(gridengine_daemons.grid_engine, gridengine_daemons.PROGRAMS, need) as running:
        yield running
