"""Websockets through a real Jupyter server, frame by frame, to a stand-in for the service."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from jupyters import STANDIN, TOKEN, Jupyter, kill_service, run_jupyter
from running import wait_until
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from jupyter_uws import rendezvous
from jupyter_uws.relay_socket import MESSAGE_LIMIT

AUTHORIZATION = {"Authorization": f"token {TOKEN}"}
SOCKET = "jupyter-uws/dashboard/echo/ws"
AUTHORIZER = """
from jupyter_server.auth import Authorizer

class Nothing(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "jupyter_uws"
"""


@contextlib.asynccontextmanager
async def opened(
    jupyter: Jupyter, query: str = "", headers: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[WebSocketClientConnection]:
    """A websocket to the stand-in; its first message is what the stand-in saw of the handshake."""
    url = jupyter.url.replace("http", "ws", 1) + SOCKET + query
    request = HTTPRequest(url, headers={**AUTHORIZATION, **(headers or {})})
    connection = await websocket_connect(request, max_message_size=2**30, **more)
    try:
        yield connection
    finally:
        connection.close()


async def refused(jupyter: Jupyter, query: str = "", headers: dict[str, str] | None = None) -> int:
    with pytest.raises(HTTPClientError) as error:
        async with opened(jupyter, query, headers):
            pass
    return error.value.code


async def seen(jupyter: Jupyter, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """What the stand-in has seen, once the condition holds."""
    await asyncio.to_thread(wait_until, lambda: condition(jupyter.seen()))
    return jupyter.seen()


@pytest.fixture(autouse=True)
def fresh(jupyter: Jupyter) -> Iterator[None]:
    """The stand-in runs and has seen nothing; afterwards nothing is open that was not before."""
    jupyter("POST", "forget")
    files = jupyter.files()
    yield
    wait_until(lambda: jupyter.files() <= files)
    log = jupyter.log.read_text()
    for complaint in ("Traceback", "never retrieved", "Uncaught", "was destroyed"):
        assert complaint not in log, log[-3000:]


# Who may


@pytest.mark.parametrize("key", ["", "token wrong", "Bearer wrong"])
async def test_without_the_token(jupyter: Jupyter, key: str) -> None:
    assert await refused(jupyter, headers={"Authorization": key}) == 403
    assert "messages" not in jupyter.seen()


@pytest.fixture
def cookie(jupyter: Jupyter) -> dict[str, str]:
    """Headers of a browser that has logged in: it cannot send the token."""
    session = requests.Session()
    session.get(f"{jupyter.url}?token={TOKEN}", timeout=10)
    cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    return {"Authorization": "", "Cookie": cookies}


async def test_the_browsers_way_in(jupyter: Jupyter, cookie: dict[str, str]) -> None:
    origin = jupyter.url.partition("/a%40b")[0]
    for query, headers in (("", cookie), (f"?token={TOKEN}", {"Authorization": ""})):
        async with opened(jupyter, query, {"Origin": origin, **headers}) as socket:
            assert json.loads(str(await socket.read_message()))["uri"] == "/dashboard/echo/ws"


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "https://127.0.0.1"])
async def test_pages_of_others_may_not(jupyter: Jupyter, cookie: dict[str, str], origin: str) -> None:
    """Jupyter's rule: who sends the token itself is no page of others."""
    assert await refused(jupyter, headers={**cookie, "Origin": origin}) == 403
    assert "socket_gone" not in jupyter.seen()  # it heard nothing of it


async def test_whom_jupyter_does_not_authorize(tmp_path: Path) -> None:
    state = rendezvous.state_dir(tmp_path / "state")
    (tmp_path / "nothing.py").write_text(AUTHORIZER)
    server = {"authorizer_class": "nothing.Nothing"}
    with run_jupyter(tmp_path, state, {"PYTHONPATH": str(tmp_path)}, server, service_command=STANDIN) as jupyter:
        assert await refused(jupyter) == 403


async def test_it_starts_no_service(tmp_path: Path) -> None:
    state = rendezvous.state_dir(tmp_path / "state")
    with run_jupyter(tmp_path, state, service_command=STANDIN) as jupyter:
        assert await refused(jupyter) == 502
        assert not (state / "starts").exists()


def test_what_is_no_websocket(jupyter: Jupyter) -> None:
    assert jupyter("GET", "dashboard/echo/ws").status_code == 400
    assert jupyter("POST", "dashboard/echo/ws").status_code in (403, 405)


# What passes


async def test_the_service_sees_the_relay(jupyter: Jupyter) -> None:
    headers = {
        "Cookie": "session=leak",
        "Referer": "http://h/lab?token=leak",
        "X-UWS-Owner": "leak",
        "X-UWS-Secret": "leak",
        "X-Mine": "kept",
    }
    async with opened(jupyter, f"?token={TOKEN}&a=%20", headers) as socket:
        text = str(await socket.read_message())
    assert "leak" not in text
    assert TOKEN not in text
    told = json.loads(text)
    assert told["uri"] == "/dashboard/echo/ws?a=%20"
    assert told["headers"]["X-Mine"] == "kept"
    assert told["headers"]["X-Uws-Root"] == jupyter.url + "jupyter-uws/"
    assert told["headers"]["X-Uws-Secret"] == rendezvous.secret(jupyter.state_dir)
    assert "Origin" not in told["headers"]


async def test_frames_pass_as_they_are(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        for message in ("text ü", b"\0binary\xff", "", b"", "x" * 5_000_000):
            await socket.write_message(message, binary=isinstance(message, bytes))
            assert await socket.read_message() == message


async def test_subprotocols_pass(jupyter: Jupyter) -> None:
    async with opened(jupyter, subprotocols=["bokeh", "a.b-c"]) as socket:
        told = json.loads(str(await socket.read_message()))
        assert told["headers"]["Sec-Websocket-Protocol"] == "bokeh,a.b-c"
        assert socket.selected_subprotocol == "bokeh"
    async with opened(jupyter) as socket:
        assert socket.selected_subprotocol is None


async def test_a_refusal_passes(jupyter: Jupyter) -> None:
    assert await refused(jupyter, "?refuse=1") == 409


# Streams


async def test_a_client_that_does_not_read_slows_the_service(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        before = jupyter.rss()
        await socket.write_message("flood 200")
        await seen(jupyter, lambda it: it.get("flooded_mb"))
        steady = [(await asyncio.to_thread(jupyter.seen))["flooded_mb"] for _ in range(20)]
        assert steady[-1] < 50
        assert jupyter.rss() - before < 60
        for _ in range(200):
            assert len(await socket.read_message() or b"") == 2**20


async def test_a_service_that_does_not_read_slows_the_client(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        before = jupyter.rss()
        await socket.write_message("wait")
        await seen(jupyter, lambda it: it.get("messages") == 1)
        writing = [asyncio.ensure_future(socket.write_message(b"x" * 2**20, binary=True)) for _ in range(100)]
        # whoever answers this has looked at the socket many times
        for _ in range(20):
            await asyncio.to_thread(jupyter.seen)
        assert not writing[-1].done()
        assert jupyter.rss() - before < 60
        await asyncio.to_thread(jupyter, "POST", "go")
        for _ in range(100):
            assert len(await socket.read_message() or b"") == 2**20
        await asyncio.gather(*writing)


async def test_messages_have_a_limit(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        await socket.write_message(b"x" * MESSAGE_LIMIT, binary=True)
        assert len(await socket.read_message() or b"") == MESSAGE_LIMIT
        with contextlib.suppress(WebSocketClosedError):  # it may be closed in the midst of it
            await socket.write_message(b"x" * (MESSAGE_LIMIT + 1), binary=True)
        assert await socket.read_message() is None
    await seen(jupyter, lambda it: "socket_gone" in it)
    async with opened(jupyter) as socket:
        await socket.read_message()
        await socket.write_message(f"send {MESSAGE_LIMIT + 1}")
        assert await socket.read_message() is None


# Ends


async def test_the_client_closes(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        socket.close(4001, "enough")
        assert (await seen(jupyter, lambda it: "socket_gone" in it))["socket_gone"] == 4001


async def test_the_client_vanishes(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        socket.protocol.stream.close()
        assert (await seen(jupyter, lambda it: "socket_gone" in it))["socket_gone"] == 1001


async def test_the_service_closes(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        await socket.write_message("close 4002")
        assert await socket.read_message() is None
        assert (socket.close_code, socket.close_reason) == (4002, "as asked")


async def test_the_service_is_killed(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        await asyncio.to_thread(kill_service, jupyter.state_dir)
        assert await asyncio.wait_for(socket.read_message(), 10) is None
        assert socket.close_code == 1001


async def test_both_are_in_the_midst_of_it_when_the_client_vanishes(jupyter: Jupyter) -> None:
    async with opened(jupyter) as socket:
        await socket.read_message()
        await socket.write_message("flood 200")
        await seen(jupyter, lambda it: it.get("flooded_mb"))
        socket.protocol.stream.close()
        await seen(jupyter, lambda it: "socket_gone" in it)
