"""Running jobs on a Dask worker: a task that hands a job to a supervisor and passes on what it says.

Only documented parts of Dask are used: plugins, an async task, ``log_event``. Everything here runs in
the worker's event loop, but for :class:`Ear`, which is in the scheduler's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, cast

from distributed import Scheduler, SchedulerPlugin, Worker, WorkerPlugin, get_worker

from .aftermath import bury
from .folder import LAST_WORDS, Event, JobFolder
from .forgetting import forget_names
from .processes import become_subreaper
from .supervisor import command

#: The one topic of all jobs: Dask keeps a deque of events per topic, for ever.
TOPIC = "jupyter-uws"
NAME = "jupyter-uws-runner"
#: Bytes of one line of a supervisor: a last word may list thousands of results.
LINE_LIMIT = 64 << 20

#: Seconds after which a supervisor that does not end a job is killed, and the job with it.
STOP_TIMEOUT = 3.0

Key = tuple[str, int]


class Ear(SchedulerPlugin):
    """Hears in the scheduler's process, which is the service's, what happens on the workers.

    That is two hops and 10 ms of batching less than a client's subscription. ``hear`` is called
    in the event loop, after whatever the scheduler is at just then; it must not raise.
    """

    name = "jupyter-uws-ear"

    def __init__(self, hear: Callable[[Event], None]) -> None:
        self._hear = hear
        self._loop = asyncio.get_running_loop()

    def _pass_on(self, event: Event) -> None:
        self._loop.call_soon(self._hear, event)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self._pass_on({"event": "joined", "worker": worker, "name": str(scheduler.workers[worker].name)})

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        self._pass_on({"event": "left", "worker": worker})

    def log_event(self, topic: str, msg: Any) -> None:
        if topic == TOPIC:
            self._pass_on(msg)


class Runner(WorkerPlugin):
    """Keeps a worker's supervisors, and its reaper."""

    name = NAME
    idempotent = True

    async def setup(self, worker: Worker) -> None:
        self.worker = worker
        worker.http_server.stop()  # as the scheduler's
        self.idle: list[asyncio.subprocess.Process] = []
        self.busy: dict[Key, asyncio.subprocess.Process] = {}
        self.stopped: dict[Key, str | None] = {}
        become_subreaper()
        self.reaper = await _start("reaper")
        self.idle.append(await _start("supervisor"))

    async def teardown(self, worker: Worker) -> None:
        """Close the lifelines: supervisors end their jobs, then themselves."""
        processes = [*self.idle, *self.busy.values(), self.reaper]
        for process in processes:
            _stdin(process).close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(process.wait() for process in processes)), 3)

    async def run(self, order: dict[str, Any]) -> None:
        """Run a job to its last word. Returns nothing: Dask would run it again to keep a lost result."""
        key = (order["job_id"], order["run"])
        if key in self.stopped:
            reason = self.stopped.pop(key)
            self.pass_on(key, {"event": "lost", "error": {"message": reason}} if reason else {"event": "aborted"})
            return
        await self.tell_reaper(order, active=True)
        supervisor = await self.supervisor()
        self.busy[key] = supervisor
        session = None
        try:
            with contextlib.suppress(ConnectionError):
                await _send(supervisor, {"op": "run", **order})
                if key in self.stopped:  # while the supervisor was being started
                    await self.stop(key, self.stopped.pop(key))
            while event := await _receive(supervisor):
                if event["event"] == "refused":
                    return
                session = event.get("pid", session)
                self.pass_on(key, event)
                if event["event"] in LAST_WORDS:
                    return
            word = await asyncio.to_thread(
                bury, JobFolder(order["folder"]), order["run"], "its supervisor was killed", session
            )
            self.pass_on(key, word)
        except asyncio.CancelledError:
            # Dask cancels tasks when the worker loses its scheduler: the job ends, but nobody aborted it.
            _stdin(supervisor).close()
            raise
        finally:
            del self.busy[key]
            if supervisor.returncode is None and not _stdin(supervisor).is_closing():
                self.idle.append(supervisor)
            await self.tell_reaper(order, active=False)
            forget_names()

    async def supervisor(self) -> asyncio.subprocess.Process:
        while self.idle:
            process = self.idle.pop()
            if process.returncode is None and not process.stdout.at_eof():  # type: ignore[union-attr]
                return process
        return await _start("supervisor")

    async def stop(self, key: Key, reason: str | None) -> None:
        """End a run; one that is not here (yet) is not begun when it comes."""
        if supervisor := self.busy.get(key):
            asyncio.get_running_loop().call_later(STOP_TIMEOUT, self.insist, key, supervisor)
            with contextlib.suppress(ConnectionError):
                await _send(supervisor, _abort(key, reason))
        else:
            self.stopped[key] = reason

    def insist(self, key: Key, supervisor: asyncio.subprocess.Process) -> None:
        if self.busy.get(key) is supervisor and supervisor.returncode is None:
            supervisor.kill()

    def pass_on(self, key: Key, event: Event) -> None:
        self.worker.log_event(TOPIC, {"job_id": key[0], "run": key[1], **event})

    async def tell_reaper(self, order: dict[str, Any], *, active: bool) -> None:
        message = {"folder": order["folder"], "run": order["run"], "active": active}
        if active and self.reaper.returncode is not None:
            self.reaper = await _start("reaper")
        with contextlib.suppress(ConnectionError):
            await _send(self.reaper, message)


async def run_job(order: dict[str, Any]) -> None:
    """The Dask task of a job."""
    await cast(Runner, get_worker().plugins[NAME]).run(order)


async def stop_job(job_id: str, run: int, reason: str | None, dask_worker: Worker) -> None:
    """End a run on this worker: ``aborted``, or with a reason ``lost`` for that reason.

    For ``Client.run``, which gives ``dask_worker``.
    """
    await cast(Runner, dask_worker.plugins[NAME]).stop((job_id, run), reason)


def _abort(key: Key, reason: str | None) -> dict[str, Any]:
    return {"op": "abort", "job_id": key[0], "run": key[1], "reason": reason}


async def _start(module: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command(module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C at the service's terminal is not for it
        limit=LINE_LIMIT,
    )


async def _send(process: asyncio.subprocess.Process, message: dict[str, Any]) -> None:
    _stdin(process).write(json.dumps(message).encode() + b"\n")
    await _stdin(process).drain()


async def _receive(process: asyncio.subprocess.Process) -> Event | None:
    assert process.stdout is not None  # noqa: S101
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        return None
    event: Event = json.loads(line)
    return event


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None  # noqa: S101
    return process.stdin
