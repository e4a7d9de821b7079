"""The Dask cluster jobs run on: started when the first job comes, closed when nothing is left to do.

Dask is imported here and only when a cluster starts: a service without jobs is 40 MB smaller.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .allocations import Allocations
from .batch import CLASSES, MEMORY, WALLTIME, open_jobqueue, seconds
from .dask_config import COMMON
from .shape import OVERHEAD, Maxima, Need, Shape, enlarge, mebibytes
from .submission import Submission, connect
from .worker_options import SIZED, names, shaped

if TYPE_CHECKING:
    from distributed.deploy.cluster import Cluster

logger = logging.getLogger(__name__)

#: No job is ever run twice by Dask, or moved to a worker we did not choose. (Web pages are in :mod:`.dashboard`.)
DASK = {
    **COMMON,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    # Our clients need to tell a scheduler of their own process seldom that they live.
    "distributed.client.heartbeat": "60s",
    "distributed.client.scheduler-info-interval": "60s",
}

#: Seconds for which a new worker fits the longest job that its walltime was chosen for.
FRESH = 30.0

BACKENDS = ("local", *CLASSES)


@dataclass(frozen=True)
class ClusterConfig:
    """Which cluster, and how large.

    ``backend`` is ``local`` or a batch system that dask-jobqueue knows; ``options`` go to the class of
    the back end as they are. ``workers`` is how many jobs run at once at most, by default one for each
    processor core of this host. After ``idle_timeout`` seconds with nothing to do the cluster is
    closed, 0 for never; on a batch system each worker by itself. A cluster none of whose workers
    comes up in ``start_timeout`` seconds counts as broken, an allocation as well once it runs.
    ``maxima`` bound the workers that are asked for on behalf of larger jobs.
    """

    backend: str = "local"
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    options: dict[str, Any] = field(default_factory=dict)
    idle_timeout: float = 900.0
    start_timeout: float = 60.0
    maxima: Maxima = field(default_factory=Maxima)

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"backend is {self.backend!r}; it must be one of {', '.join(BACKENDS)}")
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be at least 1")

    @property
    def margin(self) -> float:
        """Seconds of a walltime that no job can use: its allocation begins before we see the worker."""
        return self.start_timeout + FRESH

    @cached_property
    def base(self) -> Shape:
        """The worker of the operator's options; on this host what the host has. Raises ValueError."""
        if self.backend == "local":
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
            return Shape(len(os.sched_getaffinity(0)), memory + OVERHEAD)
        try:
            memory = mebibytes(self.options.get("memory") or MEMORY)
        except ValueError as error:
            raise ValueError(f"memory {error}") from None
        walltime = seconds(self.backend, self.options.get("walltime", WALLTIME.get(self.backend)))
        return Shape(int(self.options.get("cores") or 1), memory, walltime=walltime)

    @property
    def sized(self) -> bool:
        """Whether larger workers than the operator's can be asked for."""
        return self.backend in SIZED

    @property
    def longest(self) -> float | None:
        """The longest run in seconds that a job can be promised; None for no limit that is known."""
        if self.base.walltime is None:
            return None
        return max(0.0, max(self.base.walltime, self.maxima.walltime or 0) - self.margin)

    def need(self, need: Need) -> Need:
        """The same need, with the operator's own partition and account left empty."""
        partition, account = names(self.backend, self.options)
        return replace(
            need,
            partition="" if need.partition == partition else need.partition,
            account="" if need.account == account else need.account,
        )

    def shape(self, need: Need) -> Shape:
        """The shape of the worker that is asked for on behalf of a job."""
        return enlarge(self.base, need, self.margin, self.maxima.walltime)

    def worker_options(self, options: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
        """The options of dask-jobqueue's class for a worker of this shape."""
        return shaped(self.backend, options, self.base, shape)


@dataclass
class DaskCluster:
    """An open cluster with what hands jobs to it, in the running event loop.

    ``allocations`` is None where all workers are there from the start.
    """

    cluster: Cluster
    submission: Submission
    allocations: Allocations | None = None

    @property
    def scheduler(self) -> Any:
        """Dask's scheduler: in this process and event loop, whichever the back end."""
        return self.cluster.scheduler  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Stop the workers, the scheduler and the client. Bounded; never raises for what is dead already."""
        for part in (self.allocations, self.submission, self.cluster):
            if part is None:
                continue
            try:
                await asyncio.wait_for(part.close(), 30)
            except Exception:
                logger.warning("cannot close %s properly", type(part).__name__, exc_info=True)


@dataclass(frozen=True)
class Listener:
    """Who hears of a cluster: of all that happens on it, of allocations refused and workers given back."""

    event: Callable[[dict[str, Any]], None]
    refused: Callable[[str, Shape], None]
    released: Callable[[str], None]


async def open_cluster(config: ClusterConfig, folder: Path, listener: Listener) -> DaskCluster:
    """Start a cluster; the ``listener`` hears of workers that join and leave, and all that jobs report.

    ``folder`` is for the files of a cluster on a batch system. Raises TimeoutError where no worker of
    a local one comes up, or what Dask raises.
    """
    # Off the loop: 0.4 s during which the service would answer nobody.
    await asyncio.to_thread(importlib.import_module, "jupyter_uws.execution.runner")
    import dask

    from .forgetting import NoSpans
    from .runner import Ear, Runner

    def hear(event: dict[str, Any]) -> None:
        try:
            listener.event(event)
        except Exception:  # the next ones must be heard
            logger.exception("cannot handle the event %r", event)

    dask.config.set(DASK)
    cluster = await _start(config, folder)
    cluster.scheduler.http_server.stop()  # it has no pages, but it listens
    cluster.scheduler.extensions["spans"] = NoSpans(cluster.scheduler)
    try:
        opened = DaskCluster(cluster, await connect(cluster.scheduler))
    except BaseException:
        await cluster.close()
        raise
    submission = opened.submission
    try:
        cluster.scheduler.add_plugin(Ear(hear))
        await submission.client.register_plugin(Runner())
        if config.backend == "local":
            cluster.scale(config.workers)
            await submission.client.wait_for_workers(1, timeout=config.start_timeout)
        else:
            # one by one, by name, and never by cluster.scale(): it only logs what was refused
            def make(name: str, shape: Shape) -> Any:
                options = config.worker_options(cluster.new_spec["options"], shape)
                return cluster.new_spec["cls"](cluster.scheduler_address, name=name, **options)

            opened.allocations = Allocations(config, folder, submission, make, listener.refused, listener.released)
    except BaseException:
        await opened.close()
        raise
    return opened


async def _start(config: ClusterConfig, folder: Path) -> Any:
    """A cluster without workers yet, so that none can come before our plugins."""
    from distributed import LocalCluster

    if config.backend != "local":
        return await open_jobqueue(config.backend, config.options, folder)

    options = {
        "n_workers": 0,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": None,
        "scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        "security": True,  # TLS with keys kept in memory: whoever reaches a port of Dask's runs code as its owner
        "memory_limit": 0,  # jobs have limits of their own; the worker itself holds next to nothing
        **config.options,
    }
    return await LocalCluster(asynchronous=True, **options)  # type: ignore[no-untyped-call]
