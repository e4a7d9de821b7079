"""The processes of a job, as Linux shows them in /proc: find them, weigh them, end them.

A job's processes are known by ``UWS_JOB_DIR`` in the environment they were started with, by the
session of the job's first process, and by descent from any of these. Standard library only: the
supervisor imports this in an interpreter without site-packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PAGE = os.sysconf("SC_PAGE_SIZE")


def become_subreaper() -> None:
    """Let orphaned descendants come to this process instead of to init."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def start_time(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None where there is no such live process.

    A pid with its start time names a process for ever; a pid alone may be reused.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on (the name before them may hold anything)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def children(pid: int) -> list[int]:
    """The direct children of a process, zombies among them."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass  # the process is gone, and its children have another parent now
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    found: list[int] = []
    pending = [pid]
    while pending:
        new = children(pending.pop())
        found += new
        pending += new
    return found


def resident(pids: Collection[int]) -> int:
    """Bytes of memory the processes hold, pages shared by several of them counted several times."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm") as file:
            total += int(file.read().split()[1]) * PAGE
    return total


def proportional(pids: Collection[int]) -> int:
    """Bytes of memory the processes hold together: shared pages counted once (dear: walks page tables)."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
        except OSError:
            total += resident([pid])
    return total


def of_job(folder: str | os.PathLike[str], session: int | None = None) -> list[int]:
    """The live processes of the job with this folder, on this host, as far as we may see them."""
    mark = b"UWS_JOB_DIR=" + os.fsencode(folder)
    found: set[int] = set()
    for pid in _pids():
        fields = _stat(pid)
        if fields is None or fields[0] in "ZX":
            continue
        if (session is not None and int(fields[3]) == session) or _environ_has(pid, mark):
            found.update((pid, *descendants(pid)))
    found.discard(os.getpid())
    return [pid for pid in found if start_time(pid) is not None]


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _environ_has(pid: int, entry: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return entry in file.read().split(b"\0")
    except OSError:
        return False


def kill(pids: Collection[int], signum: int = signal.SIGKILL) -> None:
    """Send a signal to each; those gone already are no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)


def end(find: Callable[[], Collection[int]], *, timeout: float = 2.0) -> bool:
    """Kill what ``find`` finds until it finds nothing; False where something withstood for ``timeout`` s.

    Everything found is stopped before it is killed, so that nothing forks away between two looks.
    """
    deadline = time.monotonic() + timeout
    pause = 0.0005
    while pids := find():
        kill(pids, signal.SIGSTOP)
        kill(pids, signal.SIGKILL)
        reap(pids)
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True


def reap(pids: Collection[int]) -> None:
    """Take the exit status of those that are our children (orphans that came to a subreaper)."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
