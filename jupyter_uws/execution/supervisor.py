"""The supervisor: owns the processes of one job at a time, on the host of a Dask worker.

One runs per busy worker slot and is used again for the next job. It reads orders as JSON lines on
stdin, which is its lifeline as well: where the worker dies, stdin ends, and so does the job. It
answers in JSON lines on stdout, each event written into the job folder before. Standard library
only, started with ``python -I -S`` (see :func:`command`): 10 MB and some 30 ms, once.

Orders: ``{"op": "run", "folder", "job_id", "job_type", "run", "argv", "env", "execution_duration",
"memory_limit", "cores"}`` and ``{"op": "abort", "job_id", "run", "reason"}``; an abort with a reason is
none of the owner's: the run is lost, for that reason.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from .folder import Event, JobFolder, now
from .outcome import declared, ended
from .processes import become_subreaper, children, descendants, end, kill, proportional, reap, resident, start_time

#: Seconds between SIGTERM and SIGKILL: the whole group is dead within 0.1 s of an abort.
GRACE = 0.05
#: Seconds in which the end of the worker is awaited where a job failed: a batch system kills all at once.
ALL_KILLED = 0.2
#: Seconds between two looks at the memory a job holds.
MEMORY_INTERVAL = 0.25
#: Seconds between two progress events of a job.
PROGRESS_INTERVAL = 0.1
#: Bytes of progress not ended by a newline that are kept.
PROGRESS_LINE = 1 << 16
PROGRESS_FD = 3
#: Bytes of data that a supervisor needs itself while it starts a job.
OWN_DATA = 64 << 20
LOST_WORKER = "its Dask worker was lost"
#: What jobs get of the worker's environment; the rest (tokens, display, ...) is not theirs.
ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")

_BOOT = "import sys; sys.path.append(sys.argv[1]); from jupyter_uws.execution.{0} import main; main()"


def command(module: str = "supervisor") -> list[str]:
    """The argv that starts a module of this room in an interpreter of its own, without site-packages."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [sys.executable, "-I", "-S", "-c", _BOOT.format(module), root]


class Orders:
    """Orders from stdin; ``lost`` once it has ended."""

    def __init__(self) -> None:
        self.lost = False
        self.waiting: list[dict[str, Any]] = []
        self._rest = b""

    def read(self) -> None:
        """Take in what there is; blocks where there is nothing."""
        data = os.read(0, 1 << 20)
        self.lost = self.lost or not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.waiting += [json.loads(line) for line in lines]

    def next(self) -> dict[str, Any] | None:
        """The next order to run a job; None when the worker has gone."""
        while not self.lost:
            while self.waiting:
                order = self.waiting.pop(0)
                if order["op"] == "run":
                    return order
            self.read()
        return None

    def end_within(self, seconds: float) -> bool:
        """Whether the worker is gone, or goes within this time."""
        if not self.lost and select.select([0], [], [], seconds)[0]:
            self.read()
        return self.lost

    def aborted(self, job_id: str, run: int) -> Event | None:
        """The last word that an order to stop this run asks for; looks at stdin without waiting."""
        if not self.lost and select.select([0], [], [], 0)[0]:
            self.read()
        for order in self.waiting:
            if order["op"] == "abort" and (order["job_id"], order["run"]) == (job_id, run):
                return lost(order["reason"]) if order.get("reason") else {"event": "aborted"}
        return None


class Progress:
    """What a job says on its progress pipe, the newest only and not too often."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.due: float | None = None
        self._next = 0.0
        self._rest = b""
        self._latest: Event = {}

    def read(self) -> None:
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:PROGRESS_LINE]
        for line in lines:
            self._take(line)
        if self._latest and self.due is None:
            self.due = self._next

    def _take(self, line: bytes) -> None:
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            said = json.loads(line)
            value, message = said.get("progress"), said.get("message")
            if value is not None:
                self._latest["progress"] = min(1.0, max(0.0, float(value)))
            if message is not None:
                self._latest["message"] = str(message)[:500]
            if "helpers" in said:
                self._latest["helpers"] = said["helpers"]

    def take(self) -> Event:
        """The newest word not yet reported, empty where there is none."""
        event, self._latest, self.due = self._latest, {}, None
        self._next = time.monotonic() + PROGRESS_INTERVAL
        return event


class Supervision:
    """One run of one job, from the claim to the last word."""

    def __init__(self, order: dict[str, Any], orders: Orders) -> None:
        self.order = order
        self.orders = orders
        self.job_id, self.run = order["job_id"], order["run"]
        self.folder = JobFolder(order["folder"])
        self.memory_limit = order["memory_limit"]

    def supervise(self) -> None:
        """Run the job to its end and report it. Never raises for anything the job or its disk does."""
        try:
            if not self.folder.begin(self.run, identity()):
                self.tell({"event": "refused"})  # Dask ran the task a second time
                return
            last = self.execute()
        except OSError as error:
            end(lambda: descendants(os.getpid()))
            last = _failed(f"the job folder cannot be used: {_why(error)}")
        self.record(last)

    def execute(self) -> Event:
        """Spawn, watch, end everything. Raises OSError where the folder cannot be written."""
        if verdict := self.orders.aborted(self.job_id, self.run):  # it came with the order: no poll tells of it
            return verdict
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            try:
                pid = self.spawn(writing)
            except (OSError, ValueError) as error:
                if getattr(error, "filename", None) in (str(self.folder.stdout), str(self.folder.stderr)):
                    raise
                return _failed(f"cannot execute {self.order['argv'][0]!r}: {_why(error)}")
            finally:
                os.close(writing)
            started = time.monotonic()
            self.emit({"event": "started", "pid": pid, **identity()})
            progress = Progress(reading)
            verdict = self.watch(pid, started, progress)
            if verdict and not self.orders.lost:
                self.terminate(pid)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if verdict is None else 0
            gone = end(lambda: descendants(os.getpid()))
            progress.read()
            self.flush(progress)
        finally:
            os.close(reading)
        if verdict is None:
            last = ended(self.folder, status, self.memory_limit, self.interrupted)
            # A shell whose children were all killed ends with status 0: no word of a job killed so can be trusted.
            # It is one of the first to be killed: the longer it ran, the longer its worker's end may be awaited.
            moment = ALL_KILLED if status else min(ALL_KILLED, (time.monotonic() - started) / 20)
            if self.orders.end_within(moment):
                last = lost(LOST_WORKER)
        else:
            last = verdict | {"results": declared(self.folder, strict=False)}
        return last if gone else last | {"left": descendants(os.getpid())}

    def spawn(self, progress: int) -> int:
        """Start the job's process in a session of its own; returns its pid."""
        order, env = self.order, self.environment()
        executable = which(order["argv"][0], env.get("PATH", os.defpath))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        with (
            open(os.open(self.folder.stdout, flags, 0o600), "wb") as out,
            open(os.open(self.folder.stderr, flags, 0o600), "wb") as err,
        ):
            os.chdir(self.folder.work)
            try:
                with data_limit(self.memory_limit << 20):
                    pid = os.posix_spawn(
                        executable,
                        order["argv"],
                        env,
                        file_actions=[
                            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                            (os.POSIX_SPAWN_DUP2, out.fileno(), 1),
                            (os.POSIX_SPAWN_DUP2, err.fileno(), 2),
                            (os.POSIX_SPAWN_DUP2, progress, PROGRESS_FD),
                        ],
                        setsid=True,
                        setsigmask=[],
                        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
                    )
            finally:
                os.chdir("/")
        if self.memory_limit:
            # for good, and as small as it was asked for
            size = self.memory_limit << 20
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))
        return pid

    def environment(self) -> dict[str, str]:
        order = self.order
        env = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        env["OMP_NUM_THREADS"] = env["UWS_CORES"] = str(order["cores"])
        env.update(order["env"])
        env["UWS_JOB_ID"] = self.job_id
        env["UWS_JOB_TYPE"] = order["job_type"]
        env["UWS_RUN"] = str(self.run)
        env["UWS_JOB_DIR"] = str(self.folder.path)
        env["UWS_PROGRESS_FD"] = str(PROGRESS_FD)
        return env

    def watch(self, pid: int, started: float, progress: Progress) -> Event | None:
        """Wait until the process ends (None), or must be ended (the last word that says why)."""
        duration = self.order["execution_duration"]
        deadline = started + duration if duration else None
        look = started + MEMORY_INTERVAL
        pidfd = os.pidfd_open(pid)
        poll = select.poll()
        for fd in (0, pidfd, progress.fd):
            poll.register(fd, select.POLLIN)
        try:
            while True:
                until = min(time for time in (deadline, look, progress.due) if time is not None)
                ready = dict(poll.poll(max(0.0, until - time.monotonic()) * 1000))
                if 0 in ready:
                    if verdict := self.orders.aborted(self.job_id, self.run):
                        return verdict
                    if self.orders.lost:
                        return lost(LOST_WORKER)
                if progress.fd in ready:
                    progress.read()
                    if ready[progress.fd] & select.POLLHUP and not ready[progress.fd] & select.POLLIN:
                        poll.unregister(progress.fd)
                if pidfd in ready:
                    return None
                moment = time.monotonic()
                if deadline is not None and moment >= deadline:
                    return {"event": "aborted", "error": {"message": f"executionDuration of {duration} s exceeded"}}
                if progress.due is not None and moment >= progress.due:
                    self.flush(progress)
                if moment >= look:
                    look = moment + MEMORY_INTERVAL
                    if excess := self.excess(pid):
                        return excess
        finally:
            os.close(pidfd)

    def excess(self, pid: int) -> Event | None:
        """A last word where the job's processes together hold more memory than they may."""
        # Orphans that came to us and ended: nobody else takes their exit status.
        reap([child for child in children(os.getpid()) if child != pid])
        if not self.memory_limit:
            return None
        limit, pids = self.memory_limit << 20, descendants(os.getpid())
        if resident(pids) <= limit or (held := proportional(pids)) <= limit:
            return None
        return _failed(
            f"memory limit of {self.memory_limit} MiB exceeded (the job's processes held {held >> 20} MiB)",
            self.folder.tail("stderr"),
        )

    def interrupted(self) -> bool:
        return self.orders.aborted(self.job_id, self.run) is not None

    def terminate(self, pid: int) -> None:
        """SIGTERM to all, and a moment for the first process to end."""
        kill(descendants(os.getpid()), signal.SIGTERM)
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(pid)
            try:
                select.select([pidfd], [], [], GRACE)
            finally:
                os.close(pidfd)

    def flush(self, progress: Progress) -> None:
        if event := progress.take():
            self.tell({"event": "progress", "time": now(), **event})

    def record(self, last: Event) -> None:
        """The last word: into the folder where that is possible, and to the worker in any case."""
        self.folder.forget_keys()
        try:
            self.emit(last)
        except OSError as error:
            self.tell(_failed(f"the job's end cannot be written into its folder: {_why(error)}") | {"time": now()})

    def emit(self, event: Event) -> None:
        """Write an event into the folder, then report it. Raises OSError where it cannot be written."""
        event = {"run": self.run, "time": now(), **event}
        self.folder.append(event)
        self.tell(event)

    def tell(self, event: Event) -> None:
        line = json.dumps({"job_id": self.job_id, "run": self.run, **event}).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # the worker is gone; the folder has it
            while line:
                line = line[os.write(1, line) :]


@contextlib.contextmanager
def data_limit(size: int) -> Iterator[None]:
    """Have what is started meanwhile begin with a limit of so many bytes of data, as far as we can live with it.

    It stops one process that allocates in one go, with a MemoryError it can tell of. RLIMIT_DATA, not
    RLIMIT_AS: mapped files and reserved addresses (OpenBLAS, DuckDB) are not memory held.
    """
    if not size:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lower = max(size, OWN_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (lower if hard == resource.RLIM_INFINITY else min(lower, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def lost(reason: str) -> Event:
    """The last word on a run that nobody can finish."""
    return {"event": "lost", "error": {"message": reason, "type": "transient"}}


def identity() -> Event:
    """Who supervises: enough to find out later whether it still lives."""
    return {"supervisor": os.getpid(), "supervisor_start": start_time(os.getpid()), "host": os.uname().nodename}


def _failed(message: str, detail: str | None = None) -> Event:
    return {"event": "failed", "error": {"message": message, "detail": detail or None}}


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).strip()


@functools.lru_cache(maxsize=64)
def which(name: str, path: str) -> str:
    """Where ``name`` is found on ``path``. Raises FileNotFoundError."""
    if "/" in name:
        return name
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder or ".", name)
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    raise FileNotFoundError(2, "No such program on PATH", name)


def main() -> None:
    become_subreaper()
    null = os.open(os.devnull, os.O_RDONLY)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # The same as a lost worker: stdin ends, in the midst of a poll too.
        signal.signal(signum, lambda *_: os.dup2(null, 0, inheritable=False) and None)
    # A service with thousands of clients raised it; programs that use select() break above 1024.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard) if hard != resource.RLIM_INFINITY else 1024, hard))
    orders = Orders()
    while (order := orders.next()) is not None:
        Supervision(order, orders).supervise()
