"""Pass one HTTP request on to the service, and its answer back, both as streams.

A small HTTP/1.1 client on a unix socket, one connection per request. Bodies are never
held: each side waits until the other has taken what it was given. It knows headers and
time limits, but nothing of UWS or TAP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tornado import httputil
from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.iostream import BaseIOStream, IOStream, SSLIOStream, StreamClosedError
from tornado.web import RequestHandler

from .launcher import ServiceError

logger = logging.getLogger(__name__)

#: They belong to one connection (RFC 9110, section 7.6.1), and are never passed on.
HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
#: What opens Jupyter (a Referer may hold its token) is not for the service; nor what Jupyter has dealt with already.
_NOT_FOR_SERVICE = HOP_BY_HOP | frozenset(
    ("authorization", "cookie", "expect", "host", "origin", "referer", "x-xsrftoken")
)
_OURS = ("x-uws-", "x-forwarded-")
_SECRET_ARGUMENTS = frozenset(("token", "_xsrf"))
#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OTHER_NAME = (62, 64)
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


@dataclass(frozen=True)
class Bounds:
    """How long [s] the relay waits.

    After `silence` without a word from the service (`long_poll` where the client asked to wait)
    its health is asked for; no answer within `probe` ends the request with 504. A healthy
    service may take `answer` until its response header.
    """

    silence: float = 10.0
    long_poll: float = 60.0
    probe: float = 5.0
    answer: float = 600.0


class Unanswered(ServiceError):
    """The service went away before the header of its answer."""

    def __init__(self) -> None:
        super().__init__("The UWS service ended while it was asked; its service.log tells more", status=502)


def tls_failure(error: ssl.SSLError) -> str:
    """Why there is no connection with TLS to the service, for whoever has to mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        names = error.verify_code in _OTHER_NAME
        what = "is for another host name" if names else "is not trusted"
        return f"The UWS service was not asked: its certificate {what} ({error.verify_message.rstrip('.')})"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"The UWS service was not asked: it does not speak TLS as this server does ({reason})"


def request_target(uri: str, prefix: str) -> str:
    """The service's path and query of a request to Jupyter: raw, without `prefix`, token and _xsrf.

    >>> request_target("/user/a%40b/jupyter-uws/tap/sync?LANG=ADQL&token=x", "/user/a%40b/jupyter-uws")
    '/tap/sync?LANG=ADQL'
    """
    path, _, query = uri.partition("?")
    arguments = [a for a in query.split("&") if a and unquote_plus(a.partition("=")[0]) not in _SECRET_ARGUMENTS]
    return (path[len(prefix) :] or "/") + ("?" + "&".join(arguments) if arguments else "")


def request_headers(request: httputil.HTTPServerRequest, root: str, opening: Mapping[str, str]) -> httputil.HTTPHeaders:
    """The headers that the service gets: the client's, without secrets, and those that are `opening` it.

    Raises `ServiceError` 411 for a chunked body where HTTP clients send none.
    """
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    headers = httputil.HTTPHeaders()
    for name, value in request.headers.get_all():
        low = name.lower()
        if low not in _NOT_FOR_SERVICE and low not in named and not low.startswith(_OURS):
            headers.add(name, value)
    if "Transfer-Encoding" in request.headers:
        if request.method not in _WITH_BODY:
            raise ServiceError(f"A {request.method} with a body needs a Content-Length", status=411)
        headers.pop("Content-Length", None)
    elif request.method in _WITH_BODY and "Content-Length" not in headers:
        headers["Content-Length"] = "0"
    headers["Host"] = "localhost"
    headers["Connection"] = "close"
    headers["X-UWS-Root"] = root
    for name, value in opening.items():
        headers[name] = value
    return headers


def is_patient(request: httputil.HTTPServerRequest) -> bool:
    """Whether long silence is what the client asked for: a UWS long poll, or server-sent events."""
    return "text/event-stream" in request.headers.get("Accept", "") or any(
        name.upper() == "WAIT" for name in request.query_arguments
    )


class _Upstream(BaseIOStream):
    """A connection on which writing never fails.

    The service may answer (404, 413) and close before it has read the body. A failed write
    would close our end too, and with it the answer that is still unread.
    """

    def write_to_fd(self, data: memoryview) -> int:
        try:
            return super().write_to_fd(data)
        except (BrokenPipeError, ConnectionResetError):
            return len(data)


class _Plain(_Upstream, IOStream):
    pass


class _TLS(_Upstream, SSLIOStream):
    pass


class Exchange(httputil.HTTPMessageDelegate):
    """One request on its way to the service, and the answer on its way to the handler's client.

    `begin`, then `send` for each piece of the body, then `conclude`; `close` at any time.
    `healthy` returns if the service answers at all, else raises `ServiceError`.
    """

    def __init__(
        self,
        handler: RequestHandler,
        upstream: socket.socket,
        bounds: Bounds,
        healthy: Callable[[], Awaitable[None]],
    ) -> None:
        self._handler = handler
        self._stream = _TLS(upstream) if isinstance(upstream, ssl.SSLSocket) else _Plain(upstream)
        self._bounds = bounds
        self._healthy = healthy
        self._may_wait = is_patient(handler.request)
        self._chunked = False
        self._body_sent = asyncio.Event()
        self._body_unwanted = asyncio.Event()  # the service has answered, or has gone
        self._answered = False  # the head of the answer is with the client
        self._complete = False
        self._client_gone = False
        self._client_is_slow = False
        self._failure: ServiceError | None = None
        self._heard = self._asked = time.monotonic()  # the last word of the service, the last one of the client

    def begin(self, target: str, headers: httputil.HTTPHeaders) -> None:
        """Send the request's head and start to listen for the answer."""
        method = self._handler.request.method or "GET"
        self._chunked = method in _WITH_BODY and "Content-Length" not in headers
        connection = HTTP1Connection(self._stream, True, HTTP1ConnectionParameters(max_body_size=sys.maxsize))
        # it adds "Transfer-Encoding: chunked" itself; not awaited, as a broken connection shows in the reading
        connection.write_headers(httputil.RequestStartLine(method, target, ""), headers)
        self._reading = asyncio.ensure_future(self._read(connection))

    async def send(self, chunk: bytes) -> None:
        """Pass a piece of the request's body on; returns when the service has taken it.

        When it has answered already, or has gone, the rest is dropped: most clients listen
        only after they have said everything.
        """
        await self._push(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    async def conclude(self) -> None:
        """End the request and see the answer through.

        Raises `Unanswered`, or `ServiceError` 504 where a silent service is not healthy, 502 where TLS fails. After
        the head of the answer nothing is raised any more: a broken answer breaks the client's
        connection, so that a part cannot look like the whole.
        """
        if self._chunked:
            await self._push(b"0\r\n\r\n")
        self._body_sent.set()
        self._asked = time.monotonic()
        if self._failure is None:
            await self._watch(self._reading)
        self._stream.close()
        await self._reading
        if self._complete or self._client_gone:
            return
        if self._answered:
            logger.warning("%s %s: the answer broke off", self._handler.request.method, self._handler.request.path)
            _close_client(self._handler)
        elif isinstance(self._stream.error, ssl.SSLError):
            raise ServiceError(tls_failure(self._stream.error), status=502)
        else:
            raise self._failure or Unanswered()

    def close(self) -> None:
        """The client has gone: so does the connection to the service."""
        self._client_gone = True
        self._body_sent.set()
        self._stream.close()

    async def _push(self, data: bytes) -> None:
        if self._body_unwanted.is_set() or self._failure:
            return
        written = asyncio.ensure_future(self._write(data))
        unwanted = asyncio.ensure_future(self._body_unwanted.wait())
        await self._watch(written, unwanted)
        unwanted.cancel()

    async def _write(self, data: bytes) -> None:
        with contextlib.suppress(StreamClosedError):
            await self._stream.write(data)
        self._heard = time.monotonic()

    async def _read(self, connection: HTTP1Connection) -> None:
        with contextlib.suppress(StreamClosedError):
            await connection.read_response(self)
        self._body_unwanted.set()
        self._stream.close()

    async def _watch(self, *waited: asyncio.Future[Any]) -> None:
        """Until one is done. Whenever the service is silent for too long its health is asked for."""
        patience = self._bounds.long_poll if self._may_wait else self._bounds.silence
        while True:
            done, _ = await asyncio.wait(waited, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            now = time.monotonic()
            if self._client_is_slow or now - self._heard < patience:
                continue
            try:
                await self._healthy()
                if not (self._answered or self._may_wait) and now - self._asked > self._bounds.answer:
                    raise ServiceError(f"The UWS service gave no answer within {self._bounds.answer:g} s", status=504)
            except ServiceError as error:
                self._failure = error
                self._stream.close()
                return

    # What HTTP1Connection calls while it reads the answer

    async def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        assert isinstance(start_line, httputil.ResponseStartLine)  # noqa: S101
        if start_line.code < 200:
            return
        self._body_unwanted.set()
        await self._body_sent.wait()
        if self._client_gone:
            return
        self._answered = True
        copy_answer_head(self._handler, start_line, headers)
        await self._pass_on(None)  # at once: an event stream may say nothing more for long

    async def data_received(self, chunk: bytes) -> None:
        await self._pass_on(chunk)

    def finish(self) -> None:
        self._complete = True
        self._stream.close()

    async def _pass_on(self, chunk: bytes | None) -> None:
        self._client_is_slow = True
        try:
            if chunk:
                self._handler.write(chunk)
            await self._handler.flush()
        except StreamClosedError:
            self.close()
        finally:
            self._client_is_slow = False
            self._heard = time.monotonic()


def copy_answer_head(
    handler: RequestHandler, start_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders
) -> None:
    """Set the handler's status and headers from the service's.

    What Jupyter sets by default stays where the service says nothing. Every answer is
    sandboxed unless the service itself sets a policy: a page or picture that a job made
    would otherwise run as Jupyter, with the user's rights.
    """
    handler.set_status(start_line.code, start_line.reason)
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    handler.clear_header("Content-Type")
    handler.set_header("Content-Security-Policy", "sandbox")
    handler.set_header("X-Content-Type-Options", "nosniff")
    seen: set[str] = set()
    for name, value in headers.get_all():
        low = name.lower()
        # a cookie from here would be one of Jupyter's
        if low in HOP_BY_HOP or low in named or low == "set-cookie":
            continue
        if low in seen:
            handler.add_header(name, value)
        else:
            handler.set_header(name, value)
            seen.add(low)


def _close_client(handler: RequestHandler) -> None:
    connection = handler.request.connection
    if isinstance(connection, HTTP1Connection):
        connection.stream.close()
