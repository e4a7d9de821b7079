"""Jobs, from a notebook: submit, watch, wait, look at the results."""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

from . import constraints
from .connection import Connection, connect
from .errors import ClientError, JobFailed, JobTimeout, ServiceError, ServiceUnreachable
from .parameters import JobTypes, encode
from .progress import progress_bar
from .results import Result, Results
from .uws import FINISHED, JobDocument, JobReference, UWSClient

#: Seconds of one long poll: short while a progress bar is drawn, longer where only the end matters.
POLL_PROGRESS = 1
POLL = 20
#: Seconds for which :meth:`Job.wait` bears with a service that does not answer: it may be restarting.
PATIENCE = 30.0
#: What a job may ask for of a cluster.
RESOURCES = ("cores", "memory", "gpus", "partition", "account", "constraint")
#: Lines of a list of jobs that are shown.
SHOWN = 50
#: HTTP statuses of a relay whose service is being started.
_RESTARTING = (502, 503, 504)


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
        if name not in self._types and name not in self.types():
            near = difflib.get_close_matches(name, self._types, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            names = ", ".join(sorted(self._types)) or "none"
            raise ValueError(f"There is no job type {name!r}{hint} This service has: {names}.")
        return self._types[name]

    def submit(
        self,
        type: str,
        *,
        run_id: str | None = None,
        execution_duration: Any = None,
        resources: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Job:
        """Start a job.

        Parameters
        ----------
        type
            The job type; :meth:`types` lists them.
        run_id
            A name of your own for the job; need not be unique.
        execution_duration
            Limit of the wall time: a number of seconds, a Quantity or a text with a unit; 0 for the
            longest that the service allows.
        resources
            What the job asks for of the cluster instead of its type's own: ``cores``, ``memory`` (a text
            such as ``"16 GiB"``, or MiB), ``gpus``, ``partition``, ``account``, ``constraint``.
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
        form = encode(self.type(type), parameters)
        if run_id is not None:
            form["RUNID"] = run_id
        form |= _resources(resources or {})
        if execution_duration is not None:
            # whole seconds, by the standard; 0 would ask for the longest that is allowed
            form["EXECUTIONDURATION"] = str(math.ceil(constraints.seconds("execution_duration", execution_duration)))
        url, document = self._uws.create(f"uws/{quote(type, safe='')}", form)
        return Job(self, url, document)

    def jobs(
        self, phase: str | Iterable[str] | None = None, type: str | None = None, last: int | None = None
    ) -> JobList:
        """The jobs, of all types or of one; ``phase`` one or several, ``last`` the n most recent."""
        path = "uws" if type is None else f"uws/{quote(self.type(type)['name'], safe='')}"
        return JobList(Job(self, reference.url, _known(reference)) for reference in self._uws.jobs(path, phase, last))

    def job(self, id: str) -> Job:
        """A job by its id or its URL; so a job is found again after the kernel was restarted.

        Raises
        ------
        ServiceError
            There is no such job (``status`` 404).
        """
        if id.startswith(("http://", "https://")):
            return Job(self, id, self._uws.job(id))
        for reference in self._uws.jobs("uws"):
            if reference.job_id == id:
                return Job(self, reference.url, self._uws.job(reference.url))
        raise ServiceError(f"There is no job {id!r} at {self.url}.", 404)


def _resources(asked: Mapping[str, Any]) -> dict[str, str]:
    """Resources as a form has them. Raises ValueError for what is none: it would be taken for a parameter."""
    for name in asked:
        if name.lower() not in RESOURCES:
            near = difflib.get_close_matches(name, RESOURCES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"There is no resource {name!r}{hint} They are: {', '.join(RESOURCES)}.")
    return {name.upper(): str(value) for name, value in asked.items()}


class Job:
    """One job; what it shows was true when it was last asked for (:meth:`refresh`).

    ``url`` is the job's own, and finds it again: ``JobService().job(url)``.
    """

    def __init__(self, service: JobService, url: str, document: JobDocument) -> None:
        self.service = service
        self.url = url
        self._document = document
        self._uws = UWSClient(service.connection)

    @property
    def id(self) -> str:
        return self._document.job_id

    @property
    def type(self) -> str:
        return job_type(self.url)

    @property
    def phase(self) -> str:
        """The phase, asked for anew unless the job has ended."""
        if self._document.phase not in FINISHED:
            self.refresh()
        return self._document.phase

    @property
    def document(self) -> JobDocument:
        """What the service said of the job when it was last asked."""
        return self._document

    @property
    def parameters(self) -> dict[str, list[str]]:
        return self._whole().parameters

    @property
    def error(self) -> str | None:
        """Why the job failed, in a sentence; None where it did not."""
        return self._whole().error

    @property
    def progress(self) -> float | None:
        """From 0 to 1; None where the job does not tell."""
        try:
            return min(max(float(self._document.info["progress"]), 0.0), 1.0)
        except (KeyError, ValueError):
            return None

    @property
    def message(self) -> str:
        """What the job last said it was doing."""
        return self._document.info.get("message", "")

    @property
    def results(self) -> Results:
        """Name -> :class:`Result`; complete when the job is COMPLETED."""
        if self._document.phase not in FINISHED:
            self.refresh()
        references = self._whole().results
        return Results(self.id, {name: Result(self.service.connection, references[name]) for name in references})

    @property
    def stdout(self) -> str:
        return self._uws.text(self.url + "/stdout")

    @property
    def stderr(self) -> str:
        return self._uws.text(self.url + "/stderr")

    def _whole(self) -> JobDocument:
        """The document; asked for where only the job list's line is known."""
        if not self._document.complete:
            self.refresh()
        return self._document

    def refresh(self) -> Job:
        """Ask the service for the job's present state."""
        self._document = self._uws.job(self.url)
        return self

    def run(self) -> Job:
        """Start a job that is PENDING or HELD."""
        self._document = self._uws.set_phase(self.url, "RUN")
        return self

    def abort(self) -> Job:
        """Stop the job; what it has written so far is kept."""
        self._document = self._uws.set_phase(self.url, "ABORT")
        return self

    def delete(self) -> None:
        """Delete the job, its results and its logs; it is stopped first if it runs."""
        self._uws.delete(self.url)

    def wait(self, timeout: Any = None, progress: bool = True, raise_on_error: bool = True) -> Job:
        """Wait until the job has ended; Ctrl-C ends the waiting, not the job.

        Parameters
        ----------
        timeout
            Seconds (or a Quantity, or a text with a unit) to wait at most; without it as long as the job takes.
        progress
            Draw a progress bar with what the job says it is doing.
        raise_on_error
            Raise if the job did not complete; otherwise return it whatever its phase.

        Raises
        ------
        JobFailed
            The job ended in ERROR (with its error) or was aborted.
        JobTimeout
            The time is up; the job goes on.
        ServiceUnreachable
            The service has not answered for half a minute; the job may go on.
        """
        end = None if timeout is None else time.monotonic() + constraints.seconds("timeout", timeout)
        bar = progress_bar(f"{self.type} {self.id}") if progress else None
        try:
            for _ in self._follow(end, POLL if bar is None else POLL_PROGRESS):
                if bar is not None:
                    bar.show(self._document.phase, self.progress, self.message)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"Job {self.id} was left {self._document.phase}: it goes on. "
                "job.wait() waits again, job.abort() stops it."
            ) from None
        finally:
            if bar is not None:
                bar.close()
        if raise_on_error and self._document.phase != "COMPLETED":
            raise JobFailed(self._why())
        return self

    def _follow(self, end: float | None, poll: int) -> Iterator[None]:
        """Refresh by long polls until the job has ended; yields after each answer."""
        pause = 0.0
        unanswered: float | None = None
        wait: int | None = None  # the first answer is wanted at once
        while True:
            asked, before = time.monotonic(), self._document.phase
            try:
                self._document = self._uws.job(self.url, wait=wait, phase=before if wait else None)
            except (ServiceUnreachable, ServiceError) as error:
                if isinstance(error, ServiceError) and error.status not in _RESTARTING:
                    raise
                unanswered = unanswered or asked
                if asked - unanswered > PATIENCE or (end is not None and asked >= end):
                    raise ServiceUnreachable(
                        f"{error} Job {self.id} may go on: service.job({self.id!r}).wait() waits again."
                    ) from None
                time.sleep(0.5)
                continue
            unanswered = None
            yield
            phase = self._document.phase
            if phase in FINISHED:
                return
            if phase == "PENDING":
                raise ClientError(f"Job {self.id} is PENDING and waits for its start: job.run() starts it.")
            now = time.monotonic()
            if end is not None and now >= end:
                raise JobTimeout(f"Job {self.id} is still {phase}; it goes on, job.wait() waits again.")
            # A service that does not block at WAIT is asked ever less often.
            unblocked = wait is not None and now - asked < 0.2 and phase == before
            pause = min(pause * 1.5 + 0.2, 5.0) if unblocked else 0.0
            left = float(poll) if end is None else end - now
            time.sleep(max(0.0, min(pause, left)))
            wait = max(1, min(poll, int(left)))

    def _why(self) -> str:
        if self._document.phase == "ERROR":
            return f"Job {self.id} ({self.type}) failed: {self._document.error or 'it gave no reason'}"
        return f"Job {self.id} ({self.type}) did not complete: it is {self._document.phase}"

    def __repr__(self) -> str:
        error = self._document.error
        detail = f": {error}" if error else f": {self.message}" if self.message else ""
        return f"<Job {self.id} {self.type} {self._document.phase}{detail}>"

    def _repr_html_(self) -> str:
        document = self._whole()
        rows = [
            ("job", f"{self.id} ({self.type})" + (f", {document.run_id}" if document.run_id else "")),
            ("phase", document.phase + (f", {self.progress:.0%} {self.message}" if self._runs() else "")),
            ("created", _utc(document.creation_time)),
            ("took", _took(document)),
            ("parameters", ", ".join(f"{name} = {_values(values)}" for name, values in document.parameters.items())),
            ("results", ", ".join(document.results)),
            ("error", document.error or ""),
        ]
        lines = (f"<tr>{_cell('th', name)}{_cell('td', text)}</tr>" for name, text in rows if text)
        return f"<table>{''.join(lines)}</table>"

    def _runs(self) -> bool:
        return self._document.phase == "EXECUTING" and self.progress is not None


class JobList(list[Job]):
    """Jobs as the service listed them, the newest first; it shows no more than the first fifty."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        oldest = datetime.min.replace(tzinfo=UTC)
        super().__init__(sorted(jobs, key=lambda job: job.document.creation_time or oldest, reverse=True))

    def __repr__(self) -> str:
        return "\n".join(["  ".join(row) for row in self._rows()] + self._more()) or "No jobs"

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No jobs</p>"
        head = html_row("th", ("job", "type", "phase", "created", "run id"))
        rows = "".join(html_row("td", row) for row in self._rows())
        more = "".join(f"<p>{line}</p>" for line in self._more())
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"

    def _more(self) -> list[str]:
        return [f"and {len(self) - SHOWN} older ones"] if len(self) > SHOWN else []

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for job in self[:SHOWN]:
            known = job.document
            yield job.id, job.type, known.phase, _utc(known.creation_time), known.run_id or ""


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


def _cell(tag: str, text: str) -> str:
    return f'<{tag} style="text-align:left">{escape(text)}</{tag}>'


def html_row(tag: str, texts: Iterable[str]) -> str:
    """A row of an HTML table, everything escaped."""
    return f"<tr>{''.join(_cell(tag, text) for text in texts)}</tr>"


def job_type(url: str) -> str:
    """The job type in a job's URL: the name before the id."""
    parts = urlsplit(url).path.rstrip("/").split("/")
    return parts[-2] if len(parts) > 1 else ""


def _values(values: list[str], limit: int = 60) -> str:
    text = " ".join(values)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(values)} values)"


def _utc(time: datetime | None) -> str:
    return "" if time is None else time.strftime("%Y-%m-%d %H:%M:%S UTC")


def _took(document: JobDocument) -> str:
    if document.start_time is None:
        return ""
    seconds = ((document.end_time or datetime.now(UTC)) - document.start_time).total_seconds()
    limit = f" of at most {document.execution_duration} s" if document.execution_duration else ""
    return f"{seconds:.1f} s{limit}"
