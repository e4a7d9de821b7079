"""A real SLURM for the tests of this folder, once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_daemons
from daemons import for_tests
from slurm_daemons import Slurm

sys.path.append(str(Path(__file__).resolve().parent.parent / "execution"))  # its bench and its shell job


@pytest.fixture(scope="session")
def slurm(need: Callable[[str, str], str]) -> Iterator[Slurm]:
    """SLURM with three nodes of four processors each; the client programs find it."""
    with for_tests(slurm_daemons.slurm, slurm_daemons.PROGRAMS, need) as running:
        yield running
