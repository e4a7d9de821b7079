"""A real JupyterHub with its proxy, our shared service below it, and users with servers of their own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import npm
import psutil
import requests
from running import end, wait_until

HERE = Path(__file__).parent
PASSWORD = "a-password-for-tests"
#: What the site's configuration lets each user have in the queue or running.
ACTIVE_JOBS = 12
SERVICE = "access:services!service=uws"


def install_proxy() -> list[str]:
    """The command of configurable-http-proxy, installed by the lock file of this folder."""
    return [
        npm.install(HERE),
        str(HERE / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"),
    ]


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass
class RunningHub:
    """``url`` is that of the proxy with the Hub's base URL; the shared service is below ``services/uws/``."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path
    token: str
    stranger: str
    service_port: int
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return f"{self.url}services/uws/"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        """What the Hub, and the service under it, have said."""
        return (self.folder / "log").read_text()

    def api(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request to the Hub's own API, as its tester."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, f"{self.url}hub/api/{path}", headers=headers, timeout=60, **more)

    def new_token(self, user: str, *scopes: str, **more: Any) -> dict[str, Any]:
        answer = self.api("POST", f"users/{user}/tokens", json={"scopes": list(scopes) or [SERVICE], **more})
        assert answer.ok, answer.text
        return dict(answer.json())

    def token_of(self, user: str) -> str:
        """A token that opens the service and nothing else: what a user gives to TOPCAT."""
        if user not in self._tokens:
            self._tokens[user] = self.new_token(user)["token"]
        return self._tokens[user]

    def ask(self, user: str | None, method: str, path: str, **more: Any) -> requests.Response:
        """A request to the shared service, with the user's token."""
        headers = {"Authorization": f"token {self.token_of(user)}"} if user else {}
        headers.update(more.pop("headers", {}))
        timeout = more.pop("timeout", 90)
        return requests.request(
            method, self.service + path, headers=headers, allow_redirects=False, timeout=timeout, **more
        )

    def start_server(self, user: str, name: str = "") -> str:
        """The URL of the user's server, once it is ready."""
        path = f"users/{user}/servers/{name}" if name else f"users/{user}/server"
        answer = self.api("POST", path)
        assert answer.status_code in (201, 202), answer.text

        def ready() -> bool:
            servers = self.api("GET", f"users/{user}").json()["servers"]
            return bool(servers.get(name, {}).get("ready"))

        wait_until(ready, 120)
        return f"{self.url}user/{user}/" + (f"{name}/" if name else "")

    def stop_server(self, user: str, name: str = "") -> None:
        """As the culler does."""
        path = f"users/{user}/servers/{name}" if name else f"users/{user}/server"
        assert self.api("DELETE", path).status_code in (202, 204)
        wait_until(lambda: name not in self.api("GET", f"users/{user}").json()["servers"], 60)


@contextlib.contextmanager
def run_hub(folder: Path, archive: Path, proxy: list[str], *options: str) -> Iterator[RunningHub]:
    """``proxy`` is the command of configurable-http-proxy; ``options`` are the shared service's."""
    port, hub_port, proxy_port, service_port = free_ports(4)
    (folder / "home").mkdir()
    (folder / "site").mkdir()
    (folder / "site" / "jupyter_uws_config.py").write_text(f"c.ServeApp.user_active_jobs = {ACTIVE_JOBS}\n")
    (folder / "state").mkdir(mode=0o700)
    test: dict[str, Any] = {
        "folder": str(folder),
        "archive": str(archive),
        "url": f"http://127.0.0.1:{port}/observatory/",
        **{"hub_port": hub_port, "proxy_port": proxy_port, "service_port": service_port},
        **{"proxy": proxy, "options": options, "password": PASSWORD},
        **{"token": secrets.token_hex(16), "stranger": secrets.token_hex(16)},
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
    environment |= {"HUB_TEST": json.dumps(test), "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "hub_config.py")],
            cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    hub = RunningHub(process, test["url"], folder, test["token"], test["stranger"], service_port)
    try:
        wait_until(lambda: _is_up(hub), 90)
        for user in ("alice", "bob", "boss"):
            assert hub.api("POST", f"users/{user}").status_code in (201, 409)
        yield hub
    finally:
        _end(process, folder)


def _is_up(hub: RunningHub) -> bool:
    assert hub.process.poll() is None, hub.log
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{hub.service}health/live", timeout=60, allow_redirects=False).status_code == 200
    return False


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """The Hub, and what was started below its folder: services of users outlive it, as they are meant to."""
    try:
        end(process)
    finally:
        for left in _started_in(folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                left.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(_started_in(folder), timeout=60)
        for left in alive:
            left.kill()


def _started_in(folder: Path) -> list[psutil.Process]:
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"{folder}/" in " ".join(each.cmdline()):
                found.append(each)
    return found
