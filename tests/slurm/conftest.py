"""A real SLURM for the tests of this folder, once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_daemons
from slurm_daemons import Slurm

sys.path.append(str(Path(__file__).resolve().parent.parent / "execution"))  # its bench and its shell job


@pytest.fixture(scope="session")
def slurm(need: Callable[[str, str], str]) -> Iterator[Slurm]:
    """SLURM with three nodes of four processors each; the client programs find it."""
    for program, package in slurm_daemons.PROGRAMS.items():
        need(program, package)
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs root: slurmd runs as root")
    with slurm_daemons.slurm() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running
