"""The rules of a job's life: creation, start, abort, reports of its executor, destruction.

The manager is the only writer of the store. It lives in one event loop; every method that is not
``async`` returns at once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from .access import Act, check_access
from .errors import NotAllowed, NotFound, UsageError
from .events import Hub, Wait
from .executor import Executor, Report
from .model import ErrorSummary, Job, Upload
from .phases import ACTIVE, BLOCKING, TERMINAL, Phase
from .quotes import Quotes
from .store import JobStore
from .times import format_time, parse_time, utcnow
from .uploads import FileRule

logger = logging.getLogger(__name__)

Values = dict[str, list[str]]

#: No WAIT blocks for longer, whatever the client asks; it asks again (UWS 1.1, section 2.2.1.3 allows it).
WAIT_MAX = 60.0
#: How long a request that aborts a job waits to see it ended.
ABORT_PATIENCE = 5.0
#: The destruction of jobs is looked at this often.
SWEEP_INTERVAL = 10.0

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32


@dataclass(frozen=True)
class JobType:
    """What the UWS pattern needs to know of a kind of job.

    ``validate(values, complete)`` returns the values in canonical form with defaults filled in, or
    raises :class:`UsageError`; without ``complete`` required ones may still be missing. The
    parameters in ``files`` take files: their values are paths below the job folder. Durations are
    in seconds. ``resources`` is what a job asks for (cores, memory), ``queue(job)`` tells of a
    QUEUED one where it stands; both go to ``jobInfo``, names must be those of XML elements.
    """

    name: str
    executor: Executor
    validate: Callable[[Mapping[str, Sequence[str]], bool], Values]
    execution_duration: int = 3600
    execution_duration_max: int = 86400
    files: Mapping[str, FileRule] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    queue: Callable[[Job], Mapping[str, str]] = lambda job: {}


@dataclass(frozen=True)
class Control:
    """The job control parameters a client may send when it creates a job; None: not sent."""

    run_id: str | None = None
    execution_duration: str | None = None
    destruction: str | None = None


@dataclass
class JobManager:
    """All jobs of a service.

    ``types`` is asked anew at every request, so it may change. ``lifetime`` is the default time
    from creation to destruction, ``lifetime_max`` the longest a client may ask.
    """

    store: JobStore
    types: Mapping[str, JobType]
    lifetime: timedelta = timedelta(days=30)
    lifetime_max: timedelta = timedelta(days=365)
    events: Hub = field(default_factory=Hub)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._quotes = Quotes(self.store)

    # -- reading

    def job_type(self, name: str) -> JobType:
        try:
            return self.types[name]
        except KeyError:
            known = ", ".join(sorted(self.types)) or "none"
            raise NotFound(f"there is no job type '{name[:80]}'; the job types are: {known}") from None

    def get(self, owner: str, job_type: str, job_id: str, *, is_admin: bool = False, act: Act = "change") -> Job:
        """The job, if it is there and ``owner``, who calls, may ``act`` on it."""
        job = self.store.get(job_id)
        if job is None or job.job_type != job_type:
            raise NotFound(f"there is no job '{job_id[:80]}' of type '{job_type[:80]}'")
        check_access(job, owner, is_admin, act)
        return job

    async def wait(self, job: Job, seconds: float, wait: Wait | None = None) -> Job:
        """The job as soon as its phase differs from ``job.phase``; after ``seconds`` as it is then.

        Negative seconds ask for as long as the service allows. Who gives a ``wait`` can release it.
        """
        wait = wait or Wait(job.owner)
        with self.events.waits.enter(job, wait):
            # read after the wait is in place: no change can slip in between
            current = self._present(job)
            if current.phase != job.phase or current.phase not in BLOCKING:
                return current
            limit = WAIT_MAX if seconds < 0 else min(seconds, WAIT_MAX)
            timer = asyncio.get_running_loop().call_later(limit, wait.release)
            try:
                changed = await wait.woken
            finally:
                timer.cancel()
        return changed or self._present(job)

    def _present(self, job: Job) -> Job:
        current = self.store.get(job.job_id)
        if current is None:
            raise NotFound(f"the job '{job.job_id}' was deleted")
        return current

    # -- what owners do

    @staticmethod
    def new_id() -> str:
        """An id for a job to be created; its first eight digits are the day."""
        return f"{utcnow():%Y%m%d}-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(8))

    def create(
        self,
        owner: str,
        job_type: str,
        values: Mapping[str, Sequence[str]],
        control: Control,
        job_id: str | None = None,
        uploads: Sequence[Upload] = (),
    ) -> Job:
        """A new PENDING job. Raises UsageError for bad values, NotFound for an unknown type.

        Where there are ``uploads`` they stand in the folder of ``job_id`` already.
        """
        kind = self.job_type(job_type)
        now = utcnow()
        job = Job(
            job_id=job_id or self.new_id(),
            job_type=kind.name,
            owner=owner,
            phase=Phase.PENDING,
            creation_time=now,
            run_id=control.run_id,
            execution_duration=self._duration(kind, control.execution_duration),
            destruction=self._destruction(now, control.destruction),
            parameters=kind.validate(values, False),
            uploads=tuple(uploads),
        )
        self.store.create(job)
        self.events.changed(job)
        return job

    def check_parameters(self, job: Job, values: Mapping[str, Sequence[str]]) -> Values:
        """The parameters of a PENDING job as they would be with ``values`` replaced; raises what setting them would."""
        if job.phase is not Phase.PENDING:
            raise self._wrong_phase(job, "parameters can be set only while it is PENDING")
        names = {name.lower() for name in values}
        kept = {name: old for name, old in job.parameters.items() if name.lower() not in names}
        return self.job_type(job.job_type).validate({**kept, **values}, False)

    def set_parameters(self, job: Job, values: Mapping[str, Sequence[str]], uploads: Sequence[Upload] = ()) -> Job:
        """Replace the named parameters of a PENDING job, and the files that belong to them."""
        job = self._present(job)  # uploads take time: others may have set parameters meanwhile
        parameters = self.check_parameters(job, values)
        names = {name.lower() for name in values}
        files = [upload for upload in job.uploads if upload.parameter.lower() not in names]
        changed = self.store.update(job.job_id, [Phase.PENDING], parameters=parameters, uploads=(*files, *uploads))
        if changed is None:
            raise self._wrong_phase(job, "parameters can be set only while it is PENDING")
        return changed

    def described(self, job: Job) -> Job:
        """The job with what is known of it only now: where a QUEUED one stands."""
        kind = self.types.get(job.job_type)
        if job.phase is not Phase.QUEUED or kind is None:
            return job
        return replace(job, info={**job.info, **kind.queue(job)})

    def set_execution_duration(self, job: Job, text: str) -> Job:
        duration = self._duration(self.job_type(job.job_type), text)
        changed = self.store.update(job.job_id, [Phase.PENDING], execution_duration=duration)
        if changed is None:
            raise self._wrong_phase(job, "executionDuration can be set only while it is PENDING")
        return changed

    def set_destruction(self, job: Job, text: str) -> Job:
        changed = self.store.update(job.job_id, destruction=self._destruction(job.creation_time, text))
        if changed is None:
            raise NotFound(f"the job '{job.job_id}' was deleted")
        self.events.changed(changed)
        return changed

    async def run(self, job: Job) -> Job:
        """PHASE=RUN: validate the parameters as a whole and hand the job to its executor."""
        kind = self.job_type(job.job_type)
        if job.phase in (Phase.QUEUED, Phase.EXECUTING):
            return job
        parameters = kind.validate(job.parameters, True)
        queued = self.store.move(job.job_id, Phase.QUEUED, parameters=parameters, info=dict(kind.resources))
        if queued is None:
            raise self._wrong_phase(job, "only a PENDING job can be run")
        self.events.changed(queued)
        await self._start(kind, queued)
        return self.store.get(job.job_id) or queued

    async def abort(self, job: Job) -> Job:
        """PHASE=ABORT: the job's processes are gone when this returns, or the executor has been told."""
        if job.phase is Phase.ABORTED:
            return job
        if job.phase in TERMINAL:
            raise self._wrong_phase(job, "it has ended already")
        if job.phase in (Phase.PENDING, Phase.HELD):
            aborted = self.store.move(job.job_id, Phase.ABORTED, end_time=utcnow())
            if aborted is not None:
                self.events.changed(aborted)
                return aborted
        await self.job_type(job.job_type).executor.abort(job)
        return await self._until_ended(job)

    async def delete(self, job: Job) -> None:
        """Abort the job if need be, and forget it with all its files."""
        if job.phase in ACTIVE:
            job = await self.abort(job)
            if job.phase in ACTIVE:
                raise NotAllowed(f"the job '{job.job_id}' is being aborted but has not ended yet; try again")
        kind = self.types.get(job.job_type)
        if not self.store.forget(job):
            raise NotAllowed(f"the job '{job.job_id}' was started again meanwhile; try again")
        self.events.deleted(job)
        if kind is not None:
            await kind.executor.delete(job)
            self.store.buried(job.job_id)

    async def _until_ended(self, job: Job) -> Job:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ABORT_PATIENCE
        current = self.store.get(job.job_id) or job
        while current.phase in ACTIVE and loop.time() < deadline:
            current = await self.wait(current, deadline - loop.time())
        return current

    async def _start(self, kind: JobType, job: Job) -> None:
        try:
            await kind.executor.start(job)
        except Exception as error:
            logger.exception("job %s could not be started", job.job_id)
            self.report(
                Report(job.job_id, job.run, "failed", utcnow(), error=ErrorSummary(f"could not be started: {error}"))
            )

    # -- what executors report

    def report(self, report: Report) -> None:
        """Take a report of an executor; one of an older run, or one that comes too late, changes nothing."""
        job = None
        match report.kind:
            case "started":
                job = self._begin(report)
            case "progress":
                current = self.store.get(report.job_id)
                if current is not None:
                    job = self.store.update(
                        report.job_id, [Phase.EXECUTING], of_run=report.run, info={**current.info, **report.info}
                    )
            case "queued":
                self._requeue(report)
            case "completed" | "failed" | "aborted":
                job = self._end(report)
        if job is not None:
            self.events.changed(job)

    def _begin(self, report: Report) -> Job | None:
        current = self.store.get(report.job_id)
        if current is None:
            return None
        return self.store.move(
            report.job_id,
            Phase.EXECUTING,
            of_run=report.run,
            start_time=report.time,
            quote=self._quotes.predict(current.job_type, report.time),
            info={**current.info, **report.info},
        )

    def _end(self, report: Report) -> Job | None:
        target = {"completed": Phase.COMPLETED, "failed": Phase.ERROR, "aborted": Phase.ABORTED}[report.kind]
        current = self.store.get(report.job_id)
        if current is None:
            return None
        if current.phase is Phase.QUEUED and target is Phase.COMPLETED:
            # the word that it had started was lost with a service that died
            self.store.move(report.job_id, Phase.EXECUTING, of_run=report.run, start_time=report.time)
        ended = self.store.move(
            report.job_id,
            target,
            of_run=report.run,
            end_time=report.time,
            results=report.results,
            error=report.error,
            info={**current.info, **report.info},
        )
        if ended is not None and target is Phase.COMPLETED:
            self._quotes.learn(ended)
        return ended

    def _requeue(self, report: Report) -> None:
        current = self.store.get(report.job_id)
        if current is None or current.run != report.run or current.phase not in (Phase.QUEUED, Phase.EXECUTING):
            return
        kind = self.types.get(current.job_type)
        info = {**(kind.resources if kind else {}), **report.info}
        changes: dict[str, Any] = {"run": current.run + 1, "start_time": None, "quote": None, "info": info}
        if current.phase is Phase.EXECUTING:
            job = self.store.move(current.job_id, Phase.QUEUED, of_run=report.run, **changes)
        else:
            job = self.store.update(current.job_id, [Phase.QUEUED], of_run=report.run, **changes)
        if job is not None and kind is not None:
            self.events.changed(job)
            self._background(self._start(kind, job))

    # -- the service's life

    async def open(self) -> None:
        """Settle what an earlier service left unfinished and begin to look after destruction times."""
        for job in self.store.active():
            kind = self.types.get(job.job_type)
            if kind is None:
                error = ErrorSummary(f"the job type '{job.job_type}' is not known to this service any more")
                self.report(Report(job.job_id, job.run, "failed", utcnow(), error=error))
            else:
                self._background(kind.executor.settle(job))
        self._background(self._sweep())

    async def close(self) -> None:
        self.events.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await self.destroy_due()
            await asyncio.sleep(SWEEP_INTERVAL)

    async def destroy_due(self) -> None:
        """Delete the jobs whose destruction time has come."""
        for job in self.store.due(utcnow()):
            try:
                await self.delete(job)
            except Exception:
                logger.exception("job %s is due for destruction but could not be deleted", job.job_id)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a background task of the job manager failed", exc_info=task.exception())

    # -- limits

    @staticmethod
    def _duration(kind: JobType, text: str | None) -> int:
        """Seconds, clamped to what the type allows; 0 (unlimited) becomes the longest allowed."""
        if text is None:
            return kind.execution_duration
        try:
            seconds = int(float(text))
        except (ValueError, OverflowError):
            raise UsageError(f"EXECUTIONDURATION '{text[:60]}' is not a number of seconds") from None
        if seconds < 0:
            raise UsageError(f"EXECUTIONDURATION {seconds} is negative; 0 asks for the longest allowed")
        return min(seconds or kind.execution_duration_max, kind.execution_duration_max)

    def _destruction(self, created: datetime, text: str | None) -> datetime:
        if not text:
            return created + self.lifetime
        try:
            asked = parse_time(text)
        except ValueError as error:
            raise UsageError(f"DESTRUCTION {error}") from None
        return min(asked, created + self.lifetime_max)

    @staticmethod
    def _wrong_phase(job: Job, why: str) -> NotAllowed:
        ended = f", since {format_time(job.end_time)}" if job.end_time else ""
        return NotAllowed(f"the job '{job.job_id}' is {job.phase}{ended}: {why}")
