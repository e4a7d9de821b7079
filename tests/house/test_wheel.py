"""The wheel carries the front end, the server's configuration and the entry points; the installed
package is known to JupyterLab and to the Jupyter server."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = "share/jupyter/labextensions/jupyter-uws"


@pytest.fixture(scope="module")
def source(frontend: Path, need: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the committed files and of the built front end, so that nothing is written into the clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    done = subprocess.run([need("git", "git"), "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    folder = tmp_path_factory.mktemp("wheel") / "source"
    for name in filter(None, done.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for built in (frontend, frontend.parent / "widgets" / "static"):
        shutil.copytree(built, folder / built.relative_to(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel, built where PATH has no Node: the front end is there, so none is needed."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", source.parent, source]
    environment = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(source.parent.glob("*.whl"))) as archive:
        yield archive


def data(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """What the wheel installs below the environment's prefix."""
    found = {}
    for name in wheel.namelist():
        _, marker, path = name.partition(".data/data/")
        if marker:
            found[path] = wheel.read(name)
    return found


def test_wheel_carries_both_extensions(wheel: zipfile.ZipFile) -> None:
    files = data(wheel)
    config = json.loads(files["etc/jupyter/jupyter_server_config.d/jupyter_uws.json"])
    assert config["ServerApp"]["jpserver_extensions"] == {"jupyter_uws": True}
    package = json.loads(files[f"{LAB}/package.json"])
    assert f"{LAB}/{package['jupyterlab']['_build']['load']}" in files
    assert json.loads(files[f"{LAB}/install.json"])["packageName"] == "jupyter_uws"


def test_wheel_carries_the_whole_front_end(wheel: zipfile.ZipFile, frontend: Path) -> None:
    built = {path.relative_to(frontend).as_posix() for path in frontend.rglob("*") if path.is_file()}
    carried = {name.removeprefix(f"{LAB}/") for name in data(wheel) if name.startswith(LAB)}
    assert carried == (built - {"sources.sha256"}) | {"install.json"}, "each folder needs a line in setup.cfg"


def test_wheel_carries_the_whole_package(wheel: zipfile.ZipFile, source: Path) -> None:
    apart = {source / "jupyter_uws" / name for name in ("labextension", "etc")}
    paths = (path for path in (source / "jupyter_uws").rglob("*") if path.is_file())
    wanted = {path.relative_to(source).as_posix() for path in paths if not apart & set(path.parents)}
    missing = {name for name in wanted if not name.endswith(".pyc")} - set(wheel.namelist())
    assert not missing, "add their suffix to [options.package_data] in setup.cfg"


def test_wheel_carries_metadata(wheel: zipfile.ZipFile) -> None:
    folder = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")).rpartition("/")[0]
    entry_points = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "jupyter-uws = jupyter_uws.cli:main" in entry_points
    assert "[jupyter_uws.jobs]" in entry_points
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert "License: BSD-3-Clause" in metadata  # setuptools writes License-Expression from pyproject.toml only
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()


def test_entry_points_lead_somewhere(wheel: zipfile.ZipFile) -> None:
    """Each is an attribute of a module of the wheel; nothing is imported that needs an extra."""
    name = next(name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    lines = [line for line in wheel.read(name).decode().splitlines() if "=" in line]
    assert len(lines) >= 4
    for line in lines:
        module, _, attribute = line.partition("=")[2].strip().partition(":")
        text = wheel.read(f"{module.replace('.', '/')}.py").decode()
        assert f"def {attribute}(" in text, line


@pytest.mark.parametrize(("command", "name"), [("labextension", "jupyter-uws v"), ("server extension", "jupyter_uws ")])
def test_installed_extensions_are_enabled_and_ok(command: str, name: str) -> None:
    """Wheels and editable installations alike: ``make test`` runs in one of the latter."""
    try:
        importlib.metadata.distribution("jupyter-uws")
    except importlib.metadata.PackageNotFoundError:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs jupyter_uws installed: pip install -e .")
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(
        [folder / "jupyter", *command.split(), "list"], env=environment, capture_output=True, text=True, timeout=60
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    ours = output.partition(name)[2]
    assert "enabled" in ours.splitlines()[0], output
    assert "OK" in " ".join(ours.splitlines()[:3]), output
    assert "could not be found" not in " ".join(ours.splitlines()[:4]), output
