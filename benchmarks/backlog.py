"""Thousands of jobs queued at once over HTTP: accepted, kept over a restart of the service, all ended.

``make bench ARGS="backlog --jobs 10000 --workers 4"``; ``--slurm`` runs them on the SLURM of tests/slurm (as root).
CPU time is that of the service's process, for each job.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "slurm"))

from running import RunningService, run_service

TYPE = "command: ['true']\nname: nothing\nexecution_duration: 60\nmemory_limit: 64\n"
SLURM = """
c.ServeApp.backend = "slurm"
c.ServeApp.backend_options = {"interface": "lo", "memory": "500 MiB"}
"""


def cpu(service: RunningService) -> float:
    times = psutil.Process(service.process.pid).cpu_times()
    return float(times.user + times.system)


def fill(service: RunningService, jobs: int) -> float:
    """POST so many jobs one after the other; returns the seconds it took."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    headers = {"Authorization": f"token {service.token}", "Content-Type": "application/x-www-form-urlencoded"}
    begin = time.perf_counter()
    for _ in range(jobs):
        connection.request("POST", "/uws/nothing", "PHASE=RUN", headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 303:
            sys.exit(f"a job was refused: {answer.status} {body!r}")
    return time.perf_counter() - begin


def phases(service: RunningService) -> Counter[str]:
    text = service.get("uws/nothing").text
    return Counter(part.partition("<")[0] for part in text.split("<uws:phase>")[1:])


def wait(service: RunningService, ended: int, seconds: float = 3600) -> Counter[str]:
    """Until so many have ended; looked at seldom, for a list of them all is no small thing."""
    deadline = time.monotonic() + seconds
    while (found := phases(service))["QUEUED"] + found["EXECUTING"] > sum(found.values()) - ended:
        if time.monotonic() > deadline:
            sys.exit(f"after {seconds:.0f} s: {dict(found)}")
        time.sleep(5)
    return found


@contextlib.contextmanager
def cluster(on_slurm: bool) -> Iterator[str]:
    """What to configure."""
    if not on_slurm:
        yield ""
        return
    from slurm_daemons import slurm

    with slurm() as running:
        os.environ |= running.environment
        yield SLURM


def main(jobs: int, workers: int, on_slurm: bool) -> int:
    from jupyter_uws.archive.ingest import add_store
    from jupyter_uws.archive.simulation import simulate

    with tempfile.TemporaryDirectory(prefix="uws-backlog-") as name, cluster(on_slurm) as configuration:
        folder = Path(name)
        (folder / "types").mkdir()
        (folder / "types" / "nothing.yaml").write_text(TYPE)
        (folder / "config.py").write_text(configuration)
        add_store(folder / "archive.duckdb", simulate(folder / "sim", energy_min=1.0))
        options = (f"--workers={workers}", f"--config={folder}/config.py", f"--ServeApp.descriptions={folder}/types")
        with run_service(folder, folder / "archive.duckdb", *options) as service:
            before = cpu(service)
            took = fill(service, jobs)
            print(f"{jobs} jobs accepted in {took:.1f} s, {(cpu(service) - before) / jobs * 1e3:.2f} ms CPU each")
            wait(service, jobs // 10)
            os.kill(service.process.pid, signal.SIGKILL)
            service.process.wait()
        with run_service(folder, folder / "archive.duckdb", *options) as service:
            found = phases(service)
            print(f"killed and started again: {dict(found)}")
            if sum(found.values()) != jobs:
                sys.exit(f"{jobs - sum(found.values())} jobs are lost")
            before, begin, left = cpu(service), time.perf_counter(), found["QUEUED"] + found["EXECUTING"]
            found = wait(service, jobs)
            took, spent = time.perf_counter() - begin, cpu(service) - before
            print(f"the rest in {took:.0f} s, {left / took:.1f} jobs/s, {spent / left * 1e3:.2f} ms CPU each")
            print(f"ended: {dict(found)}")
    # those that ran when it was killed have ended in ERROR, and say so
    return 0 if found["COMPLETED"] + found["ERROR"] == jobs and found["ERROR"] <= workers else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--slurm", action="store_true")
    arguments = parser.parse_args()
    sys.exit(main(arguments.jobs, arguments.workers, arguments.slurm))
