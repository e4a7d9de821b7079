"""Run the notebooks and keep their outputs: ``python tools/notebooks.py [FILE.ipynb ...]`` (``make notebooks``).

They run on services of their own, with the simulated archive: ``hess.ipynb`` on the H.E.S.S. data store of
``$JUPYTER_UWS_HESS_DIR``, ``cluster.ipynb`` on the SLURM that ``$SLURM_CONF`` names or else on that of the tests. What
would differ from run to run (times of the cells, the kernel's version) and what needs a kernel (widgets) is not kept.
``--check`` runs them and writes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
#: Seconds for one cell, on a loaded machine.
CELL_TIMEOUT = 600
#: The folder of the H.E.S.S. DL3 DR1 data store.
HESS = "JUPYTER_UWS_HESS_DIR"
#: As in the notebook; "lo" is the network of nodes that are all on this machine.
ON_SLURM = """
c.ServeApp.backend = "slurm"
c.ServeApp.backend_options = {"queue": "normal", "memory": "1 GiB", "walltime": "01:00:00", "interface": "lo"}
c.ServeApp.workers = 3
c.ServeApp.resource_limits = {"cores": 4, "memory": "8 GiB"}
"""


@contextlib.contextmanager
def service(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A service on a free port, with ``more`` in its environment; yields the one in which a kernel finds it."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyter_uws", "serve", "--port=0", f"--state-dir={state}"]
    process = subprocess.Popen(
        [*command, "--ServeApp.python_jobs=True"],
        env={**os.environ, **(more or {}), "JUPYTER_UWS_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=(folder / "service.log").open("wb"),
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101
        found = re.search(r"serves (http://\S+)", process.stdout.readline())
        if found is None:
            raise SystemExit((folder / "service.log").read_text())
        yield {
            "JUPYTER_UWS_URL": found.group(1),
            "JUPYTER_UWS_TOKEN": token,
            "JUPYTER_UWS_STATE_DIR": str(state),
            "JUPYTER_UWS_CACHE": str(folder / "cache"),
            # the command jupyter is that of this environment
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def real(folder: Path) -> Iterator[dict[str, str]]:
    """A service on an archive of the H.E.S.S. data store."""
    archive = folder / "hess.duckdb"
    command = [sys.executable, "-m", "jupyter_uws", "archive", "add", os.environ[HESS], f"--archive={archive}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with service(folder, {"JUPYTER_UWS_ARCHIVE": str(archive)}) as environment:
        yield environment


@contextlib.contextmanager
def on_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """A service whose jobs run on SLURM."""
    config = folder / "config"
    config.mkdir()
    (config / "jupyter_uws_config.py").write_text(ON_SLURM)
    with slurm() as there, service(folder, {**there, "JUPYTER_CONFIG_DIR": str(config)}) as environment:
        yield {**environment, **there}


@contextlib.contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """The SLURM of this machine, or that of the tests; yields the environment in which its programs find it."""
    if "SLURM_CONF" in os.environ:
        yield {}
        return
    sys.path.append(str(ROOT / "tests" / "slurm"))
    import slurm_daemons

    with slurm_daemons.slurm() as running:
        yield running.environment


#: Notebooks that need another service than the others do.
SERVICES: dict[str, Callable[[Path], AbstractContextManager[dict[str, str]]]] = {
    "cluster.ipynb": on_slurm,
    "hess.ipynb": real,
}


def lack(name: str) -> str | None:
    """What a notebook needs and is not here."""
    if name == "hess.ipynb" and HESS not in os.environ:
        return f"set {HESS} to the folder of the H.E.S.S. DL3 DR1"
    if name == "cluster.ipynb" and not ("SLURM_CONF" in os.environ or (os.geteuid() == 0 and shutil.which("slurmd"))):
        return "set SLURM_CONF, or as root install slurm-wlm and munge for a SLURM of the tests"
    return None


def run(path: Path, environment: dict[str, str], folder: Path) -> Any:
    """The notebook with its new outputs. Raises CellExecutionError."""
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    work = folder / path.stem
    work.mkdir()
    # sockets of files, not of ports: nobody else on this machine can speak to the kernel
    kernel = AsyncKernelManager(transport="ipc", ip=str(folder / f"{path.stem}-kernel"), kernel_name="python3")
    options = {"timeout": CELL_TIMEOUT, "record_timing": False, "store_widget_state": False}
    client: Any = NotebookClient(notebook, km=kernel, **options)
    try:
        client.execute(env={**os.environ, **environment}, cwd=str(work))
    finally:
        asyncio.run(shut_down(kernel))
    keep_still(notebook)
    notebook.metadata.pop("language_info", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return notebook


def keep_still(notebook: Any) -> None:
    """Of widgets, keep what they show without a kernel: their table or picture."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for output in outputs:
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


async def shut_down(kernel: Any) -> None:
    """End a kernel, which stays when its client is done."""
    await kernel.shutdown_kernel(now=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="paths of notebooks; without, all of notebooks/")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    paths = [Path(name) for name in arguments.names] or sorted(FOLDER.glob("*.ipynb"))
    for path in list(paths):
        if missing := lack(path.name):
            print(f"{path.name} is left out: {missing}", file=sys.stderr)
            paths.remove(path)
    for start, group in itertools.groupby(paths, lambda path: SERVICES.get(path.name, service)):
        with tempfile.TemporaryDirectory(prefix="jupyter-uws-notebooks-") as name, start(Path(name)) as environment:
            for path in group:
                notebook = run(path, environment, Path(name))
                if not arguments.check:
                    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
                print(f"{path.name}: {len(notebook.cells)} cells")


if __name__ == "__main__":
    main()
