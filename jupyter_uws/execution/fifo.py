"""First in, first out: which waiting run goes to which free worker.

Ours and not Dask's, because Dask deals tasks out ahead of time: a short job would wait behind a long
one while another worker is free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

#: How many jobs that fit no free worker are passed by.
LOOK_AHEAD = 100


class Fifo:
    """Waiting jobs and free slots; a slot is the address of a worker, which runs one job at a time."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._free: OrderedDict[str, None] = OrderedDict()
        self._slots: set[str] = set()

    def __len__(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def waiting(self) -> list[str]:
        return list(self._waiting)

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(self._slots)

    @property
    def busy(self) -> frozenset[str]:
        """Slots that run a job."""
        return frozenset(self._slots - self._free.keys())

    def position(self, job_id: str) -> int | None:
        """How many wait before this job; None where it does not wait."""
        return next((place for place, waiting in enumerate(self._waiting) if waiting == job_id), None)

    def put(self, job_id: str) -> None:
        self._waiting[job_id] = None

    def remove(self, job_id: str) -> bool:
        """Take a job out of the queue; False where it does not wait."""
        return self._waiting.pop(job_id, self) is None

    def clear(self) -> list[str]:
        """Take all waiting jobs out."""
        jobs = list(self._waiting)
        self._waiting.clear()
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

    def release(self, slot: str) -> None:
        """A worker's job has ended; nothing happens where the worker itself is gone."""
        if slot in self._slots:
            self._free[slot] = None

    @property
    def free(self) -> list[str]:
        """Slots without a job."""
        return list(self._free)

    def match(self, fits: Callable[[str, str], bool] = lambda job, slot: True) -> list[tuple[str, str]]:
        """Take out the pairs (job, slot) that can start now, the first job first.

        A job that ``fits`` no free slot lets those behind it pass, as far as ``LOOK_AHEAD``.
        """
        pairs: list[tuple[str, str]] = []
        if not self._free:
            return pairs
        for job in list(islice(self._waiting, LOOK_AHEAD + len(self._free))):
            slot = next((slot for slot in self._free if fits(job, slot)), None)
            if slot is not None:
                del self._waiting[job], self._free[slot]
                pairs.append((job, slot))
            if not self._free:
                break
        return pairs
