"""A tornado server with the routes of DataLink, of the files and of TAP, for an archive."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
import tornado.httpserver
import tornado.web
from astropy.io.votable import parse_single_table
from tornado.testing import bind_unused_port

from jupyter_uws.archive import datalink_handlers, handlers
from jupyter_uws.archive.datalink import ID_FIELD
from jupyter_uws.archive.links import Processing
from jupyter_uws.jobs.descriptor import service_resource
from jupyter_uws.jobs.registry import load_registry
from jupyter_uws.tap import handlers as tap
from jupyter_uws.tap.engine import Engine
from jupyter_uws.uws.fetch import fetch

DID = "ivo://jupyter-uws/SIM-DR1?100001"
OTHER = "ivo://jupyter-uws/SIM-DR1?100101"


class Base(tornado.web.RequestHandler):
    """Stands for the service's handler."""

    def prepare(self) -> None:
        self.root = f"http://{self.request.host}/"


@dataclass
class Server:
    """A running server: its URL, and where the archive and the pictures are."""

    url: str
    archive: Path
    pictures: Path

    def get(self, path: str, *ids: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, params={"ID": list(ids)}, timeout=60, **more)

    def links(self, *ids: str) -> Any:
        answer = self.get("datalink/links", *ids)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/x-votable+xml;content=datalink"
        return parse_single_table(io.BytesIO(answer.content)).to_table()


def processings(root: str) -> list[Processing]:
    description = load_registry()["quicklook"]
    resource = service_resource(description, f"{root}uws/quicklook", field=ID_FIELD)
    return [Processing("quicklook", description.title, resource)]


def run_server(
    archive: Path, pictures: Path, processings: Callable[[str], list[Processing]] = processings
) -> Iterator[Server]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sock, port = bind_unused_port()
    engine = Engine(archive)

    async def start() -> tornado.httpserver.HTTPServer:
        routes: list[Any] = [
            *datalink_handlers.make_routes(Base, lambda: archive, pictures, processings),
            *handlers.make_routes(Base, lambda: archive),
            *tap.make_routes(Base, engine, partial(fetch, timeout=5.0)),
        ]
        server = tornado.httpserver.HTTPServer(tornado.web.Application(routes))
        server.add_socket(sock)
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)

    async def stop() -> None:
        server.stop()
        engine.close()
        await server.close_all_connections()

    yield Server(f"http://127.0.0.1:{port}/", archive, pictures)
    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
