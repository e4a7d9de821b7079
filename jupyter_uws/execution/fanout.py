"""The job's side of fanning out: a private Dask cluster in the job's process, and the process of its helpers.

The job never meets the service's scheduler: whoever does may run anything on all workers, beyond abort and
limits. It runs a scheduler of its own and one worker beside it, in its own process, so that it always goes
on, however busy the cluster is. More workers are asked for on the progress pipe; those that come are started by the
service (:mod:`.helpers`) as ``python -m jupyter_uws.execution.fanout ADDRESS KEYS``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import select
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .batch import make_security, security_of
from .dask_config import COMMON
from .folder import JobFolder, remove_tree

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

#: Dask in a job's process and in its helpers.
DASK: dict[str, Any] = {
    **COMMON,
    # helpers come and go, and tasks lost with them are computed again
    "distributed.scheduler.allowed-failures": 1000,
    # a job that was suspended for long must not drop its own worker; dead hosts are noticed by TCP
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.work-stealing": True,
}
#: Where Dask's web servers begin to listen, which cannot be left out; they are stopped at once.
LOOPBACK = "127.0.0.1:0"
#: Seconds in which the service must take what is asked of it, and a helper find its scheduler.
ASK_TIMEOUT, DEATH_TIMEOUT = 5.0, 30.0


@dataclass(frozen=True)
class Place:
    """Where a job's process is: in a service or not, among how many workers at most."""

    workers: int = 1
    cores: int = 1
    host: str | None = None
    folder: Path | None = None
    progress_fd: int | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Place:
        cores = int(environ.get("UWS_CORES", "1"))
        pipe = int(environ.get("UWS_PROGRESS_FD", "-1"))
        if "UWS_HOST" not in environ or not _is_pipe(pipe):
            return cls(cores=cores)
        workers, folder = int(environ["UWS_WORKERS"]), Path(environ["UWS_JOB_DIR"]).resolve()
        return cls(workers, cores, environ["UWS_HOST"], folder, pipe)


def _is_pipe(fd: int) -> bool:
    """Whether the progress pipe is there: a process that the job started may have its environment, but not the pipe."""
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False


def workers_there() -> int:
    """How many workers a job's tasks may run on at most, its own among them."""
    return Place.from_environment().workers


@contextlib.contextmanager
def client(workers: int | None = None) -> Iterator[Client]:
    """A Dask client whose tasks run in this process and on the workers that come to help; closed at the end.

    ``workers`` is how many work at most, this process among them; by default as many as the service has.
    Tasks must not depend on where they run, and may run twice: helpers come late, or never, and go when another job
    wants their slot. Outside of a service all tasks run in this process.

    Raises
    ------
    ValueError
        Where ``workers`` is less than 1.
    RuntimeError
        Where the job has a client already.
    OSError
        Where the job folder cannot be written.
    """
    import dask
    from distributed import Client

    place = Place.from_environment()
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    helpers = min(workers or place.workers, place.workers) - 1
    with dask.config.set(DASK), contextlib.ExitStack() as stack:
        if place.folder is None or not helpers:
            cluster = _cluster(place, stack.enter_context(tempfile.TemporaryDirectory()), "inproc", None)
        else:
            folder = _new_folder(place.folder)
            stack.callback(_remove, folder)
            security = make_security(folder)
            cluster = _cluster(place, str(folder), "tls", security)
        stack.callback(cluster.close)
        if place.folder is not None and helpers:
            keys = str(Path(security.tls_ca_file).parent)
            argv = [sys.executable, "-m", "jupyter_uws.execution.fanout", cluster.scheduler_address, keys]
            stack.callback(_ask, place, {"count": 0})
            _ask(place, {"count": helpers, "argv": argv})
        yield stack.enter_context(Client(cluster))  # type: ignore[no-untyped-call]


def _new_folder(job: Path) -> Path:
    folder = JobFolder(job).fanout
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise RuntimeError("this job has a Dask client already: use that one, or close it first") from None
    return folder


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        remove_tree(folder)


def _cluster(place: Place, folder: str, protocol: str, security: Any) -> Any:
    """A scheduler and one worker in this process, in a thread with an event loop of its own."""
    from distributed import Scheduler, SpecCluster, Worker

    host = place.host if protocol == "tls" else None
    common = {
        "protocol": protocol,
        "host": host,
        "security": security,
        "dashboard": False,
        "dashboard_address": LOOPBACK,
    }
    worker = {"nthreads": place.cores, "memory_limit": 0, "local_directory": folder, "name": "job", **common}
    cluster = SpecCluster(  # type: ignore[no-untyped-call]
        scheduler={"cls": Scheduler, "options": {"port": 0, **common}},
        workers={"job": {"cls": Worker, "options": worker}},
        security=security,
        silence_logs=logging.ERROR,
    )
    for server in (cluster.scheduler, *cluster.workers.values()):
        cluster.loop.add_callback(server.http_server.stop)  # type: ignore[union-attr]
    return cluster


def _ask(place: Place, helpers: dict[str, Any]) -> None:
    """Tell the service how many helpers are wanted; where it does not listen there are none."""
    assert place.progress_fd is not None  # noqa: S101
    line = json.dumps({"helpers": helpers}).encode() + b"\n"
    if len(line) > select.PIPE_BUF:
        log.warning("no helpers: their command has %d bytes, more than %d", len(line), select.PIPE_BUF)
        return
    deadline = time.monotonic() + ASK_TIMEOUT
    while (left := deadline - time.monotonic()) > 0:
        try:
            os.write(place.progress_fd, line)
            return
        except BlockingIOError:  # full of progress: the supervisor will read it
            select.select([], [place.progress_fd], [], left)
        except OSError:
            return


async def _help(address: str, keys: Path) -> None:
    """A worker of a job's private scheduler, until that is gone."""
    import dask
    from distributed import Worker

    dask.config.set(DASK)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    place = Place.from_environment()
    async with Worker(
        address,
        nthreads=place.cores,
        memory_limit=0,
        local_directory=".",
        host=place.host,
        security=security_of(keys),
        death_timeout=DEATH_TIMEOUT,
        dashboard=False,
        dashboard_address=LOOPBACK,
    ) as worker:
        worker.http_server.stop()
        await worker.finished()


if __name__ == "__main__":
    asyncio.run(_help(sys.argv[1], Path(sys.argv[2])))
