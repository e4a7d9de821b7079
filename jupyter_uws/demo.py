"""``jupyter uws demo``: JupyterLab on the quickstart notebook, or the notebook run without a browser."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

NOTEBOOK = "quickstart.ipynb"
#: The Jupyter server of a headless run must answer within this time [s].
START_TIMEOUT = 60.0
#: One cell of the notebook may take this long [s]: the first one may have to wait for the simulated archive.
CELL_TIMEOUT = 600


class DemoError(Exception):
    """Why the demo cannot be run; one sentence."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="open JupyterLab on the quickstart notebook", description=__doc__)
    parser.add_argument("--headless", action="store_true", help="run the notebook without a browser, tell of its jobs")
    parser.add_argument("--archive", metavar="DIR", help="a DL3 data store to run it on, instead of the simulated one")
    parser.add_argument("--port", type=int, default=8888, help="JupyterLab's port (default 8888)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 where all went well."""
    try:
        notebook = find_notebook()
        environment = dict(os.environ)
        if arguments.archive is not None:
            environment |= _real_store(Path(arguments.archive))
        if arguments.headless:
            return _headless(notebook, environment)
        return _lab(notebook, environment, arguments.port)
    except DemoError as error:
        print(f"jupyter uws demo: {error}", file=sys.stderr)
        return 1


def find_notebook() -> Path:
    """The quickstart: of the clone where this is one, else a copy of the installed one in the current folder."""
    clone = Path(__file__).resolve().parent.parent / "notebooks" / NOTEBOOK
    if clone.is_file():
        return clone
    installed = Path(sys.prefix, "share", "jupyter-uws", "notebooks", NOTEBOOK)
    if not installed.is_file():
        raise DemoError(f"{NOTEBOOK} is not part of this installation")
    here = Path.cwd() / NOTEBOOK
    if not here.exists():
        shutil.copy(installed, here)
    return here


def _real_store(store: Path) -> dict[str, str]:
    """Index a data store into an archive of its own; the environment that makes the service use it."""
    from .archive.errors import ArchiveError
    from .archive.ingest import add_store
    from .archive.paths import default_archive

    name = hashlib.sha256(str(store.resolve()).encode()).hexdigest()[:12]
    folder = default_archive().parent / "demo" / name
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "archive.duckdb"
    print(f"indexing {store} ...", flush=True)
    try:
        report = add_store(archive, store)
    except ArchiveError as error:
        raise DemoError(str(error)) from error
    for file, reason in report.skipped:
        print(f"left out: {file}: {reason}", file=sys.stderr)
    print(report, flush=True)
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return {"JUPYTER_UWS_ARCHIVE": str(archive), "JUPYTER_UWS_STATE_DIR": str(state)}


def _lab(notebook: Path, environment: dict[str, str], port: int) -> int:
    """JupyterLab in the foreground, on the notebook; it prints its URL and opens a browser where there is one."""
    root = notebook.parent.parent if notebook.parent.name == "notebooks" else notebook.parent
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}", f"--ServerApp.port={port}"]
    command += [f"--LabApp.default_url=/lab/tree/{notebook.relative_to(root).as_posix()}"]
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        command.append("--no-browser")
    if os.getuid() == 0:
        command.append("--allow-root")
    return subprocess.run(command, env=environment, check=False).returncode


def _headless(notebook: Path, environment: dict[str, str]) -> int:
    """Run the notebook on a Jupyter server and a service of its own, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="jupyter-uws-demo-") as folder:
        state = Path(folder, "state")
        state.mkdir(mode=0o700)
        environment["JUPYTER_UWS_STATE_DIR"] = str(state)
        with _jupyter_server(Path(folder), environment) as (url, token):
            begin = time.monotonic()
            variables = {**environment, "JUPYTER_UWS_URL": url, "JUPYTER_UWS_TOKEN": token}
            failure = _execute(notebook, variables, Path(folder))
            jobs = _report(url, token)
            print(f"{notebook.name}: {'failed' if failure else 'ran'} in {time.monotonic() - begin:.1f} s")
        if failure:
            print(failure, file=sys.stderr)
    completed = bool(jobs) and all(phase == "COMPLETED" for phase in jobs)
    return 0 if completed and not failure else 1


@contextlib.contextmanager
def _jupyter_server(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """A Jupyter server with our extension on a free port; yields the service's root URL and the token."""
    token = secrets.token_hex(16)
    runtime = folder / "runtime"
    # the token goes by the environment: a command line is seen by every user of the machine
    variables = {**environment, "JUPYTER_TOKEN": token, "JUPYTER_RUNTIME_DIR": str(runtime)}
    log = folder / "jupyter.log"
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--ServerApp.port=0", "--allow-root"]
    command += ["--ServerApp.jpserver_extensions={'jupyter_uws': True}", f"--ServerApp.root_dir={folder}"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=variables, stdout=output, stderr=output, cwd=folder)
    try:
        yield _wait_for(server, runtime, log) + "jupyter-uws/", token
    finally:
        _stop_service(Path(environment["JUPYTER_UWS_STATE_DIR"]))
        server.terminate()
        server.wait(20)


def _wait_for(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The server's URL, from the file it writes when it listens."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        for found in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(ValueError, KeyError, URLError, OSError):
                url = str(json.loads(found.read_text())["url"])
                with urlopen(url + "api", timeout=5):  # noqa: S310 (our own server)
                    return url
        time.sleep(0.1)
    last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    raise DemoError(f"the Jupyter server did not start: {last}")


def _stop_service(state_dir: Path) -> None:
    """End the service of the run, its jobs are over."""
    from . import rendezvous

    info = rendezvous.read_info(state_dir)
    if info is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, 15)
        deadline = time.monotonic() + 20
        while rendezvous.read_info(state_dir) is not None and time.monotonic() < deadline:
            time.sleep(0.05)


def _execute(notebook: Path, environment: dict[str, str], folder: Path) -> str | None:
    """Run the notebook top to bottom, leaving its file alone; the error of the cell that failed, if one did."""
    try:
        import nbformat
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError
    except ImportError as error:
        raise DemoError(f"--headless needs nbclient: pip install nbclient ({error})") from error
    content: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    # sockets of files, not of ports: nobody else on this machine can speak to the kernel; by their
    # whole path, for the kernel works in another folder
    kernel = AsyncKernelManager(transport="ipc", ip=str(folder / "kernel"))
    client: Any = NotebookClient(content, timeout=CELL_TIMEOUT, km=kernel)
    try:
        client.execute(env=environment, cwd=str(notebook.parent))
    except (CellExecutionError, CellTimeoutError) as error:
        return str(error)
    finally:
        # a kernel that was given to the client stays when the client is done
        asyncio.run(_shut_down(kernel))
    return None


async def _shut_down(kernel: Any) -> None:
    await kernel.shutdown_kernel(now=True)


def _report(url: str, token: str) -> list[str]:
    """Print a line for each job; returns their phases."""
    from .client import JobService

    phases = []
    for listed in reversed(list(JobService(url, token).jobs())):
        job = listed.refresh()
        print(f"{job.type} {job.phase} {job.message if job.phase == 'COMPLETED' else job.error or ''}".rstrip())
        phases.append(str(job.phase))
    return phases
