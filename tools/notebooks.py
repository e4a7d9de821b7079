"""Run the notebooks and keep their outputs: ``python tools/notebooks.py [FILE.ipynb ...]`` (``make notebooks``).

They run on a service of their own, with the simulated archive; what would differ from run to run (times of the cells,
the kernel's version) and what needs a kernel (widgets) is not kept. ``--check`` runs them and writes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
#: Seconds for one cell, on a loaded machine.
CELL_TIMEOUT = 600


@contextlib.contextmanager
def service(folder: Path) -> Iterator[dict[str, str]]:
    """A service on a free port; yields the environment in which a kernel finds it."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyter_uws", "serve", "--port=0", f"--state-dir={state}"]
    process = subprocess.Popen(
        [*command, "--ServeApp.python_jobs=True"],
        env={**os.environ, "JUPYTER_UWS_TOKEN": token},
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
            "JUPYTER_UWS_CACHE": str(folder / "cache"),
        }
    finally:
        process.terminate()
        process.wait(30)


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
    with tempfile.TemporaryDirectory(prefix="jupyter-uws-notebooks-") as folder, service(Path(folder)) as environment:
        for path in paths:
            notebook = run(path, environment, Path(folder))
            if not arguments.check:
                nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
            print(f"{path.name}: {len(notebook.cells)} cells")


if __name__ == "__main__":
    main()
