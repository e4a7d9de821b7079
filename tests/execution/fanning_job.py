"""A job that fans out: ``fanning_job.py TASKS SECONDS WORKERS``.

Waits for as many workers as that, has them sleep in so many tasks, and writes down where these ran.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from jupyter_uws import job


def task(number: int, seconds: float, size: int) -> tuple[int, int, bytes]:
    time.sleep(seconds)
    return os.getpid(), number**2, bytes(size)


tasks, seconds, workers = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
with job.client() as dask:
    job.progress(0.1, "waiting")
    dask.wait_for_workers(workers, timeout=30)
    job.progress(0.2, "fanned out")
    done = dask.gather(dask.map(task, range(tasks), seconds=seconds, size=0))
Path("done.json").write_text(json.dumps({"pids": [pid for pid, *_ in done], "sum": sum(n for _, n, _ in done)}))
