"""First in, first out, the owners in turn: which waiting run goes to which free worker.

Ours and not Dask's, because Dask deals tasks out ahead of time: a short job would wait behind a long
one while another worker is free.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Need = TypeVar("Need", bound=Hashable)

#: How many different needs that no free worker can serve are passed by.
LOOK_AHEAD = 100


class Fifo(Generic[Need]):
    """Waiting jobs and free slots; a slot is the address of a worker, which runs one job at a time.

    Of several owners each has one job started in turn, whoever has queued how many. Jobs of the same
    ``need`` are served by the same workers; one that no free worker can serve lets others pass.
    """

    def __init__(self) -> None:
        #: For each owner with waiting jobs, the one whose turn it is first: those jobs, the oldest first.
        self._queues: OrderedDict[str, OrderedDict[str, Need]] = OrderedDict()
        #: The same jobs by their owner and need, with their places in the order in which they came.
        self._alike: dict[str, dict[Need, OrderedDict[str, int]]] = {}
        self._owners: dict[str, str] = {}
        self._came = 0
        self._free: OrderedDict[str, None] = OrderedDict()
        self._slots: set[str] = set()

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._owners)

    @property
    def waiting(self) -> list[str]:
        """The waiting jobs, in the order in which they would start on workers that serve all."""
        return list(self._in_turn())

    @property
    def needs(self) -> Counter[Need]:
        """How many jobs wait with each need; those of the owner whose turn it is come first."""
        counts: Counter[Need] = Counter()
        for owner in self._queues:
            for need in self._by_age(owner):
                counts[need] += len(self._alike[owner][need])
        return counts

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

    def put(self, job_id: str, owner: str, need: Need) -> None:
        self._owners[job_id] = owner
        self._queues.setdefault(owner, OrderedDict())[job_id] = need
        self._came += 1
        self._alike.setdefault(owner, {}).setdefault(need, OrderedDict())[job_id] = self._came

    def remove(self, job_id: str) -> bool:
        """Take a job out of the queue; False where it does not wait."""
        owner = self._owners.pop(job_id, None)
        if owner is None:
            return False
        need = self._queues[owner].pop(job_id)
        alike = self._alike[owner]
        del alike[need][job_id]
        if not alike[need]:
            del alike[need]
        if not alike:
            del self._queues[owner], self._alike[owner]
        return True

    def clear(self, need: Callable[[Need], bool] = lambda need: True) -> list[str]:
        """Take out the waiting jobs with such a need."""
        jobs = [job for job in self._in_turn() if need(self._queues[self._owners[job]][job])]
        for job in jobs:
            self.remove(job)
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

    def match(self, choose: Callable[[Need, Iterable[str]], str | None]) -> list[tuple[str, str]]:
        """Take out the pairs (job, slot) that can start now, the first job first.

        ``choose`` names the slot that serves a need best, of those it is given; None for none.
        """
        pairs: list[tuple[str, str]] = []
        hopeless: set[Need] = set()
        started = True
        while started and self._free:
            started = False
            for owner in list(self._queues):
                pair = self._first(owner, choose, hopeless)
                if pair is None:
                    continue
                self.remove(pair[0])
                del self._free[pair[1]]
                if owner in self._queues:
                    self._queues.move_to_end(owner)
                pairs.append(pair)
                started = True
                if not self._free:
                    break
        return pairs

    def _first(
        self, owner: str, choose: Callable[[Need, Iterable[str]], str | None], hopeless: set[Need]
    ) -> tuple[str, str] | None:
        """The owner's oldest job that a free slot serves, with that slot."""
        for need in self._by_age(owner):
            if need in hopeless or len(hopeless) >= LOOK_AHEAD:
                continue
            slot = choose(need, self._free)
            if slot is not None:
                return next(iter(self._alike[owner][need])), slot
            hopeless.add(need)
        return None

    def _by_age(self, owner: str) -> list[Need]:
        """The needs of an owner's jobs, that of the oldest one first."""
        alike = self._alike[owner]
        return sorted(alike, key=lambda need: next(iter(alike[need].values())))

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
