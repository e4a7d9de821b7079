"""Real Jupyter servers, each a process, with a stand-in or the real service behind them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import requests
from running import wait_until

from jupyter_uws import rendezvous

STANDIN = [sys.executable, str(Path(__file__).with_name("standin.py"))]
BASE_URL = "/a%40b/"  # catches every URL made without the prefix
TOKEN = "test-token"


def kill_service(state_dir: Path, number: int = signal.SIGKILL) -> None:
    """End the service that announced itself in the folder, if it lives.

    Only a process that was started on this folder: tests write any pid into service.json.
    """
    info = rendezvous.read_info(state_dir)
    if info is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(info.pid)
        if str(state_dir) not in process.cmdline():
            return
        process.send_signal(number)
        if number == signal.SIGKILL:
            wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


@dataclass
class Jupyter:
    """A running Jupyter server with the extension."""

    process: subprocess.Popen[bytes]
    url: str  # its base URL
    state_dir: Path
    log: Path

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"token {TOKEN}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request to the service behind it, with the token."""
        options.setdefault("timeout", 30)
        return self.session.request(method, self.url + "jupyter-uws/" + path, **options)

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def rss(self) -> float:
        """Its memory in MB."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    def files(self) -> int:
        return int(psutil.Process(self.process.pid).num_fds())

    def seen(self) -> dict[str, Any]:
        return dict(self("GET", "seen").json())

    @property
    def service_pid(self) -> int:
        info = rendezvous.read_info(self.state_dir)
        assert info
        return info.pid


@contextlib.contextmanager
def run_jupyter(
    folder: Path,
    state_dir: Path,
    environment: dict[str, str] | None = None,
    server: dict[str, Any] | None = None,
    **extension: Any,
) -> Iterator[Jupyter]:
    """Start a Jupyter server in `folder`; `server` and `extension` are traits of ServerApp and UWSExtension."""
    config = {
        "ServerApp": {
            "base_url": BASE_URL,
            "port": 0,
            "ip": "127.0.0.1",
            "open_browser": False,
            "allow_root": True,
            "root_dir": str(folder),
            "jpserver_extensions": {
                "jupyter_uws": True,
                # the others only cost time
                **dict.fromkeys(("jupyterlab", "jupyter_lsp", "notebook_shim", "jupyter_server_terminals"), False),
            },
            **(server or {}),
        },
        "IdentityProvider": {"token": TOKEN},
        "PasswordIdentityProvider": {"hashed_password": ""},
        "UWSExtension": {"state_dir": str(state_dir), **extension},
    }
    for name in ("config", "runtime", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
    environment = {
        **os.environ,
        **(environment or {}),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_NO_CONFIG": "",
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_TOKEN": TOKEN,
    }
    log = folder / "jupyter.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server"], env=environment, stdout=file, stderr=file, cwd=folder
        )
    try:
        card = folder / "runtime" / f"jpserver-{process.pid}.json"

        def ready() -> str | None:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError, ValueError, requests.ConnectionError):
                port = json.loads(card.read_text())["port"]
                url = f"http://127.0.0.1:{port}{BASE_URL}"
                if requests.get(url + "api", timeout=5).ok:
                    return url
            return None

        yield Jupyter(process, wait_until(ready, 30), state_dir, log)
    finally:
        process.terminate()
        process.wait(30)
