"""Jobs of a bench that fan out, and looks at their helpers."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from execution_bench import Bench, processes_of

from jupyter_uws.execution.folder import JobFolder
from jupyter_uws.uws.model import Job

FANNING = Path(__file__).with_name("fanning_job.py")


def command(tasks: int, seconds: float, workers: int) -> list[str]:
    return [sys.executable, str(FANNING), str(tasks), str(seconds), str(workers)]


async def fan_out(bench: Bench, tasks: int, each: float, workers: int = 2, **parameters: object) -> Job:
    """A job with so many tasks of so many seconds; it waits for as many workers, its own among them."""
    return await bench.start(argv=json.dumps(command(tasks, each, workers)), **parameters)


async def fanned_out(bench: Bench, job: Job) -> None:
    """The job has its workers, and gives them their tasks."""
    async with asyncio.timeout(90):
        while not any(report.info.get("message") == "fanned out" for report in bench.reports.get(job.job_id, ())):
            assert not any(report.error for report in bench.reports.get(job.job_id, ())), bench.reports[job.job_id]
            await asyncio.sleep(0.01)


def result(bench: Bench, job: Job) -> dict[str, Any]:
    return dict(json.loads((bench.folder(job).work / "done.json").read_text()))


def of_helpers(job_id: str) -> list[int]:
    """Live processes of a job's helpers."""
    return [pid for number in range(1, 6) for pid in processes_of(f"{job_id}.h{number}")]


def helper_folder(bench: Bench, job: Job, number: int = 1) -> JobFolder:
    return JobFolder(bench.folder(job).path / "helpers" / str(number))


def squares(tasks: int) -> int:
    return sum(number**2 for number in range(tasks))
