"""What joins the rooms of a job: descriptions validate, the Dask executor runs, the UWS manager rules."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..execution.folder import JobFolder
from ..execution.launch import Launch
from ..jobs.description import JobDescription
from ..jobs.registry import Registry
from ..jobs.validation import ParameterError, typed, validate
from ..uws.errors import NotFound, UsageError
from ..uws.executor import Executor
from ..uws.manager import JobType, Values
from ..uws.model import Job

if TYPE_CHECKING:
    from ..uws.fetch import Fetched


def job_types(registry: Registry, executor: Executor) -> dict[str, JobType]:
    """The job types of a registry, as the manager knows them."""
    return {name: _job_type(description, executor) for name, description in registry.items()}


def _job_type(description: JobDescription, executor: Executor) -> JobType:
    def check(values: Mapping[str, Sequence[str]], complete: bool) -> Values:
        try:
            return validate(description, values, complete=complete)
        except ParameterError as error:
            raise UsageError(str(error)) from None

    return JobType(
        name=description.name,
        executor=executor,
        validate=check,
        execution_duration=description.execution_duration,
        execution_duration_max=description.execution_duration_max,
    )


@dataclass(frozen=True)
class Launcher:
    """Says how a job is started: our own entry in a new Python, parameters by file."""

    registry: Registry
    archive: Path

    def __call__(self, job: Job) -> Launch:
        description = self.registry[job.job_type]
        return Launch(
            argv=(sys.executable, "-m", "jupyter_uws.jobs.main", "../request.json"),
            env={"JUPYTER_UWS_ARCHIVE": str(self.archive), "UWS_JOB_TYPE": job.job_type},
            parameters={
                "entry_point": description.entry_point,
                "values": typed(description, job.parameters),
            },
            execution_duration=job.execution_duration,
            memory_limit=description.memory_limit,
            cores=description.cores,
            restartable=description.restartable,
        )


@dataclass(frozen=True)
class Files:
    """Where the files of a job are that its owner may read, and how one comes from a URL.

    ``fetch_hosts`` may be asked though they are not on the public Internet, within ``fetch_timeout`` [s].
    """

    folder: Path
    fetch_hosts: Collection[str] = ()
    fetch_timeout: float = 60.0

    def result(self, job: Job, name: str) -> Path:
        try:
            return JobFolder(self.folder / job.job_id).result(name)
        except ValueError as error:
            raise NotFound(f"the result {error}") from None

    def log(self, job: Job, stream: str) -> Path:
        return self.folder / job.job_id / stream

    def folder_of(self, job_id: str) -> Path:
        return self.folder / job_id

    async def fetch(self, url: str, target: Path, max_size: int) -> Fetched:
        from ..uws.fetch import fetch  # here: its HTTP client is seldom needed

        return await fetch(url, target, max_size=max_size, timeout=self.fetch_timeout, allowed=self.fetch_hosts)
