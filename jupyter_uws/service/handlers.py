"""The base of every handler of the service: who calls, under which URL, and errors as text."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable
from http.client import responses
from typing import Any
from urllib.parse import quote

from tornado.web import Finish, HTTPError, RequestHandler, stream_request_body

from ..credentials import challenges
from ..dali import ErrorMixin
from ..forms import BodyMixin
from ..uws.errors import UWSError
from . import metrics
from .callers import NO_TOKEN, Access

logger = logging.getLogger(__name__)

#: Longer addresses [bytes] are refused: a query of such a length belongs into a POST.
ADDRESS_LIMIT = 64 * 1024
OWNER_LIMIT = 200
#: The job that a path is about; ids begin with a digit.
_JOB = re.compile(r"^/(?:uws/[a-z][a-z0-9_-]*|uws|tap/async)/(\d[\w.-]*)")


@stream_request_body
class ServiceHandler(ErrorMixin, BodyMixin, RequestHandler):
    """Finds out who calls before anything else is done, and answers 401 or 403 where nobody may.

    That comes before the body is read: whoever is not let in cannot make the service hold anything.
    """

    expected = (UWSError, HTTPError)
    owner: str
    root: str
    is_admin = False
    is_anonymous = False
    by_relay = False
    by_token = False
    _entered = False

    @property
    def access(self) -> Access:
        access: Access = self.settings["access"]
        return access

    def prepare(self) -> Awaitable[None] | None:
        self.access.enter()
        self._entered = True
        self._answer_preflight()
        caller = self.access.identify(self.request)
        if caller is not None:
            self.owner, self.is_admin = caller.owner, caller.is_admin
            self.by_relay, self.by_token = caller.by_relay, caller.by_token
            self.root = caller.root or self._own_root()
            self.set_header("X-VO-Authenticated", quote(self.owner))
        elif self.admit_anonymous():
            self._set_challenges()  # who logs in may do more (IVOA AuthVO, "Authentication Modalities")
        else:
            raise HTTPError(401, NO_TOKEN)
        if not self.owner.isprintable() or len(self.owner) > OWNER_LIMIT:
            raise HTTPError(400, f"the owner's name has control characters, or more than {OWNER_LIMIT} letters")
        if len(self.request.uri or "") > ADDRESS_LIMIT:
            raise HTTPError(414, f"the address is longer than {ADDRESS_LIMIT} bytes; send the parameters as a POST")
        return super().prepare()

    def admit_anonymous(self) -> bool:
        """Whether a caller without a credential is let in; then sets ``owner`` and ``root``. Nobody is, as a rule."""
        return False

    def _own_root(self) -> str:
        of_hub: str | None = getattr(self.request, "root", None)
        return of_hub or self.access.public_url or f"{self.request.protocol}://{self.request.host}/"

    def _set_challenges(self) -> None:
        for challenge in challenges(self.request.headers, self._own_root()):
            self.add_header("WWW-Authenticate", challenge)

    def _answer_preflight(self) -> None:
        """A browser asks whether a script of another page may call: it does so without credentials (CORS)."""
        headers = self.request.headers
        if self.request.method != "OPTIONS" or "Access-Control-Request-Method" not in headers:
            return
        if headers.get("Origin") in self.access.origins:
            self.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
            self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Range")
            self.set_header("Access-Control-Max-Age", "600")
            self.set_status(204)
            raise Finish()

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
        origin = self.request.headers.get("Origin")
        if self.access.origins:
            self.set_header("Vary", "Origin")
        if origin in self.access.origins:
            # no Allow-Credentials: such a script sends a token of its own, never the user's cookies
            self.set_header("Access-Control-Allow-Origin", str(origin))
            self.set_header("Access-Control-Expose-Headers", "Location, Content-Range, WWW-Authenticate")

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
            self._set_challenges()
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
    metrics.observe(handler)
    status = handler.get_status()
    level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.ERROR
    owner = plain(getattr(handler, "owner", "-"))
    milliseconds = round(1000 * handler.request.request_time(), 1)
    method, path = plain(str(handler.request.method)), plain(handler.request.path)
    known = {"owner": owner, "status": status, "method": method, "path": path, "milliseconds": milliseconds}
    if job := _JOB.search(path):
        known["job_id"] = job.group(1)
    logger.log(level, "%d %s %s %s %.1f ms", status, method, path, owner, milliseconds, extra=known)


class NotFoundHandler(ServiceHandler):
    """What is no resource of the service."""

    def prepare(self) -> Awaitable[None] | None:
        super().prepare()
        message = "there is nothing at this address; the service's resources are listed at its root"
        if "//" in self.request.path:  # STILTS and TOPCAT put a / behind the address that they are given
            message += "; it has // in it: give the service's address without a / at its end"
        raise HTTPError(404, message)
