"""One allocation of a batch system, and what is known of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from .shape import Shape

#: Seconds from a submission to the first look at what pends; the next looks come later and later.
FIRST_LOOK, LAST_LOOK = 5.0, 60.0


@dataclass(frozen=True)
class State:
    """What the batch system says of an allocation: the state as it names it, and its reason, empty for none (yet)."""

    state: str
    reason: str = ""
    pending: bool = False
    #: No worker can come out of it any more.
    over: bool = False
    #: So it is, but the batch system says only in a moment whether by itself, by a person, by its time limit, ...
    ending: bool = False

    def __str__(self) -> str:
        return f"{self.state}, {self.reason}" if self.reason else self.state


@dataclass(eq=False)
class Allocation:
    """One job of the batch system, with one worker of ours in it. Times are those of the event loop."""

    name: str
    shape: Shape
    job: Any  # dask-jobqueue's
    submitted: float
    #: When its state is to be read next, and the pause after that.
    look_at: float
    pause: float
    #: The address of its worker.
    slot: str | None = None
    #: When its worker came, the first time.
    joined: float | None = None
    idle_since: float | None = None
    lost_at: float | None = None
    #: What became of it, whose worker was lost: empty where it goes on.
    fate: asyncio.Future[str] | None = None
    running_since: float | None = None
    #: Why it pends, in the batch system's words.
    reason: str | None = None

    @property
    def job_id(self) -> str | None:
        return None if self.job.job_id is None else str(self.job.job_id)

    def settle(self, fate: str) -> None:
        """Say what became of it to those who wait for that."""
        if self.fate and not self.fate.done():
            self.fate.set_result(fate)

    @property
    def state(self) -> str:
        if self.slot:
            return "up"
        if self.lost_at is not None:
            return "lost"
        if self.job_id is None:
            return "submitting"
        return "starting" if self.running_since is not None else "pending"
