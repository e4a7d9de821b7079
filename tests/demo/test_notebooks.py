"""The notebooks run from top to bottom, all on one service; what is committed of them shows its outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("search.ipynb", "jobs.ipynb", "own_job.ipynb", "results.ipynb", "widgets.ipynb")


@pytest.mark.gamma
@pytest.mark.timeout(900)
def test_the_notebooks_run(sim_archive: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "notebooks.py", "--check", *(ROOT / "notebooks" / name for name in NAMES)],
        env={**os.environ, "JUPYTER_UWS_ARCHIVE": str(sim_archive)},
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
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
