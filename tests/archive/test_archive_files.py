"""The files over HTTP: whole, in part, only if changed, and never one that is not the archive's."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tornado.httpserver
import tornado.web
from astropy.io import fits
from gadf_files import events_hdu
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.testing import bind_unused_port

from jupyter_uws.archive import add_store
from jupyter_uws.archive.handlers import make_routes

NAME = "data/sim_dr1_obs_id_100001.fits.gz"
Fetch = Callable[..., Any]


class Base(tornado.web.RequestHandler):
    """Stands for the service's handler: lets in who has the token."""

    def prepare(self) -> None:
        if self.request.headers.get("Authorization") != "token t":
            raise tornado.web.HTTPError(401)


class Server:
    def __init__(self, store: Path, archive: Path) -> None:
        self.store, self.archive = store, archive
        sock, self.port = bind_unused_port()
        self.server = tornado.httpserver.HTTPServer(tornado.web.Application(make_routes(Base, lambda: archive)))
        self.server.add_socket(sock)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.server.stop()
        await self.server.close_all_connections()

    async def fetch(
        self, name: str = f"SIM-DR1/{NAME}", authorization: str = "token t", **options: Any
    ) -> HTTPResponse:
        headers = {"Authorization": authorization, **options.pop("headers", {})}
        return await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{self.port}/files/{name}",
            headers=headers,
            raise_error=False,
            decompress_response=False,
            **options,
        )


@pytest.fixture
async def server(simulated: Path, archive: Path) -> AsyncIterator[Server]:
    """Serves the simulated store; do not change it."""
    async with Server(simulated, archive) as running:
        yield running


@pytest.fixture
async def own_server(own_store: Path, tmp_path: Path) -> AsyncIterator[Server]:
    """Serves a copy of the simulated store, to be damaged."""
    archive = tmp_path / "a.duckdb"
    add_store(archive, own_store)
    async with Server(own_store, archive) as running:
        yield running


async def test_a_whole_file(server: Server, tmp_path: Path) -> None:
    response = await server.fetch()
    data = (server.store / NAME).read_bytes()
    assert response.code == 200
    assert response.body == data
    assert response.headers["Content-Type"] == "application/fits"
    assert "Content-Encoding" not in response.headers
    assert response.headers["Content-Length"] == str(len(data))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "sim_dr1_obs_id_100001.fits.gz" in response.headers["Content-Disposition"]
    saved = tmp_path / "saved.fits"  # under a name that says nothing of gzip
    saved.write_bytes(response.body)
    with fits.open(saved) as hdus:
        assert "EVENTS" in hdus


async def test_head_is_get_without_the_body(server: Server) -> None:
    get, head = await server.fetch(), await server.fetch(method="HEAD")
    assert (head.code, head.body) == (200, b"")
    volatile = {"Date"}
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in get.headers.items() if k not in volatile
    }


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-2879", 0, 2879),
        ("bytes=1000-", 1000, -1),
        ("bytes=-500", -500, -1),
        ("bytes=100-99999999", 100, -1),
        ("bytes=-99999999", 0, -1),
    ],
)
async def test_a_range(server: Server, wanted: str, first: int, last: int) -> None:
    data = (server.store / NAME).read_bytes()
    first, last = first % len(data), last % len(data)
    response = await server.fetch(headers={"Range": wanted})
    assert response.code == 206
    assert response.body == data[first : last + 1]
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    assert response.headers["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
async def test_a_range_beyond_the_end(server: Server, wanted: str) -> None:
    response = await server.fetch(headers={"Range": wanted})
    size = (server.store / NAME).stat().st_size
    assert response.code == 416
    assert response.headers["Content-Range"] == f"bytes */{size}"
    assert response.body == f"the file has {size} bytes\n".encode()


@pytest.mark.parametrize("wanted", ["lines=1-2", "bytes=5-2", "bytes=0-1,5-6", "bytes=-", "bytes=a-b"])
async def test_a_range_that_is_none_gives_the_whole(server: Server, wanted: str) -> None:
    response = await server.fetch(headers={"Range": wanted})
    assert (response.code, len(response.body)) == (200, (server.store / NAME).stat().st_size)


async def test_only_if_changed(own_server: Server) -> None:
    first = await own_server.fetch()
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for condition in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"other", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
    ):
        response = await own_server.fetch(headers=condition)
        assert (response.code, response.body) == (304, b""), condition
        assert response.headers["ETag"] == etag
    for condition in ({"If-None-Match": '"other"', "If-Modified-Since": modified}, {"If-Modified-Since": "yesterday"}):
        assert (await own_server.fetch(headers=condition)).code == 200, condition
    for condition, code in ((etag, 206), (modified, 206), ('"other"', 200), ("Mon, 01 Jan 2001 00:00:00 GMT", 200)):
        assert (await own_server.fetch(headers={"Range": "bytes=0-9", "If-Range": condition})).code == code, condition
    os.utime(own_server.store / NAME, (1, 1))
    assert (await own_server.fetch(headers={"If-None-Match": etag})).code == 200


async def test_only_the_file_that_is_meant(server: Server) -> None:
    """A download that is resumed must not be of two files (RFC 9110, sections 13.1.1 and 13.1.4)."""
    first = await server.fetch()
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    for name, value, code in (
        ("If-Match", etag, 206),
        ("If-Match", f'"other", {etag}', 206),
        ("If-Match", "*", 206),
        ("If-Match", '"other"', 412),
        ("If-Match", f"W/{etag}", 412),
        ("If-Unmodified-Since", modified, 206),
        ("If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT", 412),
    ):
        response = await server.fetch(headers={"Range": "bytes=10-19", name: value})
        assert response.code == code, (name, value)
        assert response.body == (first.body[10:20] if code == 206 else b"the file is not the one that was asked for\n")
        assert ("ETag" in response.headers) == (code == 206)


@pytest.mark.parametrize(
    "name",
    [
        "SIM-DR1/obs-index.fits.gz",
        "SIM-DR1/data/../obs-index.fits.gz",
        "SIM-DR1/%2e%2e/a.duckdb",
        "SIM-DR1/..%2Fa.duckdb",
        "SIM-DR1//etc/passwd",
        "SIM-DR1/%2Fetc%2Fpasswd",
        "OTHER/data/sim_dr1_obs_id_100001.fits.gz",
        "SIM-DR1/data/",
        "SIM-DR1/data/%00",
    ],
)
async def test_what_is_not_in_the_archive(server: Server, name: str) -> None:
    response = await server.fetch(name)
    assert response.code == 404
    assert response.body.startswith(b"the archive has no file")


async def test_responses_are_served_too(server: Server) -> None:
    assert (await server.fetch("SIM-DR1/caldb/sim_dr1_south.fits.gz", method="HEAD")).code == 200


async def test_a_file_that_is_gone_or_leads_elsewhere(own_server: Server, tmp_path: Path) -> None:
    path = own_server.store / NAME
    path.unlink()
    response = await own_server.fetch()
    assert (response.code, response.body) == (410, f"{NAME}: this file is gone since the archive was made\n".encode())
    assert "ETag" not in response.headers

    (tmp_path / "secret").write_text("secret")
    path.symlink_to(tmp_path / "secret")
    response = await own_server.fetch()
    assert (response.code, response.body) == (403, f"{NAME}: this file may not be read\n".encode())
    path.unlink()
    os.mkfifo(path)
    assert (await own_server.fetch()).code == 403
    path.unlink()
    path.mkdir()
    assert (await own_server.fetch()).code == 403


async def test_the_base_decides_who_comes_in(server: Server) -> None:
    assert (await server.fetch(authorization="token wrong")).code == 401
    assert (await server.fetch(authorization="token wrong", method="HEAD")).code == 401


async def test_no_archive(own_server: Server) -> None:
    own_server.archive.unlink()
    response = await own_server.fetch()
    assert response.code == 503
    assert b"there is no archive" in response.body


async def test_the_archive_may_be_replaced_while_serving(own_server: Server, simulated: Path) -> None:
    assert (await own_server.fetch(f"NEW/{NAME}", method="HEAD")).code == 404
    await asyncio.to_thread(add_store, own_server.archive, simulated, collection="NEW")
    assert (await own_server.fetch(f"NEW/{NAME}", method="HEAD")).code == 200


async def test_names_with_signs(write_store: Callable[..., Path], tmp_path: Path) -> None:
    file = "odd name #1 50% ü.fits"
    store = write_store("odd", {f"odd/{file}": [events_hdu(1)]}, [(1, "events", "events", "", "x", "EVENTS")])
    # FITS headers and tables are ASCII: let the index name a link
    (store / "x").symlink_to(store / file)
    archive = tmp_path / "a.duckdb"
    assert add_store(archive, store).skipped == []
    async with Server(store, archive) as running:
        response = await running.fetch("ODD/odd%20name%20%231%2050%25%20%C3%BC.fits")
        assert (response.code, response.body) == (200, (store / file).read_bytes())
        assert response.headers["Content-Disposition"].endswith("odd%20name%20%231%2050%25%20%C3%BC.fits")


async def test_a_client_that_does_not_read_holds_nobody_up(own_server: Server) -> None:
    path = own_server.store / NAME
    events = gzip.decompress(path.read_bytes())
    image = io.BytesIO()
    fits.ImageHDU(np.zeros((64, 1024, 1024), "u1"), name="BIG").writeto(image)
    path.write_bytes(events + image.getvalue()[2880:])  # without the primary header
    with socket.create_connection(("127.0.0.1", own_server.port)) as lazy:
        request = f"GET /files/SIM-DR1/{NAME} HTTP/1.1\r\nHost: x\r\nAuthorization: token t\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(non_blocking(lazy), request.encode())
        first = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(lazy, 100), 30)
        assert first.startswith(b"HTTP/1.1 200")
        for _ in range(5):
            other = await asyncio.wait_for(own_server.fetch("SIM-DR1/caldb/sim_dr1_south.fits.gz"), 30)
            assert other.code == 200
        (connection,) = [
            c for c in own_server.server._connections if c.stream.socket.getpeername() == lazy.getsockname()
        ]
        assert connection.stream._write_buffer.__len__() <= 2 * 256 * 1024  # the file is not heaped up in memory


def non_blocking(sock: socket.socket) -> socket.socket:
    sock.setblocking(False)
    return sock
