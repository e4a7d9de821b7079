"""The base of every handler of the service: who calls, under which URL, and errors as text."""

from __future__ import annotations

import base64
import contextlib
import getpass
import hmac
import logging
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from http.client import responses
from typing import Any
from urllib.parse import unquote

from tornado.web import HTTPError, RequestHandler, stream_request_body

from ..dali import ErrorMixin
from ..forms import BodyMixin
from ..uws.errors import UWSError

logger = logging.getLogger(__name__)

#: Longer addresses [bytes] are refused: a query of such a length belongs into a POST.
ADDRESS_LIMIT = 64 * 1024
OWNER_LIMIT = 200


def local_user() -> str:
    """The owner of what is done with the service's own token: the user it runs for."""
    return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()


@dataclass
class Access:
    """The two secrets that open the service, and when it was last used.

    ``secret`` is the relay's: whoever sends it also tells the owner and the root URL. ``token`` is
    for everybody else; None where the service listens on its socket alone. ``admins`` are owners who
    see and may stop the jobs of all. ``public_url`` is the service's root where a reverse proxy stands before
    its port. ``root`` is where the owner's own Jupyter offers the service, once it has asked. ``last_use`` is on
    the monotonic clock, in seconds.
    """

    secret: str
    token: str | None
    admins: frozenset[str] = frozenset()
    public_url: str | None = None
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


def _same(given: str, expected: str | None) -> bool:
    return expected is not None and hmac.compare_digest(given.encode(), expected.encode())


@stream_request_body
class ServiceHandler(ErrorMixin, BodyMixin, RequestHandler):
    """Authenticates every request: by the relay's secret, or by ``Authorization: token T``, ``Bearer T``, or Basic.

    That comes before the body is read: whoever is not let in cannot make the service hold anything.
    """

    expected = (UWSError, HTTPError)
    owner: str
    root: str
    is_admin = False
    is_anonymous = False
    by_relay = False
    _entered = False

    @property
    def access(self) -> Access:
        access: Access = self.settings["access"]
        return access

    def prepare(self) -> Awaitable[None] | None:
        self.access.enter()
        self._entered = True
        headers = self.request.headers
        token = self._credential()
        if _same(headers.get("X-UWS-Secret", ""), self.access.secret):
            self.by_relay = True
            self.owner = unquote(headers.get("X-UWS-Owner", "")) or self.access.owner
            self.root = headers.get("X-UWS-Root") or self._own_root()
            if self.owner == self.access.owner:
                self.access.root = headers.get("X-UWS-Root") or self.access.root
        elif _same(token, self.access.token):
            self.owner = self.access.owner
            self.root = self._own_root()
        elif "Authorization" in headers or "X-UWS-Secret" in headers or not self.admit_anonymous():
            raise HTTPError(401, "this service needs its token, as the header 'Authorization: token ...'")
        if not self.owner.isprintable() or len(self.owner) > OWNER_LIMIT:
            raise HTTPError(400, f"the owner's name has control characters, or more than {OWNER_LIMIT} letters")
        self.is_admin = self.owner in self.access.admins
        if len(self.request.uri or "") > ADDRESS_LIMIT:
            raise HTTPError(414, f"the address is longer than {ADDRESS_LIMIT} bytes; send the parameters as a POST")
        return super().prepare()

    def admit_anonymous(self) -> bool:
        """Whether a caller without a credential is let in; then sets ``owner`` and ``root``. Nobody is, as a rule."""
        return False

    def _credential(self) -> str:
        """What is sent as the token; the password, from programs that know passwords only (TOPCAT, STILTS)."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        match scheme.lower():
            case "token" | "bearer":
                return token.strip()
            case "basic" if not self._is_browser():
                with contextlib.suppress(ValueError):
                    return base64.b64decode(token.strip(), validate=True).decode().partition(":")[2]
        return ""

    def _is_browser(self) -> bool:
        """Browsers keep a password and add it to what other sites make them send: there is none for them."""
        headers = self.request.headers
        return "Mozilla" in headers.get("User-Agent", "") or "Origin" in headers or "Sec-Fetch-Mode" in headers

    def _own_root(self) -> str:
        return self.access.public_url or f"{self.request.protocol}://{self.request.host}/"

    def finish(self, chunk: Any = None) -> Any:
        if self.get_status() != 101:  # with which a websocket only begins
            self._leave()
        return super().finish(chunk)

    def on_connection_close(self) -> None:
        self._leave()
        super().on_connection_close()

    def _leave(self) -> None:
        if self._entered:
            self._entered = False
            self.access.leave()

    def set_default_headers(self) -> None:
        self.set_header("Server", "jupyter_uws")  # checkers ask for one; which version it is, is nobody's business
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One clear sentence as plain text; a traceback goes to the log, never to the client."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        message = responses.get(status_code, "Error")
        if isinstance(error, UWSError):
            status_code = error.status
            message = str(error)
        elif isinstance(error, HTTPError):
            message = error.get_message() or message
        elif error is not None:
            message = "the service failed at this request; its log tells more"
        self.set_status(status_code)
        if status_code == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="jupyter_uws"')
            if not self._is_browser():
                self.add_header("WWW-Authenticate", 'Basic realm="jupyter_uws"')
        # tornado leaves the rest of a refused body unread
        self.set_header("Connection", "close")
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(message + "\n")

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Only what is our fault. Tornado would write the whole address down, and with it the query."""
        if not self.is_expected(value):
            logger.error("%s %s failed", self.request.method, plain(self.request.path), exc_info=(typ, value, tb))  # type: ignore[arg-type]


def plain(text: str) -> str:
    """A text from a client as it may stand in the log: on one line, and without commands to the terminal."""
    return text[:500].encode("unicode_escape").decode()


def log_request(handler: RequestHandler) -> None:
    """One line for each request that failed; the others at debug level. Paths only: a query may hold anything."""
    status = handler.get_status()
    level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.ERROR
    owner = plain(getattr(handler, "owner", "-"))
    milliseconds = 1000 * handler.request.request_time()
    method, path = plain(str(handler.request.method)), plain(handler.request.path)
    logger.log(level, "%d %s %s %s %.1f ms", status, method, path, owner, milliseconds)


class NotFoundHandler(ServiceHandler):
    """What is no resource of the service."""

    def prepare(self) -> Awaitable[None] | None:
        super().prepare()
        raise HTTPError(404, "there is nothing at this address; the service's resources are listed at its root")
