"""A service made of nothing but the executor, to be killed by tests; and the shell job they run.

Run as a script: starts the jobs given as JSON on the command line, on the cluster given likewise, and
prints each report as a line of JSON. Ends when stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.execution.executor import DaskExecutor
from jupyter_uws.execution.launch import Launch
from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.model import Job
from jupyter_uws.uws.phases import Phase


def shell(job: Job) -> Launch:
    """What the jobs of these tests run."""

    def value(name: str, default: str = "") -> str:
        return job.parameters.get(name, [default])[0]

    if value("describe") == "fail":
        raise ValueError("there is no job type 'shell' any more")
    argv = json.loads(value("argv")) if value("argv") else ["sh", "-c", value("script")]
    return Launch(
        argv=tuple(argv),
        env={"GIVEN": "yes"},
        parameters={"values": {"x": 1}},
        execution_duration=int(value("seconds", "0")),
        memory_limit=int(value("memory", "0")),
        cores=int(value("cores", "1")),
        gpus=int(value("gpus", "0")),
        partition=value("partition"),
        constraint=value("constraint"),
        restartable=value("restartable") == "True",
    )


async def main(jobs: Path, scripts: dict[str, str], cluster: ClusterConfig) -> None:
    def report(report: Report) -> None:
        print(json.dumps({"job_id": report.job_id, "kind": report.kind}), flush=True)

    executor = DaskExecutor(jobs, shell, report, cluster)
    for job_id, script in scripts.items():
        await executor.start(
            Job(job_id, "shell", "me", Phase.QUEUED, datetime.now(UTC), parameters={"script": [script]})
        )
    await asyncio.to_thread(sys.stdin.read)
    await executor.close()


if __name__ == "__main__":
    config = json.loads(sys.argv[3]) if sys.argv[3:] else {"workers": 1}
    asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2]), ClusterConfig(**config)))
