"""tools/frontend.py: which Node it takes, and when it builds."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frontend_under_test", ROOT / "tools" / "frontend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_program(folder: Path, name: str, output: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{output}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("node", "npm", "usable"),
    [
        ("v20.19.0", True, True),
        ("v24.1.0", True, True),
        ("v20.9.9", True, False),
        ("v18.20.4", True, False),  # Debian 12's own
        ("v22.12.0", False, False),  # Debian has npm in a package of its own
        ("", True, False),
        (None, True, False),
    ],
)
def test_node_must_be_new_enough(
    tool: ModuleType, node: str | None, npm: bool, usable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if node is not None:
        put_program(tmp_path, "node", node)
    if npm:
        put_program(tmp_path, "npm", "11.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tool.system_node() == ([str(tmp_path / "npm")] if usable else None)


def test_without_node_it_says_what_to_do(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tool, "wheel_node", lambda: None)
    assert tool.main(["npm", "--version"]) == 1
    assert "needs Node 20.19 or newer with npm" in capsys.readouterr().err


@pytest.fixture
def copied(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool on a copy of the sources that counts as built."""
    ignored = shutil.ignore_patterns("node_modules", "lib")
    shutil.copytree(ROOT / "labextension", tmp_path / "labextension", ignore=ignored)
    monkeypatch.setattr(tool, "SOURCE", tmp_path / "labextension")
    monkeypatch.setattr(tool, "STAMP", tmp_path / "sources.sha256")
    monkeypatch.setattr(tool, "WIDGETS", tmp_path)
    for name in tool.WIDGET_FILES:
        (tmp_path / name).touch()
    assert not tool.is_built()
    tool.STAMP.write_text(tool.digest() + "\n")
    return tool


def test_times_of_files_mean_nothing(copied: ModuleType) -> None:
    (copied.SOURCE / "src" / "index.ts").touch()
    assert copied.is_built()


@pytest.mark.parametrize("name", ["src/index.ts", "style/index.css", "package-lock.json", "src/added.ts"])
def test_changed_sources_are_built_again(copied: ModuleType, name: str) -> None:
    with (copied.SOURCE / name).open("a") as file:
        file.write("\n")
    assert not copied.is_built()


def test_renamed_sources_are_built_again(copied: ModuleType) -> None:
    (copied.SOURCE / "src" / "icons.ts").rename(copied.SOURCE / "src" / "symbols.ts")
    assert not copied.is_built()
