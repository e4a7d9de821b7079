"""Asynchronous queries: the executor that the UWS manager hands them to.

The rows go to ``work/result.<ext>`` of the job folder as they come, by the writers of the synchronous queries. A query
has no side effects, so one that was cut off by the end of the service is run again by the next one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..dali import error_document
from ..execution.folder import JobFolder
from ..uws.errors import UsageError
from ..uws.executor import Report, Reporter
from ..uws.jobtype import JobType, Values
from ..uws.model import ErrorSummary, Job, Result
from ..uws.phases import Phase
from ..uws.times import utcnow
from ..uws.uploads import FileRule
from . import limits as settings
from .errors import TAPError
from .limits import DEFAULT, QueryLimits

if TYPE_CHECKING:
    from .engine import Engine

logger = logging.getLogger(__name__)

#: The job type, and the parameter that takes files.
TAP, UPLOAD = "tap", "UPLOAD"
#: Jobs that work at a time: fewer than the queries of an engine, so that those who wait for an answer get one.
AT_A_TIME = 2
#: A query is begun so often where services end under it; it may be the reason.
RUNS_MAX = 3


def files(limits: QueryLimits) -> dict[str, FileRule]:
    """The parameter that takes files, and what it takes."""
    return {UPLOAD: FileRule(size_max=limits.upload_size, named=True)}


def job_type(executor: QueryExecutor, limits: QueryLimits = DEFAULT) -> JobType:
    """The job type of asynchronous queries."""
    return JobType(
        name=TAP,
        executor=executor,
        validate=partial(_validate, limits),
        execution_duration=limits.job_duration,
        execution_duration_max=limits.job_duration_max,
        files=files(limits),
        resources=lambda asked: {"root": asked["root"]} if "root" in asked else {},
        wants_root=True,
        error_document=error_document,
    )


def _validate(limits: QueryLimits, values: Mapping[str, Sequence[str]], complete: bool) -> Values:
    # all that is wrong with a value is told by the job, as the error of the query (TAP 1.1, section 2.2)
    from .request import canonical  # here: Arrow is large, and most services are asked for nothing of it

    uploads = [value for name, texts in values.items() if name.upper() == UPLOAD for value in texts if value]
    try:
        parameters = canonical(values)
    except TAPError as error:
        raise UsageError(str(error)) from None
    if len(uploads) > limits.uploads:
        raise UsageError(f"UPLOAD names {len(uploads)} tables, {limits.uploads} are allowed")
    found = {name: [value] for name, value in parameters.items()}
    return {**found, UPLOAD: uploads} if uploads else found


async def _store(pieces: AsyncIterator[bytes], path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)
            if file.tell() > settings.RESULT_BYTES:
                raise TAPError(f"the result is larger than {settings.RESULT_BYTES} bytes: ask for less of it")


class QueryExecutor:
    """Runs asynchronous queries on the engine that ``engine()`` gives; job folders are in ``folder``."""

    def __init__(self, folder: Path, engine: Callable[[], Awaitable[Engine]], report: Reporter) -> None:
        self._folder = folder
        self._engine = engine
        self._report = report
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._closing = False

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder(self._folder / job_id)

    async def start(self, job: Job) -> None:
        if job.job_id in self._tasks:
            return
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.job_id, None))

    async def abort(self, job: Job) -> None:
        task = self._tasks.get(job.job_id)
        if task is None:
            self._say(job, "aborted")
        else:
            task.cancel()

    async def settle(self, job: Job) -> None:
        """Run the query again; one that was begun three times, and under which three services ended, is given up."""
        if job.phase == Phase.QUEUED:
            await self.start(job)
        elif job.job_id in self._tasks:
            return
        elif job.run + 1 >= RUNS_MAX:
            self._fail(job, f"the service ended {RUNS_MAX} times while the query was in its hands; it is not run again")
        else:
            self._say(job, "queued")

    async def delete(self, job: Job) -> None:
        await asyncio.to_thread(self.folder(job.job_id).remove)

    async def measure(self, job: Job) -> int:
        return await asyncio.to_thread(self.folder(job.job_id).size)

    async def close(self) -> None:
        """Interrupt all queries; the next service runs them again."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    async def _run(self, job: Job) -> None:
        try:
            async with self._slots:
                self._say(job, "started")
                async with asyncio.timeout(job.execution_duration or None):
                    result = await self._query(job)
        except asyncio.CancelledError:
            if not self._closing:
                self._say(job, "aborted")
        except TimeoutError:
            message = f"executionDuration of {job.execution_duration} s exceeded"
            self._say(job, "aborted", error=ErrorSummary(message))
        except TAPError as error:
            self._fail(job, str(error), transient=error.status == 503)
        except OSError as error:
            self._fail(job, f"the result cannot be stored: {error.strerror or error}", transient=True)
        except Exception as error:
            logger.exception("the query of job %s failed", job.job_id)
            self._fail(job, f"the query failed for a reason of the service's own ({type(error).__name__})")
        else:
            self._say(job, "completed", results=(result,))

    async def _query(self, job: Job) -> Result:
        from .request import read_request

        engine = await self._engine()
        asked = read_request({name: values[0] for name, values in job.parameters.items() if values}, engine.limits)
        work = self.folder(job.job_id).work
        path = work / f"result.{asked.kind.extension}"
        uploads = {upload.filename: self._folder / job.job_id / upload.path for upload in job.uploads}
        variables = {"root_url": str(job.info.get("root", ""))}
        async with engine.query(
            asked.query, maxrec=asked.maxrec, variables=variables, uploads=uploads,
            timeout=float(job.execution_duration or engine.limits.job_duration_max), waits=True,
        ) as rows:  # fmt: skip
            writer = asked.kind.writer(rows.fields, asked.query)
            await asyncio.to_thread(work.mkdir, mode=0o700, parents=True, exist_ok=True)
            try:
                await _store(rows.written(writer), path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        size = path.stat().st_size
        more = ", and there are more" if rows.overflow else ""
        return Result("result", path.name, asked.content_type, size, description=f"{rows.rows} rows{more}")

    def _fail(self, job: Job, message: str, *, transient: bool = False) -> None:
        self._say(job, "failed", error=ErrorSummary(message, "transient" if transient else "fatal"))

    def _say(self, job: Job, kind: str, **more: object) -> None:
        self._report(Report(job.job_id, job.run, kind, utcnow(), **more))  # type: ignore[arg-type]
