"""Start a real service for a test, and take it down again."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

TOKEN = "a-token-for-tests"


@dataclass
class RunningService:
    """A service that listens on a free port of the loopback interface."""

    process: subprocess.Popen[str]
    url: str
    token: str
    state_dir: Path
    archive: Path

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def log(self) -> str:
        return (self.state_dir / "stderr").read_text()

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"token {self.token}", **more.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, data: Any = None, **more: Any) -> requests.Response:
        return self.request("POST", path, data=data, allow_redirects=False, **more)


@contextlib.contextmanager
def run_service(folder: Path, archive: Path, *options: str, **environment: str) -> Iterator[RunningService]:
    """``jupyter uws serve`` on a state folder below ``folder``; it is gone when this ends."""
    state_dir = folder / "state"
    state_dir.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "jupyter_uws", "serve", "--port=0", f"--state-dir={state_dir}"]
    with (state_dir / "stderr").open("a") as stderr:
        process = subprocess.Popen(
            [*command, f"--archive={archive}", *options],
            env={**os.environ, "JUPYTER_UWS_TOKEN": TOKEN, **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"serves (http://\S+)", line)
        assert found, f"it said {line!r}, and: {(state_dir / 'stderr').read_text()}"
        yield RunningService(process, found.group(1), TOKEN, state_dir, archive)
    finally:
        try:
            end(process)
        finally:
            if process.stdout:
                process.stdout.close()


def end(process: subprocess.Popen[Any]) -> None:
    """Ask it to end; killed, and TimeoutExpired raised, where it does not."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def own_tracebacks(log: str) -> list[str]:
    """The tracebacks in a log, without Dask's of a peer that left while it was being written to."""
    found = re.findall(r"^Traceback .*\n(?:[ \t].*\n)*.*$", log, re.MULTILINE)
    left = ("distributed.comm.core.CommClosedError", "tornado.iostream.StreamClosedError")  # the latter is its cause
    return [each for each in found if not ("/distributed/" in each and each.splitlines()[-1].startswith(left))]


def recorded(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[Any]:
    """The arguments that a module's function of one argument is called with from now on."""
    given: list[Any] = []
    real = getattr(module, name)

    def note(argument: Any) -> Any:
        given.append(argument)
        return real(argument)

    monkeypatch.setattr(module, name, note)
    return given


def wait_until(condition: Any, seconds: float = 90.0) -> Any:
    """The first true value of ``condition()``; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def tapquery(stilts: str, root: str, user: str, token: str, adql: str) -> subprocess.CompletedProcess[str]:
    """An asynchronous query by STILTS, which sends the token as a password; its answer is CSV."""
    login = [f"-Dstar.basicauth.user={user}", f"-Dstar.basicauth.password={token}"]
    query = ["tapquery", f"tapurl={root}tap", "sync=false", "ofmt=csv", f"adql={adql}"]
    return subprocess.run([stilts, *login, *query], capture_output=True, text=True, check=False, timeout=60)
