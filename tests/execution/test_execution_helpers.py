"""Jobs that fan out to other workers' slots: they get what is free, give it back, and leave nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from execution_bench import Bench, processes_of

from jupyter_uws.execution.folder import JobFolder
from jupyter_uws.uws.model import Job

pytestmark = pytest.mark.asyncio(loop_scope="session")

FANNING = Path(__file__).with_name("fanning_job.py")


def fanning(tasks: int, seconds: float, workers: int) -> str:
    return json.dumps([sys.executable, str(FANNING), str(tasks), str(seconds), str(workers)])


def done(bench: Bench, job: Job) -> dict[str, Any]:
    return dict(json.loads((bench.folder(job).work / "done.json").read_text()))


def helper_processes(job: Job) -> list[int]:
    """Live processes of all helpers of a job."""
    return [pid for number in range(1, 9) for pid in processes_of(f"{job.job_id}.h{number}")]


async def fanned_out(bench: Bench, job: Job) -> None:
    async with asyncio.timeout(40):
        while not any(report.info.get("message") == "fanned out" for report in bench.reports.get(job.job_id, ())):
            await asyncio.sleep(0.01)


async def test_a_job_runs_on_several_workers(bench: Bench) -> None:
    job = await bench.start(argv=fanning(8, 0.2, 2))
    last = await bench.last(job)
    assert last.kind == "completed", last.error
    assert len(set(done(bench, job)["pids"])) == 2
    assert done(bench, job)["sum"] == sum(number**2 for number in range(8))
    assert helper_processes(job) == []
    helper = JobFolder(bench.folder(job).path / "helpers" / "1")
    assert helper.last_word(0) is not None
