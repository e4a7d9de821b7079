"""The job list of a user with very many jobs: what a page of it costs the service's loop, by filter.

``make bench ARGS="joblist --jobs 100000"``; times are medians in ms. ``--keep DIR`` leaves the filled store there,
to be looked at with ``jupyter uws serve --state-dir DIR``.
"""

from __future__ import annotations

import argparse
import getpass
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from jupyter_uws.uws.listing import jobs_page
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.schema import encode, jobs
from jupyter_uws.uws.store import JobStore

ROUNDS = 9
PAGE = 200


def fill(store: JobStore, count: int) -> None:
    """Most are over, in all phases that there are; every tenth has the run id of its night."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    phases = [Phase.COMPLETED] * 7 + [Phase.ERROR] * 2 + [Phase.ABORTED]
    rows = []
    for number in range(count):
        job = Job(
            f"20260101-{number:08}",
            "quicklook" if number % 3 else "spectrum",
            getpass.getuser(),
            phases[number % len(phases)],
            begin + timedelta(minutes=number),
            run_id=f"night {number // 40}" if number % 10 else None,
            start_time=begin + timedelta(minutes=number, seconds=3),
            end_time=begin + timedelta(minutes=number, seconds=63),
            parameters={"obs_ids": ["100001", "100002"], "RA": ["83.6"], "Dec": ["22.0"]},
            info={"progress": 1, "message": "done", "cores": "1"},
        )
        rows.append(encode({name: getattr(job, name) for name in job.__dataclass_fields__}))
    with store.database.connect() as connection:
        for first in range(0, count, 5000):
            connection.execute(sa.insert(jobs), rows[first : first + 5000])


def median(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def measure(store: JobStore, count: int) -> None:
    owner = getpass.getuser()
    middle = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=count // 2)
    place = ((count // 2) * 60_000_000 + 1767225600000000, f"20260101-{count // 2:08}")
    cases = {
        "first page": {},
        "a page from the middle": {"place": place},
        "oldest first": {"oldest_first": True},
        "one type, failed": {"job_type": "spectrum", "phases": [Phase.ERROR]},
        "text that many have": {"text": "night"},
        "text that few have": {"text": f"night {count // 80}"},
        "text that none has": {"text": "nowhere"},
        "before a day": {"until": middle},
    }
    for name, case in cases.items():
        page = median(lambda case=case: json.dumps(jobs_page(*store.page(last=PAGE, owner=owner, **case), None)))
        case = {key: value for key, value in case.items() if key not in ("place", "oldest_first")}
        counts = median(lambda case=case: store.count(owner=owner, **{"phases": list(Phase), **case}))
        print(f"{name:24} page {page:7.1f}   counts {counts:7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.keep or Path(folder)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = JobStore(f"sqlite:///{place / 'jobs.sqlite'}")
        fill(store, arguments.jobs)
        measure(store, arguments.jobs)
        store.close()


if __name__ == "__main__":
    main()
