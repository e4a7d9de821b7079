"""What is committed: no address of a registry, no path of somebody's machine."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOMES = re.compile(r"(?<![\w.~$}])/(?:root|work|home/\w+|Users/\w+|tmp/[\w.-]*\d[\w.-]*)/[\w.]")


@pytest.fixture(scope="module")
def committed(need: Callable[[str, str], str]) -> list[Path]:
    """The text files under version control (of an sdist nothing can be said)."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    done = subprocess.run([need("git", "git"), "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    assert len(paths) > 20
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".gz", ".fits"}]


def test_no_path_of_a_machine(committed: list[Path]) -> None:
    found = []
    for path in committed:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if HOMES.search(line) or f"{ROOT}/" in line:
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_the_search_finds_such_paths() -> None:
    home = "/".join(["", "home", "ada", "src"])
    assert HOMES.search(f"cd {home}/x")
    assert not HOMES.search("~/.local/state/jupyter-uws, /usr/bin/env, $HOME/work/x, jobs/x/work/y")


@pytest.mark.parametrize(("folder", "packages"), [("labextension", 100), ("tests/hub", 30), ("tests/oidc", 30)])
def test_lock_file_names_no_registry(folder: str, packages: int) -> None:
    """npm takes whatever registry the user has configured; .npmrc keeps the addresses out."""
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    assert len(lock["packages"]) > packages
    resolved = [name for name, package in lock["packages"].items() if "resolved" in package]
    assert resolved == []
    unchecked = [name for name, package in lock["packages"].items() if name and "integrity" not in package]
    assert unchecked == []
    assert "omit-lockfile-registry-resolved=true" in (ROOT / folder / ".npmrc").read_text()


def test_one_version() -> None:
    from jupyter_uws import __version__

    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert package["version"] == lock["version"] == __version__
    assert re.search(rf"^## {re.escape(__version__)} ", changelog, re.MULTILINE)
