"""A service for many users, which others started: connections to its URL, with the user's own token.

It takes the place of the launcher where a site's Jupyter servers relay to a shared service.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient

from .credentials import secret_of_file
from .launcher import ServiceError, WebsocketAddress

#: How long [s] a connection may take.
PATIENCE = 10.0


def hub_token() -> str | None:
    """The token of this single-user server, which JupyterHub gives it."""
    return os.environ.get("JUPYTERHUB_API_TOKEN")


def file_token(path: str) -> Callable[[], str | None]:
    """The token in a file, read anew each time. Raises `ServiceError` where others could read it, too."""

    def read() -> str | None:
        try:
            return secret_of_file(Path(path))
        except ValueError as error:
            raise ServiceError(f"The token file {path} {error}") from None

    return read


def checked_url(url: str) -> str:
    """The URL with its last slash. Raises ValueError that says what is allowed."""
    parts = urlsplit(url)
    if not re.fullmatch(r"https?", parts.scheme) or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ValueError(f"{url!r} is not a service's URL, such as https://hub.example.org/services/uws/")
    return url.rstrip("/") + "/"


@dataclass
class SharedService:
    """`url` is the service's root, with its last slash; `token` gives the user's token."""

    url: str
    token: Callable[[], str | None] = hub_token
    _context: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    @property
    def path(self) -> str:
        """What goes before the target of each request."""
        return urlsplit(self.url).path.rstrip("/")

    def opening(self) -> dict[str, str]:
        """The headers that open it. Raises `ServiceError` where this server has no token."""
        token = self.token()
        if not token:
            raise ServiceError(f"This Jupyter server has no token for the shared UWS service {self.url}")
        return {"Host": urlsplit(self.url).netloc, "Authorization": f"Bearer {token}"}

    async def connect(self) -> socket.socket:
        """A new connection. Raises `ServiceError`, whose message is for the user."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._connect(str(parts.hostname), port, secure)
        except (OSError, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or "no answer in time"
            raise ServiceError(f"The shared UWS service {self.url} cannot be reached: {reason}") from error

    def websockets(self) -> WebsocketAddress:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return WebsocketAddress(f"wss://{parts.netloc}", context=self._context)
        return WebsocketAddress(f"ws://{parts.netloc}")

    async def _connect(self, host: str, port: int, secure: bool) -> socket.socket:
        loop = asyncio.get_running_loop()
        failure: OSError = OSError(0, "its name has no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, address)
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                if secure:
                    return self._context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
                return sock
        raise failure

    def doubt(self) -> None:
        """A connection broke; the next one is new in any case."""

    async def check(self, timeout: float) -> None:
        """Return if it answers, else raise `ServiceError`."""
        options: Any = {"connect_timeout": timeout, "request_timeout": timeout, "raise_error": False}
        try:
            answer = await AsyncHTTPClient().fetch(f"{self.url}health/live", follow_redirects=False, **options)
        except (OSError, ValueError) as error:
            raise ServiceError(f"The shared UWS service {self.url} does not answer: {error}", status=504) from None
        if answer.code != 200:
            raise ServiceError(f"The shared UWS service {self.url} answers {answer.code}", status=504)
