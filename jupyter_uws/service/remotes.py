"""``/remote/NAME/...``: the UWS and TAP services of other observatories that the operator named, for browsers.

A page may speak to its own server only, so this one passes its requests on: to addresses below those of
the configuration and no others, without the caller's credentials, and with the operator's where a file has one.
Answers are streamed. Kernels need none of this: they ask a service by its own URL.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import httpcore
from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError

from ..credentials import secret_of_file
from .handlers import ServiceHandler

logger = logging.getLogger(__name__)

KINDS = ("tap", "uws")
#: Until a connection is there, and between two words of an answer [s]; a UWS long poll may be silent for longer.
CONNECT_TIMEOUT = 10.0
SILENCE = 90.0
#: Connections to one service.
CONNECTIONS = 8

_ASKED = ("Accept", "Content-Type", "Range", "If-Range")
_ANSWERED = ("Content-Type", "Content-Length", "Content-Disposition", "Content-Range", "Accept-Ranges", "ETag")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?(/[^\s?#\"<>]*)?|https?://\[[0-9a-f:.]+\](:[0-9]+)?(/[^\s?#\"<>]*)?")


@dataclass(frozen=True)
class Remote:
    """A service elsewhere. ``url`` is where its TAP resources or its job list are, without a slash at the end."""

    name: str
    kind: str
    url: str
    title: str
    token_file: Path | None = None

    def authorization(self) -> str | None:
        """The value of the header, read anew each time. Raises HTTPError 503 where the file cannot be used."""
        if self.token_file is None:
            return None
        try:
            token = secret_of_file(self.token_file)
        except ValueError as error:
            raise HTTPError(503, f"the token file of the remote service '{self.name}' {error}") from None
        return f"Bearer {token}"

    def target(self, path: str, query: str) -> str:
        """The path and query to ask for. Raises HTTPError 400 for a path that may lead out of the service."""
        for part in path.split("/"):
            plain = unquote(part)
            if plain in (".", "..") or re.search(r"[/\\\x00-\x20\x7f]", plain):
                raise HTTPError(400, f"'{path[:100]}' is no address below the remote service '{self.name}'")
        base = urlsplit(self.url).path
        return (f"{base}/{path}" if path else base or "/") + (f"?{query}" if query else "")


def remotes(configured: Mapping[str, Any]) -> dict[str, Remote]:
    """The services of ``remote_services``. Raises ValueError with the name, the field and what it may be."""
    return {name: _remote(name, given) for name, given in configured.items()}


def _remote(name: str, given: Any) -> Remote:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: at most 40 small letters, digits, - and _")
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: {given!r} is not a dictionary with 'tap' or 'uws', the URL of the service")
    unknown = set(given) - {*KINDS, "title", "token_file"}
    if unknown:
        raise ValueError(f"{name}: there is no field {min(unknown)!r}; they are: tap, uws, title, token_file")
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        raise ValueError(f"{name} needs one of 'tap' and 'uws', the URL of the service")
    url = str(given[kinds[0]]).rstrip("/")
    if not _URL.fullmatch(url):
        raise ValueError(f"{name}: {kinds[0]} is {url!r}, which is no URL such as https://host/path")
    file = given.get("token_file")
    return Remote(
        name, kinds[0], url, str(given.get("title") or name), Path(file).expanduser().absolute() if file else None
    )


class Remotes:
    """The services with their connections."""

    def __init__(self, services: Mapping[str, Remote]) -> None:
        self.services = services
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}

    def pool(self, remote: Remote) -> httpcore.AsyncConnectionPool:
        if remote.name not in self._pools:
            context = ssl.create_default_context()
            self._pools[remote.name] = httpcore.AsyncConnectionPool(
                ssl_context=context, max_connections=CONNECTIONS, keepalive_expiry=30
            )
        return self._pools[remote.name]

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


class RemotesHandler(ServiceHandler):
    """GET: the services that there are, as JSON: name, kind (``tap`` or ``uws``), title, url."""

    def initialize(self, remotes: Remotes) -> None:
        self._remotes = remotes

    def get(self) -> None:
        fields = ("name", "kind", "title", "url")
        services = [{field: getattr(each, field) for field in fields} for each in self._remotes.services.values()]
        self.write({"services": services})

    head = get


class RemoteHandler(ServiceHandler):
    """Pass a request on to a service elsewhere, and its answer back."""

    def initialize(self, remotes: Remotes) -> None:
        self._remotes = remotes
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None

    def body_limit(self) -> int:
        return self.form_limits.size

    def take(self, chunk: bytes) -> None:
        self._body += chunk

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._task is not None:
            self._task.cancel()

    async def get(self, name: str) -> None:
        remote = self._remotes.services.get(name)
        if remote is None:
            known = ", ".join(self._remotes.services) or "none"
            raise HTTPError(404, f"there is no remote service '{name}'; this service knows: {known}")
        self._task = asyncio.ensure_future(self._pass_on(remote))
        try:
            await self._task
        except asyncio.CancelledError:
            return  # the client has gone
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            logger.info("the remote service %s failed: %s", name, type(error).__name__)
            if self._headers_written:
                self._break_off()
                return
            timed_out = isinstance(error, httpcore.TimeoutException)
            words = "gave no answer in time" if timed_out else "cannot be reached"
            raise HTTPError(504 if timed_out else 502, f"the remote service '{name}' {words}") from None

    head = post = put = delete = get

    def _break_off(self) -> None:
        """Close the connection: a part must not look like the whole."""
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.stream.close()

    async def _pass_on(self, remote: Remote) -> None:
        parts = urlsplit(remote.url)
        # as it came, with its percent signs: /remote/NAME/...
        path = "/".join(self.request.path.split("/")[3:])
        url = httpcore.URL(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port,
            target=remote.target(path, self.request.query),
        )
        headers = [(name, self.request.headers[name]) for name in _ASKED if name in self.request.headers]
        authorization = remote.authorization()
        headers += [("Authorization", authorization)] if authorization else []
        headers += [("Host", parts.netloc), ("User-Agent", "jupyter_uws"), ("Accept-Encoding", "identity")]
        if self.request.method in ("POST", "PUT"):
            headers.append(("Content-Length", str(len(self._body))))
        timeouts = {"connect": CONNECT_TIMEOUT, "read": SILENCE, "write": SILENCE, "pool": SILENCE}
        async with self._remotes.pool(remote).stream(
            self.request.method or "GET",
            url,
            headers=headers,
            content=bytes(self._body) or None,
            extensions={"timeout": timeouts},
        ) as answer:
            self._begin_answer(remote, answer)
            async for chunk in answer.aiter_stream():
                self.write(chunk)
                await self.flush()

    def _begin_answer(self, remote: Remote, answer: httpcore.Response) -> None:
        given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        if answer.status in (401, 407):  # passed on, it would make a browser ask for our own password
            raise HTTPError(502, f"the remote service '{remote.name}' does not take this service's credentials")
        self.set_status(answer.status)
        self.clear_header("Content-Type")
        for name in _ANSWERED:
            if name.lower() in given:
                self.set_header(name, given[name.lower()])
        if "location" in given:
            where = urljoin(f"{remote.url}/", given["location"])
            # behind a proxy that ends TLS a service may write http for https
            rest = _without_scheme(where).removeprefix(_without_scheme(remote.url))
            if rest == _without_scheme(where) or rest[:1] not in ("", "/", "?"):
                raise HTTPError(
                    502, f"the remote service '{remote.name}' sends on to {where[:200]}, which is not below its URL"
                )
            self.set_header("Location", f"{self.root}remote/{remote.name}{rest}")


def _without_scheme(url: str) -> str:
    return url.partition(":")[2]
