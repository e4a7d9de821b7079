"""Who calls: by the relay's secret, the service's token, one of ``jupyter uws token``, or as others say."""

from __future__ import annotations

import getpass
import hmac
import os
import time
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import HTTPError

from ..credentials import ROOT_URL, credential
from .tokens import TokenStore


def local_user() -> str:
    """The owner of what is done with the service's own token: the user it runs for."""
    return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()


@dataclass(frozen=True)
class Caller:
    """Who calls. ``root`` is the URL above ``uws/`` as the caller sees it, where that is not the service's own.

    ``by_relay`` and ``by_token`` say that it is whoever runs the service, by the relay's secret or the service's token.
    """

    owner: str
    root: str | None = None
    is_admin: bool = False
    by_relay: bool = False
    by_token: bool = False


@dataclass
class Access:
    """The secrets that open the service, and when it was last used.

    ``secret`` is the relay's: whoever sends it also tells the owner and the root URL. ``token`` is that of the user
    who runs it; None where the service listens on its socket alone. ``tokens`` are those of other users. ``admins``
    are owners who see and may stop the jobs of all. ``public_url`` is the service's root where a reverse proxy stands
    before its port. ``origins`` are those of other pages whose scripts may call (CORS). ``root`` is where the
    owner's own Jupyter offers the service, once it has asked. ``last_use`` is on the monotonic clock, in seconds.
    """

    secret: str
    token: str | None
    admins: frozenset[str] = frozenset()
    public_url: str | None = None
    origins: frozenset[str] = frozenset()
    tokens: TokenStore | None = None
    owner: str = field(default_factory=local_user)
    root: str | None = None
    requests: int = 0
    last_use: float = field(default_factory=time.monotonic)

    def enter(self) -> None:
        self.requests += 1
        self.last_use = time.monotonic()

    def leave(self) -> None:
        self.requests -= 1
        self.last_use = time.monotonic()

    def idle_seconds(self) -> float:
        """How long nobody has asked for anything; 0 while a request is open."""
        return 0.0 if self.requests else time.monotonic() - self.last_use

    def identify(self, request: HTTPServerRequest) -> Caller | None:
        """Who sends the request; None where it does not say. Raises HTTPError where it says what is not so."""
        headers = request.headers
        if _same(headers.get("X-UWS-Secret", ""), self.secret):
            return self._by_relay(headers)
        found: Caller | HTTPError | None = getattr(request, "caller", None)  # as the Hub, or a provider, has said
        if isinstance(found, HTTPError):
            raise found
        if found is not None:
            return replace(found, is_admin=found.is_admin or found.owner in self.admins)
        token = credential(headers)
        if _same(token, self.token):
            return Caller(self.owner, stated_root(headers), is_admin=self.owner in self.admins, by_token=True)
        if token and self.tokens is not None and (owner := self.tokens.owner(token)):
            return Caller(owner, stated_root(headers), is_admin=owner in self.admins)
        if "Authorization" in headers or "X-UWS-Secret" in headers:
            raise HTTPError(401, NO_TOKEN)
        return None

    def _by_relay(self, headers: HTTPHeaders) -> Caller:
        owner = unquote(headers.get("X-UWS-Owner", "")) or self.owner
        root = headers.get("X-UWS-Root")
        if owner == self.owner:
            self.root = root or self.root
        return Caller(owner, root, is_admin=owner in self.admins, by_relay=True)


NO_TOKEN = "this service needs its token, as the header 'Authorization: token ...'"  # noqa: S105


def stated_root(headers: HTTPHeaders) -> str | None:
    """The root that a Jupyter server states which relays with a token; of a caller without one it means nothing."""
    root = headers.get("X-UWS-Root", "")
    return root if ROOT_URL.fullmatch(root) and root.endswith("/") else None


def _same(given: str, expected: str | None) -> bool:
    return expected is not None and hmac.compare_digest(given.encode(), expected.encode())
