"""What joins the rooms of a job: descriptions validate, the Dask executor runs, the UWS manager rules."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..execution.executor import DaskExecutor
from ..execution.folder import JobFolder
from ..execution.launch import Launch
from ..jobs.description import FILE_SIZE, JobDescription
from ..jobs.descriptor import runs_parameter
from ..jobs.registry import Registry
from ..jobs.validation import ParameterError, typed, validate
from ..uws.errors import NotFound, UsageError
from ..uws.jobtype import JobType, Values
from ..uws.model import Job
from ..uws.uploads import FileRule
from .resources import limits_of, resource_names, resources

if TYPE_CHECKING:
    from ..uws.fetch import Fetched

#: What is taken of the request of a job whose description has changed since.
KEPT = (
    *("parameters", "memory_limit", "cores", "gpus", "partition", "account", "constraint"),
    *("restartable", "max_restarts"),
)
#: Job types that run code which the client sends, by name: for the service's own user only.
OWN_CODE = {"notebook": "jupyter_uws.jobs.notebook:notebook", "python": "jupyter_uws.jobs.python:python"}
#: Where a job's info has the SHA-256 of the description it was queued with.
DIGEST = "description_sha256"


class JobTypes(Mapping[str, JobType]):
    """The job types of a registry as the manager knows them; they change as the registry does.

    ``own`` are those of other services, whose jobs run elsewhere. Only ``user`` may run code of their own.
    """

    def __init__(self, registry: Registry, executor: DaskExecutor, own: Mapping[str, JobType], user: str) -> None:
        self._user = user
        self._own = own
        self._registry = registry
        self._executor = executor
        self._made: dict[str, tuple[JobDescription, JobType]] = {}

    def __getitem__(self, name: str) -> JobType:
        if name in self._own:
            return self._own[name]
        description = self._registry[name]
        made = self._made.get(name)
        if made is None or made[0] is not description:
            made = self._made[name] = (description, _job_type(description, self._executor, self._user))
        return made[1]

    def __iter__(self) -> Iterator[str]:
        return iter({**dict.fromkeys(self._registry), **self._own})

    def __len__(self) -> int:
        return len(set(self))


def _job_type(description: JobDescription, executor: DaskExecutor, user: str) -> JobType:
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
        quote=description.quote,
        files={
            parameter.name: FileRule(parameter.content_types, parameter.max_size or FILE_SIZE)
            for parameter in description.parameters
            if parameter.type == "file"
        },
        resources=lambda asked: resources(description, asked, executor.config),
        resource_names=resource_names(description),
        info={"description_version": description.version, DIGEST: description.digest},
        queue=executor.queue,
        identifiers=frozenset({runs.name} if (runs := runs_parameter(description)) else ()),
        owners=frozenset({user}) if description.entry_point in OWN_CODE.values() else None,
    )


@dataclass(frozen=True)
class Launcher:
    """Says how a job is started: our own entry in a new Python, parameters by file.

    A job runs with the description it was queued with. Where that has changed since (the service was
    started anew, or a worker lost), what ``jobs``, the folder of the job folders, has of it is taken.
    """

    registry: Registry
    archive: Path
    jobs: Path

    def __call__(self, job: Job) -> Launch:
        description = self.registry.get(job.job_type)
        queued_with = job.info.get(DIGEST)
        if description is None or queued_with not in (None, description.digest):
            return self._as_queued(job, str(queued_with))
        return self._launch(
            job,
            parameters={
                "description": {"version": description.version, "sha256": description.digest},
                **_order(description, job),
            },
            **limits_of(job.info, description),
            restartable=description.restartable,
            max_restarts=description.max_restarts,
        )

    def _as_queued(self, job: Job, digest: str) -> Launch:
        request = JobFolder(self.jobs / job.job_id).read_json("request.json")
        if not isinstance(request, dict) or request["parameters"]["description"]["sha256"] != digest:
            raise ValueError("the description of its type was changed or removed after it was queued; create it again")
        kept = {name: request[name] for name in KEPT if name in request}  # an older service wrote fewer
        return self._launch(job, **kept)

    def _launch(self, job: Job, parameters: dict[str, Any], **limits: Any) -> Launch:
        module = "main" if "entry_point" in parameters else "command"
        return Launch(
            argv=(sys.executable, "-m", f"jupyter_uws.jobs.{module}", "../request.json"),
            env={"JUPYTER_UWS_ARCHIVE": str(self.archive), "UWS_JOB_TYPE": job.job_type},
            parameters=parameters,
            execution_duration=job.execution_duration,
            **limits,
        )


def _order(description: JobDescription, job: Job) -> dict[str, Any]:
    """What the job's process is told: what to run, and the values; files are paths below the job folder."""
    values = typed(description, job.parameters)
    files = [parameter for parameter in description.parameters if parameter.type == "file"]
    if description.entry_point:
        names = [parameter.name for parameter in files]
        return {"entry_point": description.entry_point, "values": values, "files": names}
    return {
        "command": description.command,
        "script": description.script,
        "values": values,
        "texts": validate(description, job.parameters),
        "files": {parameter.name: parameter.filename for parameter in files},
        "generated": [result.model_dump() for result in description.generated],
    }


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
