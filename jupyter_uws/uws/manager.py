"""The rules of a job's life: creation, start, abort, reports of its executor, destruction.

The manager is the only writer of the store. It lives in one event loop; every method that is not
``async`` returns at once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from .access import Act, check_access
from .chains import AFTER, WAITING, Chains
from .clock import CreationTimes
from .destruction import Undertaker
from .errors import NotAllowed, NotFound, UsageError
from .events import Hub, Wait
from .executor import Executor, Report
from .jobtype import Control, JobType, Values
from .limits import Limits, Quotas
from .model import ErrorSummary, Job, Upload
from .phases import ACTIVE, BLOCKING, TERMINAL, Phase
from .quotes import Quotes
from .reports import Reports
from .store import IN_HAND, JobExists, JobStore, StoreError
from .times import format_time, utcnow
from .uploads import accumulated
from .xml import legal

logger = logging.getLogger(__name__)

__all__ = ["Control", "JobManager", "JobType", "Values"]

#: No WAIT blocks for longer, whatever the client asks; it asks again (UWS 1.1, section 2.2.1.3 allows it).
WAIT_MAX = 60.0
#: How long a request that aborts a job waits to see it ended.
ABORT_PATIENCE = 5.0
#: The destruction of jobs is looked at this often.
SWEEP_INTERVAL = 10.0
#: Characters of a RUNID, and of an owner's name (the store's column).
RUN_ID_MAX, OWNER_MAX = 1000, 200

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32


@dataclass
class JobManager:
    """All jobs of a service.

    ``types`` is asked anew at every request, so it may change. Jobs of a type that is gone are in the
    hands of the ``fallback``.
    """

    store: JobStore
    types: Mapping[str, JobType]
    limits: Limits = field(default_factory=Limits)
    fallback: Executor | None = None
    events: Hub = field(default_factory=Hub)
    #: Who reads much of the store does so in a thread, few at a time: the others' connections stay free.
    readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _doubtful: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._times = CreationTimes(self.store)
        self.quotas = Quotas(self.store, self.limits)
        self.reports = Reports(
            store=self.store,
            events=self.events,
            quotes=Quotes(self.store, self.types),
            quotas=self.quotas,
            requeued=self._again,
            ended=self._measure,
            doubtful=self._doubt,
        )
        self.undertaker = Undertaker(self.store, self.events, self.quotas, self.abort, self._executor)
        self.chains = Chains(self.store, self._again, self.report, self._background, self._doubt)
        self.events.followers.append(self.chains)

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

    def find(self, caller: str, job_id: str, *, is_admin: bool = False) -> Job:
        """The job of that id, of any type, if it is there and the caller may see it."""
        job = self.store.get(job_id)
        if job is None:
            raise NotFound(f"there is no job '{job_id[:80]}'")
        check_access(job, caller, is_admin, "see")
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

    @contextmanager
    def reserved(self, job_type: str) -> Iterator[str]:
        """An id whose folder may be filled until a job is created with it; what comes to no job is removed."""
        job_id = self.new_id()
        self.store.reserve(job_id, job_type)
        self.undertaker.expected.add(job_id)
        try:
            yield job_id
        finally:
            self.undertaker.expected.discard(job_id)

    def admit(self, owner: str, *, run: bool = False) -> None:
        """Raise where a limit keeps the owner from creating, or with ``run`` from running, one more job."""
        self.quotas.admit_job(owner)
        if run:
            self.quotas.admit_run(owner)

    def create(
        self,
        owner: str,
        job_type: str,
        values: Mapping[str, Sequence[str]],
        control: Control,
        job_id: str | None = None,
        uploads: Sequence[Upload] = (),
    ) -> Job:
        """A new PENDING job. Raises UsageError for bad values, NotFound for an unknown type, NotAllowed for a limit.

        Where there are ``uploads`` they stand in the folder of ``job_id`` already, which is :meth:`reserved`.
        """
        kind = self.job_type(job_type)
        if kind.owners is not None and owner not in kind.owners:
            raise NotAllowed(f"jobs of the type '{kind.name}' are for the user who runs the service only")
        run_id = _checked_run_id(control.run_id)
        if not owner or len(owner) > OWNER_MAX:
            raise UsageError(f"an owner's name has 1 to {OWNER_MAX} characters, not {len(owner)}")
        parameters = kind.validate(values, False)
        kind.resources(control.resources)
        after = self.chains.check(owner, control.after)
        disk = sum(upload.size for upload in uploads)
        self.quotas.admit_job(owner, disk)
        created = self._times.next()
        job = Job(
            job_id=job_id or self.new_id(),
            job_type=kind.name,
            owner=owner,
            phase=Phase.PENDING,
            creation_time=created,
            run_id=run_id,
            execution_duration=self._duration(kind, control.execution_duration),
            destruction=self.limits.destruction(control.destruction, created),
            parameters=parameters,
            info={**control.resources, **({AFTER: after} if after else {})},
            uploads=tuple(uploads),
            disk=disk,
        )
        while True:
            try:
                self.store.create(job)
                break
            except JobExists:  # by chance, of the very same day
                if job_id is not None:
                    raise
                job = replace(job, job_id=self.new_id())
        self.quotas.add(owner, jobs=1, disk=disk)
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
        """Replace the named parameters of a PENDING job, and the files that belong to them; files with names add up."""
        job = self._present(job)  # uploads take time: others may have set parameters meanwhile
        values, uploads = accumulated(job, values, uploads, self.job_type(job.job_type).files)
        parameters = self.check_parameters(job, values)
        names = {name.lower() for name in values}
        files = (*(upload for upload in job.uploads if upload.parameter.lower() not in names), *uploads)
        disk = sum(upload.size for upload in files)
        if disk > job.disk:
            self.quotas.admit_disk(job.owner, disk - job.disk)
        changed = self.store.update(job.job_id, [Phase.PENDING], parameters=parameters, uploads=files, disk=disk)
        if changed is None:
            raise self._wrong_phase(job, "parameters can be set only while it is PENDING")
        self.quotas.add(job.owner, disk=disk - job.disk)
        return changed

    def set_resources(self, job: Job, asked: Mapping[str, str]) -> Job:
        """Let a PENDING job ask for other resources; those not named stay as they are."""
        job = self._present(job)
        changed = {**job.info, **asked}
        self.job_type(job.job_type).resources(changed)
        updated = self.store.update(job.job_id, [Phase.PENDING], info=changed)
        if updated is None:
            raise self._wrong_phase(job, "resources can be set only while it is PENDING")
        return updated

    def described(self, job: Job) -> Job:
        """The job with what is known of it only now: where a QUEUED one stands."""
        kind = self.types.get(job.job_type)
        if job.phase is not Phase.QUEUED or kind is None:
            return job
        return replace(job, info={**job.info, **kind.queue(job), **self.chains.waits_for(job)})

    def set_run_id(self, job: Job, text: str) -> Job:
        changed = self.store.update(job.job_id, [Phase.PENDING], run_id=_checked_run_id(text))
        if changed is None:
            raise self._wrong_phase(job, "RUNID can be set only while it is PENDING")
        self.events.changed(changed)
        return changed

    def set_execution_duration(self, job: Job, text: str) -> Job:
        duration = self._duration(self.job_type(job.job_type), text)
        changed = self.store.update(job.job_id, [Phase.PENDING], execution_duration=duration)
        if changed is None:
            raise self._wrong_phase(job, "executionDuration can be set only while it is PENDING")
        return changed

    def set_destruction(self, job: Job, text: str) -> Job:
        destruction = self.limits.destruction(text, job.creation_time)
        changed = self.store.update(job.job_id, set(Phase) - {Phase.ARCHIVED}, destruction=destruction)
        if changed is None:
            raise self._wrong_phase(self._present(job), "its files are destroyed already")
        self.events.changed(changed)
        return changed

    async def run(self, job: Job) -> Job:
        """PHASE=RUN: validate the parameters as a whole and hand the job to its executor."""
        kind = self.job_type(job.job_type)
        if job.phase in (Phase.QUEUED, Phase.EXECUTING):
            return job
        parameters = kind.validate(job.parameters, True)
        info = {**kind.resources(job.info), **kind.info}
        if after := job.info.get(AFTER):
            info |= {AFTER: after, WAITING: after}
        self.quotas.admit_run(job.owner)
        try:
            queued = self.store.move(job.job_id, Phase.QUEUED, parameters=parameters, info=info)
        except StoreError:
            self._doubt(job.job_id)  # a connection that broke may have done it all the same
            raise
        if queued is None:
            raise self._wrong_phase(job, "only a PENDING job can be run")
        self.events.changed(queued)
        if after:
            self.chains.hold(queued)
        else:
            await self._start(kind, queued)
        return self.store.get(job.job_id) or queued

    async def abort(self, job: Job) -> Job:
        """PHASE=ABORT: the job's processes are gone when this returns, or the executor has been told."""
        if job.phase is Phase.ABORTED:
            return job
        if job.phase in TERMINAL:
            raise self._wrong_phase(job, "it has ended already")
        if job.phase in (Phase.PENDING, Phase.HELD) or self.chains.drop(job.job_id):
            aborted = self.store.move(job.job_id, Phase.ABORTED, end_time=utcnow())
            if aborted is not None:
                self.events.changed(aborted)
                return aborted
        executor = self._executor(job.job_type)
        if executor is None:
            self._report_unknown(job)
        else:
            await executor.abort(job)
        return await self._until_ended(job)

    async def delete(self, job: Job) -> None:
        """Abort the job if need be, and forget it with all its files."""
        if job.phase in ACTIVE:
            job = await self.abort(job)
            if job.phase in ACTIVE:
                raise NotAllowed(f"the job '{job.job_id}' is being aborted but has not ended yet; try again")
        if not await self.undertaker.forget(job):
            raise NotAllowed(f"the job '{job.job_id}' was started again meanwhile; try again")

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
        """Take a report of an executor. Never raises: what cannot be stored now is stored later."""
        self.reports.take(report)

    def _again(self, job: Job) -> None:
        kind = self.types.get(job.job_type)
        if kind is None:
            self._report_unknown(job)
        else:
            self._background(self._start(kind, job))

    def _measure(self, job: Job) -> None:
        """Find out what the files of a job that ended take; only where there is a limit on that."""
        executor = self._executor(job.job_type)
        if self.limits.disk and executor is not None:
            self._background(self._weigh(executor, job))

    async def _weigh(self, executor: Executor, job: Job) -> None:
        disk = await executor.measure(job)
        before = self.store.get(job.job_id)
        if before is not None and self.store.update(job.job_id, TERMINAL - {Phase.ARCHIVED}, disk=disk):
            self.quotas.add(job.owner, disk=disk - before.disk)

    def _doubt(self, job_id: str) -> None:
        """It is not known what the store holds of this job: see to it that its executor has it in hand."""
        self._doubtful.add(job_id)
        self.quotas.forget()

    # -- the service's life

    async def open(self) -> None:
        """Settle what an earlier service left unfinished and begin to look after destruction times."""
        for job in self.store.active():
            self._settle(job)
        self._background(self._keep_order())

    def _settle(self, job: Job) -> None:
        executor = self._executor(job.job_type)
        if executor is None:
            self._report_unknown(job)
        elif job.phase is Phase.QUEUED and WAITING in job.info:
            self.chains.hold(job)
        else:
            self._background(executor.settle(job))

    def _executor(self, job_type: str) -> Executor | None:
        kind = self.types.get(job_type)
        return self.fallback if kind is None else kind.executor

    def _report_unknown(self, job: Job) -> None:
        error = ErrorSummary(f"the job type '{job.job_type}' is not known to this service any more")
        self.report(Report(job.job_id, job.run, "failed", utcnow(), error=error))

    async def close(self) -> None:
        self.events.close()
        self.reports.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_order(self) -> None:
        while True:
            try:
                await self.undertaker.sweep()
                self.settle_doubtful()
            except StoreError as error:
                logger.warning("the jobs due for destruction are not known: %s", error)
            await asyncio.sleep(SWEEP_INTERVAL)

    def settle_doubtful(self) -> None:
        """Settle the jobs that are active in the store after it failed; one in its executor's hands stays there."""
        while self._doubtful and not len(self.reports):
            job = self.store.get(next(iter(self._doubtful)))
            self._doubtful.pop()
            if job is not None and job.phase in IN_HAND:
                self._settle(job)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a background task of the job manager failed", exc_info=task.exception())

    def _duration(self, kind: JobType, asked: str | None) -> int:
        return self.limits.duration(asked, kind.execution_duration, kind.execution_duration_max)

    @staticmethod
    def _wrong_phase(job: Job, why: str) -> NotAllowed:
        ended = f", since {format_time(job.end_time)}" if job.end_time else ""
        return NotAllowed(f"the job '{job.job_id}' is {job.phase}{ended}: {why}")


def _checked_run_id(text: str | None) -> str | None:
    if text is not None and (len(text) > RUN_ID_MAX or not legal(text)):
        raise UsageError(f"RUNID is at most {RUN_ID_MAX} characters that XML allows, not {text[:60]!r}")
    return text
