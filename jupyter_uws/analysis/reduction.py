"""Runs reduced in chunks and stacked: in the job's own process, or on the workers that come to help it.

The chunks, and the order in which they are stacked, follow from the runs alone: the outcome is the same to
the last bit, whoever helps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_uws.job import client, workers_there
from jupyter_uws.jobs.context import JobContext

if TYPE_CHECKING:
    from gammapy.data import Observation

    from jupyter_uws.archive.reader import Run

#: Runs that one task reduces and stacks.
CHUNK = 2

T = TypeVar("T")


@dataclass
class Part:
    """Some runs, reduced: ``dataset`` is what a job makes of them, None where no run is left; the dropped with reasons.

    ``livetime`` is in hours, of the runs that were kept.
    """

    dataset: Any = None
    dropped: dict[int, str] = field(default_factory=dict)
    livetime: dict[int, float] = field(default_factory=dict)

    def keep(self, observation: Observation) -> None:
        self.livetime[observation.obs_id] = float(observation.observation_live_time_duration.to_value("h"))


def reduce_runs(
    job: JobContext,
    runs: Sequence[Run],
    reduce: Callable[[Sequence[Run]], Part],
    progress: tuple[float, float],
    many: int,
    join: Callable[[Part, Part], Part] | None = None,
) -> Part:
    """All runs, reduced by ``reduce`` a few at a time, and joined; tells of it from one fraction to the other.

    Parts are joined by ``join``, by default :func:`stack`.

    Fewer runs than ``many`` are reduced in this process: a helper takes 5 to 8 s to start and to import gammapy.
    ``reduce`` is pickled, may run more than once for the same runs, and raises what ends the job.
    """
    join = join or stack
    chunks = [runs[first : first + CHUNK] for first in range(0, len(runs), CHUNK)]

    def tell(done: int) -> None:
        first, last = progress
        number = min(done * CHUNK, len(runs))
        job.progress(first + (last - first) * number / len(runs), f"{number} of {len(runs)} runs")

    tell(0)
    if len(runs) < many or workers_there() == 1:

        def reduced(number: int) -> Part:
            part = reduce(chunks[number])
            tell(number + 1)
            return part

        return combine(len(chunks), reduced, join)
    return _fan_out(chunks, reduce, tell, join)


def _fan_out(
    chunks: list[Sequence[Run]],
    reduce: Callable[[Sequence[Run]], Part],
    tell: Callable[[int], None],
    join: Callable[[Part, Part], Part],
) -> Part:
    from distributed import wait

    with client(len(chunks)) as dask:
        parts = dask.map(reduce, chunks, pure=False)
        # before the next chunks, so that no worker holds more parts than need be
        stacked = combine(
            len(parts), parts.__getitem__, lambda one, two: dask.submit(join, one, two, pure=False, priority=1)
        )
        while parts:
            part = parts.pop(0)  # held no longer: the workers forget it when it is stacked
            wait(part)  # type: ignore[no-untyped-call]
            if part.status != "finished":
                part.result()  # raises; the first chunk's error, whichever came first
            ahead = sum(other.done() for other in parts)  # type: ignore[no-untyped-call]
            tell(len(chunks) - len(parts) + ahead)
        whole: Part = stacked.result()
        return whole


def combine(number: int, part: Callable[[int], T], join: Callable[[T, T], T], first: int = 0) -> T:
    """``number`` parts from ``first`` on joined in pairs, and these in pairs: few are held at a time."""
    if number == 1:
        return part(first)
    half = number // 2
    one = combine(half, part, join, first)
    return join(one, combine(number - half, part, join, first + half))


def stack(one: Part, two: Part) -> Part:
    """Two parts as one; both stay as they are, for Dask may ask for the same again."""
    if one.dataset is None or two.dataset is None:
        dataset = two.dataset if one.dataset is None else one.dataset
    else:
        dataset = one.dataset.copy(name=one.dataset.name)
        dataset.stack(two.dataset)
    return Part(dataset, one.dropped | two.dropped, one.livetime | two.livetime)


def gather(one: Part, two: Part) -> Part:
    """Two parts that hold lists, one after the other."""
    both = None if one.dataset is two.dataset is None else [*(one.dataset or ()), *(two.dataset or ())]
    return Part(both, one.dropped | two.dropped, one.livetime | two.livetime)


def livetime(part: Part) -> dict[str, Any]:
    """The livetime of the runs together, in hours, as summaries show it."""
    return {"value": round(sum(part.livetime.values()), 4), "unit": "h"}
