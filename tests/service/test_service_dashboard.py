"""Dask's dashboard in the service: for its owner, and on no port."""

from __future__ import annotations

import contextlib
import getpass
import inspect
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from distributed import Scheduler
from running import RunningService, own_tracebacks, run_service, wait_until
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClientConnection, websocket_connect

from jupyter_uws.execution.dashboard import make_pages
from jupyter_uws.forms import BodyMixin
from jupyter_uws.service.dashboard import OwnerOnly, guarded
from jupyter_uws.service.handlers import ServiceHandler

OWNER = os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
ROOT = "https://hub/user/me/jupyter-uws/"
PAGES = ["dashboard", "dashboard/", "dashboard/status", "dashboard/status/ws", "dashboard/static/js/bokeh.min.js"]
PAGES += ["dashboard/statics/css/base.css", "dashboard/info/main/workers.html", "dashboard/eventstream", "dashboard/x"]


class Relay:
    """The service as the relay asks it, for an owner."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.secret = (service.state_dir / "secret").read_text().strip()

    def headers(self, owner: str = OWNER) -> dict[str, str]:
        return {"X-UWS-Secret": self.secret, "X-UWS-Owner": owner, "X-UWS-Root": ROOT}

    def get(self, path: str, owner: str = OWNER, headers: Any = None, method: str = "GET") -> requests.Response:
        url = self.service.url + path
        headers = headers or self.headers(owner)
        return requests.request(method, url, headers=headers, allow_redirects=False, timeout=60)

    def post(self, path: str, **form: str) -> requests.Response:
        url = self.service.url + path
        return requests.post(url, form, headers=self.headers(), allow_redirects=False, timeout=60)

    def run(self, duration: float = 0) -> str:
        """The path of a job that is over; where it has a duration, of one that runs."""
        answer = self.post("uws/sleeper", duration=str(duration), PHASE="RUN")
        path = answer.headers["Location"].removeprefix(ROOT)
        phase = "EXECUTING" if duration else "COMPLETED"
        wait_until(lambda: self.get(path + "/phase").text == phase, 60)
        return path

    async def socket(self, page: str = "status", owner: str = OWNER, headers: Any = None) -> WebSocketClientConnection:
        """Bokeh's websocket of a page."""
        text = self.get(f"dashboard/{page}").text
        token = re.search(r'"token":"([^"]+)"', text)
        assert token, text
        url = f"{self.service.url.replace('http', 'ws', 1)}dashboard/{page}/ws"
        request = HTTPRequest(url, headers=headers if headers is not None else self.headers(owner))
        return await websocket_connect(request, subprotocols=["bokeh", token.group(1)])

    def listening(self) -> set[int]:
        """Ports of the service's processes, but for its own."""
        process = psutil.Process(self.service.process.pid)
        family = [process, *process.children(recursive=True)]
        found = {c.laddr.port for one in family for c in one.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        return found - {self.service.port}


@pytest.fixture(scope="module")
def relay(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A service in which a job has run, and the dashboard has been asked for."""
    with run_service(tmp_path_factory.mktemp("dashboard"), sim_archive, "--ServeApp.workers=1") as service:
        relay = Relay(service)
        assert relay.get("dashboard/status").status_code == 404
        assert "it starts with the first job" in relay.get("dashboard/status").text
        assert relay.get("cluster").json()["dashboard"] is False
        relay.run()
        first = relay.get("dashboard/workers?a=b")
        assert (first.status_code, first.headers["Location"]) == (302, f"{ROOT}dashboard/workers?a=b")
        yield relay
        assert own_tracebacks(service.log) == []
        assert relay.secret not in service.log
        assert service.token not in service.log


# Who may see it


@pytest.mark.parametrize("path", PAGES)
def test_strangers_see_nothing(relay: Relay, path: str) -> None:
    assert relay.get(path, headers={"X-UWS-Secret": "wrong", "X-UWS-Owner": OWNER}).status_code == 401
    for headers in (relay.headers("somebody"), {"Authorization": f"token {relay.service.token}"}):
        answer = relay.get(path, headers=headers)
        assert (answer.status_code, "only the user who runs the service" in answer.text) == (403, True)
    assert relay.get(path, method="POST").status_code == 405


@pytest.mark.parametrize(("caller", "status"), [("nobody", 401), ("somebody", 403), ("token", 403)])
async def test_nor_its_websockets(relay: Relay, caller: str, status: int) -> None:
    headers = {"nobody": {}, "token": {"Authorization": f"token {relay.service.token}"}}
    with pytest.raises(HTTPClientError) as error:
        await relay.socket(headers=headers.get(caller, relay.headers(caller)))
    assert error.value.code == status


async def test_nor_pages_of_other_hosts(relay: Relay) -> None:
    """The relay sends no Origin: this one came by the port."""
    with pytest.raises(HTTPClientError) as error:
        await relay.socket(headers={**relay.headers(), "Origin": "http://elsewhere.example"})
    assert error.value.code == 403


def test_no_port_has_pages(relay: Relay) -> None:
    """Other users of the host can connect to these: TLS with a key of the cluster, or nothing."""
    ports = relay.listening()
    assert ports  # the scheduler's and the worker's
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), 10) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not connection.recv(1000).startswith(b"HTTP")


# What there is


def test_the_way_in(relay: Relay) -> None:
    for path in ("dashboard", "dashboard/"):
        answer = relay.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{ROOT}dashboard/status")


@pytest.mark.parametrize("page", ["status", "workers", "tasks", "system", "profile", "graph", "groups"])
def test_pages_hold_relative_addresses_and_no_secret(relay: Relay, page: str) -> None:
    answer = relay.get(f"dashboard/{page}")
    assert answer.status_code == 200
    assert relay.secret not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    addresses = re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', answer.text)
    assert len(addresses) > 5
    for address in addresses:
        assert not address.startswith(("/", "http")), address
        assert relay.get(f"dashboard/{address}").status_code == 200, address


def test_the_token_in_a_page_holds_no_secret(relay: Relay) -> None:
    """Bokeh would put all headers of the request into it, those of the relay included."""
    from bokeh.util.token import get_token_payload

    token = re.search(r'"token":"([^"]+)"', relay.get("dashboard/status").text)
    assert token
    payload = get_token_payload(token.group(1))
    assert payload["headers"] == payload["cookies"] == {}
    assert relay.secret not in json.dumps(payload, default=str)


@pytest.mark.parametrize("path", ["main/workers", "main/logs", "main/exceptions"])
def test_tables_and_logs(relay: Relay, path: str) -> None:
    answer = relay.get(f"dashboard/info/{path}.html")
    assert answer.status_code == 200
    assert not re.search(r'(src|<link[^>]* href)="http', answer.text)
    assert set(re.findall(r'"((?:\.\./)+)statics/', answer.text)) == {"../../"}


@pytest.mark.parametrize("path", ["proxy/22/127.0.0.1/x", "api/v1/retire_workers", "metrics", "nosuch"])
def test_nothing_else(relay: Relay, path: str) -> None:
    assert relay.get(f"dashboard/{path}").status_code == 404


async def test_the_websocket_speaks(relay: Relay) -> None:
    connection = await relay.socket()
    assert connection.selected_subprotocol == "bokeh"
    assert json.loads(str(await connection.read_message()))["msgtype"] == "ACK"
    connection.close()


def test_where_it_is(relay: Relay) -> None:
    overview, others = relay.get("cluster").json(), relay.get("cluster", "somebody").json()
    assert (overview["dashboard"], overview["root"]) == (True, ROOT)
    assert (others["dashboard"], others["root"]) == (False, None)
    command = [sys.executable, "-m", "jupyter_uws", "cluster", "--state-dir", str(relay.service.state_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"dashboard  {ROOT}dashboard/status" in done.stdout.splitlines()


# Its life


async def test_gone_with_the_cluster_and_back_with_the_next(sim_archive: Path, tmp_path: Path) -> None:
    options = ("--ServeApp.workers=1", "--ServeApp.worker_idle_timeout=0.5")
    with run_service(tmp_path, sim_archive, *options) as service:
        relay = Relay(service)
        for _ in range(2):
            job = relay.run(600)
            assert relay.get("dashboard/status").status_code == 302
            (await relay.socket()).close()  # one that looked, and left
            connection = await relay.socket("workers")
            relay.post(f"{job}/phase", PHASE="ABORT")
            while await connection.read_message() is not None:
                pass
            assert connection.close_code == 1001
            wait_until(lambda: relay.get("dashboard/status").status_code == 404)
            assert relay.get("cluster").json()["dashboard"] is False
        assert own_tracebacks(service.log) == []


async def test_who_looks_keeps_the_service(sim_archive: Path, tmp_path: Path) -> None:
    options = ("--ServeApp.workers=1", "--ServeApp.idle_timeout=2")
    with run_service(tmp_path, sim_archive, *options) as service:
        relay = Relay(service)
        relay.run()
        assert relay.get("dashboard/status").status_code == 302
        connection = await relay.socket()
        loop = connection.io_loop
        end = loop.time() + 5  # longer than it would stay without us
        while loop.time() < end:
            assert await connection.read_message() is not None
        assert service.process.poll() is None
        connection.close()
        service.process.wait(30)


def test_without_bokeh(sim_archive: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['bokeh'] = None\n")
    with run_service(tmp_path, sim_archive, PYTHONPATH=str(tmp_path)) as service:
        relay = Relay(service)
        relay.run()
        answer = relay.get("dashboard/status")
        assert (answer.status_code, answer.text.count("\n")) == (501, 1)
        assert "pip install 'jupyter-uws[dashboard]'" in answer.text
        assert relay.get("cluster").json()["dashboard"] is False
        assert relay.get("dashboard/status", "somebody").status_code == 403


# What is assumed of Dask and Bokeh


async def test_the_guard_and_their_handlers_do_not_write_over_each_other() -> None:
    """They are one object: a name that both use must be dealt with, as StaticFileHandler's root is."""
    async with Scheduler(dashboard=False, dashboard_address="127.0.0.1:0", port=0) as scheduler:
        pages = make_pages(scheduler, lambda pages: pages.close())
        handlers = {
            rule.target
            for application in (pages.application, *pages.application.applications)
            for rule in application.wildcard_router.rules
        }
        assert {"DocHandler", "WSHandler", "StaticHandler", "Logs"} <= {handler.__name__ for handler in handlers}
        for handler in handlers:
            assert guarded(handler).__mro__.index(OwnerOnly) < guarded(handler).__mro__.index(handler)
            theirs = set().union(*(attributes(base) for base in handler.__mro__ if base not in RequestHandler.__mro__))
            ours = set().union(*(attributes(base) for base in (ServiceHandler, BodyMixin, OwnerOnly)))
            common = ours & theirs - set(dir(RequestHandler)) - set(attributes(RequestHandler))
            assert common <= {"root"}, handler


def attributes(kind: type) -> set[str]:
    """Names that a class sets or defines; not those that a base of it does."""
    return {*vars(kind), *re.findall(r"self\.(\w+)(?:: \w+)? = ", inspect.getsource(kind))}
