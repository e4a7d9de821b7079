"""Shapes: what a job needs of its worker, what a worker has, and which worker is asked for on a job's behalf.

Jobs within the operator's worker share workers of that one shape; a larger job gets a worker as large
as it needs, and so does each partition, account or constraint.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

#: MiB of a worker's allocation that are not its job's: the worker, its supervisor and its reaper.
OVERHEAD = 256
#: Workers beyond the operator's own are asked for in whole GiB, and in whole hours: jobs that differ little share one.
GIB, HOUR = 1024, 3600

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGTP]?)(i?)(B?)", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def mebibytes(size: str | float) -> int:
    """A size in whole MiB, rounded up: ``8 GiB``, ``500 MB``, ``8G`` (of 1000 as Dask has it), or bytes.

    Raises ValueError.
    """
    found = _SIZE.fullmatch(str(size).strip())
    if not found:
        raise ValueError(f"{str(size)[:60]!r} is not a size such as '8 GiB' or '500 MB'")
    number, prefix, binary, _ = found.groups()
    unit: int = (1024 if binary else 1000) ** _POWER[prefix.lower()]
    return math.ceil(float(number) * unit / 2**20)


def clock(seconds: float) -> str:
    """A time as operators write a walltime: ``HH:MM:SS``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


@dataclass(frozen=True)
class Need:
    """What a job needs of its worker: ``memory`` in MiB for its processes, ``duration`` in s; 0: not known.

    An empty partition, account or constraint is the operator's own.
    """

    cores: int = 1
    memory: int = 0
    gpus: int = 0
    partition: str = ""
    account: str = ""
    constraint: str = ""
    duration: float = 0


@dataclass(frozen=True)
class Shape:
    """What a worker has: ``memory`` in MiB of its allocation, ``walltime`` in s, None where it is not known.

    An empty partition, account or constraint is the operator's own.
    """

    cores: int = 1
    memory: int | None = None
    gpus: int = 0
    partition: str = ""
    account: str = ""
    constraint: str = ""
    walltime: float | None = None

    def __str__(self) -> str:
        memory = None if self.memory is None else f"{self.memory / GIB:g} GiB"
        gpus = f"{self.gpus} GPU" if self.gpus else None
        walltime = None if self.walltime is None else clock(self.walltime)
        names = (self.partition, self.account, self.constraint)
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        return ", ".join(part for part in (cores, memory, gpus, walltime, *names) if part)


@dataclass(frozen=True)
class Maxima:
    """The largest worker there may be: ``memory`` in MiB for a job's processes, ``walltime`` in s; None: nobody said.

    ``partitions``, ``accounts`` and ``constraints`` are those that clients may choose from.
    """

    cores: int | None = None
    memory: int | None = None
    gpus: int | None = None
    walltime: float | None = None
    partitions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


def holds(shape: Shape, need: Need) -> bool:
    """Whether a worker is large enough for a job, and of its kind; how long it stays is another matter.

    A worker with GPUs is kept for jobs that ask for one.
    """
    return (
        need.cores <= shape.cores
        and (not need.memory or shape.memory is None or need.memory + OVERHEAD <= shape.memory)
        and need.gpus <= shape.gpus
        and (need.gpus > 0) == (shape.gpus > 0)
        and (need.partition, need.account, need.constraint) == (shape.partition, shape.account, shape.constraint)
    )


def enlarge(base: Shape, need: Need, margin: float, longest: float | None) -> Shape:
    """The shape of the worker that is asked for on behalf of a job: the operator's, as far as that is enough.

    ``margin`` [s] is what a job cannot use of a walltime, ``longest`` [s] the longest walltime.
    """
    memory, walltime = base.memory, base.walltime
    if memory is not None and need.memory + OVERHEAD > memory and need.memory:
        memory = math.ceil((need.memory + OVERHEAD) / GIB) * GIB
    if walltime is not None and need.duration + margin > walltime:
        walltime = math.ceil((need.duration + margin) / HOUR) * HOUR
        walltime = walltime if longest is None else min(walltime, longest)
    return Shape(
        cores=max(base.cores, need.cores),
        memory=memory,
        gpus=need.gpus,
        partition=need.partition,
        account=need.account,
        constraint=need.constraint,
        walltime=walltime,
    )


def size(shape: Shape) -> tuple[Any, ...]:
    """An order of shapes by what they cost: a job goes to the smallest free worker that fits it."""
    return (shape.gpus, shape.cores, shape.memory or 0, shape.walltime or 0)
