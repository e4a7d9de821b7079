"""What stands before the application where somebody else says who calls: JupyterHub, or an OpenID Connect provider.

It is asked before a handler is chosen, and the prefix is taken off the path: all handlers are the same with it and
without it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.routing import Router
from tornado.web import Application, HTTPError

from ..credentials import wants_page
from .callers import Caller


class Authenticator(Protocol):
    """Says who calls below ``prefix``, a path with slashes at both ends.

    ``pages`` answer at the addresses of ``own_paths``; at any other they send a browser to where one logs in, and from
    there back to where it was going.
    """

    prefix: str
    pages: Application
    own_paths: frozenset[str]

    async def identify(self, request: HTTPServerRequest) -> Caller | None:
        """Who calls; None for nobody it knows. Raises HTTPError 401 or 403 for who may not, 503 where it cannot say."""

    def root(self, request: HTTPServerRequest) -> str:
        """The service's root as this client sees it."""


class GateRouter(Router):
    """Every request below the prefix goes through a gate; others (of the relay's socket, of probes) as they are."""

    def __init__(self, application: Application, authenticator: Authenticator) -> None:
        self.application = application
        self.authenticator = authenticator

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        if not (request.path + "/").startswith(self.authenticator.prefix):
            return self.application.find_handler(request)
        if request.path in self.authenticator.own_paths:
            return self.authenticator.pages.find_handler(request)
        return _Gate(self, request)


class _Gate(HTTPMessageDelegate):
    """One request: it is asked who calls, then a handler chosen, which gets all that comes."""

    def __init__(self, router: GateRouter, request: HTTPServerRequest) -> None:
        self._router = router
        self._request = request
        self._inner: HTTPMessageDelegate | None = None
        self._gone = False

    async def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        self._inner = await self._choose()
        if self._gone:
            return
        started = self._inner.headers_received(start_line, headers)
        if started is not None:
            await started

    async def _choose(self) -> HTTPMessageDelegate:
        request, authenticator = self._request, self._router.authenticator
        caller: Caller | HTTPError | None
        try:
            caller = await authenticator.identify(request)
        except HTTPError as error:
            caller = error
        if caller is None and wants_page(request):
            return authenticator.pages.find_handler(request)
        if caller is not None:
            request.caller = caller  # type: ignore[attr-defined]
        request.root = authenticator.root(request)  # type: ignore[attr-defined]
        length = len(authenticator.prefix) - 1
        request.path = request.path[length:] or "/"
        request.uri = (request.uri or "")[length:] or "/"
        return self._router.application.find_handler(request)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk) if self._inner else None

    def finish(self) -> None:
        if self._inner:
            self._inner.finish()

    def on_connection_close(self) -> None:
        self._gone = True
        if self._inner:
            self._inner.on_connection_close()
