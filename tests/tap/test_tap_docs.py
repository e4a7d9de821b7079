"""The programs of docs/observers/tap.md and adql.md, as they stand there, against a real service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from running import RunningService, run_service

PAGES = Path(__file__).parents[2] / "docs" / "observers"
#: What adql.md takes from the page before it.
SESSION = """
import os, requests
url, session = os.environ["JUPYTER_UWS_URL"], requests.Session()
session.headers["Authorization"] = f"token {os.environ['JUPYTER_UWS_TOKEN']}"
"""


@pytest.fixture(scope="module")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("docs"), sim_archive) as running:
        yield running


def run(
    command: list[str], language: str, folder: Path, service: RunningService, page: str = "tap.md", before: str = ""
) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    program = "\n".join([before, *blocks])
    environment = {**os.environ, "JUPYTER_UWS_URL": service.url, "JUPYTER_UWS_TOKEN": service.token}
    done = subprocess.run(
        command, input=program, capture_output=True, text=True, timeout=120, cwd=folder, env=environment
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_python_program(service: RunningService, tmp_path: Path) -> None:
    said = run([sys.executable, "-W", "ignore", "-"], "python", tmp_path, service)
    assert "Sim Crab" in said
    assert len(re.findall(r"^ *Crab +100001$", said, re.MULTILINE)) == 2, said


def test_the_python_programs_of_the_page_on_adql(service: RunningService, tmp_path: Path) -> None:
    said = run([sys.executable, "-W", "ignore", "-"], "python", tmp_path, service, "adql.md", SESSION)
    assert "#this event-list http" in said, said
    assert "28 deg pos.eq.ra" in said
    assert "28 False" in said


def test_the_shell_commands(service: RunningService, tmp_path: Path, need: Callable[[str, str], str]) -> None:
    need("stilts", "stilts")
    need("curl", "curl")
    said = run(["bash", "-euo", "pipefail"], "bash", tmp_path, service)
    assert "Totals: Errors: 0; Warnings: 0; Failures: 0" in said
    assert "Crab 100001" in said, said
    assert "obs_id,t_min" in said
    assert pyarrow.parquet.read_table(tmp_path / "obscore.parquet").num_rows > 20
