"""The examples of docs/operators/archive.md, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "operators" / "archive.md"


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(command: list[str], program: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where jupyter-uws is
    done = subprocess.run(
        command, input=program, capture_output=True, text=True, timeout=120, cwd=folder,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.gamma
def test_the_commands_and_the_program(tmp_path: Path) -> None:
    said = run(["bash", "-euo", "pipefail"], examples("bash")[0], tmp_path)
    assert "SIM-DR1: 28 added, 0 updated, 0 unchanged" in said
    assert "SIM-DR1: 0 added, 0 updated, 28 unchanged" in said
    assert re.search(r"^SIM-DR1 +28 runs", said, re.MULTILINE), said
    assert "28 runs, 30 files: 0 errors, 0 warnings" in said
    [program] = examples("python")
    assert run([sys.executable, "-W", "ignore", "-"], program, tmp_path) == "['100001', '100002']\n"
