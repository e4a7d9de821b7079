"""One job, from a notebook: watch it, wait for it, read its log, run it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .durations import seconds
from .errors import BadValue, ClientError, Interrupted, JobFailed, JobTimeout, ServiceError, ServiceUnreachable
from .progress import progress_bar
from .provenance import Provenance, read_provenance
from .results import Result, Results
from .show import html_row, short, took, utc
from .uws import FINISHED, JobDocument, NamedFile, UWSClient

if TYPE_CHECKING:
    from .jobs import JobService

#: Seconds of one long poll: short while a progress bar is drawn, longer where only the end matters.
POLL_PROGRESS = 1
POLL = 20
#: The same where a task awaits the job: what is cancelled leaves a thread behind for so long.
POLL_ASYNC = 5
#: Seconds for which :meth:`Job.wait` bears with a service that does not answer: it may be restarting.
PATIENCE = 30.0
#: What a job may ask for of a cluster.
RESOURCES = ("cores", "memory", "gpus", "partition", "account", "constraint")
#: HTTP statuses of a relay whose service is being started.
_RESTARTING = (502, 503, 504)
#: What a job writes.
STREAMS = ("stdout", "stderr")


class Job:
    """One job; what it shows was true when it was last asked for (:meth:`refresh`).

    ``url`` is the job's own, and finds it again: ``JobService().job(url)``. ``await job`` waits in a coroutine.
    """

    def __init__(self, service: JobService, url: str, document: JobDocument) -> None:
        self.service = service
        self.url = url
        self._document = document
        self._uws = UWSClient(service.connection)
        self._is_deleted = False

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
    def provenance(self) -> Provenance:
        """What the job was made from, and which jobs used its results; asked for anew each time."""
        return read_provenance(self, self.service.connection.get(f"{self.url}/provenance"))

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
        self._is_deleted = True

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
        end = None if timeout is None else time.monotonic() + seconds("timeout", timeout)
        bar = progress_bar(f"{self.type} {self.id}") if progress else None
        try:
            for _ in self._follow(end, POLL if bar is None else POLL_PROGRESS):
                if bar is not None:
                    bar.show(self._document.phase, self.progress, self.message)
        except KeyboardInterrupt:
            raise Interrupted(
                f"Job {self.id} was not stopped, it goes on: job.wait() waits again, job.abort() stops it."
            ) from None
        finally:
            if bar is not None:
                bar.close()
        return self._ended(raise_on_error)

    async def wait_async(self, timeout: Any = None, progress: bool = False, raise_on_error: bool = True) -> Job:
        """As :meth:`wait`, for a coroutine; cancelling it leaves the job running."""
        end = None if timeout is None else time.monotonic() + seconds("timeout", timeout)
        bar = progress_bar(f"{self.type} {self.id}") if progress else None
        steps = self._follow(end, POLL_PROGRESS if bar else POLL_ASYNC)
        try:
            while await asyncio.to_thread(next, steps, False):
                if bar is not None:
                    bar.show(self._document.phase, self.progress, self.message)
        finally:
            if bar is not None:
                bar.close()
        return self._ended(raise_on_error)

    def __await__(self) -> Generator[Any, None, Job]:
        return self.wait_async().__await__()

    def _ended(self, raise_on_error: bool) -> Job:
        if raise_on_error and self._document.phase != "COMPLETED":
            raise JobFailed(self.why())
        return self

    def log(self, *streams: str, follow: bool = False) -> str | None:
        """What the job has written: to ``stdout`` and ``stderr``, or to the one that is named.

        With ``follow`` it is printed as it comes, until the job has ended, and nothing is returned; Ctrl-C ends the
        following, not the job.
        """
        for stream in streams:
            if stream not in STREAMS:
                raise BadValue(f"{stream!r} is not what a job writes to: {' or '.join(STREAMS)}")
        chosen = streams or STREAMS
        if not follow:
            return "".join(self._uws.text(f"{self.url}/{stream}") for stream in chosen)
        read = dict.fromkeys(chosen, 0)
        try:
            for _ in self._follow(None, POLL_PROGRESS):
                self._print_new(read)
            self._print_new(read)
        except KeyboardInterrupt:
            raise Interrupted(
                f"Job {self.id} was not stopped, it goes on: job.log(follow=True) follows it again."
            ) from None
        return None

    def _print_new(self, read: dict[str, int]) -> None:
        """Print what is new in each stream, from the byte where the last look ended."""
        for stream in read:
            text = " "
            while text:
                text, read[stream] = self._uws.text_from(f"{self.url}/{stream}", read[stream])
                print(text, end="", flush=True)

    def rerun(self, run_id: str | None = None, execution_duration: Any = None, **changes: Any) -> Job:
        """Start a job with the same parameters, limits and resources; ``changes`` are parameters that shall differ.

        A parameter that is changed to None takes its default. ``resources`` may be among the changes.
        """
        before = self._whole()
        resources = {name: before.info[name] for name in RESOURCES if before.info.get(name)}
        resources |= changes.pop("resources", None) or {}
        changed = {name.lower() for name in changes}
        if changed & {"position"}:
            changed |= {"ra", "dec"}
        kept: dict[str, Any] = {}
        for name, values in before.parameters.items():
            if name.lower() not in changed:
                kept[name] = self._sent(name, len(values)) if name in before.references else values
        kept = {name: value[0] if len(value) == 1 else value for name, value in kept.items()}
        return self.service.submit(
            self.type,
            run_id=before.run_id if run_id is None else run_id,
            execution_duration=before.execution_duration if execution_duration is None else execution_duration,
            resources=resources,
            **kept,
            **changes,
        )

    def _sent(self, name: str, count: int) -> list[NamedFile]:
        """The files that were sent for a parameter."""
        url = f"{self.url}/parameters/{quote(name, safe='')}"
        return [self._uws.file(url if item == 1 else f"{url}?ITEM={item}") for item in range(1, count + 1)]

    def _follow(self, end: float | None, poll: int) -> Iterator[bool]:
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
            yield True
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

    def why(self) -> str:
        if self._document.phase == "ERROR":
            return f"Job {self.id} ({self.type}) failed: {self._document.error or 'it gave no reason'}"
        return f"Job {self.id} ({self.type}) did not complete: it is {self._document.phase}"

    def __repr__(self) -> str:
        if self._is_deleted:
            return f"<Job {self.id} {self.type} was deleted>"
        error = self._document.error
        detail = f": {error}" if error else f": {self.message}" if self.message else ""
        return f"<Job {self.id} {self.type} {self._document.phase}{detail}>"

    def _repr_html_(self) -> str | None:
        if self._is_deleted:
            return None
        document = self._whole()
        rows = [
            ("job", f"{self.id} ({self.type})" + (f", {document.run_id}" if document.run_id else "")),
            ("phase", document.phase + (f", {self.progress:.0%} {self.message}" if self._runs() else "")),
            ("created", utc(document.creation_time)),
            ("took", took(document)),
            ("parameters", ", ".join(map(" = ".join, _told(document)))),
            ("waits for", document.info.get("waits_for", "") if document.phase == "QUEUED" else ""),
            ("results", ", ".join(document.results)),
            ("error", document.error or ""),
        ]
        lines = (html_row("td", row) for row in rows if row[1])
        return f"<table>{''.join(lines)}</table>"

    def _runs(self) -> bool:
        return self._document.phase == "EXECUTING" and self.progress is not None


def job_type(url: str) -> str:
    """The job type in a job's URL: the name before the id."""
    parts = urlsplit(url).path.rstrip("/").split("/")
    return parts[-2] if len(parts) > 1 else ""


def _told(document: JobDocument) -> Iterator[tuple[str, str]]:
    """The parameters of a job for people; of those that are files, how many."""
    for name, values in document.parameters.items():
        files = "a file" if len(values) == 1 else f"{len(values)} files"
        yield name, files if name in document.references else short(values)
