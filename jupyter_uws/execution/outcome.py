"""How a job that ended by itself ended: its exit status and what it left in its folder, as a last word.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder import Event, JobFolder

#: The last line of a Python traceback after running out of memory (numpy has a class of its own for it).
MEMORY_ERROR = re.compile(r"^[\w.]*MemoryError\b")
CHUNK = 1 << 20


def ended(folder: JobFolder, status: int, memory_limit: int, interrupted: Callable[[], bool]) -> Event:
    """The last word on a job's process that ended with ``status`` (negative: by that signal).

    ``memory_limit`` is in MiB, 0 for none. ``interrupted`` is asked now and then while large results
    are read; where it says yes, the answer is ``aborted``.
    """
    try:
        if status == 0:
            return {"event": "completed", "results": declared(folder, interrupted)}
        return {
            "event": "failed",
            "error": _error(folder, status, memory_limit),
            "results": declared(folder, interrupted, strict=False),
        }
    except InterruptedError:
        return {"event": "aborted"}
    except ValueError as error:
        return {"event": "failed", "error": {"message": f"bad results: {error}"}}


def declared(
    folder: JobFolder, interrupted: Callable[[], bool] = lambda: False, *, strict: bool = True
) -> list[dict[str, Any]]:
    """What ``results.json`` declares, with the size and SHA-256 of each file.

    Raises ValueError for the first bad one; with ``strict`` off those are left out. Raises
    InterruptedError.
    """
    try:
        entries = folder.read_json("results.json") or []
        if not isinstance(entries, list):
            raise ValueError(f"results.json holds {type(entries).__name__}, not a list")
    except ValueError:
        if strict:
            raise
        return []
    results: dict[str, dict[str, Any]] = {}
    for entry in entries:
        try:
            result = _result(folder, entry, interrupted)
            if result["name"] in results:
                raise ValueError(f"two results are named {result['name']!r}")
        except ValueError:
            if strict:
                raise
            continue
        results[result["name"]] = result
    return list(results.values())


def _result(folder: JobFolder, entry: Any, interrupted: Callable[[], bool]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r} is not an object with name and path")
    for key in ("name", "path"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise ValueError(f"{key} is {entry.get(key)!r}; it must be a string that is not empty")
    try:
        file = folder.result(entry["path"])
        size, digest = _digest(file, interrupted)
    except InterruptedError:
        raise
    except OSError as error:
        raise ValueError(f"result {entry['name']!r}: {entry['path']!r} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"result {entry['name']!r}: {error}") from None
    return {
        "name": entry["name"],
        "path": entry["path"],
        "content_type": str(entry.get("content_type") or "application/octet-stream"),
        "description": str(entry.get("description") or ""),
        "size": size,
        "sha256": digest,
    }


def _digest(path: Path, interrupted: Callable[[], bool]) -> tuple[int, str]:
    import hashlib  # here: it loads OpenSSL, and many jobs have no results

    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if interrupted():
                raise InterruptedError
    return size, digest.hexdigest()


def _error(folder: JobFolder, status: int, memory_limit: int) -> dict[str, Any]:
    """Why a job failed: its own word where it left one, else its exit status and the end of stderr."""
    tail = folder.tail("stderr")
    try:
        own = folder.read_json("error.json")
    except ValueError:
        own = None
    if not isinstance(own, dict):
        own = {}
    detail = str(own.get("detail") or tail)
    if memory_limit and MEMORY_ERROR.match(detail.rstrip().rpartition("\n")[2]):
        message = f"memory limit of {memory_limit} MiB exceeded (MemoryError)"
    elif own.get("message"):
        message = str(own["message"])
    elif status > 0:
        message = f"exit status {status}"
    else:
        message = f"killed by {signal_name(-status)}"
        if status == -signal.SIGKILL:
            message += ", not by this service: by the kernel for want of memory, or by a person"
    if _full(folder):
        message += "; the disk of the job folder is full"
    kind = "transient" if own.get("type") == "transient" else "fatal"
    return {"message": message, "type": kind, "detail": detail or None}


def _full(folder: JobFolder) -> bool:
    disk = os.statvfs(folder.path)
    return disk.f_bavail * disk.f_frsize < CHUNK // 64


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
