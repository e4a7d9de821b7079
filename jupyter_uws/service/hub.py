"""A service of JupyterHub: the Hub tells who calls, by their tokens, and by cookies after a log-in with OAuth.

What stands before the application (:mod:`.gate`) asks it who calls.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from ..credentials import credential
from .callers import Caller, stated_root
from .hub_settings import HubError, HubSettings
from .users import User, Users

logger = logging.getLogger(__name__)


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
        self.prefix = settings.prefix
        self.own_paths = frozenset({settings.prefix + "oauth_callback"})
        self.auth = HubOAuth(base_url=settings.prefix, allow_token_in_url=False)
        if not (self.auth.api_token and self.auth.oauth_client_id and self.auth.access_scopes):
            raise HubError("the Hub gave this service no token, OAuth client or scopes")
        os.environ.pop("JUPYTERHUB_API_TOKEN", None)
        self.public_url = public_url or os.environ.get("JUPYTERHUB_PUBLIC_URL")
        self._users = Users(
            lambda token: self.auth.user_for_token(token, use_cache=False, sync=False), settings.keep, "the Hub"
        )
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
