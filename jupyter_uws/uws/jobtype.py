"""What the UWS pattern needs to know of a kind of job, and what a client may ask of a job at its creation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .executor import Executor
from .model import Job
from .uploads import FileRule

Values = dict[str, list[str]]


@dataclass(frozen=True)
class JobType:
    """What the UWS pattern needs to know of a kind of job.

    ``validate(values, complete)`` returns the values in canonical form with defaults filled in, or
    raises :class:`UsageError`; without ``complete`` required ones may still be missing. The
    parameters in ``files`` take files: their values are paths below the job folder. Durations are
    in seconds; ``quote`` is how long a job will take, as far as the type can say.

    ``resources(asked)`` is what a job asks for (cores, memory), given what its client sent under the
    ``resource_names`` (lower case) instead of the type's own; it raises :class:`UsageError` for more than
    there may be. ``info`` tells of the type, ``queue(job)`` of a QUEUED job where it stands. All three go
    to ``jobInfo``: names must be those of XML elements.

    With ``wants_root``, ``resources`` is given the service's URL, as the client of the job sees it, as ``root``.
    ``owners`` are those who may create jobs of it; None: everybody.
    The values of the parameters in ``identifiers`` name data that a job uses.
    ``error_document`` makes of an error's message the XML that ``/error`` answers, which is plain text without it.
    """

    name: str
    executor: Executor
    validate: Callable[[Mapping[str, Sequence[str]], bool], Values]
    execution_duration: int = 3600
    execution_duration_max: int = 86400
    quote: int | None = None
    files: Mapping[str, FileRule] = field(default_factory=dict)
    resources: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda asked: {}
    resource_names: frozenset[str] = frozenset()
    info: Mapping[str, str] = field(default_factory=dict)
    queue: Callable[[Job], Mapping[str, str]] = lambda job: {}
    wants_root: bool = False
    owners: frozenset[str] | None = None
    identifiers: frozenset[str] = frozenset()
    error_document: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Control:
    """The job control parameters a client may send when it creates a job; None: not sent.

    ``resources`` are those of the job type's ``resource_names`` that were sent, ``after`` the ids of the jobs that
    must have COMPLETED before it starts.
    """

    run_id: str | None = None
    execution_duration: str | None = None
    destruction: str | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()
