"""Figures for Prometheus: jobs by phase, queue, workers, open requests, and how long requests take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from tornado.web import RequestHandler

from ..uws.phases import Phase

if TYPE_CHECKING:
    from .app import Service

_ROOMS = frozenset(("uws", "tap", "datalink", "files", "baskets", "remote", "dashboard", "health", "metrics"))
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)

#: Of this process: a service is one.
_requests = CollectorRegistry()
_SECONDS = Histogram(
    "jupyter_uws_request_seconds",
    "Time from a request to the end of its answer, by the part of the service; 'waiting' are those that wait for a "
    "change: long polls and event streams",
    ("room", "status"),
    registry=_requests,
    buckets=_BUCKETS,
)
ProcessCollector(registry=_requests)


def observe(handler: RequestHandler) -> None:
    """Count a request that is over."""
    status = f"{handler.get_status() // 100}xx"
    _SECONDS.labels(_room(handler), status).observe(handler.request.request_time())


def _room(handler: RequestHandler) -> str:
    path = handler.request.path
    if path == "/uws/events" or any(name.upper() == "WAIT" for name in handler.request.query_arguments):
        return "waiting"
    room = path.removeprefix("/").partition("/")[0]  # of "*" and "host:port" there is no more
    return room if room in _ROOMS else "other"


class _Figures:
    """What there is at this moment, as a collector."""

    def __init__(self, service: Service, phases: dict[str, int]) -> None:
        self._service = service
        self._phases = phases

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("jupyter_uws_jobs", "Jobs in the store, by phase", labels=["phase"])
        for phase in Phase:
            jobs.add_metric([phase.value], self._phases.get(phase.value, 0))
        yield jobs
        status = self._service.executor.status()
        yield GaugeMetricFamily("jupyter_uws_workers", "Workers that are there", float(status["workers"]))
        yield GaugeMetricFamily("jupyter_uws_jobs_running", "Jobs on workers", float(status["running"]))
        yield GaugeMetricFamily("jupyter_uws_jobs_waiting", "Jobs that wait for a worker", float(status["waiting"]))
        yield GaugeMetricFamily("jupyter_uws_requests_open", "Open requests", float(self._service.access.requests))
        waits = len(self._service.manager.events.waits)
        yield GaugeMetricFamily("jupyter_uws_waits_open", "Open long polls", float(waits))


async def exposition(service: Service) -> bytes:
    """All figures in Prometheus' text format. Raises StoreError where the job store does not answer."""
    phases = await asyncio.to_thread(service.store.count, phases=tuple(Phase))
    now = CollectorRegistry()
    now.register(_Figures(service, phases))
    return generate_latest(now) + generate_latest(_requests)
