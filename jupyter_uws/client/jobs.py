"""The jobs of a service, from a notebook: what can be run, start it, find it again."""

from __future__ import annotations

import difflib
import fnmatch
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .connection import Connection, connect
from .durations import seconds
from .errors import BadValue, NotAllStarted, ServiceError
from .grids import JobGroup, expand
from .job import RESOURCES, Job
from .joblist import JobList
from .parameters import JobTypes, encode, split_files
from .uws import JobDocument, JobReference, UWSClient

if TYPE_CHECKING:
    from astropy.table import Table


class JobService:
    """The jobs of a service: inside JupyterLab ``JobService()``, elsewhere with a URL and a token.

    Raises
    ------
    NotConfigured
        No service was named and none was found.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, connection: Connection | None = None
    ) -> None:
        self.connection = connection or connect(url, token)
        self._uws = UWSClient(self.connection)
        self._types = JobTypes()

    def __repr__(self) -> str:
        return f"<JobService {self.url}>"

    @property
    def url(self) -> str:
        """The URL of the list of all jobs (UWS 1.1)."""
        return self.connection.resolve("uws")

    def types(self) -> JobTypes:
        """The job types of the service: name -> description, with its parameters and their ``schema``."""
        try:
            document = self.connection.get("uws/types").json()
        except ValueError:
            raise ServiceError(f"{self.url}/types is not the list of a job service") from None
        if isinstance(document, dict):
            document = document.get("types", [])
        self._types = JobTypes((description["name"], description) for description in document)
        return self._types

    def type(self, name: str) -> dict[str, Any]:
        """One job type.

        Raises
        ------
        ValueError
            The service has no such type.
        """
        if not isinstance(name, str):
            raise BadValue(f"A job type is called by its name, a text; this is {name!r}.")
        if name not in self._types and name not in self.types():
            near = difflib.get_close_matches(name, self._types, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            names = ", ".join(sorted(self._types)) or "none"
            raise BadValue(f"There is no job type {name!r}{hint} This service has: {names}.")
        return self._types[name]

    def submit(
        self,
        type: Any,
        *,
        run_id: str | None = None,
        execution_duration: Any = None,
        resources: Mapping[str, Any] | None = None,
        after: Job | str | Iterable[Job | str] | None = None,
        **parameters: Any,
    ) -> Job:
        """Start a job.

        Parameters
        ----------
        type
            The name of a job type (:meth:`types` lists them), or a function that is a job (``@job``).
        run_id
            A name of your own for the job; need not be unique.
        execution_duration
            Limit of the wall time: a number of seconds, a Quantity or a text with a unit; 0 for the
            longest that the service allows.
        resources
            What the job asks for of the cluster instead of its type's own: ``cores``, ``memory`` (a text
            such as ``"16 GiB"``, or MiB), ``gpus``, ``partition``, ``account``, ``constraint``.
        after
            Jobs, or their ids, that must have completed before it starts. Where one of them fails, it fails too.
        **parameters
            The type's parameters: text, numbers, lists, arrays, table columns; a Quantity, or a text
            with a unit, is converted to the parameter's unit; ``position`` (a name, coordinates, a SkyCoord) fills
            ``RA`` and ``Dec``; a table of observations gives its ids, and the target it was
            searched for is the position where no other is given.

        Raises
        ------
        ValueError
            An unknown job type or parameter, or a value that it cannot take.
        ServiceError
            The service refused the job.
        """
        return self._create(type, self._form(type, run_id, execution_duration, resources, after, parameters))

    def submit_many(
        self,
        type: Any,
        *,
        grid: Mapping[str, Iterable[Any]] | None = None,
        rows: Any = None,
        run_id: Any = None,
        execution_duration: Any = None,
        resources: Mapping[str, Any] | None = None,
        after: Job | str | Iterable[Job | str] | None = None,
        **parameters: Any,
    ) -> JobGroup:
        """Start a job for each point of a grid of parameters, for each row of a table, or for both together.

        ``jobs.submit_many("spectrum", grid={"model": ["pl", "ecpl"]}, obs_ids=runs, position="Crab")``

        Parameters
        ----------
        grid
            Parameter -> the values that it shall have; all combinations are run.
        rows
            A table, or dicts: each row has the parameters of a job by name. Columns that are no
            parameters of the type (a name, for instance) are there for the functions.
        run_id, **parameters
            As in :meth:`submit`, the same for all jobs; a function is called with the row, a dict, and gives the
            job's own value: ``obs_ids=lambda row: archive.search(row["name"])``.

        Raises
        ------
        ValueError
            As :meth:`submit`, and names the row: then nothing was started.
        ServiceError
            The service refused one of the jobs; ``group`` has those that were started before it.
        """
        known = {parameter["name"].lower() for parameter in self._described(type).get("parameters", ())} | {"position"}
        forms, varied = [], []
        for number, row in enumerate(expand(grid, rows, known), 1):
            own = {name: value for name, value in row.items() if name.lower() in known}
            given = {name: value(row) if callable(value) else value for name, value in parameters.items()}
            name = run_id(row) if callable(run_id) else run_id
            try:
                forms.append(self._form(type, name, execution_duration, resources, after, {**given, **own}))
            except ValueError as error:
                raise BadValue(f"Row {number}: {error}") from None
            varied.append(row)
        group = JobGroup(self, type if isinstance(type, str) else type.job_type)
        for form, row in zip(forms, varied, strict=True):
            try:
                group.append(self._create(type, form), row)
            except ServiceError as error:
                text = f"{error} {len(group)} of {len(forms)} jobs were started."
                raise NotAllStarted(text, error.status, group) from None
        return group

    def _described(self, type: Any) -> Mapping[str, Any]:
        """What a job takes: of a type by name, or of a function that is a job."""
        if isinstance(type, str):
            return self.type(type)
        if not hasattr(type, "order"):
            name = getattr(type, "__name__", repr(type))
            raise BadValue(f"{name} is neither the name of a job type, a text, nor a function with @job")
        if type.job_type not in self._types and type.job_type not in self.types():
            raise BadValue(
                "This service runs no code of your own: whoever runs it must set c.ServeApp.python_jobs = True "
                "in jupyter_uws_config.py."
            )
        description: Mapping[str, Any] = type.description
        return description

    def _form(
        self,
        type: Any,
        run_id: str | None,
        execution_duration: Any,
        resources: Mapping[str, Any] | None,
        after: Job | str | Iterable[Job | str] | None,
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        form: dict[str, Any] = encode(self._described(type), parameters)
        if not isinstance(type, str):
            form = type.order(form)
            run_id = type.name if run_id is None else run_id
        if run_id is not None:
            form["RUNID"] = str(run_id)
        form |= _resources(resources or {})
        if execution_duration is not None:
            # whole seconds, by the standard; 0 would ask for the longest that is allowed
            form["EXECUTIONDURATION"] = str(math.ceil(seconds("execution_duration", execution_duration)))
        if after is not None:
            before = [after] if isinstance(after, (Job, str)) else list(after)
            form["AFTER"] = [job.id if isinstance(job, Job) else str(job) for job in before]
        return form

    def _create(self, type: Any, form: Mapping[str, Any]) -> Job:
        name = type if isinstance(type, str) else type.job_type
        url, document = self._uws.create(f"uws/{quote(name, safe='')}", *split_files(form))
        return Job(self, url, document)

    def jobs(
        self, phase: str | Iterable[str] | None = None, type: str | None = None, last: int | None = None
    ) -> JobList:
        """The jobs, of all types or of one; ``phase`` one or several, ``last`` the n most recent."""
        path = "uws" if type is None else f"uws/{quote(self.type(type)['name'], safe='')}"
        return JobList(Job(self, reference.url, _known(reference)) for reference in self._uws.jobs(path, phase, last))

    def query(
        self,
        phase: str | Iterable[str] | None = None,
        type: str | None = None,
        *,
        run_id: str | None = None,
        last: int | None = None,
        details: bool = False,
    ) -> Table:
        """The jobs as an astropy Table, the newest first.

        ``run_id`` may hold ``*`` and ``?``; with ``details`` there are a column for each parameter, ``took`` [s],
        ``error`` and ``results``, for one more request for each job.
        """
        found = self.jobs(phase, type, last)
        if run_id is not None:
            found = JobList(job for job in found if fnmatch.fnmatchcase(job.document.run_id or "", run_id))
        return found.details() if details else found.table

    def job(self, id: str) -> Job:
        """A job by its id or its URL; so a job is found again after the kernel was restarted.

        Raises
        ------
        ServiceError
            There is no such job (``status`` 404).
        """
        id = str(id)
        if id.startswith(("http://", "https://")):
            return Job(self, id, self._uws.job(id))
        try:
            url, document = self._uws.find(f"uws/{quote(id, safe='')}")
        except ServiceError as error:
            if error.status == 404 or not id[:1].isdigit():
                raise ServiceError(f"There is no job {id!r} at {self.url}.", 404) from None
            raise
        return Job(self, url, document)

    def __getitem__(self, key: str | int) -> Job:
        """``jobs["20261122-abcdefgh"]`` is the job of that id, ``jobs[-1]`` the newest, ``jobs[-2]`` the one before."""
        if isinstance(key, int):
            if key >= 0:
                raise IndexError(f"jobs[{key}]: jobs are counted from the newest: jobs[-1], jobs[-2], ...")
            newest = self.jobs(last=-key)
            if len(newest) < -key:
                raise IndexError(f"jobs[{key}]: there are {len(newest)} jobs")
            return newest[-key - 1]
        try:
            return self.job(key)
        except ServiceError as error:
            if error.status == 404:
                raise MissingJob(str(error), 404) from None
            raise

    def __iter__(self) -> Any:
        raise TypeError("A service may have very many jobs: go over jobs.jobs(last=100)")


class MissingJob(ServiceError, KeyError):
    """There is no job of that id."""

    __str__ = ServiceError.__str__


def _resources(asked: Mapping[str, Any]) -> dict[str, str]:
    """Resources as a form has them. Raises ValueError for what is none: it would be taken for a parameter."""
    for name in asked:
        if name.lower() not in RESOURCES:
            near = difflib.get_close_matches(name, RESOURCES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise BadValue(f"There is no resource {name!r}{hint} They are: {', '.join(RESOURCES)}.")
    return {name.upper(): str(value) for name, value in asked.items()}


def _known(reference: JobReference) -> JobDocument:
    """What a line of a job list tells of its job."""
    return JobDocument(
        job_id=reference.job_id,
        phase=reference.phase,
        run_id=reference.run_id,
        owner=reference.owner,
        creation_time=reference.creation_time,
        complete=False,
    )
