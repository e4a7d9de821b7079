"""The service with one job type that runs a shell script, to be killed by tests.

Everything else is real: HTTP, manager, store, Dask cluster, supervisors. Run as a script with the state folder, and
optionally the database's URL.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

WORKERS = 2

#: Takes a number of seconds and a word; its start is noted before anything else, its result is written in two pieces.
SCRIPT = """
echo "$UWS_JOB_ID $UWS_RUN" >> "$UWS_JOB_DIR/../../starts"
sleep "$1"
echo "half of $2" > out
sleep 0.01
echo "whole of $2" >> out
echo '[{"name": "out", "path": "out", "content_type": "text/plain"}]' > ../.results
mv ../.results ../results.json
"""


def content(word: str) -> str:
    """The result of a job."""
    return f"half of {word}\nwhole of {word}\n"


async def main(state_dir: Path, store_url: str | None) -> None:
    from jupyter_uws.execution.cluster import ClusterConfig
    from jupyter_uws.execution.launch import Launch
    from jupyter_uws.rendezvous import hold_lock
    from jupyter_uws.service.app import Service, Settings
    from jupyter_uws.uws import manager
    from jupyter_uws.uws.limits import Limits

    def describe(job: Any) -> Launch:
        word = job.parameters["WORD"][0]
        argv = ("sh", "-c", SCRIPT, "job", job.parameters["SECONDS"][0], word)
        return Launch(argv=argv, env={}, parameters={}, restartable=word.endswith("again"))

    def validate(values: Mapping[str, Sequence[str]], complete: bool) -> dict[str, list[str]]:
        return {name.upper(): list(texts) for name, texts in values.items()}

    manager.SWEEP_INTERVAL = 0.3
    (state_dir / "archive.duckdb").touch()  # nobody asks for it
    with hold_lock(state_dir):
        service = Service(
            Settings(
                state_dir=state_dir,
                socket=state_dir / "socket",
                archive=state_dir / "archive.duckdb",
                port=0,
                token="a-token-for-tests",
                store_url=store_url,
                limits=Limits(archive_time=timedelta(seconds=2), disk=10**9),
                cluster=ClusterConfig(workers=WORKERS),
            )
        )
        service.executor._describe = describe
        service.manager.types = {"shell": manager.JobType("shell", service.executor, validate)}
        await service.run(lambda url: print(url, flush=True))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
