"""The rooms of docs/developers/architecture.md: imports point down its list, never up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "jupyter_uws"
#: Anybody may read the version; the package's own modules import lazily, on purpose, what they offer.
COMMON = {"_version"}
OFFERS = {"__init__.py", "__main__.py"}
#: Rooms that may import less than all that stands below them.
ONLY = {
    "client": {"client", "names", "sentences"},
    "magics": {"magics", "widgets", "client", "job"},
    "widgets": {"widgets", "client"},
    "extension": {"extension", "launcher", "relay", "relay_socket", "shared_service", "credentials", "rendezvous"},
    "execution": {"execution", "jobs", "uws"},
    "uws": {"uws", "serving", "forms", "methods"},
}


def read_rooms() -> dict[str, int]:
    """Room or module name -> its row in the table of the architecture page; row 0 is the highest."""
    page = (ROOT / "docs" / "developers" / "architecture.md").read_text()
    table = page.partition("## Rooms")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name: row for row, cell in enumerate(cells) for name in re.findall(r"`jupyter_uws/(\w+)(?:/|\.py)`", cell)}


ROOMS = read_rooms()
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name not in OFFERS)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """The rooms that a module imports, also inside functions, with the line."""
    package = ["jupyter_uws", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            names = [module] if module != "jupyter_uws" else [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "jupyter_uws" and len(parts) > 1 and not parts[1].startswith("__"):
                yield node.lineno, parts[1]


def test_every_module_has_a_room() -> None:
    homeless = {room_of(path) for path in MODULES} - ROOMS.keys() - COMMON
    assert not homeless, f"add to the table of docs/developers/architecture.md: {sorted(homeless)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    wrong = []
    for line, other in imported_rooms(path):
        if other in COMMON or other == room:
            continue
        down = other in ROOMS and ROOMS[other] >= ROOMS.get(room, 0)
        if not down or other not in ONLY.get(room, {other}):
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_the_reader_of_imports_reads_all_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "tap" / "engine.py"
    module.parent.mkdir()
    module.write_text(
        "import os, jupyter_uws.uws.model\nfrom ..jobs import description\nfrom . import schema\n"
        "from .. import rendezvous\nfrom jupyter_uws import __version__\n"
        "def lazy():\n    from jupyter_uws.archive.reader import runs\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert [name for _, name in imported_rooms(module)] == ["uws", "jobs", "tap", "rendezvous", "archive"]


def test_importing_the_package_is_cheap() -> None:
    """Kernels, the Jupyter server and job processes all do it."""
    heavy = "dask distributed gammapy pyvo astropy numpy pandas duckdb sqlalchemy tornado IPython"
    program = f"import sys, jupyter_uws; print(*(set({heavy.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("names", ["Archive, JobService", "job"])
def test_the_client_is_light(names: str) -> None:
    """A kernel is to grow by 40 MB at most before anything is asked of the service."""
    program = f"""
import sys, psutil
import ipykernel.ipkernel
before = psutil.Process().memory_info().rss
from jupyter_uws import {names}
grown = (psutil.Process().memory_info().rss - before) / 1e6
print(grown, *({{"astropy", "numpy", "pyarrow", "dask", "distributed", "gammapy", "pyvo"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    grown, *heavy = done.stdout.split()
    assert heavy == []
    assert float(grown) < 40
