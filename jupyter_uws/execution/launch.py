"""What the service says of a job when it hands it over: what to run, and within which limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..uws.model import Job
from .shape import Need


@dataclass(frozen=True)
class Launch:
    """How to run one job.

    ``argv`` is executed without a shell, in the job's work folder; ``../request.json`` is seen from
    there. ``env`` is added to the little that every job gets. ``parameters`` (anything JSON can
    hold) are written into ``request.json``. ``execution_duration`` is in wall seconds, 0 for no
    limit; ``memory_limit`` in MiB for all processes of the job together, 0 for no limit.
    ``partition``, ``account`` and ``constraint`` are empty for the operator's own.
    A ``restartable`` job whose worker is lost waits again instead of failing, ``max_restarts`` times at most.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    execution_duration: int = 0
    memory_limit: int = 0
    cores: int = 1
    gpus: int = 0
    partition: str = ""
    account: str = ""
    constraint: str = ""
    restartable: bool = False
    max_restarts: int = 2

    @property
    def need(self) -> Need:
        """What it needs of its worker; durations that differ by little are the same, rounded up."""
        return Need(
            self.cores,
            self.memory_limit,
            self.gpus,
            self.partition,
            self.account,
            self.constraint,
            rounded(self.execution_duration),
        )


def rounded(seconds: int) -> int:
    """Two digits of a duration, rounded up: jobs that differ by less are alike for the queue."""
    step: int = 10 ** max(0, len(str(seconds)) - 2)
    return -(-seconds // step) * step


#: Given by the service: looks up the job's type. Raises ValueError with a clear message where it cannot.
Describe = Callable[[Job], Launch]


def order(launch: Launch, job: Job, folder: Path, workers: int) -> dict[str, Any]:
    """What the supervisor is told; ``workers`` is how many the cluster has at most."""
    return {
        "folder": str(folder),
        "job_id": job.job_id,
        "job_type": job.job_type,
        "run": job.run,
        "argv": list(launch.argv),
        "env": {**launch.env, "UWS_WORKERS": str(workers)},
        "execution_duration": launch.execution_duration,
        "memory_limit": launch.memory_limit,
        "cores": launch.cores,
    }


def request(order: dict[str, Any], launch: Launch) -> dict[str, Any]:
    """What the job finds in request.json."""
    return {**asdict(launch), **{name: order[name] for name in ("job_id", "job_type", "run")}}
