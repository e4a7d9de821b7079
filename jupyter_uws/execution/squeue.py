"""What SLURM says of allocations from which no worker has come (yet): asked in one call for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .batch import CommandError, call

#: States out of which a worker may still come.
COMING = frozenset({"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESIZING"})
#: It has ended, but SLURM says only later whether by itself, by a person, by its time limit, ...
ENDING = "COMPLETING"
#: Seconds SLURM may take to answer.
TIMEOUT = 10.0


@dataclass(frozen=True)
class State:
    """The state of an allocation as SLURM names it, and the reason it gives, empty for none (yet)."""

    state: str
    reason: str

    @property
    def pending(self) -> bool:
        return self.state == "PENDING"

    @property
    def over(self) -> bool:
        return self.state not in COMING and not self.ending

    @property
    def ending(self) -> bool:
        return self.state == ENDING

    def __str__(self) -> str:
        return f"{self.state}, {self.reason}" if self.reason else self.state


GONE = State("GONE", "SLURM does not know it any more")


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
        found[job_id] = State(state, "" if reason == "None" else reason)
    return {job_id: found.get(job_id, GONE) for job_id in job_ids}
