"""The reaper: where a worker is killed together with its supervisor, ends what their job left.

One per worker. It hears on stdin which runs are active, and acts only when stdin ends, which is when
the worker is gone. Standard library only.
"""

from __future__ import annotations

import json
import signal
import sys
import time

from .aftermath import aftermath, bury
from .folder import JobFolder
from .processes import end, of_job

#: Seconds that supervisors get to say their last words.
PATIENCE = 30.0
REASON = "its Dask worker and its supervisor were lost"


def main() -> None:
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # the end of stdin ends it, and nothing before
    active: set[tuple[str, int]] = set()
    for line in sys.stdin:
        message = json.loads(line)
        key = (message["folder"], message["run"])
        if message["active"]:
            active.add(key)
        else:
            active.discard(key)
    deadline = time.monotonic() + PATIENCE
    while active and time.monotonic() < deadline:
        for path, run in list(active):
            if aftermath(JobFolder(path), run, REASON):
                end(lambda path=path: of_job(path))  # type: ignore[misc]
                active.discard((path, run))
        time.sleep(0.02)
    for path, run in active:
        bury(JobFolder(path), run, REASON)
