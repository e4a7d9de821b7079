"""The notebook on jobs on a cluster, run on the SLURM of these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_daemons import Slurm

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.gamma
@pytest.mark.timeout(400)
def test_the_notebook_runs(slurm: Slurm, sim_archive: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "notebooks.py", "--check", ROOT / "notebooks" / "cluster.ipynb"],
        env={**os.environ, "JUPYTER_UWS_ARCHIVE": str(sim_archive)},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout.startswith("cluster.ipynb: ")
    slurm.until(lambda: not slurm.jobs(), "the service left allocations")
