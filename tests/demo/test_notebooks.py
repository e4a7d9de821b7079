"""The notebooks run from top to bottom, all on one service; what is committed of them shows its outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("search.ipynb", "jobs.ipynb", "own_job.ipynb", "results.ipynb", "widgets.ipynb")
#: Those that need more: the second is run in tests/slurm.
OTHERS = ("hess.ipynb", "cluster.ipynb")


@pytest.mark.gamma
@pytest.mark.timeout(900)
def test_the_notebooks_run(sim_archive: Path) -> None:
    assert ran(NAMES, JUPYTER_UWS_ARCHIVE=str(sim_archive)) == list(NAMES)


@pytest.mark.gamma
@pytest.mark.hess
@pytest.mark.timeout(400)
def test_the_notebook_on_real_data_runs(hess_dir: Path) -> None:
    assert ran(["hess.ipynb"], JUPYTER_UWS_HESS_DIR=str(hess_dir)) == ["hess.ipynb"]


def test_a_notebook_that_lacks_its_data_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_UWS_HESS_DIR", raising=False)
    assert ran(["hess.ipynb"]) == []


def ran(names: Sequence[str], **environment: str) -> list[str]:
    """Run notebooks, and return the names of those that ran to their end."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "notebooks.py", "--check", *(ROOT / "notebooks" / name for name in names)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return [line.partition(":")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", NAMES + OTHERS)
def test_their_outputs_are_kept_and_static(name: str) -> None:
    cells = [
        cell for cell in json.loads((ROOT / "notebooks" / name).read_text())["cells"] if cell["cell_type"] == "code"
    ]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
    for output in outputs:
        kinds = set(output.get("data", {}))
        # without the front end's code, on GitHub, a widget is nothing
        assert not any("widget" in kind for kind in kinds)
        assert not kinds or "text/plain" in kinds
