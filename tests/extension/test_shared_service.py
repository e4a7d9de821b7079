"""A Jupyter server that relays to a service of others, over TLS and with the user's token, and starts none."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import ipaddress
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jupyters import TOKEN, Jupyter, run_jupyter
from running import RunningService, run_service, wait_until
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClientConnection, WebSocketHandler, websocket_connect
from traitlets import TraitError

from jupyter_uws.extension import UWSExtension

USERS_TOKEN = "uws_the-token-of-this-user"


@dataclass
class Shared:
    """What stands in for the shared service: it tells what it was sent."""

    url: str
    authority: Path
    heads: list[dict[str, str]] = field(default_factory=list)


class Told(RequestHandler):
    def initialize(self, shared: Shared) -> None:
        self.shared = shared

    def prepare(self) -> None:
        self.shared.heads.append({"path": self.request.path, "query": self.request.query, **self.request.headers})

    def get(self, size: str) -> None:
        self.write(b"x" * int(size or 0))

    def post(self, _size: str) -> None:
        self.write({"sha256": hashlib.sha256(self.request.body).hexdigest()})


class Echo(WebSocketHandler):
    def initialize(self, shared: Shared) -> None:
        self.shared = shared

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None

    def open(self) -> None:
        self.shared.heads.append({"path": self.request.path, "query": self.request.query, **self.request.headers})

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody signed; with and without its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shared")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    signed = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(address, False)
    pem = signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    coding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(pem + key.private_bytes(*coding))
    (folder / "ca.pem").write_bytes(pem)
    return folder / "server.pem", folder / "ca.pem"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    server, authority = certificate(tmp_path_factory.mktemp("shared"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server)
    sockets = bind_sockets(0, "127.0.0.1")
    found = Shared(f"https://127.0.0.1:{sockets[0].getsockname()[1]}/services/uws/", authority)
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def start() -> None:
        told = {"shared": found}
        routes: list[Any] = [
            (r"/services/uws/dashboard/echo/ws", Echo, told),
            (r"/services/uws/(?:blob/)?(\d*).*", Told, told),
        ]
        HTTPServer(Application(routes), ssl_options=context, max_body_size=2**30).add_sockets(sockets)
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    yield found
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text(USERS_TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def relaying(shared: Shared, token_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    folder = tmp_path_factory.mktemp("relaying")
    environment = {"SSL_CERT_FILE": str(shared.authority)}
    traits = {"service_url": shared.url.rstrip("/"), "service_token_file": str(token_file)}
    with run_jupyter(folder, folder / "state", environment, **traits) as jupyter:
        yield jupyter


def test_the_service_gets_the_users_token_and_nothing_of_jupyters(relaying: Jupyter, shared: Shared) -> None:
    answer = relaying("GET", "tap/sync?LANG=ADQL&_xsrf=x", headers={"Cookie": "a=b", "X-UWS-Owner": "root"})
    assert answer.status_code == 200, answer.text
    head = shared.heads[-1]
    assert (head["path"], head["query"]) == ("/services/uws/tap/sync", "LANG=ADQL")
    assert head["Authorization"] == f"Bearer {USERS_TOKEN}"
    assert head["X-Uws-Root"] == f"{relaying.url}jupyter-uws/"
    assert head["Host"] in shared.url
    assert not {"Cookie", "X-Uws-Owner", "X-Uws-Secret"} & head.keys()
    assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_large_bodies_pass_both_ways(relaying: Jupyter) -> None:
    body = bytes(range(256)) * 80_000
    sent = relaying("POST", "uws/x", data=iter([body[:1000], body[1000:]]))
    assert sent.json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert relaying("GET", f"blob/{len(body)}").content == b"x" * len(body)


def test_no_service_is_started(relaying: Jupyter) -> None:
    relaying("GET", "uws")
    assert not (relaying.state_dir / "service.log").exists()


def test_a_token_file_that_others_can_read_is_refused(relaying: Jupyter, token_file: Path) -> None:
    token_file.chmod(0o644)
    try:
        answer = relaying("GET", "uws")
        assert (answer.status_code, "chmod 600" in answer.text) == (503, True)
    finally:
        token_file.chmod(0o600)


def test_who_knows_passwords_only_sends_jupyters_token_as_one(relaying: Jupyter) -> None:
    token = relaying.session.headers["Authorization"].removeprefix("token ")

    def ask(**headers: str) -> int:
        url, who = relaying.url + "jupyter-uws/tap/capabilities", ("anybody", token)
        return requests.get(url, auth=who, headers=headers, timeout=30, allow_redirects=False).status_code

    assert ask() == 200
    # a browser keeps passwords, and sends them where other pages want it
    assert ask(**{"User-Agent": "Mozilla/5.0"}) == 401


def test_a_service_that_is_away_is_named(tmp_path: Path, token_file: Path) -> None:
    traits = {"service_url": "http://127.0.0.1:9/uws/", "service_token_file": str(token_file)}
    with run_jupyter(tmp_path, tmp_path / "state", **traits) as jupyter:
        answer = jupyter("GET", "uws")
        assert answer.status_code == 503
        assert "The shared UWS service http://127.0.0.1:9/uws/ cannot be reached: " in answer.text


# TLS that fails


@pytest.fixture(scope="module")
def without_tls() -> Iterator[str]:
    """A service that speaks plain HTTP, for who thinks otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/uws/"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("unknown", "its certificate is not trusted (self-signed certificate)"),
        (
            "name",
            "its certificate is for another host name (Hostname mismatch, certificate is not valid for 'localhost')",
        ),
        ("plain", "it does not speak TLS as this server does (wrong version number)"),
    ],
)
async def test_what_is_wrong_with_tls_is_said(
    shared: Shared, without_tls: str, token_file: Path, tmp_path: Path, case: str, words: str
) -> None:
    url = {"unknown": shared.url, "name": shared.url.replace("127.0.0.1", "localhost"), "plain": without_tls}[case]
    environment = {} if case == "unknown" else {"SSL_CERT_FILE": str(shared.authority)}
    traits = {"service_url": url, "service_token_file": str(token_file)}
    heads = len(shared.heads)
    with run_jupyter(tmp_path, tmp_path / "state", environment, **traits) as jupyter:
        for method in ("GET", "POST"):
            answer = jupyter(method, "uws")
            assert (answer.status_code, answer.text) == (502, f"The UWS service was not asked: {words}\n")
        with pytest.raises(HTTPClientError) as error:
            await opened(jupyter, "dashboard/echo/ws")
        assert error.value.code == 502
    assert len(shared.heads) == heads


# Websockets


async def opened(jupyter: Jupyter, path: str, *protocols: str, token: str = TOKEN) -> WebSocketClientConnection:
    url = f"{jupyter.url.replace('http', 'ws', 1)}jupyter-uws/{path}"
    request = HTTPRequest(url, headers={"Authorization": f"token {token}", "X-UWS-Owner": "root", "Cookie": "a=b"})
    return await websocket_connect(request, subprotocols=list(protocols) or None)


async def test_websockets_pass_over_tls_with_the_users_token(relaying: Jupyter, shared: Shared) -> None:
    socket = await opened(relaying, f"dashboard/echo/ws?a=%20&token={TOKEN}", "bokeh", "b")
    assert socket.selected_subprotocol == "bokeh"
    for message in ("text ü", b"\0binary\xff"):
        await socket.write_message(message, binary=isinstance(message, bytes))
        assert await socket.read_message() == message
    socket.close()
    head = shared.heads[-1]
    assert (head["path"], head["query"]) == ("/services/uws/dashboard/echo/ws", "a=%20")
    assert head["Authorization"] == f"Bearer {USERS_TOKEN}"
    assert head["Host"] in shared.url
    assert not {"Cookie", "X-Uws-Owner", "X-Uws-Secret", "Origin"} & head.keys()


def bearer(service: RunningService, owner: str) -> str:
    """A new token of a user of the service."""
    command = [sys.executable, "-m", "jupyter_uws", "token", "create", owner, f"--state-dir={service.state_dir}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = re.search(r"uws_\S+", done.stdout)
    assert found, done.stdout
    return found[0]


async def test_dasks_pages_are_live_for_whom_the_service_lets_see_them(sim_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    with run_service(tmp_path, sim_archive, "--ServeApp.admins=boss", "--workers=1") as service:
        job = service.post("uws/sleeper", {"duration": "0", "PHASE": "RUN"}).headers["Location"]
        traits = {"service_url": service.url, "service_token_file": str(path)}
        with run_jupyter(tmp_path / "jupyter", tmp_path / "none", **traits) as jupyter:
            path.write_text(bearer(service, "boss"))
            # only a cluster that has had a job has pages
            wait_until(lambda: jupyter("GET", job.removeprefix(service.url) + "/phase").text == "COMPLETED", 60)
            page = jupyter("GET", "dashboard/status")
            found = re.search(r'"token":"([^"]+)"', page.text)
            assert found, page.text
            protocols = ("bokeh", found[1])
            socket = await opened(jupyter, "dashboard/status/ws", *protocols)
            assert '"ACK"' in str(await socket.read_message())
            socket.close()
            # another user, and one who is none of Jupyter's
            path.write_text(bearer(service, "bob"))
            for token in (TOKEN, "wrong"):
                with pytest.raises(HTTPClientError) as error:
                    await opened(jupyter, "dashboard/status/ws", *protocols, token=token)
                assert error.value.code == 403


@pytest.mark.parametrize("url", ["hub/services/uws", "ftp://hub/uws", "https://a:b@hub/uws", "https://hub/uws?x=1"])
def test_urls_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(TraitError, match="service_url: "):
        UWSExtension(service_url=url)
