"""First in, first out, the owners in turn: which waiting run goes to which free worker.

Ours and not Dask's, because Dask deals tasks out ahead of time: a short job would wait behind a long
one while another worker is free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice

#: How many jobs that fit no free worker are passed by.
LOOK_AHEAD = 100


class Fifo:
    """Waiting jobs and free slots; a slot is the address of a worker, which runs one job at a time.

    Of several owners each has one job started in turn, whoever has queued how many.
    """

    def __init__(self) -> None:
        #: For each owner with waiting jobs, the one whose turn it is first: those jobs, the oldest first.
        self._queues: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._owners: dict[str, str] = {}
        self._free: OrderedDict[str, None] = OrderedDict()
        self._slots: set[str] = set()

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._owners)

    @property
    def waiting(self) -> list[str]:
        """The waiting jobs, in the order in which they will start."""
        return list(self._in_turn())

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(self._slots)

    @property
    def busy(self) -> frozenset[str]:
        """Slots that run a job, or help one."""
        return frozenset(self._slots - self._free.keys())

    @property
    def free(self) -> list[str]:
        """Slots without a job."""
        return list(self._free)

    def position(self, job_id: str) -> int | None:
        """How many start before this job; None where it does not wait."""
        if job_id not in self._owners:
            return None
        return next(place for place, waiting in enumerate(self._in_turn()) if waiting == job_id)

    def put(self, job_id: str, owner: str = "") -> None:
        self._owners[job_id] = owner
        self._queues.setdefault(owner, OrderedDict())[job_id] = None

    def remove(self, job_id: str) -> bool:
        """Take a job out of the queue; False where it does not wait."""
        owner = self._owners.pop(job_id, None)
        if owner is None:
            return False
        del self._queues[owner][job_id]
        if not self._queues[owner]:
            del self._queues[owner]
        return True

    def clear(self) -> list[str]:
        """Take all waiting jobs out."""
        jobs = self.waiting
        self._queues.clear()
        self._owners.clear()
        return jobs

    def join(self, slot: str) -> None:
        """A new worker, free."""
        self._slots.add(slot)
        self._free[slot] = None

    def leave(self, slot: str) -> None:
        """A worker is gone, for good: one that comes back has a new address."""
        self._slots.discard(slot)
        self._free.pop(slot, None)

    def forget_slots(self) -> None:
        """All workers are gone: the cluster was closed."""
        self._slots.clear()
        self._free.clear()

    def take(self, slot: str) -> None:
        """Use a free slot for something that does not wait here."""
        del self._free[slot]

    def release(self, slot: str) -> None:
        """A worker's job has ended; nothing happens where the worker itself is gone."""
        if slot in self._slots:
            self._free[slot] = None

    def match(self, fits: Callable[[str, str], bool] = lambda job, slot: True) -> list[tuple[str, str]]:
        """Take out the pairs (job, slot) that can start now, the first job first.

        A job that ``fits`` no free slot lets those behind it pass, as far as ``LOOK_AHEAD``.
        """
        pairs: list[tuple[str, str]] = []
        if not self._free:
            return pairs
        for job in list(islice(self._in_turn(), LOOK_AHEAD + len(self._free))):
            slot = next((slot for slot in self._free if fits(job, slot)), None)
            if slot is not None:
                owner = self._owners[job]
                self.remove(job)
                if owner in self._queues:
                    self._queues.move_to_end(owner)
                del self._free[slot]
                pairs.append((job, slot))
            if not self._free:
                break
        return pairs

    def _in_turn(self) -> Iterator[str]:
        """All waiting jobs: the oldest of each owner, then the second of each, and so on."""
        queues = [iter(queue) for queue in self._queues.values()]
        while queues:
            left = []
            for queue in queues:
                job = next(queue, None)
                if job is not None:
                    yield job
                    left.append(queue)
            queues = left
