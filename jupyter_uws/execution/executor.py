"""The executor: takes jobs, queues them, has them run on the Dask cluster, and reports what happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..uws.executor import Report, Reporter
from ..uws.model import ErrorSummary, Job, Result
from ..uws.phases import Phase
from .aftermath import bury, failed
from .cluster import ClusterConfig, DaskCluster, Listener, open_cluster
from .fifo import Fifo
from .folder import LAST_WORDS, Event, JobFolder
from .helpers import Helpers
from .launch import Describe, Launch, order, request
from .shape import Need, Shape
from .task import ORDER_TIMEOUT, last_word, see_through, stop

logger = logging.getLogger(__name__)


#: The folder of the cluster's files beside the job folders; no job id begins with a dot.
CLUSTER = ".cluster"

#: Where a job's info has how often it was begun again.
RESTARTS = "restarts"

LOST_SERVICE = "the service ended while the job ran"


@dataclass(eq=False)
class Run:
    """A job in this executor's hands."""

    job: Job
    folder: JobFolder
    need: Need = field(default_factory=Need)
    #: How often it may be begun again where its worker is lost.
    restarts: int = 0
    order: dict[str, Any] | None = None
    slot: str | None = None
    aborting: bool = False
    ended: bool = False
    #: Set when the worker has left the cluster.
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> tuple[str, int]:
        return self.job.job_id, self.job.run


class DaskExecutor:
    """Runs jobs on a Dask cluster (:class:`jupyter_uws.uws.executor.Executor`).

    ``jobs`` is the folder of the job folders, on a file system the workers see. ``settle_timeout``
    bounds the wait, in seconds, for the last word on a job whose worker or service was lost.
    """

    def __init__(
        self,
        jobs: Path,
        describe: Describe,
        reporter: Reporter,
        cluster: ClusterConfig | None = None,
        *,
        settle_timeout: float = 60.0,
    ) -> None:
        self.jobs = Path(jobs).absolute()
        self.config = cluster or ClusterConfig()
        self._describe = describe
        self._reporter = reporter
        self._settle_timeout = settle_timeout
        self._runs: dict[str, Run] = {}
        self._fifo: Fifo[Need] = Fifo()
        self._helpers = Helpers(self._fifo, self._spawn, self._dispatch)
        self._cluster: DaskCluster | None = None
        self._changing: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def folder(self, job_id: str) -> JobFolder:
        """The folder of a job. Raises ValueError for an id that is no file name."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", job_id):
            raise ValueError(f"{job_id!r} cannot be a job id: letters, digits, '.', '_' and '-' only")
        return JobFolder(self.jobs / job_id)

    # What the manager asks

    async def start(self, job: Job) -> None:
        """Take a QUEUED job. After :meth:`close` nothing is taken: the job is settled at the next start."""
        if self._closing or job.job_id in self._runs:
            return
        run = self._runs[job.job_id] = Run(job, self.folder(job.job_id))
        try:
            launch = self._describe(job)
        except Exception as error:
            logger.exception("job %s cannot be described", job.job_id)
            self._end(run, failed(f"the job cannot be run: {error}"))
            return
        run.restarts = restarts(launch, job)
        longest, duration = self.config.longest, launch.execution_duration
        if longest is not None and duration > longest:
            promised = f"executionDuration of {duration} s"
            self._end(run, failed(f"{promised} is more than the {longest:.0f} s that a worker's walltime leaves it"))
            return
        run.need = self.config.need(launch.need)
        if longest is not None and run.need.duration > longest:  # by its rounding only
            run.need = replace(run.need, duration=longest)
        run.order = order(launch, job, run.folder.path, self.config.workers)
        try:
            await asyncio.to_thread(run.folder.prepare, request(run.order, launch))
        except OSError as error:
            self._end(run, failed(f"the job folder cannot be written: {error.strerror or error}"))
            return
        if run.aborting:
            self._end(run, {"event": "aborted"})
            return
        self._fifo.put(job.job_id, job.owner, run.need)
        self._dispatch()

    async def abort(self, job: Job) -> None:
        """Stop a job, whether it waits, runs, or is being settled."""
        run = self._runs.get(job.job_id)
        if run is None:  # nothing of it is ours; make sure that nothing of it lives
            run = self._runs[job.job_id] = Run(job, self.folder(job.job_id), aborting=True)
            self._end(run, await asyncio.to_thread(bury, run.folder, job.run, LOST_SERVICE))
            return
        run.aborting = True
        if self._fifo.remove(job.job_id):
            self._end(run, {"event": "aborted"})
        elif run.slot is not None and not run.ended:
            await asyncio.gather(self._stop(run), self._helpers.end(job.job_id))
        elif run.order is None:
            await asyncio.to_thread(bury, run.folder, job.run, LOST_SERVICE)

    async def settle(self, job: Job) -> None:
        """Say what became of a job of an earlier service: its last word, ``queued``, or that it is lost."""
        if job.job_id in self._runs:
            return
        run = self._runs[job.job_id] = Run(job, self.folder(job.job_id))
        with contextlib.suppress(Exception):  # a job type that is gone is not restartable
            run.restarts = restarts(self._describe(job), job)
        word = await last_word(run.folder, job.run, LOST_SERVICE, self._settle_timeout)
        if word["event"] == "lost":  # its worker's end was the service's
            word["error"]["message"] = LOST_SERVICE
        elif word["event"] == "never" and job.phase == Phase.EXECUTING:
            word = failed("its folder was removed while it ran; what became of it is not known")
        self._end(run, word)

    async def delete(self, job: Job) -> None:
        """Remove the job's folder. Raises OSError."""
        await asyncio.to_thread(self.folder(job.job_id).remove)

    async def measure(self, job: Job) -> int:
        """Bytes on the disk of the job's folder."""
        return await asyncio.to_thread(self.folder(job.job_id).size)

    async def close(self) -> None:
        """Stop running jobs, which are reported lost, and the cluster. Waiting jobs are kept for the next start."""
        self._closing = True
        if self._idle:
            self._idle.cancel()
        running = [run for run in self._runs.values() if run.slot is not None]
        await asyncio.gather(*(self._stop(run, "the service was stopped") for run in running), return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ORDER_TIMEOUT)
        if self._changing:
            await asyncio.wait([self._changing], timeout=ORDER_TIMEOUT)
        if self._changing:
            self._changing.cancel()
            await asyncio.wait([self._changing], timeout=ORDER_TIMEOUT)
        if self._cluster:
            cluster, self._cluster = self._cluster, None
            await cluster.close()
        for task in self._tasks:
            task.cancel()

    def status(self) -> dict[str, str | int]:
        """What the executor has in hand, in a few words: back end, workers there, jobs waiting and running."""
        running = sum(run.slot is not None for run in self._runs.values())
        return {
            "backend": self.config.backend,
            "workers": len(self._fifo.slots),
            "running": running,
            "waiting": len(self._fifo),
        }

    def queue(self, job: Job) -> dict[str, str]:
        """Where a QUEUED job stands: how many wait before it, and what it waits for."""
        position = self._fifo.position(job.job_id)
        if position is None:
            return {}
        if self._cluster is None:
            waits_for = "the Dask cluster to start"
        elif self._cluster.allocations:
            waits_for = self._cluster.allocations.waits_for(self._runs[job.job_id].need, position)
        else:
            waits_for = "a free worker"
        return {"queue_position": str(position), "waits_for": waits_for}

    @property
    def scheduler(self) -> Any:
        """Dask's scheduler, in this process; None where no cluster runs."""
        return self._cluster.scheduler if self._cluster else None

    def overview(self) -> dict[str, Any]:
        """The cluster for people: its workers, allocations where it has such, and what went wrong last."""
        allocations = self._cluster.allocations if self._cluster else None
        busy = self._fifo.busy
        workers: list[dict[str, Any]] = [{"worker": slot, "busy": slot in busy} for slot in sorted(self._fifo.slots)]
        table, helps = allocations.table() if allocations else workers, self._helpers.slots
        return {
            **self.status(),
            "workers_max": self.config.workers,
            "started": self._cluster is not None,
            "allocations": [{**each, "helps": helps.get(each["worker"])} for each in table],
            "failures": list(allocations.failures) if allocations else [],
        }

    # The cluster

    def _dispatch(self) -> None:
        """Give waiting jobs to free workers; start the cluster where there is none."""
        if self._idle:
            self._idle.cancel()
            self._idle = None
        if self._closing or self._changing:
            return
        if self._cluster is None:
            if len(self._fifo):
                self._changing = asyncio.create_task(self._open())
            return
        allocations = self._cluster.allocations
        choose = allocations.choose if allocations else _any
        for job_id, slot in self._fifo.match(choose):
            self._runs[job_id].slot = slot
            self._spawn(self._execute(self._runs[job_id], slot, self._cluster))
        self._helpers.dispatch(self._cluster.submission, choose)
        if allocations:
            # helpers after the jobs
            allocations.demand(self._fifo.needs + self._helpers.needs, self._fifo.busy)
        if not self._runs and self.config.idle_timeout:
            self._idle = asyncio.get_running_loop().call_later(self.config.idle_timeout, self._retire)

    async def _open(self) -> None:
        try:
            listener = Listener(self._hear, self._refuse, self._fifo.leave)
            self._cluster = await open_cluster(self.config, self.jobs / CLUSTER, listener)
        except Exception as error:
            logger.exception("the Dask cluster cannot be started")
            self._refuse(f"the {self.config.backend} Dask cluster cannot be started: {error or type(error).__name__}")
        finally:
            self._changing = None
        self._dispatch()

    def _refuse(self, reason: str, shape: Shape | None = None) -> None:
        """End the jobs that wait for a worker of this shape, or of any: none will come for them."""
        for job_id in self._fifo.clear(lambda need: shape is None or self.config.shape(need) == shape):
            self._end(self._runs[job_id], failed(reason, transient=True))

    def _retire(self) -> None:
        """Close the cluster: nothing was to do for long."""
        if self._cluster and not self._runs and not self._changing:
            self._changing = asyncio.create_task(self._shut())

    def _revive(self) -> None:
        """Start the cluster anew where its last worker was not replaced."""
        cluster = self._cluster
        if cluster and not cluster.allocations and not self._fifo.slots and not (self._changing or self._closing):
            logger.error("the Dask cluster lost all its workers; it is started anew")
            self._changing = asyncio.create_task(self._shut())

    async def _shut(self) -> None:
        try:
            cluster, self._cluster = self._cluster, None
            if cluster:
                await cluster.close()
        finally:
            self._fifo.forget_slots()
            self._changing = None
        self._dispatch()

    # Runs

    async def _execute(self, run: Run, slot: str, cluster: DaskCluster) -> None:
        """See one run through on one worker."""
        assert run.order is not None  # noqa: S101
        trouble = await see_through(cluster.submission, run.order, slot, run.left)
        if run.ended:
            return
        await self._helpers.end(run.job.job_id)  # before its last word, which may be long in coming
        word = await last_word(run.folder, run.job.run, trouble, self._settle_timeout)
        if word["event"] == "lost" and cluster.allocations and (why := await cluster.allocations.fate(slot)):
            word = {**word, "error": {**word["error"], "message": f"{word['error']['message']}: {why}"}}
        self._end(run, word)

    async def _stop(self, run: Run, reason: str | None = None) -> None:
        """Have the worker end a run; its last word comes as an event, or the worker is lost."""
        if self._cluster and run.slot and run.order:
            await stop(self._cluster.submission, run.order, run.slot, reason)

    def _hear(self, event: Event) -> None:
        """An event from the cluster, in the event loop."""
        kind = event["event"]
        if kind == "joined":
            allocations = self._cluster.allocations if self._cluster else None
            if allocations is None or allocations.joined(event["name"], event["worker"]):
                self._fifo.join(event["worker"])
                self._dispatch()
        elif kind == "left":
            self._fifo.leave(event["worker"])
            if self._cluster and self._cluster.allocations:
                self._cluster.allocations.left(event["worker"])
            self._helpers.left(event["worker"])
            for lost in self._runs.values():
                if lost.slot == event["worker"]:
                    lost.left.set()
            if not self._fifo.slots:
                asyncio.get_running_loop().call_later(self.config.start_timeout, self._revive)
        elif (run := self._runs.get(event["job_id"])) and run.job.run == event["run"]:
            if kind in LAST_WORDS:
                self._end(run, event)
            elif kind == "started":
                self._report(run, "started", event, info={"host": event["host"], "worker": run.slot})
            elif kind == "progress":
                if "helpers" in event and run.order and not (run.ended or run.aborting):
                    self._helpers.ask(run.order, run.need, event["helpers"], self.config.workers - 1)
                    self._dispatch()
                if info := {name: event[name] for name in ("progress", "message") if name in event}:
                    self._report(run, "progress", event, info=info)

    def _end(self, run: Run, word: Event) -> None:
        """A run's last word: report it when its helpers have ended, too, and let the next one start."""
        if run.ended:
            return
        run.ended = True
        if self._helpers.has(run.job.job_id):
            self._spawn(self._end_helped(run, word))
        else:
            self._finish(run, word)

    async def _end_helped(self, run: Run, word: Event) -> None:
        await self._helpers.end(run.job.job_id)
        self._finish(run, word)

    def _finish(self, run: Run, word: Event) -> None:
        del self._runs[run.job.job_id]
        if run.slot is not None:
            self._fifo.release(run.slot)
            if self._cluster and self._cluster.allocations and self._cluster.allocations.claimed():
                self._cluster.allocations.give_back(run.slot)
        kind, error = word["event"], word.get("error")
        if kind in ("lost", "never"):
            again = kind == "never" or run.restarts > 0
            kind = "aborted" if run.aborting else "queued" if again else "failed"
        if kind == "queued" and error:
            begun_again = int(run.job.info.get(RESTARTS, 0)) + 1
            info = {RESTARTS: str(begun_again), "message": f"queued again: {error['message']}"}
            self._report(run, kind, word, info=info)
        elif run.aborting and kind == "aborted":
            self._report(run, kind, word)
        else:
            self._report(run, kind, word, error=error)
        self._dispatch()

    def _report(self, run: Run, kind: Any, event: Event, error: Any = None, info: Any = None) -> None:
        time = datetime.fromisoformat(event["time"]) if "time" in event else datetime.now(UTC)
        results = tuple(Result(**result) for result in event.get("results", ()))
        summary = ErrorSummary(**error) if error else None
        try:
            self._reporter(Report(run.job.job_id, run.job.run, kind, time, info or {}, results, summary))
        except Exception:  # the others must go on; the folder knows, and the next service settles it
            logger.exception("the report %r of job %s was not taken", kind, run.job.job_id)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def restarts(launch: Launch, job: Job) -> int:
    """How often a job may still be begun again."""
    return max(0, launch.max_restarts - int(job.info.get(RESTARTS, 0))) if launch.restartable else 0


def _any(need: Need, slots: Iterable[str]) -> str | None:
    """Whichever worker: all are of one host."""
    return next(iter(slots), None)
