"""What a service on SLURM leaves when it is killed or stopped: nothing that lives."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from execution_bench import FAMILY, parent, processes_of, until
from slurm_bench import OPTIONS, SlurmBench
from slurm_daemons import Slurm

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.folder import JobFolder
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase

SERVICE = Path(__file__).parent.parent / "execution" / "execution_service.py"


async def test_kill_the_service(slurm: Slurm, tmp_path: Path) -> None:
    """Its workers and their jobs end; the next service settles them, cancels what pends, and goes on."""
    job_id, waits = f"1-{os.getpid()}-slurm", f"2-{os.getpid()}-slurm"
    config = {
        "backend": "slurm",
        "workers": 2,
        "options": {**OPTIONS, "job_extra_directives": ["--exclusive", "-w n1"]},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVICE), str(tmp_path), json.dumps({job_id: FAMILY, waits: "true"}), json.dumps(config)),
        stdin=-1,
        stdout=-1,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(40):
            while json.loads(await process.stdout.readline()) != {"job_id": job_id, "kind": "progress"}:
                pass
        await until(lambda: sorted(slurm.jobs().values()) == ["PENDING", "RUNNING"])
        old = set(slurm.jobs())
        helpers = [parent(JobFolder(tmp_path / job_id).events(0)[0]["supervisor"])]
    finally:
        process.kill()
        await process.wait()
    bench = SlurmBench(tmp_path)
    await bench.executor.settle(stored(job_id, Phase.EXECUTING))
    (last,) = bench.reports[job_id]
    assert last.error is not None
    assert last.error.message == "the service ended while the job ran"
    assert processes_of(job_id) == []
    await bench.executor.settle(stored(waits, Phase.QUEUED))
    assert [report.kind for report in bench.reports[waits]] == ["queued"]
    await bench.goes_on()
    await until(lambda: old.isdisjoint(slurm.jobs()))
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers))
    assert len(list((tmp_path / ".cluster").glob("keys-*"))) == 1
    await bench.executor.close()
    assert list((tmp_path / ".cluster").glob("keys-*")) == []


def stored(job_id: str, phase: Phase) -> Job:
    return Job(job_id, "shell", "me", phase, datetime.now(UTC), parameters={"script": ["true"]})


async def test_the_service_is_stopped(slurm: Slurm, tmp_path: Path) -> None:
    bench = SlurmBench(tmp_path)
    job = await bench.running()
    await bench.executor.close()
    assert await bench.lost(job) == "the service was stopped"
    await until(lambda: slurm.jobs() == {})


def test_the_configuration_is_checked() -> None:
    with pytest.raises(ValueError, match="backend is 'slrum'; it must be one of local, slurm, pbs, "):
        ClusterConfig("slrum")
