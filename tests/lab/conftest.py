"""JupyterLab in headless Chromium, with the front end of this work tree."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil
import pytest
from browsers import run_chromium
from playwright.sync_api import ConsoleMessage, Page

from jupyter_uws import rendezvous

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "of-the-tests"
#: A base URL that needs quoting: what forgets to quote or to prefix fails here.
BASE_URL = "/a%40b/"
#: All cells of a notebook are in the page, also those out of sight.
TRACKER = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
NOTIFICATIONS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab; ``url`` ends with a slash, ``root`` is the folder it shows."""

    url: str
    root: Path
    state_dir: Path
    log: Path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when the server answers; fail with its log when it ends or takes over two minutes."""
    deadline = time.monotonic() + 120
    request = Request(f"{url}api/status", headers={"Authorization": f"token {TOKEN}"})
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urlopen(request, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def lab(frontend: Path, sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on an empty folder, with no configuration but its own."""
    with run_lab(tmp_path_factory.mktemp("lab"), frontend, sim_archive) as running:
        yield running


@contextlib.contextmanager
def run_lab(
    home: Path, frontend: Path, archive: Path, configuration: str = "", server_configuration: str = ""
) -> Iterator[Lab]:
    """JupyterLab in a folder of its own, with its ``jupyter_uws_config.py`` and ``jupyter_server_config.py``."""
    names = ("config", "data", "runtime", "settings", "workspaces", "ipython", "state", "root")
    folders = {name: home / name for name in names}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    (folders["config"] / "jupyter_uws_config.py").write_text(configuration)
    (folders["config"] / "jupyter_server_config.py").write_text(server_configuration)
    extensions = home / "share" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "jupyter-uws").symlink_to(frontend)
    news = folders["settings"] / NOTIFICATIONS
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    tracker = folders["settings"] / TRACKER
    tracker.parent.mkdir(parents=True)
    tracker.write_text(json.dumps({"windowingMode": "none"}))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folders["config"]),
        "JUPYTER_DATA_DIR": str(folders["data"]),
        "JUPYTER_RUNTIME_DIR": str(folders["runtime"]),
        "JUPYTERLAB_SETTINGS_DIR": str(folders["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(folders["workspaces"]),
        "IPYTHONDIR": str(folders["ipython"]),
        "JUPYTER_PATH": str(home / "share"),
        "JUPYTER_UWS_STATE_DIR": str(folders["state"]),
        "JUPYTER_UWS_ARCHIVE": str(archive),
        "PYTHONPATH": str(ROOT),
    }
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.port={port}", f"--ServerApp.base_url={BASE_URL}", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--ServerApp.root_dir={folders['root']}", "--LabApp.expose_app_in_browser=True"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    command += ["--ServerApp.jpserver_extensions={'jupyter_uws': True}"]
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}{BASE_URL}"
        wait_for(process, url, log)
        yield Lab(url, folders["root"], folders["state"], log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)
        stop_service(folders["state"])


def stop_service(state_dir: Path) -> None:
    """The service that a test's Jupyter server started outlives it: end it with its workers."""
    info = rendezvous.read_info(state_dir)
    if info is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        service = psutil.Process(info.pid)
        family = [service, *service.children(recursive=True)]
        service.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=20)
        for process in alive:
            process.kill()


@dataclass
class Browsing:
    """A page, what it wrote to its console as errors, and which foreign hosts it asked for."""

    page: Page
    errors: list[str]
    foreign: list[str]


@pytest.fixture
def browsing(lab: Lab, chromium: str) -> Iterator[Browsing]:
    said = len(lab.log.read_text())
    with run_chromium(chromium, viewport={"width": 1280, "height": 800}) as page:
        seen = Browsing(page, [], [])
        page.on("console", lambda message: note_error(message, seen.errors))
        page.on("pageerror", lambda error: seen.errors.append(error.stack or str(error)))
        page.on("request", lambda request: note_foreign(request.url, lab.url, seen.foreign))
        yield seen
    print(lab.log.read_text()[said:][-5000:])  # shown where the test failed


def note_error(message: ConsoleMessage, errors: list[str]) -> None:
    if message.type == "error":
        errors.append(f"{message.text} ({message.location.get('url', '')})")


def note_foreign(url: str, home: str, foreign: list[str]) -> None:
    origin = home.removesuffix(BASE_URL)
    if url.startswith("http") and not url.startswith(origin):
        foreign.append(url)
