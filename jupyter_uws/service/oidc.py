"""Users of an OpenID Connect provider: programs by their tokens, browsers by a cookie after a log-in there.

Browsers take the authorization code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636). What they are
sent away with stays in a signed cookie, one for each log-in; who comes back is remembered here, by the digest of a
cookie, until the session's end or a log-out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from ..credentials import credential
from .callers import Caller, stated_root
from .oidc_provider import Provider
from .oidc_settings import Claims, OIDCSettings

COOKIE, XSRF_COOKIE, LOGIN_COOKIE = "uws-session", "uws-xsrf", "uws-login-"
#: How long somebody may take to log in [s], and how many can be logged in.
LOGIN_TIME = 600
SESSIONS = 10_000
#: Longer addresses are forgotten during a log-in: a cookie takes 4096 bytes.
LONGEST = 2000
_STATE = re.compile(r"[\w-]{20,40}")
_READING = ("GET", "HEAD", "OPTIONS")


class Sessions:
    """Who has logged in, by the digest of the cookie; the oldest go first when there are too many."""

    def __init__(self, lifetime: float, size: int = SESSIONS, clock: Callable[[], float] = time.monotonic) -> None:
        self.lifetime, self._size, self._clock = lifetime, size, clock
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, caller: Caller) -> str:
        """The new session's cookie."""
        cookie = secrets.token_urlsafe(32)
        self._known[_digest(cookie)] = (self._clock() + self.lifetime, caller)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Caller | None:
        end, caller = self._known.get(_digest(cookie), (0.0, None))
        if caller is None or self._clock() < end:
            return caller
        self.end(cookie)
        return None

    def end(self, cookie: str) -> None:
        self._known.pop(_digest(cookie), None)


class OIDC:
    """The authenticator of :mod:`.gate` that asks a provider."""

    prefix = "/"
    own_paths = frozenset({"/oauth_callback", "/logout"})

    def __init__(self, settings: OIDCSettings, cookie_secret: bytes, public_url: str | None) -> None:
        self.settings = settings
        self.provider = Provider(settings)
        self.sessions = Sessions(settings.session)
        self._secret = cookie_secret
        self._public_url = public_url
        own = {"oidc": self}
        self.pages = Application(
            [(r"/oauth_callback", CallbackHandler, own), (r"/logout", LogoutHandler, own), (".*", LoginHandler, own)],
            cookie_secret=cookie_secret,
            log_function=lambda handler: None,  # its addresses hold codes
        )

    async def identify(self, request: HTTPServerRequest) -> Caller | None:
        """Who calls; None for nobody the provider knows, but maybe the service itself (tokens of its own)."""
        token = credential(request.headers)
        if token.count(".") == 2:
            claims = await self.provider.verify(token, self.settings.audiences)
            return self.settings.caller(await self.provider.complete(claims, token), stated_root(request.headers))
        if "Authorization" in request.headers or "X-UWS-Secret" in request.headers:
            return None
        return self.of_cookie(request)

    def of_cookie(self, request: HTTPServerRequest) -> Caller | None:
        """Who has logged in. Raises HTTPError 403 where a page of others may have sent the request."""
        cookie = session_cookie(request)
        caller = self.sessions.find(cookie)
        if caller is not None:
            self._check_origin(request, cookie)
        return caller

    def xsrf(self, cookie: str) -> str:
        """What only a page of this origin can read, and sends along with what it changes."""
        return hmac.new(self._secret, b"xsrf " + cookie.encode(), hashlib.sha256).hexdigest()

    def _check_origin(self, request: HTTPServerRequest, cookie: str) -> None:
        headers = request.headers
        if request.method in _READING:
            site, mode = headers.get("Sec-Fetch-Site", "none"), headers.get("Sec-Fetch-Mode", "navigate")
            if site not in ("none", "same-origin") and mode != "navigate":
                raise HTTPError(403, "a page of another site may not read with this user's cookie")
        elif not _same(headers.get("X-XSRFToken", ""), self.xsrf(cookie)):
            raise HTTPError(403, f"a cookie only reads; to change things send X-XSRFToken, the cookie '{XSRF_COOKIE}'")

    def root(self, request: HTTPServerRequest) -> str:
        return self._public_url or f"{request.protocol}://{request.host}/"

    async def log_in(self, tokens: Claims, nonce: str) -> Caller:
        """Whose tokens these are, which a code was exchanged for. Raises HTTPError."""
        client = self.settings.client_id
        claims = await self.provider.verify(str(tokens.get("id_token")), {client})
        if not _same(str(claims.get("nonce")), nonce) or claims.get("azp", client) != client:
            raise HTTPError(403, "the provider answers another log-in than this; begin again")
        return self.settings.caller(await self.provider.complete(claims, str(tokens.get("access_token"))))


class _Page(RequestHandler):
    """A page for a person's browser, one sentence where something is wrong."""

    def initialize(self, oidc: OIDC) -> None:
        self.oidc = oidc
        self.root = oidc.root(self.request)
        # not of a client's making: other sites cannot read, nor send with a POST
        self.kept: dict[str, Any] = {
            "path": urlsplit(self.root).path or "/",
            "secure": self.root.startswith("https:"),
            "samesite": "Lax",
        }

    def set_default_headers(self) -> None:
        self.set_header("Server", "jupyter_uws")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        message = (
            error.get_message() if isinstance(error, HTTPError) else "the log-in failed; the service's log tells more"
        )
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{message}\n")

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Only what is our fault, and without the address."""
        if not isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)

    def _request_summary(self) -> str:
        return f"{self.request.method} {self.request.path}"


class LoginHandler(_Page):
    """Send a browser to the provider, which sends it back to where it was going."""

    async def get(self) -> None:
        endpoint = str(await self.oidc.provider.endpoint("authorization_endpoint"))
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (16, 16, 48))
        there = (self.request.uri or "").lstrip("/")
        away = json.dumps({"nonce": nonce, "verifier": verifier, "next": there if len(there) < LONGEST else ""})
        self.set_signed_cookie(
            LOGIN_COOKIE + state, away, expires_days=None, max_age=LOGIN_TIME, httponly=True, **self.kept
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.oidc.settings.client_id,
            "redirect_uri": f"{self.root}oauth_callback",
            "scope": " ".join(self.oidc.settings.scopes),
            **{"state": state, "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256"},
        }
        self.redirect(endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked))


class CallbackHandler(_Page):
    """Where the provider sends a browser back to."""

    async def get(self) -> None:
        state = self.get_query_argument("state", "")
        kept = None
        if _STATE.fullmatch(state):
            kept = self.get_signed_cookie(LOGIN_COOKIE + state, max_age_days=LOGIN_TIME / 86400)
        if kept is None:
            raise HTTPError(403, "this browser began no such log-in, or too long ago; begin again")
        self.clear_cookie(LOGIN_COOKIE + state, path=self.kept["path"])
        # RFC 9207: an answer of another provider
        if self.get_query_argument("iss", self.oidc.settings.issuer) != self.oidc.settings.issuer:
            raise HTTPError(403, "this is the answer of another provider")
        code = self.get_query_argument("code", "")
        if not code:
            error = self.get_query_argument("error", "it gave no code")
            raise HTTPError(403, f"the OpenID Connect provider refuses this log-in: {error[:100]!r}")
        away = json.loads(kept)
        tokens = await self.oidc.provider.exchange(code, away["verifier"], f"{self.root}oauth_callback")
        cookie = self.oidc.sessions.begin(await self.oidc.log_in(tokens, away["nonce"]))
        kept_for = int(self.oidc.sessions.lifetime)
        self.set_cookie(COOKIE, cookie, max_age=kept_for, httponly=True, **self.kept)
        self.set_cookie(XSRF_COOKIE, self.oidc.xsrf(cookie), max_age=kept_for, **self.kept)
        self.redirect(self.root + away["next"])


class LogoutHandler(_Page):
    """GET: a button; POST, by that button: the end of the session, here and at the provider."""

    def get(self) -> None:
        caller = self.oidc.of_cookie(self.request)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        if caller is None:
            self.write(_SAID.format("Nobody is logged in."))
            return
        xsrf = self.oidc.xsrf(session_cookie(self.request))
        self.write(_SAID.format(_LOGOUT.format(owner=html.escape(caller.owner), xsrf=xsrf)))

    async def post(self) -> None:
        cookie = session_cookie(self.request)
        if not _same(self.get_body_argument("_xsrf", ""), self.oidc.xsrf(cookie)):
            raise HTTPError(403, "log out by the button of this page")
        self.oidc.sessions.end(cookie)
        for name in (COOKIE, XSRF_COOKIE):
            self.clear_cookie(name, path=self.kept["path"])
        endpoint = await self.oidc.provider.endpoint("end_session_endpoint")
        if endpoint is None:
            self.set_header("Content-Type", "text/html; charset=UTF-8")
            self.write(_SAID.format("You are logged out here; the provider still knows you."))
            return
        # no id_token_hint: a token is not for addresses. The provider asks the user instead
        query = urlencode({"client_id": self.oidc.settings.client_id})
        self.redirect(endpoint + ("&" if "?" in endpoint else "?") + query, status=303)


_SAID = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>jupyter_uws</title><p>{}</p></html>\n'
_LOGOUT = (
    'You are logged in as {owner}.</p><form method="post"><input type="hidden" name="_xsrf" value="{xsrf}">'
    "<button>Log out</button></form><p>"
)


def session_cookie(request: HTTPServerRequest) -> str:
    found = request.cookies.get(COOKIE)
    return found.value if found else ""


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
