"""The job and its parts, as plain data (UWS 1.1, section 2.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from .phases import Phase


@dataclass(frozen=True)
class Result:
    """One result of a job: a file below the job's folder, or any URL.

    ``name`` is the result's unique id in the job. ``path`` is relative to the job's work
    folder; ``size`` is in bytes, ``sha256`` a hex digest.
    """

    name: str
    path: str
    content_type: str = "application/octet-stream"
    size: int | None = None
    sha256: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Upload:
    """A file that a client gave for a parameter, inline or by URL (UWS 1.1, section 2.1.11).

    The parameter's value in the job is ``path``, relative to the job folder. ``size`` is in bytes,
    ``sha256`` a hex digest, ``filename`` how its sender calls it, ``source`` the URL it came from.
    """

    parameter: str
    path: str
    filename: str
    content_type: str
    size: int
    sha256: str
    source: str | None = None


@dataclass(frozen=True)
class ErrorSummary:
    """Why a job ended in ERROR: one clear sentence, and the whole story as ``detail``.

    ``type`` is *transient* where running the same job again may succeed.
    """

    message: str
    type: Literal["transient", "fatal"] = "fatal"
    detail: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as the store holds it. All times are aware, in UTC.

    ``parameters`` keeps the order and the multiplicity of what the client sent:
    name -> list of string values; ``uploads`` are those that are files. ``run`` counts how often
    the job was handed to its executor: reports of an older run are ignored. ``info`` is the content
    of ``jobInfo`` (progress 0..1, message, worker, queue, ...). ``disk`` is how many bytes its files
    have, as far as that is known; ``forget_time`` is when an ARCHIVED job disappears.
    """

    job_id: str
    job_type: str
    owner: str
    phase: Phase
    creation_time: datetime
    run: int = 0
    run_id: str | None = None
    quote: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    execution_duration: int = 0
    destruction: datetime | None = None
    parameters: dict[str, list[str]] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    error: ErrorSummary | None = None
    info: dict[str, Any] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    disk: int = 0
    forget_time: datetime | None = None


class JobRef(NamedTuple):
    """What a list of jobs shows of a job (UWS 1.1, section 2.2.2.1)."""

    job_id: str
    job_type: str
    owner: str
    phase: Phase
    run_id: str | None
    creation_time: datetime
