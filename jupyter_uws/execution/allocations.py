"""A Dask cluster in allocations of a batch system: one worker in each, as many as there is work for.

An allocation is asked for when a job waits and none is on its way for it, up to a maximum; it is given
back when its worker has had nothing to do for a while, or another one is needed in its place, and
replaced when its worker is lost and there is work. Workers that run a job are never closed. Nothing is
asked of the batch system in the normal run of things; only while an allocation pends, or was lost, is
its state read, seldom and for all in one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import qstat, squeue
from .allocation import FIRST_LOOK, LAST_LOOK, Allocation
from .batch import JOB_NAME, CommandError, remove_keys
from .ledger import AT_ONCE, RETRY, Ledger
from .shape import Need, Shape, holds, size
from .submission import Submission

if TYPE_CHECKING:
    from .cluster import ClusterConfig

logger = logging.getLogger(__name__)

#: Seconds between two looks, whatever they are for.
LOOK_INTERVAL = 2.0
#: Seconds in which a lost worker may come back: its nanny starts it anew.
RETURN_TIMEOUT = 5.0
#: Seconds that a lost job waits for the reason; a controller that loses a node is busy for some of them.
FATE_TIMEOUT = 25.0
#: Workers that were lost whose fate is remembered: SLURM may tell it before anybody asks.
FATES = 1000
#: Seconds that the end of a cluster waits for what is under way at the batch system.
CLOSE_TIMEOUT = 10.0
#: Seconds for which a job that no worker can serve lets others have them all, before one is given back for it.
PATIENCE = 60.0
#: So many allocations in a row that end without a worker are no accident.
STRIKES = 3
#: How the state of allocations is read, and which of the logs is that of a worker, where this is known.
LOOKS = {"slurm": squeue.look, "sge": qstat.look}
LOGS = {"sge": "*.o{}"}


class Allocations:
    """The allocations of one cluster.

    ``make(name, shape)`` gives dask-jobqueue's job for a worker of that name and shape.
    ``refused(message, shape)`` is called where the jobs that wait for workers of this shape cannot be run,
    ``released(slot)`` before a worker is closed.
    """

    def __init__(
        self,
        config: ClusterConfig,
        folder: Path,
        submission: Submission,
        make: Callable[[str, Shape], Any],
        refused: Callable[[str, Shape], None],
        released: Callable[[str], None],
    ) -> None:
        self.config = config
        self._folder = folder
        self._submission = submission
        self._make = make
        self._refused = refused
        self._released = released
        self._allocations: dict[str, Allocation] = {}
        self._fates: dict[str, asyncio.Future[str]] = {}  # by the address of the lost worker
        #: How many jobs wait for workers of each shape, those whose turn it is first.
        self._wanted: Counter[Shape] = Counter()
        self._busy: frozenset[str] = frozenset()
        #: Workers of another cluster must never be taken for ours.
        self._prefix = f"{JOB_NAME}-{secrets.token_hex(4)}"
        #: Since when a job waits with a need that no worker serves, nor will.
        self._unserved: dict[Need, float] = {}
        self._number = 0
        self._strikes: Counter[Shape] = Counter()
        self._retry_at = 0.0
        self._looked = 0.0
        self._ledger = Ledger(folder / "allocations.json")
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        #: Submissions refused and allocations that came to nothing, newest last: time and words.
        self.failures: deque[tuple[str, str]] = deque(maxlen=20)
        self.trouble: str | None = None
        self._tending = asyncio.create_task(self._tend())

    # What the executor says

    def demand(self, waiting: Mapping[Need, int], busy: frozenset[str]) -> None:
        """So many jobs wait with each need, and these workers are busy; the others serve none that waits."""
        self._wanted, self._busy = Counter(), busy
        for need, count in waiting.items():
            self._wanted[self.config.shape(need)] += count
        now = _now()
        self._unserved = {need: self._unserved.get(need, now) for need in waiting if not self._served(need)}
        for allocation in self._allocations.values():
            needed = allocation.slot in busy if allocation.slot else self._wanted[allocation.shape]
            allocation.idle_since = None if needed else allocation.idle_since or now
        if not waiting:
            self.trouble = None
        self._make_room()
        self._wake.set()

    def _make_room(self) -> None:
        """Give idle workers back for those that are missing, where there are as many as there may be."""
        short = sum(self._missing().values()) - self._room()
        idle = (each for each in list(self._allocations.values()) if each.slot and each.slot not in self._busy)
        for allocation in list(idle)[: max(0, short)]:
            self._drop(allocation)

    def claimed(self) -> bool:
        """Whether a worker that has just ended a job is to be given back, for a job that none of all can serve.

        Else that would wait for as long as there are others: its worker would never come.
        """
        return self._room() <= 0 and any(_now() >= since + PATIENCE for since in self._unserved.values())

    def _served(self, need: Need) -> bool:
        """Whether a worker is there, or on its way, that can run such a job."""
        now = _now()
        return any(self._fits(allocation, need, now) for allocation in self._allocations.values())

    def joined(self, name: str, slot: str) -> bool:
        """A worker has come; False where it is none of ours, and is sent away."""
        allocation = self._allocations.get(name)
        if allocation is None:
            self._spawn(self._retire(slot))
            return False
        allocation.slot, allocation.lost_at, allocation.reason = slot, None, None
        allocation.settle("")
        allocation.joined = allocation.joined or _now()
        self._strikes[allocation.shape] = 0
        self.trouble = None
        return True

    def left(self, slot: str) -> None:
        """A worker has gone. Perhaps its nanny starts it anew."""
        for allocation in self._allocations.values():
            if allocation.slot == slot:
                allocation.slot, allocation.lost_at, allocation.look_at = None, _now(), 0.0
                allocation.fate = self._fates[slot] = asyncio.get_running_loop().create_future()
                if len(self._fates) > FATES:
                    del self._fates[next(iter(self._fates))]
                self._wake.set()

    async def fate(self, slot: str) -> str:
        """Why the worker that had this address was lost, as SLURM says; empty where nobody can tell. Bounded."""
        if self.config.backend != "slurm":
            return ""
        fate = self._fates.get(slot)
        if fate is not None:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(fate), FATE_TIMEOUT)
        return ""

    def choose(self, need: Need, slots: Iterable[str]) -> str | None:
        """The smallest of these workers that holds a job and stays as long as it may run; None where none does."""
        now = _now()
        there = {each.slot: each for each in self._allocations.values() if each.slot}
        fit = [there[slot] for slot in slots if slot in there and self._fits(there[slot], need, now)]
        return min(fit, key=lambda each: size(each.shape)).slot if fit else None

    def _fits(self, allocation: Allocation, need: Need, now: float) -> bool:
        if not holds(allocation.shape, need):
            return False
        walltime = allocation.shape.walltime
        if walltime is None:
            return True
        since = now if allocation.joined is None else allocation.joined
        # it has run for longer than we have seen the worker, but for no more than it may take to start
        return since + walltime - self.config.start_timeout >= now + need.duration

    def give_back(self, slot: str) -> None:
        """Close a worker that has nothing to do."""
        for allocation in list(self._allocations.values()):
            if allocation.slot == slot:
                self._drop(allocation)

    def waits_for(self, need: Need, position: int) -> str:
        """What a job at this position of the queue waits for, the first at 0."""
        shape = self.config.shape(need)
        coming = [each for each in self._allocations.values() if each.slot is None and each.shape == shape]
        if position < len(coming):
            reason = next((allocation.reason for allocation in coming if allocation.reason), None)
            return f"an allocation: {reason}" if reason else "an allocation"
        return f"an allocation: {self.trouble}" if self.trouble else "a free worker"

    def table(self) -> list[dict[str, Any]]:
        """The allocations, for people."""
        return [
            {
                "name": allocation.name,
                "job_id": allocation.job_id,
                "state": allocation.state,
                "busy": allocation.slot in self._busy,
                "reason": allocation.reason,
                "worker": allocation.slot,
                "shape": str(allocation.shape),
            }
            for allocation in self._allocations.values()
        ]

    async def close(self) -> None:
        """Cancel all allocations; what cannot be cancelled now is by the next cluster. Bounded."""
        # a submission under way is seen to its end: cut off, it may leave an allocation nobody knows of
        self._closing = True
        self._wake.set()
        await asyncio.wait([self._tending, *self._tasks], timeout=CLOSE_TIMEOUT)
        self._tending.cancel()
        for allocation in list(self._allocations.values()):
            self._owe(allocation)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(15):
                await self._ledger.cancel()
        remove_keys(self._folder)

    # What it does about it

    async def _tend(self) -> None:
        while not self._closing:
            try:
                await self._submit_missing()
                self._release_idle()
                await self._look()
                if (due := self._ledger.due) is not None and _now() >= due:
                    await self._ledger.cancel()
            except Exception:
                logger.exception("the allocations cannot be tended")
                await asyncio.sleep(1)
            if self._closing:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            self._wake.clear()

    def _pause(self) -> float | None:
        """Seconds to the next thing to do without being told; None for none."""
        now = _now()
        due = [max(allocation.look_at, self._looked + LOOK_INTERVAL) for allocation in self._unseen()]
        if self._next():
            due.append(self._retry_at)
        if self._ledger.due is not None:
            due.append(self._ledger.due)
        if self.config.idle_timeout:
            idle = (allocation.idle_since for allocation in self._allocations.values())
            due += [since + self.config.idle_timeout for since in idle if since is not None]
        return max(0.01, min(due) - now) if due else None

    def _missing(self) -> Counter[Shape]:
        """How many workers should come of each shape, beside those that are on their way."""
        coming = Counter(each.shape for each in self._allocations.values() if each.slot is None)
        return self._wanted - coming

    def _room(self) -> int:
        """How many more allocations there may be."""
        return self.config.workers - len(self._allocations)

    def _next(self) -> list[Shape]:
        """The shapes of the allocations to be asked for now, in turn: each has one before any has two."""
        missing = self._missing()
        shapes: list[Shape] = []
        while missing and len(shapes) < self._room():
            shapes += missing
            missing -= Counter(list(missing))
        return shapes[: max(0, self._room())]

    async def _submit_missing(self) -> None:
        some = 1  # the first alone: where it is refused, so are the others
        while not self._closing and (shapes := self._next()) and _now() >= self._retry_at:
            done = await asyncio.gather(*(self._submit(shape) for shape in shapes[:some]))
            if not all(done):
                return
            some = AT_ONCE

    async def _submit(self, shape: Shape) -> bool:
        self._number += 1
        name = f"{self._prefix}-{self._number}"
        now = _now()
        allocation = Allocation(name, shape, self._make(name, shape), now, now + FIRST_LOOK, FIRST_LOOK)
        self._allocations[name] = allocation
        try:
            await allocation.job.start()
        except (CommandError, ValueError, OSError) as error:
            self._allocations.pop(name, None)
            self._fail(str(error), shape, transient=getattr(error, "transient", False))
            return False
        except BaseException:  # closed meanwhile
            self._allocations.pop(name, None)
            raise
        self.trouble = None
        if name in self._allocations:
            self._ledger.note(self._allocations.values())
        else:  # not wanted any more, meanwhile
            self._ledger.owe(allocation)
        return True

    def _fail(self, message: str, shape: Shape, *, transient: bool) -> None:
        """Say it of a submission that failed; end the waiting jobs where nothing else can run them."""
        logger.warning("no allocation: %s", message)
        self.failures.append((datetime.now(UTC).isoformat(timespec="seconds"), message))
        if transient or any(each.shape == shape for each in self._allocations.values()):
            self.trouble = message
            self._retry_at = _now() + RETRY
        else:
            self._refused(message, shape)

    def _release_idle(self) -> None:
        if not self.config.idle_timeout:
            return
        for allocation in list(self._allocations.values()):
            idle = allocation.idle_since
            if idle is not None and _now() >= idle + self.config.idle_timeout:
                self._drop(allocation)

    def _drop(self, allocation: Allocation) -> None:
        """Give an allocation back."""
        slot = allocation.slot
        self._owe(allocation)
        if slot:
            self._released(slot)
            self._spawn(self._retire(slot))
        self._wake.set()

    def _owe(self, allocation: Allocation) -> None:
        """Have done with an allocation, and cancel it soon."""
        self._allocations.pop(allocation.name, None)
        allocation.slot = None
        self._ledger.owe(allocation)

    async def _retire(self, slot: str) -> None:
        try:
            await asyncio.wait_for(self._submission.retire(slot), 10)
        except Exception as error:
            logger.warning("the worker %s cannot be closed: %r", slot, error)

    # Allocations without a worker

    def _unseen(self) -> list[Allocation]:
        """Allocations whose worker has not come, or was lost, and whose state can be read."""
        if self.config.backend not in LOOKS:
            return [each for each in self._allocations.values() if each.lost_at is not None]
        return [each for each in self._allocations.values() if each.slot is None and each.job_id is not None]

    async def _look(self) -> None:
        now = _now()
        unseen = self._unseen()
        if now < self._looked + LOOK_INTERVAL or not any(each.look_at <= now for each in unseen):
            return
        self._looked = now
        states = {}
        if look := LOOKS.get(self.config.backend):
            try:
                states = await look([str(each.job_id) for each in unseen])
            except CommandError as error:
                self.trouble = str(error)
        now = _now()
        for allocation in unseen:
            if allocation.slot is not None or allocation.name not in self._allocations:
                continue  # it has come meanwhile
            state = states.get(allocation.job_id or "")
            if state is None or not state.pending or state.reason:  # its mind is made up
                allocation.pause = min(allocation.pause * 2, LAST_LOOK)
            allocation.look_at = now + allocation.pause
            if state:
                allocation.reason = state.reason if state.pending else None
                if not state.pending and allocation.running_since is None:
                    allocation.running_since = now
                if state.over:
                    ended = f"allocation {allocation.job_id} ended ({state})"
                    allocation.settle(ended)
                    self._lose(allocation, ended)
                    continue
                if state.ending:  # it will say in a moment how it ended
                    allocation.look_at = now + LOOK_INTERVAL
            if allocation.lost_at is not None:
                allocation.look_at = min(allocation.look_at, allocation.lost_at + RETURN_TIMEOUT)
                if now >= allocation.lost_at + RETURN_TIMEOUT:
                    self._lose(allocation, f"the worker of allocation {allocation.job_id} was lost")
            elif allocation.running_since is not None:
                allocation.look_at = min(allocation.look_at, allocation.running_since + self.config.start_timeout)
                if now >= allocation.running_since + self.config.start_timeout:
                    self._lose(allocation, f"allocation {allocation.job_id} runs, but its worker has not come")

    def _lose(self, allocation: Allocation, message: str) -> None:
        """An allocation has come to its end, or to nothing."""
        allocation.settle("")
        self._drop(allocation)
        shape = allocation.shape
        if allocation.joined is None:
            self._strikes[shape] += 1
            tail = self._log(allocation)
            message = f"{message} before its worker came" + (f": {tail}" if tail else "")
        logger.warning("%s", message)
        self.failures.append((datetime.now(UTC).isoformat(timespec="seconds"), message))
        there = any(each.slot for each in self._allocations.values() if each.shape == shape)
        if self._strikes[shape] >= STRIKES and not there:
            self._strikes[shape] = 0
            self._refused(message, shape)

    def _log(self, allocation: Allocation) -> str:
        """The last line that the allocation's worker wrote."""
        pattern = LOGS.get(self.config.backend, "*-{}.err")
        for path in (self._folder / "logs").glob(pattern.format(allocation.job_id)):
            with contextlib.suppress(OSError):
                lines = path.read_text(errors="replace")[-4000:].split("\n")
                return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")
        return ""

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now() -> float:
    return asyncio.get_running_loop().time()
