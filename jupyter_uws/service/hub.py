"""A service of JupyterHub: the Hub tells who calls, by their tokens, and by cookies after a log-in with OAuth.

The router stands before the application. It asks the Hub before a handler is chosen, and takes the service's prefix
off the path: all handlers are the same with a Hub and without one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine
from tornado.routing import Router
from tornado.web import Application, HTTPError, RequestHandler

from ..credentials import credential, wants_page
from .callers import Caller, stated_root
from .hub_settings import HubError, HubSettings

logger = logging.getLogger(__name__)

#: How many answers of the Hub are kept.
CACHE_SIZE = 10_000
User = dict[str, Any]


class Users:
    """Users by their tokens, as the Hub knows them; its answers are kept for ``keep`` seconds, ``size`` of them."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[User | None]],
        keep: float,
        size: int = CACHE_SIZE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._keep, self._size, self._clock = ask, keep, size, clock
        self._known: OrderedDict[bytes, tuple[float, asyncio.Task[User | None]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def find(self, token: str) -> User | None:
        """The user whose token this is; None for nobody's. All who ask meanwhile share one question to the Hub."""
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        now = self._clock()
        since, asking = self._known.get(key, (0.0, None))
        if asking is None or now - since >= self._keep:
            asking = asyncio.ensure_future(self._asked(token))
            self._known[key] = (now, asking)
            self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        try:
            return await asyncio.shield(asking)
        except HTTPError:
            self._known.pop(key, None)  # the Hub did not answer: nothing is known
            raise HTTPError(503, "the Hub cannot be asked who calls; try again in a moment") from None

    async def _asked(self, token: str) -> User | None:
        return await self._ask(token)


class _Page(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """What JupyterHub's own code takes for a handler: it reads cookies from it, and sets them."""

    def initialize(self, auth: HubOAuth) -> None:
        self.hub_auth = auth

    def on_finish(self) -> None:
        logger.debug("%d %s", self.get_status(), self.request.path)


class LoginHandler(_Page):
    """Send a browser to the Hub, which sends it back to where it was going."""

    def get(self) -> None:
        self.redirect(self.get_login_url())


class CallbackHandler(HubOAuthCallbackHandler):  # type: ignore[misc]
    """Where the Hub sends a browser back to."""

    def initialize(self, auth: HubOAuth) -> None:
        self.hub_auth = auth

    async def prepare(self) -> None:
        # asked here, and not by current_user, which would hold the event loop
        self.current_user = await self.hub_auth.get_user(self, sync=False)


class Hub:
    """Asks the Hub who calls. Takes the Hub's token out of the environment, so that no job inherits it."""

    def __init__(self, settings: HubSettings, cookie_secret: bytes, public_url: str | None) -> None:
        self.settings = settings
        self.auth = HubOAuth(base_url=settings.prefix, allow_token_in_url=False)
        if not (self.auth.api_token and self.auth.oauth_client_id and self.auth.access_scopes):
            raise HubError("the Hub gave this service no token, OAuth client or scopes")
        os.environ.pop("JUPYTERHUB_API_TOKEN", None)
        self.public_url = public_url or os.environ.get("JUPYTERHUB_PUBLIC_URL")
        self._users = Users(lambda token: self.auth.user_for_token(token, use_cache=False, sync=False), settings.keep)
        own: dict[str, Any] = {"auth": self.auth}
        self.pages = Application(
            [(settings.prefix + "oauth_callback", CallbackHandler, own), (".*", LoginHandler, own)],
            cookie_secret=cookie_secret,
            log_function=lambda handler: None,  # its addresses hold codes
        )
        self._own = own

    async def identify(self, request: HTTPServerRequest) -> Caller | None:
        """Who calls; None for nobody the Hub knows. Raises HTTPError 403 for users who may not, 503 without the Hub."""
        headers = request.headers
        token = credential(headers)
        if token:
            return self._caller(await self._users.find(token), stated_root(headers))
        if "Authorization" in headers or "Cookie" not in headers:
            return None
        page = _Page(self.pages, request, **self._own)
        cookie = self.auth.get_token(page)
        user = await self._users.find(cookie) if cookie else None
        if user is not None:
            self.auth.check_xsrf_cookie(page)
        return self._caller(user, None)

    def _caller(self, user: User | None, root: str | None) -> Caller | None:
        if user is None:
            return None
        if user.get("kind", "user") != "user":
            raise HTTPError(403, "jobs and files belong to users, and this token is of another service of the Hub")
        if not self.auth.check_scopes(self.auth.access_scopes, user):
            needed = " or ".join(sorted(self.auth.access_scopes))
            raise HTTPError(403, f"this token, or its user, may not use the service: it lacks the scope {needed}")
        is_admin = not self.settings.admin_groups.isdisjoint(user.get("groups") or ())
        return Caller(str(user["name"]), root, is_admin=is_admin)

    def root(self, request: HTTPServerRequest) -> str:
        """The service's root as this client sees it."""
        if self.public_url:
            return self.public_url.rstrip("/") + "/"
        return f"{request.protocol}://{request.host}{self.settings.prefix}"


class HubRouter(Router):
    """Every request below the prefix goes through a gate; others (of the relay's socket, of probes) as they are."""

    def __init__(self, application: Application, hub: Hub) -> None:
        self.application = application
        self.hub = hub

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        prefix = self.hub.settings.prefix
        if not (request.path + "/").startswith(prefix):
            return self.application.find_handler(request)
        if request.path == prefix + "oauth_callback":
            return self.hub.pages.find_handler(request)
        return _Gate(self, request)


class _Gate(HTTPMessageDelegate):
    """One request: the Hub is asked, then a handler chosen, which gets all that comes."""

    def __init__(self, router: HubRouter, request: HTTPServerRequest) -> None:
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
        request, hub = self._request, self._router.hub
        caller: Caller | HTTPError | None
        try:
            caller = await hub.identify(request)
        except HTTPError as error:
            caller = error
        if caller is None and wants_page(request):
            page = hub.pages.find_handler(request)
            assert page is not None  # noqa: S101 (it has a handler for all)
            return page
        request.caller = caller  # type: ignore[attr-defined]
        request.root = hub.root(request)  # type: ignore[attr-defined]
        length = len(hub.settings.prefix) - 1
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
