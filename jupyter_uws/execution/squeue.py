"""What SLURM says of allocations from which no worker has come (yet): asked in one call for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from .allocation import State
from .batch import CommandError, call

#: States out of which a worker may still come.
COMING = frozenset({"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESIZING"})
ENDING = "COMPLETING"
#: Seconds SLURM may take to answer.
TIMEOUT = 10.0


GONE = State("GONE", "SLURM does not know it any more", over=True)


async def look(job_ids: Sequence[str]) -> dict[str, State]:
    """The state of each allocation. Raises CommandError where SLURM cannot be asked."""
    argv = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r", f"--jobs={','.join(job_ids)}"]
    try:
        lines = (await call(argv, timeout=TIMEOUT)).splitlines()
    except CommandError as error:
        if "invalid job id" not in str(error).lower():
            raise
        lines = []
    found = {}
    for line in lines:
        job_id, state, reason = (*line.strip().split("|"), "", "")[:3]
        found[job_id] = State(
            state,
            "" if reason == "None" else reason,
            pending=state == "PENDING",
            over=state not in COMING and state != ENDING,
            ending=state == ENDING,
        )
    return {job_id: found.get(job_id, GONE) for job_id in job_ids}
