"""A real service for the client's tests, and a small HTTP server that misbehaves on order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matplotlib
import pytest
from running import RunningService, run_service

from jupyter_uws.client import Archive, Connection, JobService

matplotlib.use("Agg")

Answer = tuple[int, dict[str, str], bytes]


class OddServer:
    """Answers as it is told: ``server.on("/path", answer)``; keeps the requests it got."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], Answer | None]] = {}
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                outer.requests.append((self.command, self.path, dict(self.headers), body))
                given = outer.answers.get(self.path.partition("?")[0])
                answer = (404, {}, b"no such path") if given is None else given(self)
                if answer is None:  # hang up without a word
                    self.close_connection = True
                    return
                status, headers, body_out = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body_out)))
                self.end_headers()
                self.wfile.write(body_out)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def on(self, path: str, status: int = 200, body: bytes | str = b"", content_type: str = "text/plain", **more: str):
        content = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in more.items()}
        self.answers[path] = lambda _: (status, headers, content)

    def never(self, path: str) -> None:
        """Take the request and say nothing until the test is over."""

        def silence(_: BaseHTTPRequestHandler) -> None:
            self.closing.wait(30)

        self.answers[path] = silence

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def odd() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test finds the service or the network of whoever runs it."""
    for name in ("JUPYTER_UWS_URL", "JUPYTER_UWS_TOKEN", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_SERVICE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setattr("jupyter_uws.client.resolver.SESAME", "http://127.0.0.1:9/sesame")


@pytest.fixture(scope="session")
def service(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("service"), sim_archive) as running:
        yield running


@pytest.fixture
def connection(service: RunningService) -> Connection:
    return Connection(service.url, service.token)


@pytest.fixture
def archive(connection: Connection) -> Archive:
    return Archive(connection=connection)


@pytest.fixture
def jobs(connection: Connection) -> JobService:
    return JobService(connection=connection)
