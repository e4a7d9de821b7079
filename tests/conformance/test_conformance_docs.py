"""The commands of docs/observers/uws.md, as they stand there, against a real service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import RunningService

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "observers" / "uws.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(command: list[str], program: str, folder: Path, service: RunningService) -> str:
    environment = {**os.environ, "JUPYTER_UWS_URL": service.url, "JUPYTER_UWS_TOKEN": service.token}
    done = subprocess.run(
        command, input=program, capture_output=True, text=True, timeout=120, cwd=folder, env=environment
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


SAYS = [
    [],
    ["PENDING"],
    ["1"],
    ["COMPLETED", "slept for 1 s", "sleeping for 1 s"],
    ["900", "duration is -5, allowed is 0 to 86400 s", "sleeper has no parameter 'colour'"],
    ["CORES '100000' is more than the"],
    ["<after>"],
    ["/uws/sleeper/"],
    ["ABORTED", "404"],
    ["<uws:jobs", "<uws:phase>COMPLETED</uws:phase>"],
    ["one\ntwo\n", "3"],
]


def test_the_shell_commands(service: RunningService, tmp_path: Path, need: object) -> None:
    need("curl", "curl")  # type: ignore[operator]
    shell = blocks("sh")
    assert len(shell) == len(SAYS)
    mark = "-- the next block --"
    said = run(["bash", "-euo", "pipefail"], f"\necho; echo '{mark}'\n".join(shell), tmp_path, service)
    for block, output, expected in zip(shell, said.split(mark), SAYS, strict=True):
        for text in expected:
            assert text in output, f"{block}\nsaid:\n{output}"


def test_the_python_programs(service: RunningService, tmp_path: Path) -> None:
    said = run([sys.executable, "-W", "ignore", "-"], "\n".join(blocks("python")), tmp_path, service)
    assert "COMPLETED [('report', 'http" in said
    assert "slept for 1 s" in said
    assert re.search(r"^duration Duration\. By default: 5(\.0)? s 0(\.0)? 86400(\.0)?$", said, re.MULTILINE), said


@pytest.mark.parametrize("name", ["PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION"])
def test_control_parameters_at_creation_are_documented(name: str) -> None:
    """UWS 1.1, section 2.2.3.1, allows them where they are documented."""
    assert f"`{name}`" in PAGE.partition("## All in one request")[2].partition("\n## ")[0]
