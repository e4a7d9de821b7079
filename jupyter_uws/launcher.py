"""Find the user's service, or start it. Used by the extension and the command line.

Connecting is the test of life: no pid file is believed. Where nobody answers, a service
is spawned, detached; when several do so at once, the flock of the state folder
(`rendezvous`) leaves one of them, and all connect to that one.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado import httputil
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.iostream import IOStream, StreamClosedError

from . import rendezvous
from .rendezvous import EXIT_ALREADY_RUNNING, PROTOCOL, RendezvousError

#: What starts the service; ``--socket PATH --state-dir DIR`` is added.
SERVICE_COMMAND = (sys.executable, "-m", "jupyter_uws", "serve")

LOG_LIMIT = 5_000_000  # bytes; a longer service.log is put aside at the next start
_ANSWER_LIMIT = 1_000_000  # bytes of /health and /shutdown
_SECRETS = re.compile(r"(JUPYTER(?!_UWS_)|JPY_|CONFIGPROXY).*(TOKEN|SECRET|PASSWORD|COOKIE|CRYPT)")


#: What may stand in a header as it is.
_SAFE = "".join(map(chr, range(33, 127)))


def owner() -> str:
    """Whose service this is.

    Not Jupyter's current user: with token authentication that is a new random name each time.
    """
    return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()


class ServiceError(RuntimeError):
    """No service can be used; the message is one sentence for the user, `status` the HTTP code to send with it."""

    def __init__(self, message: str, status: int = 503) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class WebsocketAddress:
    """Where the service takes websockets: ``url`` is what goes before the target, ``path`` a unix socket's."""

    url: str
    path: Path | None = None
    context: ssl.SSLContext | None = None


class NoAnswer(ServiceError):
    """A service holds the socket but does not answer."""

    def __init__(self, state_dir: Path, seconds: float) -> None:
        info = rendezvous.read_info(state_dir)
        who = f"The UWS service (pid {info.pid} on {info.host})" if info else "The UWS service"
        super().__init__(
            f"{who} of {state_dir} did not answer within {seconds:g} s; see {state_dir / 'service.log'}, or end it",
            status=504,
        )


class _Closed(Exception):
    """Nobody listens at the socket, or whoever did went away before answering."""


async def open_socket(path: Path, timeout: float = 10.0) -> socket.socket:
    """Connect to a unix socket.

    Raises FileNotFoundError or ConnectionRefusedError where nobody listens (`path` may be any
    file), TimeoutError where the listener's queue stays full: it lives, so nothing may be started.
    """
    deadline = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(os.fspath(path))
            return sock
        except BlockingIOError:  # EAGAIN: the backlog is full
            sock.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: too many connections wait") from None
            await asyncio.sleep(0.02)
        except OSError:
            sock.close()
            raise


class _Answer(httputil.HTTPMessageDelegate):
    """Collects a small answer."""

    def __init__(self) -> None:
        self.code = 0
        self.body = b""

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        assert isinstance(start_line, httputil.ResponseStartLine)  # noqa: S101
        self.code = start_line.code

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk


async def call(path: Path, method: str, target: str, secret: str, timeout: float) -> tuple[int, bytes]:
    """One small request to the service; returns status and body.

    Raises TimeoutError, or `_Closed` where no service answers any more.
    """
    async with asyncio.timeout(timeout):
        try:
            stream = IOStream(await open_socket(path, timeout))
        except (FileNotFoundError, ConnectionRefusedError):
            raise _Closed from None
        try:
            connection = HTTP1Connection(stream, True, HTTP1ConnectionParameters(max_body_size=_ANSWER_LIMIT))
            headers = httputil.HTTPHeaders(
                {"Host": "localhost", "Connection": "close", "X-UWS-Secret": secret, "Content-Length": "0"}
            )
            # not awaited: a broken connection shows in the reading
            connection.write_headers(httputil.RequestStartLine(method, target, ""), headers)
            connection.finish()
            answer = _Answer()
            await connection.read_response(answer)
        except StreamClosedError:
            raise _Closed from None
        finally:
            stream.close()
    if not answer.code:
        raise _Closed
    return answer.code, answer.body


def address(state_dir: Path) -> Path:
    """The socket where this host's service of that folder listens, or would.

    What a service announced goes first: it may have been started with another
    ``$XDG_RUNTIME_DIR`` (a batch job, cron) than this process.
    """
    info = rendezvous.read_info(state_dir)
    if info and info.is_here and info.socket:
        return Path(info.socket)
    return rendezvous.socket_path(state_dir)


async def health(state_dir: Path, timeout: float = 5.0) -> dict[str, Any] | None:
    """What the running service says of itself (``GET /health``), or None where none runs here.

    Raises `NoAnswer` where one listens but keeps silent for `timeout` seconds.
    """
    try:
        code, body = await call(address(state_dir), "GET", "/health", rendezvous.secret(state_dir), timeout)
    except _Closed:
        return None
    except TimeoutError:
        raise NoAnswer(state_dir, timeout) from None
    try:
        answer = json.loads(body)
        if code == 200 and isinstance(answer["protocol"], int):
            return dict(answer)
    except (ValueError, KeyError, TypeError):
        pass
    raise ServiceError(
        f"What listens at {address(state_dir)} does not answer as our UWS service (status {code} of /health): end it",
        status=502,
    )


async def find_or_start(state_dir: Path, command: Sequence[str] = SERVICE_COMMAND, start_timeout: float = 20.0) -> Path:
    """The socket of a service that answers and speaks our protocol, started if there is none.

    An idle service of an older protocol is replaced; a busy one is left and named in the error.
    Raises `ServiceError` or `RendezvousError`.
    """
    elsewhere = rendezvous.runs_elsewhere(state_dir)
    if elsewhere:
        raise ServiceError(
            f"Your UWS service runs on {elsewhere.host} (pid {elsewhere.pid}) with the state folder {state_dir}: "
            "use Jupyter there, or set another folder (JUPYTER_UWS_STATE_DIR) for this host"
        )
    running = await health(state_dir)
    if running and running["protocol"] != PROTOCOL:
        await _retire(state_dir, running, start_timeout)
        running = None
    if running is None:
        await _start(state_dir, command, start_timeout)
    return address(state_dir)


async def _retire(state_dir: Path, running: dict[str, Any], timeout: float) -> None:
    """Have an older service end, if it is idle, and wait until it has."""
    name = f"version {running.get('version')}, pid {running.get('pid')} on {running.get('host')}"
    if running["protocol"] > PROTOCOL:
        raise ServiceError(f"The running UWS service ({name}) is newer than this Jupyter server: restart Jupyter")
    deadline = time.monotonic() + timeout
    try:
        code, _ = await call(address(state_dir), "POST", "/shutdown", rendezvous.secret(state_dir), 5.0)
        if code == 409:
            raise ServiceError(
                f"The running UWS service ({name}) is older than this Jupyter server and has "
                f"{running.get('active_jobs')} active jobs; it is replaced when they have ended"
            )
        if code >= 400:
            raise ServiceError(f"The running UWS service ({name}) is older and refuses to end (status {code}): end it")
        while (now := await health(state_dir)) and now.get("pid") == running.get("pid"):
            if time.monotonic() > deadline:
                raise ServiceError(f"The running UWS service ({name}) is older and does not end: end it")
            await asyncio.sleep(0.05)
    except _Closed:
        return
    except TimeoutError:
        raise NoAnswer(state_dir, 5.0) from None


async def _start(state_dir: Path, command: Sequence[str], timeout: float) -> None:
    """Spawn a service and wait until one answers: this one, or whoever was quicker."""
    deadline = time.monotonic() + timeout
    pause = 0.5
    process, log_start = _spawn(state_dir, command)
    while True:
        status = process.poll()
        left = deadline - time.monotonic()
        # an answer counts before an end: the other one of a start race may be there already
        running = await health(state_dir, max(left, 1.0))
        if running:
            if running["protocol"] != PROTOCOL:
                raise ServiceError(f"Another UWS service (version {running.get('version')}) was started meanwhile")
            return
        if status not in (None, EXIT_ALREADY_RUNNING):
            log = state_dir / "service.log"
            raise ServiceError(
                f"The UWS service ended at its start (status {status}): {_last_line(log, log_start)}; see {log}"
            )
        info = rendezvous.read_info(state_dir)
        if status == EXIT_ALREADY_RUNNING and info and info.is_here and not info.socket:
            raise ServiceError(
                f"The UWS service that runs (pid {info.pid}, {info.url}) was started by hand without a socket "
                "for Jupyter: end it, or start it with --socket"
            )
        if left < 0:
            if status is None:
                who = f"started as pid {process.pid}"
            else:
                who = f"pid {info.pid} on {info.host}" if info else "unknown"
            raise ServiceError(
                f"No UWS service answered within {timeout:g} s ({who} holds {state_dir / 'lock'}); "
                f"see {state_dir / 'service.log'}"
            )
        if status == EXIT_ALREADY_RUNNING:
            # the holder either comes up now or is just ending: give it a moment, then try again
            await asyncio.sleep(min(pause, left))
            pause *= 2
            if await health(state_dir) is None:
                process, log_start = _spawn(state_dir, command)
        else:
            await asyncio.sleep(0.05)


def _spawn(state_dir: Path, command: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the service in a session of its own; returns it and where its log begins."""
    log = state_dir / "service.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    argv = [*command, "--socket", str(rendezvous.socket_path(state_dir)), "--state-dir", str(state_dir)]
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    start = os.fstat(fd).st_size
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=fd,
            cwd="/",  # a service of days must not hold a file system that somebody wants to unmount
            env={name: value for name, value in os.environ.items() if not _SECRETS.match(name)},
            start_new_session=True,
        )
    except OSError as error:
        raise ServiceError(f"The UWS service could not be started: {argv[0]}: {error.strerror}") from error
    finally:
        os.close(fd)
    # reaped when it ends, so that no zombie stays in a Jupyter server of weeks
    threading.Thread(target=process.wait, daemon=True, name="uws-service-reaper").start()
    return process, start


def _last_line(log: Path, start: int) -> str:
    """What the service said last since `start`: the exception of a traceback, or its own words."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 1000))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@dataclass
class Launcher:
    """Connections to the service for one Jupyter server, which starts it at most once at a time."""

    folder: str | None = None
    command: Sequence[str] = SERVICE_COMMAND
    start_timeout: float = 20.0
    _socket: Path | None = None
    _finding: asyncio.Task[Path] | None = field(default=None, repr=False)
    _asking: asyncio.Task[dict[str, Any] | None] | None = field(default=None, repr=False)

    @property
    def state_dir(self) -> Path:
        """The state folder; raises `RendezvousError` where it cannot be used."""
        return rendezvous.state_dir(self.folder)

    #: What goes before the target of each request: nothing on a socket of its own.
    path = ""

    def opening(self) -> dict[str, str]:
        """The headers that open the service. Raises `ServiceError`."""
        try:
            return {"X-UWS-Secret": rendezvous.secret(self.state_dir), "X-UWS-Owner": quote(owner(), safe=_SAFE)}
        except RendezvousError as error:
            raise ServiceError(str(error)) from error

    async def connect(self) -> socket.socket:
        """A new connection to the service. Raises `ServiceError`, whose message is for the user."""
        try:
            if self._socket is not None:
                try:
                    return await open_socket(self._socket)
                except (FileNotFoundError, ConnectionRefusedError):
                    self._socket = None
            # all who come meanwhile share one search, and its failure
            if self._finding is None:
                self._finding = asyncio.ensure_future(self._find())
            return await open_socket(await asyncio.shield(self._finding))
        except TimeoutError:
            raise NoAnswer(self.state_dir, 10.0) from None
        except RendezvousError as error:
            raise ServiceError(str(error)) from error
        except OSError as error:
            raise ServiceError(f"The UWS service cannot be reached: {error.strerror}") from error

    def websockets(self) -> WebsocketAddress:
        """Those of a service that runs; none is started. Raises `ServiceError`."""
        try:
            return WebsocketAddress("ws://localhost", address(self.state_dir))
        except RendezvousError as error:
            raise ServiceError(str(error)) from error

    def doubt(self) -> None:
        """A connection broke: ask for health before the next one is used.

        The socket of a process that is being killed takes connections a moment longer.
        """
        self._socket = None

    async def _find(self) -> Path:
        try:
            self._socket = await find_or_start(self.state_dir, self.command, self.start_timeout)
            return self._socket
        finally:
            self._finding = None

    async def check(self, timeout: float) -> None:
        """Return if the service is healthy, else raise `ServiceError`. One question serves all who ask at a time."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask(timeout))
        if await asyncio.shield(self._asking) is None:
            raise ServiceError(f"The UWS service of {self.state_dir} has ended", status=502)

    async def _ask(self, timeout: float) -> dict[str, Any] | None:
        try:
            return await health(self.state_dir, timeout)
        except (RendezvousError, OSError) as error:
            raise ServiceError(f"The UWS service cannot be reached: {error}") from error
        finally:
            self._asking = None
