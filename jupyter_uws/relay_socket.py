"""Pass one websocket on to the service: frames both ways, as fast as the slower side takes them.

The service's side is opened first, so its refusal is still an answer of HTTP to the client. It knows
headers, sizes and how to close, but nothing of what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

from tornado.httpclient import HTTPError as ClientError
from tornado.httpclient import HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.netutil import Resolver
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    websocket_connect,
)

from .launcher import ServiceError, WebsocketAddress
from .relay import tls_failure

#: The longest message, either way [bytes]: as much as Bokeh's server takes.
MESSAGE_LIMIT = 20 * 2**20
#: How long the service may take to accept a websocket [s].
ACCEPT_TIMEOUT = 20.0
#: How often the service is pinged [s]; it has as long to answer. Jupyter does the same with the client.
PING_INTERVAL = 60.0
#: What a peer may not send as the reason for its end (RFC 6455, section 7.4.1).
_UNSENDABLE = frozenset((None, 1004, 1005, 1006, 1015))


class _UnixResolver(Resolver):
    """Every host is the service's socket."""

    def initialize(self, path: Path) -> None:
        self._path = path

    async def resolve(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, str(self._path))]


async def connect(
    where: WebsocketAddress, target: str, headers: HTTPHeaders, protocols: list[str]
) -> WebSocketClientConnection:
    """Open a websocket to the service, offering the client's subprotocols.

    Raises ServiceError, with the status of the service's own refusal where there is one.
    """
    for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
        del headers[name]  # those of the client's own handshake
    request = HTTPRequest(
        where.url + target,
        headers=headers,
        connect_timeout=ACCEPT_TIMEOUT,
        request_timeout=ACCEPT_TIMEOUT,
        ssl_options=where.context,
    )
    try:
        return await websocket_connect(
            request,
            ping_interval=PING_INTERVAL,
            max_message_size=MESSAGE_LIMIT,
            subprotocols=protocols or None,
            resolver=_UnixResolver(path=where.path) if where.path else None,
        )
    except ClientError as error:
        if error.code == 599:  # tornado's own, for a time limit
            raise ServiceError(f"The UWS service did not accept within {ACCEPT_TIMEOUT:g} s", status=504) from error
        raise ServiceError(f"The UWS service refused the websocket: {error.message}", status=error.code) from error
    except (WebSocketError, StreamClosedError, OSError) as error:
        cause = error.real_error if isinstance(error, StreamClosedError) else error
        if isinstance(cause, ssl.SSLError):
            raise ServiceError(tls_failure(cause), status=502) from error
        raise ServiceError("The UWS service does not accept the websocket", status=502) from error


class SocketRelay(WebSocketHandler):
    """Mixed into a handler that says who may come, and how the service is reached: :meth:`upstream`."""

    _upstream: WebSocketClientConnection | None = None
    _pumping: asyncio.Task[None] | None = None

    async def upstream(self, protocols: list[str]) -> WebSocketClientConnection:
        """Open the service's side. Raises tornado's HTTPError."""
        raise NotImplementedError

    @property
    def max_message_size(self) -> int:
        return MESSAGE_LIMIT

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """See the websocket through; returns when both sides are closed."""
        asked = self.request.headers.get("Upgrade", "").lower() == "websocket"
        origin = self.request.headers.get("Origin")
        if not asked or not (origin is None or self.check_origin(origin)):
            await super().get(*args, **kwargs)  # which refuses it, and the service hears nothing of it
            return
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        self._upstream = await self.upstream([name.strip() for name in offered.split(",") if name.strip()])
        try:
            await super().get(*args, **kwargs)
        finally:
            self._upstream.close(_sendable(self.close_code), self.close_reason)
            if self._pumping is not None:
                self._pumping.cancel()
                await asyncio.wait([self._pumping])

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return self._upstream.selected_subprotocol if self._upstream else None

    def open(self, *args: str, **kwargs: str) -> None:
        self._pumping = asyncio.ensure_future(self._pump())

    async def on_message(self, message: str | bytes) -> None:
        """The next one is read when the service has taken this one."""
        assert self._upstream is not None  # noqa: S101
        with contextlib.suppress(WebSocketClosedError):  # the other direction hears of it, with the reason
            await self._upstream.write_message(message, binary=isinstance(message, bytes))

    async def _pump(self) -> None:
        """From the service to the client, until either has closed."""
        assert self._upstream is not None  # noqa: S101
        with contextlib.suppress(WebSocketClosedError):
            while (message := await self._upstream.read_message()) is not None:
                await self.write_message(message, binary=isinstance(message, bytes))
        self.close(_sendable(self._upstream.close_code), self._upstream.close_reason)


def _sendable(code: int | None) -> int:
    """A code of one side as the other may be told it; "going away" where there is none."""
    return 1001 if code is None or code in _UNSENDABLE else code
