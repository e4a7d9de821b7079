"""The SLURM of these tests is a real one, and nothing of it is left."""

from __future__ import annotations

from pathlib import Path

import slurm_daemons
from slurm_daemons import Slurm


def test_it_runs_jobs(slurm: Slurm, tmp_path: Path) -> None:
    slurm.call("srun", "--nodes=3", "--ntasks=3", "--output", f"{tmp_path}/out-%t", "printenv", "SLURMD_NODENAME")
    assert {path.read_text().strip() for path in tmp_path.glob("out-*")} == set(slurm_daemons.NODES)


def test_nothing_is_left(slurm: Slurm, tmp_path: Path) -> None:
    """A second one beside the first, taken down with a job that runs."""
    with slurm_daemons.slurm() as other:
        other.call("sbatch", f"--output={tmp_path}/out", "--wrap", "sleep 300 & sleep 300")
        other.until(lambda: "RUNNING" in other.jobs().values(), "no job runs")
        assert slurm.folder != other.folder
        folder = other.folder
    assert other.processes() == []
    assert not folder.exists()
    assert slurm.idle()
