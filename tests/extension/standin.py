"""A stand-in for the service: what the relay and the launcher must cope with, on a real unix socket.

It keeps the rendezvous as the real service does, and has resources that the real one has
not: slow, endless, broken and lying answers.

    python standin.py [--protocol N] [--active N] [--delay S] [--linger S] --socket PATH --state-dir DIR
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import tornado.httpserver
import tornado.netutil
from tornado import web, websocket
from tornado.iostream import StreamClosedError

from jupyter_uws import rendezvous

MEGABYTE = os.urandom(1024) * 1024


class Base(web.RequestHandler):
    def prepare(self) -> None:
        if self.request.headers.get("X-UWS-Secret") != self.settings["secret"]:
            raise web.HTTPError(401)


class Health(Base):
    def get(self) -> None:
        options = self.settings["options"]
        self.settings["seen"]["health"] += 1
        self.write(
            {
                "version": "0.0.1",
                "protocol": options.protocol,
                "pid": os.getpid(),
                "active_jobs": options.active,
                "host": rendezvous.hostname(),
                "starts": options.starts,
            }
        )


class Shutdown(Base):
    def post(self) -> None:
        if self.settings["options"].active:
            raise web.HTTPError(409)
        self.settings["stop"].set()


class Echo(Base):
    """What of the request came through."""

    def get(self) -> None:
        headers = dict(self.request.headers.get_all())
        self.write({"method": self.request.method, "uri": self.request.uri, "headers": headers})

    post = put = delete = patch = options = get


@web.stream_request_body
class Upload(Base):
    """Count and hash a body of any length."""

    def prepare(self) -> None:
        super().prepare()
        self.request.connection.set_max_body_size(2**40)
        self.size = 0
        self.digest = hashlib.sha256()

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.digest.update(chunk)
        self.settings["seen"]["uploading"] = True

    def post(self) -> None:
        kind = self.request.headers.get("Content-Type")
        self.write({"size": self.size, "sha256": self.digest.hexdigest(), "type": kind})

    put = post

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.settings["seen"]["upload_gone"] = True


@web.stream_request_body
class Refuse(Base):
    """Answers 413 with a long text before it has read the body, and closes."""

    def prepare(self) -> None:
        self.set_status(413)
        self.set_header("Connection", "close")
        self.finish("too large " * 20_000)

    def data_received(self, chunk: bytes) -> None:
        raise AssertionError

    def post(self) -> None:
        raise AssertionError


class Download(Base):
    """``?mb=N`` megabytes, with or without a length; ``&cut=1`` breaks off in the middle."""

    async def get(self) -> None:
        number = int(self.get_argument("mb"))
        if self.get_argument("length", "1") == "1":
            self.set_header("Content-Length", str(number * len(MEGABYTE)))
        self.set_header("Content-Type", "application/octet-stream")
        try:
            for index in range(number):
                if index == number // 2 and self.get_argument("cut", ""):
                    self.request.connection.stream.close()
                    return
                self.write(MEGABYTE)
                await self.flush()
                self.settings["seen"]["sent_mb"] = index + 1
        except StreamClosedError:
            self.settings["seen"]["download_gone"] = True


class Events(Base):
    """One event at once, the second when ``/go`` was called."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.write("data: first\n\n")
        await self.flush()
        await self.settings["go"].wait()
        self.write("data: second\n\n")

    def on_connection_close(self) -> None:
        self.settings["seen"]["events_gone"] = True


class Go(Base):
    def post(self) -> None:
        self.settings["go"].set()


class Seen(Base):
    def get(self) -> None:
        self.write(self.settings["seen"])


class Forget(Base):
    """What was seen; and events wait again."""

    def post(self) -> None:
        self.settings["seen"].clear()
        self.settings["seen"]["health"] = 0
        self.settings["go"].clear()


class Silent(Base):
    """Begins its answer after ``?s=`` seconds, or with ``&begin=1`` is silent in its middle; healthy meanwhile."""

    async def get(self) -> None:
        if self.get_argument("begin", ""):
            self.write("first ")
            await self.flush()
        await asyncio.sleep(float(self.get_argument("s")))
        self.write("at last")


class Codes(Base):
    def get(self, code: str) -> None:
        self.set_status(int(code))
        if code == "304":
            self.set_header("ETag", '"x"')
        elif code == "303":
            self.set_header("Location", self.request.headers["X-UWS-Root"] + "uws/sleeper/1")


class Page(Base):
    """A page that a job made; ``?own=1`` sets a policy of its own."""

    def get(self) -> None:
        if self.get_argument("own", ""):
            self.set_header("Content-Security-Policy", "sandbox allow-scripts")
        self.set_header("Content-Type", "text/html")
        self.set_cookie("job", "made")
        self.write("<script>alert(1)</script>")


class Suicide(Base):
    """Dies of the request, without an answer; ``?once=FILE`` does so only while FILE is not there."""

    def get(self) -> None:
        marker = self.get_argument("once", "")
        if marker and Path(marker).exists():
            self.write("alive")
            return
        if marker:
            Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)

    post = get


class Socket(Base, websocket.WebSocketHandler):
    """Echoes; ``flood N`` is answered with N megabytes, ``send N`` with N bytes in one, ``close N`` with that code.

    ``wait`` takes nothing more until ``/go``; ``?refuse=1`` is answered with 409.
    """

    max_message_size = 2**30

    def prepare(self) -> None:
        super().prepare()
        if self.get_argument("refuse", ""):
            raise web.HTTPError(409, reason="No Cluster")

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None

    def open(self) -> None:
        headers = dict(self.request.headers.get_all())
        self.write_message({"uri": self.request.uri, "headers": headers})

    async def on_message(self, message: str | bytes) -> None:
        seen = self.settings["seen"]
        seen["messages"] = seen.get("messages", 0) + 1
        word, _, number = message.partition(" ") if isinstance(message, str) else ("", "", "")
        if word == "flood":
            for index in range(int(number)):
                await self.write_message(MEGABYTE, binary=True)
                seen["flooded_mb"] = index + 1
        elif word == "send":
            await self.write_message(b"x" * int(number), binary=True)
        elif word == "close":
            self.close(int(number), "as asked")
        elif word == "wait":
            await self.settings["go"].wait()
        else:
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        self.settings["seen"]["socket_gone"] = self.close_code


class NotHttp(Base):
    def get(self) -> None:
        stream = self.request.connection.detach()
        stream.write(b"SSH-2.0-surprise\r\n\r\n").add_done_callback(lambda _: stream.close())


async def main(options: argparse.Namespace) -> None:
    folder = rendezvous.state_dir(options.state_dir)
    if options.delay:
        await asyncio.sleep(options.delay)
    with (folder / "starts").open("a") as file:
        file.write(f"{os.getpid()}\n")
    try:
        lock = rendezvous.hold_lock(folder)
    except rendezvous.AlreadyRunning as error:
        print(error, file=sys.stderr)
        sys.exit(rendezvous.EXIT_ALREADY_RUNNING)
    options.starts = len((folder / "starts").read_text().splitlines())
    stop = asyncio.Event()
    files = str(folder / "files")
    application = web.Application(
        [
            (r"/health", Health),
            (r"/shutdown", Shutdown),
            (r"/echo.*", Echo),
            (r"/upload", Upload),
            (r"/refuse", Refuse),
            (r"/download", Download),
            (r"/events", Events),
            (r"/go", Go),
            (r"/seen", Seen),
            (r"/forget", Forget),
            (r"/silent", Silent),
            (r"/code/(\d+)", Codes),
            (r"/page", Page),
            (r"/suicide", Suicide),
            (r"/nothttp", NotHttp),
            (r"/dashboard/echo/ws", Socket),
            (r"/files/(.*)", web.StaticFileHandler, {"path": files}),
        ],
        options=options,
        secret=rendezvous.secret(folder),
        go=asyncio.Event(),
        stop=stop,
        seen={"health": 0},
    )
    server = tornado.httpserver.HTTPServer(application)
    Path(options.socket).unlink(missing_ok=True)
    server.add_socket(tornado.netutil.bind_unix_socket(options.socket, backlog=4096))
    rendezvous.announce(
        folder,
        rendezvous.ServiceInfo(
            host=rendezvous.hostname(),
            pid=os.getpid(),
            protocol=options.protocol,
            version="0.0.1",
            socket=options.socket,
            url=None,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        ),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.stop()
    os.unlink(options.socket)
    rendezvous.withdraw(folder)
    await asyncio.sleep(options.linger)  # a cluster takes its time to close; the lock is held
    lock.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--state-dir", required=True)
    parser.add_argument("--protocol", type=int, default=rendezvous.PROTOCOL)
    parser.add_argument("--active", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--linger", type=float, default=0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments))
