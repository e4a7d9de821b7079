"""Fixtures shared by the tests of every room."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgresql import PostgreSQL, run_postgresql

ROOT = Path(__file__).resolve().parent.parent
#: Folders whose tests start many processes: one of xdist's processes runs a group of them, one test after the other, or
#: they would wait for each other beyond their bounds. Those in browsers compute, those on clusters mostly wait.
GROUPS = {
    "clusters": ("durability", "execution", "sge", "slurm"),
    "browsers": ("demo", "hub", "lab", "widgets"),
}


def scope_of(nodeid: str) -> str:
    """What stays together of the tests: a group of folders, or a file."""
    file = nodeid.partition("::")[0]
    folder = Path(file).parent.name
    return next((group for group, folders in GROUPS.items() if folder in folders), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The groups come first: what takes longest must not begin last."""
    items.sort(key=lambda item: scope_of(item.nodeid) not in GROUPS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``: a file's tests stay together, and so do those of a group, in the order that they are in here."""
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False  # xdist's own order is by number of tests
    return ByScope(config, log)


@pytest.fixture(scope="session")
def hess_dir() -> Path:
    """The H.E.S.S. DL3 public test data release 1, where this machine has it."""
    folder = Path(os.environ.get("JUPYTER_UWS_HESS_DIR", ROOT.parent / "shared" / "data" / "hess-dl3-dr1"))
    if not (folder / "obs-index.fits.gz").exists():
        pytest.skip("needs the H.E.S.S. DL3 DR1 data store: set JUPYTER_UWS_HESS_DIR to its folder")
    return folder


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], str]:
    """``need(program, package)``: the path of a program on this machine.

    Where it is missing, a test skips and names what to install; in CI, which installs
    everything, it fails: a test that never runs proves nothing.
    """

    def find(program: str, package: str) -> str:
        path = shutil.which(program)
        if path is None:
            reason = f"needs the program {program!r}: apt-get install {package}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
        return path

    return find


@pytest.fixture(scope="session")
def chromium(need: Callable[[str, str], str]) -> str:
    """The path of Chromium; start it with ``--no-sandbox`` where the tests run as root."""
    return need("chromium", "chromium")


@pytest.fixture(scope="session")
def postgresql(need: Callable[[str, str], str]) -> Iterator[PostgreSQL]:
    """A real PostgreSQL; what a test leaves in it is there for the next: ask for it ``empty()``."""
    with run_postgresql(need) as server:
        yield server


@pytest.fixture(scope="session")
def sim_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the simulated store, with fewer events than the demo's."""
    from jupyter_uws.archive.ingest import add_store
    from jupyter_uws.archive.simulation import simulate

    folder = tmp_path_factory.mktemp("sim")
    add_store(folder / "archive.duckdb", simulate(folder / "sim-dr1", energy_min=0.2))
    return folder / "archive.duckdb"


@pytest.fixture(scope="session")
def hess_archive(hess_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the H.E.S.S. release; to be read only."""
    from jupyter_uws.archive.ingest import add_store

    archive = tmp_path_factory.mktemp("hess") / "archive.duckdb"
    add_store(archive, hess_dir)
    return archive


@pytest.fixture(scope="session")
def frontend() -> Path:
    """The folder of the built front end, that of the present sources."""
    with (ROOT / "labextension" / "package-lock.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # of the processes of one test run, one builds
        subprocess.run([sys.executable, ROOT / "tools" / "frontend.py", "build"], check=True, timeout=280)
    return ROOT / "jupyter_uws" / "labextension"


@pytest.fixture
def shell(service: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """An IPython shell with the magics, on the folder's ``service``."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_UWS_URL", service.url)
    monkeypatch.setenv("JUPYTER_UWS_TOKEN", service.token)
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_uws")
    yield shell
    InteractiveShell.clear_instance()
