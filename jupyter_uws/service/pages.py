"""The service's own resources: its front page, health, the job types, and the order to stop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from tornado.web import HTTPError, RequestHandler

from .._version import __version__
from ..credentials import credential
from ..rendezvous import PROTOCOL, hostname
from . import metrics
from .handlers import ServiceHandler

if TYPE_CHECKING:
    from .app import Service

_FRONT = """\
jupyter_uws {version}: an observatory in a notebook.

{root}uws             jobs (UWS 1.1); their types: {types}
{root}uws/types       what each job type takes and gives (JSON)
{root}tap             the archive (TAP 1.1)
{root}datalink        what belongs to each of its runs (DataLink 1.1)
{root}files           its data files
{root}health          this service
{root}dashboard       Dask's dashboard, for the one who runs the service
"""


class Page(ServiceHandler):
    def initialize(self, service: Service) -> None:
        self.service = service


class FrontHandler(Page):
    """What this is, in text."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        types = ", ".join(self.service.registry)
        self.write(_FRONT.format(version=__version__, root=self.root, types=types))
        if self.service.settings.oidc is not None:
            self.write(f"{self.root}logout          the end of a browser's log-in\n")

    head = get


class HealthHandler(Page):
    """Who answers here, and whether it has work."""

    def get(self) -> None:
        service = self.service
        self.write(
            {
                "version": __version__,
                "protocol": PROTOCOL,
                "pid": os.getpid(),
                "host": hostname(),
                "active_jobs": service.store.count_active(),
                "archive": str(service.archive),
                "state_dir": str(service.state_dir),
                "execution": service.executor.status(),
            }
        )

    head = get


class ProbeHandler(Page):
    """``/health/live``, ``/health/ready``: one word for whoever watches over processes, who has no token."""

    def admit_anonymous(self) -> bool:
        self.owner, self.root = "anonymous", self._own_root()
        return True

    def get(self, kind: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        reason = self.service.not_ready() if kind == "ready" else None
        if reason:
            self.set_status(503)
        self.write(f"{reason or 'ok'}\n")

    head = get


class LoginHandler(Page):
    """Exchange what opens the service for a bearer token (IVOA AuthVO): with a password that is one, itself."""

    def get(self) -> None:
        token = credential(self.request.headers)
        if token and not self.by_relay:
            self.set_header("X-VO-Bearer", token)
            self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(f"logged in as {self.owner}\n")

    head = get


class ClusterHandler(Page):
    """Workers, allocations and the queue, for the one who runs the service."""

    def get(self) -> None:
        if not (self.by_relay or self.is_admin):
            raise HTTPError(403, "only the relay and administrators see the cluster")
        overview = self.service.executor.overview()
        mine = self.is_admin or self.owner == self.access.owner
        dashboard = mine and self.service.dashboard.is_there
        self.write({**overview, "dashboard": dashboard, "root": self.access.root if mine else None})

    head = get


class ShutdownHandler(Page):
    """Stop, unless a job is active: a newer extension replaces an idle older service so."""

    def post(self) -> None:
        if not self.by_relay:
            raise HTTPError(403, "only the relay may stop the service")
        active = self.service.store.count_active()
        if active:
            raise HTTPError(409, f"the service has {active} active jobs")
        self.write("stopping\n")
        self.service.stop()


class MetricsHandler(Page):
    """``/metrics``, for administrators and whoever runs the service."""

    async def get(self) -> None:
        if not (self.by_relay or self.by_token or self.is_admin):
            raise HTTPError(403, "only administrators, and whoever runs the service, see its figures")
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(await metrics.exposition(self.service))

    head = get


class LoopbackHandler(RequestHandler):
    """The same on a port of its own, on the loopback interface, where nobody is asked who calls."""

    def initialize(self, service: Service) -> None:
        self.service = service

    async def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(await metrics.exposition(self.service))
