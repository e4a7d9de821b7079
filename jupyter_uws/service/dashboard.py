"""Dask's dashboard below ``/dashboard/``, for the one who runs the service."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from ..execution.dashboard import Dashboard, DashboardError, Pages
from ..forms import FormLimits
from .callers import Access
from .handlers import NotFoundHandler, ServiceHandler, log_request

MOUNT = "/dashboard"
START = "status"

#: Bokeh makes its plots by scripts in the page and by functions from texts; all it needs comes from here.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class OwnerOnly(RequestHandler):
    """Mixed in between :class:`ServiceHandler`, which finds out who calls, and a handler of Dask's."""

    owner: str
    root: str
    is_admin: bool
    by_relay: bool

    def initialize(self, **arguments: Any) -> None:
        super().initialize(**arguments)
        self._own = dict(vars(self))

    def prepare(self) -> Awaitable[None] | None:
        """Refuse everybody but the user whose service it is, as the relay names him, and administrators."""
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(405, f"{self.request.method} is not possible here, allowed are: GET, HEAD")
        access: Access = self.settings["access"]
        if not (self.is_admin or (self.by_relay and self.owner == access.owner)):
            raise HTTPError(403, "only the user who runs the service and administrators see Dask's dashboard")
        self.set_header("Content-Security-Policy", POLICY)
        if "root" in self._own:  # of StaticFileHandler: another one than ServiceHandler's
            self.root = self._own["root"]
        return super().prepare()


class OwnersSocket(OwnerOnly, WebSocketHandler):
    """The same for a websocket: whoever has one open looks at the pages, and uses the service."""

    _leave: Callable[[], None]

    async def get(self, *args: Any, **kwargs: Any) -> None:
        pages: Pages = self.settings["pages"]
        pages.enter(self)
        try:
            await super().get(*args, **kwargs)  # until it is closed
        finally:
            pages.leave(self)
            self._leave()


@cache
def guarded(handler: type[RequestHandler]) -> type[RequestHandler]:
    """A handler of Dask's or Bokeh's that asks who calls, and counts as use of the service."""
    guard = OwnersSocket if issubclass(handler, WebSocketHandler) else OwnerOnly
    return type(handler.__name__, (ServiceHandler, guard, handler), {})


class OpenHandler(RequestHandler):
    """The first request makes the pages and asks again."""

    root: str

    def initialize(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def get(self) -> None:
        try:
            await self._dashboard.open()
        except DashboardError as error:
            raise HTTPError(error.status, str(error)) from None
        path = self.request.path.removeprefix(MOUNT).lstrip("/") or START
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.root}{MOUNT[1:]}/{path}{query}")

    head = get


class DashboardRoutes(Router):
    """All of Dask's pages, each handler guarded on its way out: no page can be forgotten."""

    def __init__(self, dashboard: Dashboard, access: Access, form_limits: FormLimits) -> None:
        self._dashboard = dashboard
        self._settings: dict[str, Any] = {"access": access, "form_limits": form_limits, "log_function": log_request}
        self._own = Application([], default_handler_class=NotFoundHandler, **self._settings)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        path = request.path.removeprefix(MOUNT)
        pages = self._dashboard.pages()
        if pages is None or path in ("", "/"):
            return self._own.get_handler_delegate(request, guarded(OpenHandler), {"dashboard": self._dashboard})
        self._settle(pages)
        there = copy.copy(request)
        there.path = path
        found = pages.application.find_handler(there)
        application: Application = found.application
        return application.get_handler_delegate(
            request, guarded(found.handler_class), found.handler_kwargs, found.path_args, found.path_kwargs
        )

    def _settle(self, pages: Pages) -> None:
        for application in (pages.application, *pages.application.applications):
            application.settings.update(self._settings, pages=pages)
