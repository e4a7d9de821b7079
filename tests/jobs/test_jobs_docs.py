"""The pages for authors, done word for word on a real service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from described import UWS, DescribedService, message

DOCS = Path(__file__).resolve().parents[2] / "docs" / "authors"


def block(page: str, holding: str) -> str:
    """The code block of a page that holds some words."""
    blocks = re.findall(r"^```\w+\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    found = [text for text in blocks if holding in text]
    assert len(found) == 1, f"{page}: {len(found)} blocks hold {holding!r}"
    return found[0]


def shell(described: DescribedService, commands: str, folder: Path) -> str:
    """Run a block of a page, with its service and its home in place; what it printed."""
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-e", "-c", commands.replace("~/.local/share/jupyter/jupyter-uws/jobs", str(described.folder))],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "SERVICE": described.service.url.rstrip("/"),
            "TOKEN": described.service.token,
            "JUPYTER_UWS_DESCRIPTIONS": str(described.folder),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest(described: DescribedService, job_type: str) -> str:
    found = re.search(r'xlink:href="([^"]*)"', described.service.get(f"uws/{job_type}?LAST=1").text)
    assert found
    return found.group(1).removeprefix(described.service.url)


def test_a_command_from_nothing(described: DescribedService, tmp_path: Path) -> None:
    shell(described, block("command-job.md", "mkdir -p"), tmp_path)
    program = described.folder / "count-word.sh"
    program.write_text(block("command-job.md", "#!/bin/bash"))
    program.chmod(0o755)
    (described.folder / "count-word.yaml").write_text(block("command-job.md", "name: count-word"))
    said = shell(described, block("command-job.md", "jobs check"), described.folder)
    assert said == "count-word.yaml: count-word, version 1, is well described\n"
    described.has("count-word")
    (tmp_path / "notes.txt").write_text("a gamma ray\nan electron\nmore gamma\n")
    shell(described, block("command-job.md", "curl"), tmp_path)
    job = newest(described, "count-word")
    document = described.ended(job)
    assert document.findtext(f"{UWS}phase") == "COMPLETED", message(document)
    assert described.result(job, "count") == "2\n"
    assert "counting in text.txt" in described.service.get(f"{job}/stderr").text
    refused = described.service.post(
        "uws/count-word?PHASE=RUN", {"word": "Gamma!"}, files={"text": ("n", b"x", "image/png")}
    )
    assert refused.status_code == 400


def test_a_job_that_fans_out(described: DescribedService, tmp_path: Path) -> None:
    program = described.folder / "count-many.py"
    program.write_text(block("fanning-out.md", "#!/usr/bin").replace("/usr/bin/env python3", sys.executable))
    program.chmod(0o755)
    described.describe("count-many.yaml", block("fanning-out.md", "name: count-many"))
    described.has("count-many")
    shell(described, block("fanning-out.md", "curl"), tmp_path)
    job = newest(described, "count-many")
    document = described.ended(job)
    assert document.findtext(f"{UWS}phase") == "COMPLETED", message(document)
    counts = [line.split(",") for line in described.result(job, "counts").splitlines()]
    assert [obs_id for obs_id, _ in counts] == ["100001", "100002", "100003"]
    assert all(int(count) > 100 for _, count in counts)


def test_a_job_from_opus(described: DescribedService, tmp_path: Path) -> None:
    (tmp_path / "append_vot.xml").write_text(block("opus-job.md", "<VOTABLE"))
    (tmp_path / "notes.txt").write_text("first\n")
    commands = block("opus-job.md", "append_vot.xml")
    copy, check, *run = commands.splitlines()
    shell(described, copy, tmp_path)
    assert check == "jupyter uws jobs check"
    shell(described, f"{check} append_vot.xml", described.folder)
    described.has("append")
    shell(described, "\n".join(run), tmp_path)
    job = newest(described, "append")
    document = described.ended(job)
    assert document.findtext(f"{UWS}phase") == "COMPLETED", message(document)
    assert described.result(job, "output") == "first\nhello\nhello\n"
    exported = shell(described, "jupyter uws jobs export append", tmp_path)
    assert 'utype="voprov:ActivityDescription"' in exported


@pytest.mark.parametrize("value", ["0", "11", "1; touch EVIL", "a[$(touch EVIL)]"])
def test_what_the_script_calculates_with_is_a_number(described: DescribedService, value: str) -> None:
    (described.folder / "append_vot.xml").write_text(block("opus-job.md", "<VOTABLE"))
    described.has("append")
    answer = described.service.post("uws/append", {"times": value})
    assert (answer.status_code, "times is" in answer.text) == (400, True)


def test_the_table_of_fields_is_whole() -> None:
    from jupyter_uws.jobs.description import JobDescription, Parameter

    page = (DOCS / "command-job.md").read_text()
    told = set(re.findall(r"`(\w+)(?:: true)?`", page.partition("## Fields")[2]))
    assert set(JobDescription.model_fields) - {"entry_point", "used"} <= told
    assert set(Parameter.model_fields) - {"utype"} <= told
