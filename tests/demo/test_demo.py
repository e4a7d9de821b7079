"""``jupyter uws demo --headless``: the quickstart on a Jupyter server and a service of its own, on both archives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gamma, pytest.mark.timeout(600)]


def run_demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_uws", "demo", "--headless", *options],
        env={
            **os.environ,
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_STATE_HOME": str(folder / "state"),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


def sigma(output: str) -> float:
    found = re.search(r"^quicklook COMPLETED ([\d.]+) sigma$", output, re.MULTILINE)
    assert found, output
    return float(found.group(1))


def test_on_a_machine_that_has_nothing_yet(tmp_path: Path) -> None:
    """The archive is simulated on the way; the Crab of the simulation is found and measured."""
    demo = run_demo(tmp_path)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert 60 < sigma(demo.stdout) < 150
    assert re.search(r"^spectrum COMPLETED", demo.stdout, re.MULTILINE)
    assert "quickstart.ipynb: ran" in demo.stdout
    assert (tmp_path / "data" / "jupyter-uws" / "archive.duckdb").exists()
    assert not (tmp_path / "state").exists(), "a demo leaves no state behind"


@pytest.mark.hess
def test_on_real_data(tmp_path: Path, hess_dir: Path) -> None:
    """H.E.S.S. saw the Crab with 41.8 sigma in these four runs."""
    demo = run_demo(tmp_path, f"--archive={hess_dir}")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert sigma(demo.stdout) == pytest.approx(41.8, abs=1.5)
    assert re.search(r"^spectrum COMPLETED", demo.stdout, re.MULTILINE)


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    demo = run_demo(tmp_path, f"--archive={tmp_path}")
    assert demo.returncode == 1
    assert "obs-index" in demo.stderr
    assert "Traceback" not in demo.stderr
