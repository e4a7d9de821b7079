"""The Jupyter Server extension: authenticate with Jupyter's identity, relay to the user's service.

It starts the service at the first request, and never stops it: jobs go on when the Jupyter
server ends. Nothing of UWS, TAP or Dask is imported here.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any, NoReturn, cast
from urllib.parse import urlencode

from jupyter_core.utils import ensure_async
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders
from tornado.websocket import WebSocketClientConnection
from traitlets import Float, List, TraitError, Unicode, validate
from traitlets.utils.bunch import Bunch

from .credentials import challenges, credential
from .launcher import SERVICE_COMMAND, Launcher, ServiceError
from .relay import Bounds, Exchange, Unanswered, request_headers, request_target
from .relay_socket import SocketRelay, connect
from .shared_service import SharedService, checked_url, file_token, hub_token

MOUNT = "jupyter-uws"
#: Where the service has websockets: those of Dask's dashboard.
SOCKETS = r"dashboard/(?:.*/)?(?:ws|eventstream)"
RESOURCE = "jupyter_uws"
#: What users' browsers may be sent to: an absolute address without a password.
OUTSIDE = re.compile(r"https?://[\w.:\[\]-]+(/[^\s#]*)?")


def relayed(handler: JupyterHandler, service: Launcher | SharedService) -> tuple[str, HTTPHeaders]:
    """Target and headers of the request that the service gets. Raises `ServiceError`."""
    mount = url_path_join(handler.base_url, MOUNT)
    root = f"{handler.request.protocol}://{handler.request.host}{mount}/"
    headers = request_headers(handler.request, root, service.opening())
    return service.path + request_target(str(handler.request.uri), mount), headers


@web.stream_request_body
class RelayHandler(JupyterHandler):
    """Everything below ``<base URL>jupyter-uws/`` is the service's."""

    auth_resource = RESOURCE
    _exchange: Exchange | None = None

    def initialize(self, launcher: Launcher | SharedService, bounds: Bounds) -> None:
        self.launcher = launcher
        self.bounds = bounds

    async def prepare(self) -> None:  # type: ignore[override]
        """All that may refuse the request, before its body is taken."""
        token = credential(self.request.headers)
        if token and self.request.headers["Authorization"].lower().startswith("basic"):
            # programs that know passwords only: the token is theirs
            self.request.headers["Authorization"] = f"token {token}"
        await super().prepare()
        if self._finished:
            return
        if self.current_user is None:
            if self.request.method not in ("GET", "HEAD"):
                self._challenge()
            self.redirect(f"{self.get_login_url()}?{urlencode({'next': self.request.uri})}")
            return
        action = HTTP_METHOD_TO_AUTH_ACTION[str(self.request.method)]
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)):
            raise web.HTTPError(403, f"You may not {action} {self.auth_resource}")
        cast(HTTP1Connection, self.request.connection).set_max_body_size(sys.maxsize)
        self._exchange = await self._begin()

    async def _begin(self) -> Exchange:
        try:
            target, headers = relayed(self, self.launcher)
            upstream = await self.launcher.connect()
        except ServiceError as error:
            raise web.HTTPError(error.status, str(error)) from error
        exchange = Exchange(self, upstream, self.bounds, self._healthy)
        exchange.begin(target, headers)
        return exchange

    async def _healthy(self) -> None:
        await self.launcher.check(self.bounds.probe)

    async def data_received(self, chunk: bytes) -> None:
        if self._exchange:
            await self._exchange.send(chunk)

    async def _answer(self, path: str) -> None:
        assert self._exchange is not None  # noqa: S101 (prepare has ended otherwise)
        try:
            try:
                await self._exchange.conclude()
            except Unanswered:
                # most likely it was killed: a request without effect is tried on the next one, once
                if self.request.method not in ("GET", "HEAD"):
                    raise
                self.launcher.doubt()
                self._exchange = await self._begin()
                await self._exchange.conclude()
        except ServiceError as error:
            raise web.HTTPError(error.status, str(error)) from error

    get = head = post = put = patch = delete = options = web.authenticated(_answer)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._exchange:
            self._exchange.close()

    # Clients that are no browsers get 401 and a challenge, never a login page

    def _challenge(self) -> NoReturn:
        raise web.HTTPError(401, "Log in, or send Jupyter's token as 'Authorization: token ...'")

    def check_xsrf_cookie(self) -> None:
        if getattr(self, "_jupyter_current_user", "not known yet") is None:
            self._challenge()
        super().check_xsrf_cookie()

    def get_login_url(self) -> str:
        if self.request.method == "GET" and "text/html" in self.request.headers.get("Accept", ""):
            return super().get_login_url()
        self._challenge()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One sentence of plain text. The connection closes, as the body may not have been read."""
        error = kwargs.get("exc_info", (None, None))[1]
        message = error.log_message if isinstance(error, web.HTTPError) else None
        self.set_header("Connection", "close")
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if status_code == 401:
            for challenge in challenges(self.request.headers, None):
                self.add_header("WWW-Authenticate", challenge)
        self.finish((message or self._reason) + "\n")


class SocketHandler(WebSocketMixin, SocketRelay, JupyterHandler):
    """The service's websockets, for whom the pages are that open them. It never starts a service."""

    auth_resource = RESOURCE

    def initialize(self, launcher: Launcher | SharedService) -> None:
        self.launcher = launcher

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if self.current_user is None:
            raise web.HTTPError(403, "Log in, or send Jupyter's token as 'Authorization: token ...'")
        action = HTTP_METHOD_TO_AUTH_ACTION[str(self.request.method)]
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)):
            raise web.HTTPError(403, f"You may not {action} {self.auth_resource}")

    async def upstream(self, protocols: list[str]) -> WebSocketClientConnection:
        try:
            target, headers = relayed(self, self.launcher)
            return await connect(self.launcher.websockets(), target, headers, protocols)
        except ServiceError as error:
            raise web.HTTPError(error.status, str(error)) from error


class UWSExtension(ExtensionApp):
    """``c.UWSExtension`` in the configuration of the Jupyter server."""

    name = "jupyter_uws"

    state_dir = Unicode(
        "",
        help="State folder of the service; default $JUPYTER_UWS_STATE_DIR, else $XDG_STATE_HOME/jupyter-uws.",
    ).tag(config=True)
    archive = Unicode("", help="Archive file that the service opens; default: the service's own.").tag(config=True)
    service_command = List(
        Unicode(), list(SERVICE_COMMAND), help="What starts the service; --socket and --state-dir are added."
    ).tag(config=True)
    service_args = List(Unicode(), help="More arguments for the service's command.").tag(config=True)
    service_url = Unicode(
        "",
        help="Root of a shared service to relay to, instead of a service of this user: "
        "https://hub.example.org/services/uws/. It is opened with this server's token of the Hub.",
    ).tag(config=True)
    service_token_file = Unicode(
        "", help="File with the token that opens the service at service_url, where that is not of a Hub."
    ).tag(config=True)
    start_timeout = Float(20.0, help="How long the service may take to answer after its start [s].").tag(config=True)
    silence_timeout = Float(10.0, help="After how much silence [s] the service's health is asked for.").tag(config=True)
    long_poll_timeout = Float(60.0, help="The same for long polls and event streams [s].").tag(config=True)
    probe_timeout = Float(5.0, help="How long the answer about its health may take [s].").tag(config=True)
    answer_timeout = Float(600.0, help="How long a healthy service may take to begin an answer [s].").tag(config=True)

    aladin_url = Unicode(
        "",
        help="Address of Aladin Lite's module (version 3, https://host/aladin.js): users may then show survey images "
        "behind the map of the archive search, and their browsers ask its host and that of aladin_survey.",
    ).tag(config=True)
    aladin_survey = Unicode(
        "https://alasky.cds.unistra.fr/DSS/DSSColor", help="Root of the survey (HiPS) whose images Aladin Lite shows."
    ).tag(config=True)

    def initialize_settings(self) -> None:
        """The front end learns an operator's choices from the page, so that it need not ask."""
        if self.aladin_url:
            assert self.serverapp is not None  # noqa: S101 (an extension is initialized by a server)
            page = self.serverapp.web_app.settings.setdefault("page_config_data", {})
            page["uwsAladinUrl"], page["uwsAladinSurvey"] = self.aladin_url, self.aladin_survey

    def initialize_handlers(self) -> None:
        bounds = Bounds(self.silence_timeout, self.long_poll_timeout, self.probe_timeout, self.answer_timeout)
        service: Launcher | SharedService
        if self.service_url:
            token = file_token(self.service_token_file) if self.service_token_file else hub_token
            service = SharedService(self.service_url, token)
        else:
            service = self._launcher()
        self.handlers.append((rf"/{MOUNT}/{SOCKETS}", SocketHandler, {"launcher": service}))
        self.handlers.append((rf"/{MOUNT}/(.*)", RelayHandler, {"launcher": service, "bounds": bounds}))

    def _launcher(self) -> Launcher:
        command = [*self.service_command, *self.service_args]
        if self.archive:
            command += ["--archive", os.path.abspath(os.path.expanduser(self.archive))]
        return Launcher(self.state_dir or None, command, self.start_timeout)

    @validate("service_url")
    def _check_service_url(self, proposal: Bunch) -> str:
        try:
            return checked_url(proposal["value"]) if proposal["value"] else ""
        except ValueError as error:
            raise TraitError(f"service_url: {error}") from None

    @validate("aladin_url", "aladin_survey")
    def _check_outside(self, proposal: Bunch) -> str:
        name, value = proposal["trait"].name, str(proposal["value"])
        if not OUTSIDE.fullmatch(value) and (value or name == "aladin_survey"):
            raise TraitError(f"UWSExtension.{name}: {value!r} is no http or https address such as https://host/path")
        return value.rstrip("/")
