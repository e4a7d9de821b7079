"""The service: one process that assembles the rooms, listens, and ends when nobody needs it.

It holds the lock of its state folder for life, so there is never a second one on the same folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hmac
import logging
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from .. import rendezvous
from .._version import __version__
from ..execution.cluster import ClusterConfig
from ..execution.dashboard import Dashboard
from ..execution.executor import DaskExecutor
from ..forms import FormLimits
from ..jobs.files import default_folders
from ..jobs.registry import load_registry
from ..rendezvous import ServiceInfo
from ..tap.jobs import TAP, QueryExecutor
from ..tap.jobs import job_type as tap_job_type
from ..tap.limits import QueryLimits
from ..uws import handlers as uws_handlers
from ..uws.executor import Report
from ..uws.limits import Limits
from ..uws.manager import JobManager
from ..uws.store import JobStore, StoreError
from ..uws.times import format_time, utcnow
from . import baskets
from .anonymous import AnonymousReaders
from .archive import ArchiveRoutes, Folders, Readers, ServedArchive
from .callers import Access
from .dashboard import DashboardRoutes
from .descriptions import DescriptionHandler, SchemaHandler, TypesHandler
from .gate import Authenticator, GateRouter
from .handlers import NotFoundHandler, ServiceHandler, log_request
from .hub_settings import HubError, HubSettings
from .jobs import OWN_CODE, Files, JobTypes, Launcher
from .logs import JobLog
from .oidc_settings import OIDCError, OIDCSettings
from .pages import (
    ClusterHandler,
    FrontHandler,
    HealthHandler,
    LoginHandler,
    LoopbackHandler,
    MetricsHandler,
    ProbeHandler,
    ShutdownHandler,
)
from .remotes import Remote, RemoteHandler, Remotes, RemotesHandler
from .targets import Resolver, TargetsHandler
from .tokens import TokenStore
from .vosi import AvailabilityHandler, CapabilitiesHandler, DescriptorHandler

logger = logging.getLogger(__name__)

#: Who sends a longer header [bytes] is cut off; shorter ones that are too long get an answer.
HEADER_LIMIT = 256 * 1024
#: The loop answers while other threads compute: Python's default of 5 ms is felt by every request.
SWITCH_INTERVAL = 0.0005


@dataclass(frozen=True)
class Settings:
    """What a service is started with. Times are in seconds; ``idle_timeout`` 0 means never.

    It listens on ``socket`` for the relay and, where a ``port`` is given, on ``ip`` for everybody with the ``token``.
    With ``python_jobs`` the user who runs it may send code of their own.
    """

    state_dir: Path
    socket: Path
    archive: Path | None = None
    descriptions: tuple[Path, ...] = ()
    python_jobs: bool = False
    ip: str = "127.0.0.1"
    port: int | None = None
    token: str | None = None
    public_url: str | None = None
    admins: frozenset[str] = frozenset()
    hub: HubSettings | None = None
    oidc: OIDCSettings | None = None
    cors_origins: frozenset[str] = frozenset()
    metrics_port: int | None = None
    log_jobs: bool = False
    fetch_hosts: frozenset[str] = frozenset()
    fetch_timeout: float = 60.0
    form_limits: FormLimits = field(default_factory=FormLimits)
    query_limits: QueryLimits = field(default_factory=QueryLimits)
    anonymous: AnonymousReaders | None = None
    store_url: str | None = None
    idle_timeout: float = 0.0
    limits: Limits = field(default_factory=Limits)
    remotes: Mapping[str, Remote] = field(default_factory=dict)
    name_resolver: str = ""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


class Service:
    """All that a running service is made of."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state_dir = settings.state_dir
        self._archive = ServedArchive(settings.archive)
        secret = rendezvous.secret(settings.state_dir)
        self._authenticator = _authenticator(settings, secret)
        self.registry = load_registry(
            folders=[*settings.descriptions, *default_folders()],
            also=OWN_CODE if settings.python_jobs else {},
        )
        self.store = JobStore(settings.store_url or f"sqlite:///{settings.state_dir / 'jobs.sqlite'}")
        jobs_folder = settings.state_dir / "jobs"
        jobs_folder.mkdir(mode=0o700, exist_ok=True)
        launcher = Launcher(self.registry, self.archive, jobs_folder)
        self.executor = DaskExecutor(jobs_folder, launcher, self._report, settings.cluster)
        self.access = Access(
            secret,
            settings.token,
            settings.admins,
            settings.public_url,
            settings.cors_origins,
            # the Hub has tokens of its own
            None if settings.hub or settings.port is None else TokenStore(self.store.database),
        )
        self.baskets = baskets.BasketStore(self.store.database)
        self.files = Files(jobs_folder, settings.fetch_hosts, settings.fetch_timeout)
        self.incoming = self._incoming()
        self.archive_routes = ArchiveRoutes(
            self._archive,
            self.access,
            settings.form_limits,
            self.registry,
            Folders(self.incoming, settings.state_dir / "previews", settings.state_dir / "queries"),
            self.files.fetch,
            Readers(settings.query_limits, _retention(settings.limits), settings.anonymous),
        )
        self.queries = QueryExecutor(jobs_folder, self.archive_routes.engine, self._report)
        self.manager = JobManager(
            self.store,
            JobTypes(
                self.registry,
                self.executor,
                {TAP: tap_job_type(self.queries, settings.query_limits)},
                self.access.owner,
            ),
            limits=settings.limits,
            fallback=self.executor,
        )
        if settings.log_jobs:
            self.manager.events.followers.append(JobLog())
        self.remotes = Remotes(settings.remotes)
        self.resolver = Resolver(settings.name_resolver)
        self.dashboard = Dashboard(lambda: self.executor.scheduler)
        self._stopped = asyncio.Event()

    @property
    def archive(self) -> Path:
        return self._archive.path

    def _report(self, report: Report) -> None:
        self.manager.report(report)

    def application(self) -> tornado.web.Application:
        """The routes of docs/developers/architecture.md."""
        own: dict[str, Any] = {"service": self}
        return tornado.web.Application(
            [
                (r"/", FrontHandler, own),
                (r"/health", HealthHandler, own),
                (r"/health/(live|ready)", ProbeHandler, own),
                (r"/login", LoginHandler, own),
                (r"/metrics", MetricsHandler, own),
                (r"/cluster", ClusterHandler, own),
                (r"/shutdown", ShutdownHandler, own),
                (r"/remote", RemotesHandler, {"remotes": self.remotes}),
                (r"/remote/([^/]+)(?:/.*)?", RemoteHandler, {"remotes": self.remotes}),
                *baskets.make_routes(self.baskets),
                (r"/targets", TargetsHandler, {"resolver": self.resolver}),
                (r"/uws/types", TypesHandler, own),
                (r"/uws/capabilities", CapabilitiesHandler, own),
                (r"/uws/availability", AvailabilityHandler, own),
                (r"/uws/([a-z][a-z0-9_-]*)/descriptor", DescriptorHandler, own),
                (r"/uws/([a-z][a-z0-9_-]*)/schema", SchemaHandler, own),
                (r"/uws/([a-z][a-z0-9_-]*)/description", DescriptionHandler, own),
                *uws_handlers.make_routes(ServiceHandler, self.manager, self.files),
                (r"/(?:tap|datalink|files)(?:/.*)?", self.archive_routes),
                (r"/dashboard(?:/.*)?", DashboardRoutes(self.dashboard, self.access, self.settings.form_limits)),
            ],
            default_handler_class=NotFoundHandler,
            access=self.access,
            log_function=log_request,
            form_limits=self.settings.form_limits,
            incoming=self.incoming,
        )

    def _routes(self) -> tornado.web.Application | GateRouter:
        application = self.application()
        return GateRouter(application, self._authenticator) if self._authenticator else application

    def _incoming(self) -> Path:
        """Where files of forms lie until a job takes them: beside the jobs, so that taking one is a rename."""
        folder = self.state_dir / "incoming"
        shutil.rmtree(folder, ignore_errors=True)  # of a service that was killed
        folder.mkdir(mode=0o700)
        return folder

    def not_ready(self) -> str | None:
        """Why no job could be created now, in words for anybody; None where one could."""
        if self._stopped.is_set():
            return "stopping"
        try:
            self.store.count_active()
        except StoreError:
            return "the job store does not answer"
        return None

    def stop(self) -> None:
        """Ask the service to end; the current requests are answered."""
        self._stopped.set()

    async def run(self, ready: Callable[[str | None], None] = lambda url: None) -> None:
        """Listen and serve until told to stop, by a signal, by the relay, or by idleness.

        ``ready`` is called once it listens, with the URL where there is a port.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        self.manager.events.fit(_raise_file_limit())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        server = tornado.httpserver.HTTPServer(
            self._routes(),
            xheaders=self.settings.hub is not None,  # the scheme that clients see, as the Hub's proxy says
            max_body_size=2**40,  # the handlers bound it, each as it needs, and say so
            max_header_size=HEADER_LIMIT,
            idle_connection_timeout=self.settings.form_limits.timeout,
        )
        url = self._listen(server)
        info = ServiceInfo(
            host=rendezvous.hostname(),
            pid=os.getpid(),
            protocol=rendezvous.PROTOCOL,
            version=__version__,
            socket=str(self.settings.socket),
            url=url,
            started=format_time(utcnow()),
        )
        rendezvous.announce(self.state_dir, info)
        ready(url)
        # what is loaded by now stays: no collection in the midst of a request need look at it
        gc.collect()
        gc.freeze()
        self._archive.open()
        await self.manager.open()
        logger.info("serving %s, state in %s", url or self.settings.socket, self.state_dir)
        watch = loop.create_task(self._watch(server))
        try:
            await self._stopped.wait()
        finally:
            logger.info("stopping")
            watch.cancel()
            server.stop()
            await self.manager.close()
            await self.queries.close()
            await self.executor.close()
            self.archive_routes.close()
            await self._archive.close()
            await self.remotes.close()
            self.store.close()
            self.settings.socket.unlink(missing_ok=True)
            rendezvous.withdraw(self.state_dir)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.close_all_connections(), 5)

    def _listen(self, server: tornado.httpserver.HTTPServer) -> str | None:
        """Open the socket and the port; returns the URL where there is a port."""
        self._listen_for_relay(server)
        if self.settings.metrics_port is not None:
            figures = tornado.web.Application([("/metrics", LoopbackHandler, {"service": self})])
            sockets = tornado.netutil.bind_sockets(self.settings.metrics_port, "127.0.0.1")
            tornado.httpserver.HTTPServer(figures).add_sockets(sockets)
            logger.info("figures at http://127.0.0.1:%d/metrics", sockets[0].getsockname()[1])
        if self.settings.port is None:
            return None
        sockets = tornado.netutil.bind_sockets(self.settings.port, self.settings.ip)
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        host = f"[{self.settings.ip}]" if ":" in self.settings.ip else self.settings.ip
        return f"http://{host}:{port}/"

    def _listen_for_relay(self, server: tornado.httpserver.HTTPServer) -> None:
        path = self.settings.socket
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # under the lock nobody else can be listening on what is left there
        path.unlink(missing_ok=True)
        server.add_socket(tornado.netutil.bind_unix_socket(str(path), backlog=4096))

    def _has_jobs(self) -> bool:
        try:
            return self.store.count_active() > 0
        except StoreError:  # not known now: stay
            return True

    async def _watch(self, server: tornado.httpserver.HTTPServer) -> None:
        """Beat for other hosts, and end when there has been no job and no client for long enough."""
        timeout = self.settings.idle_timeout
        interval = min(rendezvous.HEARTBEAT, timeout / 4) if timeout else rendezvous.HEARTBEAT
        while True:
            await asyncio.sleep(interval)
            rendezvous.beat(self.state_dir)
            if not self.settings.socket.exists():
                # $XDG_RUNTIME_DIR is emptied when its user logs out, and made anew at the next log-in
                with contextlib.suppress(OSError):
                    self._listen_for_relay(server)
            if timeout and self.access.idle_seconds() >= timeout and not self._has_jobs():
                logger.info("nobody has asked for anything in %.0f s and no job is active", timeout)
                self.stop()


def _authenticator(settings: Settings, secret: str) -> Authenticator | None:
    """Who says who calls; what asks JupyterHub, or a provider, is only imported where there is one."""
    # of the same secret as the relay's, but no way leads back to that
    cookie_secret = hmac.digest(secret.encode(), b"cookies", "sha256")
    if settings.hub is not None:
        try:
            from .hub import Hub
        except ImportError as error:
            raise HubError(f"--hub needs JupyterHub ({error}): install jupyter-uws[hub]") from None
        return Hub(settings.hub, cookie_secret, settings.public_url)
    if settings.oidc is not None:
        try:
            from .oidc import OIDC
        except ImportError as error:
            raise OIDCError(f"oidc_issuer needs joserfc ({error}): install jupyter-uws[oidc]") from None
        return OIDC(settings.oidc, cookie_secret, settings.public_url)
    return None


def _retention(limits: Limits) -> tuple[int, int]:
    """For how long jobs are kept, by default and at most, in seconds."""
    longest = limits.lifetime_max.total_seconds()
    return int(min(limits.lifetime.total_seconds(), longest)), int(longest)


def _raise_file_limit() -> int:
    """A waiting client is an open file: allow as many as the machine does. Jobs get the old limit back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
