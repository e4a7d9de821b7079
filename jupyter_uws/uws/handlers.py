"""The UWS resources over HTTP (UWS 1.1, section 2.2), as mixins for a base handler that knows the caller.

The base class authenticates in ``prepare`` and offers ``owner`` (who calls), ``root`` (the
absolute URL above ``uws/``, with its last slash) and, where there are any, ``is_admin``. Errors are
raised as :class:`UWSError`; the base class writes them as text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from tornado.web import RequestHandler

from ..serving import FormMixin, form_handler, name_file, open_regular, send_file
from . import xml
from .access import Act, check_access
from .errors import NotAllowed, NotFound, UsageError
from .events import Wait
from .manager import Control, JobManager
from .model import Job
from .phases import Phase
from .streams import EventsMixin
from .times import format_time, parse_time

_ATOMS = ("phase", "executionduration", "destruction", "quote", "owner", "error")
# What the standard gives a meaning, for creation, control and filters; all other names are the job's own.
_CONTROL = frozenset({"phase", "runid", "executionduration", "destruction", "action"})
_FILTERS = frozenset({"phase", "after", "last", "wait", "all"})

if TYPE_CHECKING:

    class _Handler(RequestHandler):
        owner: str
        root: str
        is_admin: bool
else:
    _Handler = object


class JobFiles(Protocol):
    """Where the files of a job are."""

    def result(self, job: Job, name: str) -> Path: ...

    def log(self, job: Job, stream: str) -> Path: ...


class _UWSHandler(FormMixin, _Handler):
    is_admin = False

    def initialize(self, manager: JobManager, files: JobFiles) -> None:
        self.manager = manager
        self.files = files

    def job(self, job_type: str, job_id: str, act: Act = "see") -> Job:
        """The job, if the caller may ``act`` on it."""
        return self.manager.get(self.owner, job_type, job_id, is_admin=self.is_admin, act=act)

    def may_change(self, job: Job) -> None:
        check_access(job, self.owner, self.is_admin, "change")

    def whose(self, everybody: str | None) -> str | None:
        """The owner whose jobs a list shows; None for those of all, where an administrator sent ALL=1."""
        if everybody is None or everybody.strip() == "0":
            return self.owner
        if everybody.strip() != "1":
            raise UsageError(f"ALL '{everybody[:60]}' is not known: ALL=1 lists the jobs of all owners")
        if not self.is_admin:
            raise NotAllowed("ALL=1: only an administrator may list the jobs of all owners")
        return None

    def document(self, text: str) -> None:
        self.set_header("Content-Type", "text/xml; charset=UTF-8")
        self.write(text)

    def text(self, text: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(text)

    async def send(self, path: Path, content_type: str) -> None:
        try:
            file, info = await asyncio.to_thread(open_regular, path)
        except OSError:
            raise NotFound(f"the file '{path.name}' is not there any more") from None
        name_file(self, path.name)
        await send_file(self, file, info, content_type)

    def see_job(self, job: Job) -> None:
        self.redirect(xml.job_url(job, self.root), status=303)

    def form(self, known: frozenset[str] = _CONTROL) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The ``known`` parameters by lower-case name, and all others as they came."""
        control: dict[str, list[str]] = {}
        own: dict[str, list[str]] = {}
        for name, values in self.read_form().items():
            if name.lower() in known:
                control.setdefault(name.lower(), []).extend(values)
            else:
                own[name] = values
        return control, own

    async def set_phase(self, job: Job, phase: str) -> Job:
        match phase.strip().upper():
            case "RUN":
                self.may_change(job)
                return await self.manager.run(job)
            case "ABORT":
                return await self.manager.abort(job)
            case _:
                raise UsageError(f"PHASE '{phase[:60]}' cannot be asked for: send RUN or ABORT")


def single(values: dict[str, list[str]], name: str) -> str | None:
    """The value of a parameter that may come once; raises UsageError where it comes with different values."""
    found = values.get(name, [])
    if len(set(found)) > 1:
        raise UsageError(f"{name.upper()} is given {len(found)} times with different values; give it once")
    return found[0] if found else None


class JobListMixin(_UWSHandler):
    """``/uws`` and ``/uws/<type>``."""

    async def get(self, job_type: str | None = None) -> None:
        if job_type is not None:
            self.manager.job_type(job_type)
        query, _ = self.form(_FILTERS)
        jobs = self.manager.store.find(
            owner=self.whose(single(query, "all")),
            job_type=job_type,
            phases=_phases(query.get("phase", [])),
            after=_after(single(query, "after")),
            last=_last(single(query, "last")),
        )
        self.document(xml.jobs_document(jobs, self.root))

    async def post(self, job_type: str | None = None) -> None:
        if job_type is None:
            raise UsageError("a job is created at the list of its type: POST to uws/<job type>")
        control, values = self.form()
        phase = single(control, "phase")
        if phase is not None and phase.strip().upper() != "RUN":
            raise UsageError(f"PHASE '{phase[:60]}' cannot be asked for at creation: send RUN, or nothing for PENDING")
        run_id = single(control, "runid")
        asked = Control(run_id, single(control, "executionduration"), single(control, "destruction"))
        if phase is not None:
            # a job that cannot run is refused before it exists
            self.manager.job_type(job_type).validate(values, True)
        job = self.manager.create(self.owner, job_type, values, asked)
        if phase is not None:
            job = await self.manager.run(job)
        self.see_job(job)


class JobMixin(_UWSHandler):
    """``/uws/<type>/<id>``: the job, with WAIT; deletion; parameters and phase by POST."""

    waiting: Wait | None = None

    async def get(self, job_type: str, job_id: str) -> None:
        job = self.job(job_type, job_id)
        query, _ = self.form(_FILTERS)
        seconds = _wait(single(query, "wait"))
        if seconds is not None:
            phase = single(query, "phase")
            if phase is None or phase.upper() == job.phase:
                self.waiting = Wait(self.owner)
                job = await self.manager.wait(job, seconds, self.waiting)
        self.document(xml.job_document(job, self.root))

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.waiting is not None:
            self.waiting.release()

    async def post(self, job_type: str, job_id: str) -> None:
        job = self.job(job_type, job_id, "stop")
        control, values = self.form()
        action = single(control, "action")
        if action is not None:
            if action.strip().upper() != "DELETE":
                raise UsageError(f"ACTION '{action[:60]}' is not known: the only action is DELETE")
            await self.delete(job_type, job_id)
            return
        if values:
            self.may_change(job)
            job = self.manager.set_parameters(job, values)
        phase = single(control, "phase")
        if phase is not None:
            job = await self.set_phase(job, phase)
        self.see_job(job)

    async def delete(self, job_type: str, job_id: str) -> None:
        await self.manager.delete(self.job(job_type, job_id, "stop"))
        self.redirect(f"{self.root}uws/{job_type}", status=303)


class AtomMixin(_UWSHandler):
    """``phase``, ``executionduration``, ``destruction``, ``quote``, ``owner``, ``error``: one value each, as text."""

    async def get(self, job_type: str, job_id: str, atom: str) -> None:
        job = self.job(job_type, job_id)
        match atom:
            case "phase":
                self.text(job.phase)
            case "executionduration":
                self.text(str(job.execution_duration))
            case "destruction":
                self.text("" if job.destruction is None else format_time(job.destruction))
            case "quote":
                self.text("" if job.quote is None else format_time(job.quote))
            case "owner":
                self.text(job.owner)
            case "error":
                error = job.error
                self.text("" if error is None else "\n\n".join(filter(None, (error.message, error.detail))))

    async def post(self, job_type: str, job_id: str, atom: str) -> None:
        job = self.job(job_type, job_id, "stop")
        control, _ = self.form()
        value = single(control, atom) if atom in _CONTROL else None
        if atom not in ("phase", "executionduration", "destruction"):
            self.set_header("Allow", "GET")
            self.send_error(405)
            return
        if value is None:
            raise UsageError(f"the parameter {atom.upper()} is missing")
        match atom:
            case "phase":
                job = await self.set_phase(job, value)
            case "executionduration":
                self.may_change(job)
                job = self.manager.set_execution_duration(job, value)
            case "destruction":
                self.may_change(job)
                job = self.manager.set_destruction(job, value)
        self.see_job(job)


class ParametersMixin(_UWSHandler):
    """``parameters`` and ``parameters/<name>``."""

    async def get(self, job_type: str, job_id: str, name: str | None = None) -> None:
        job = self.job(job_type, job_id)
        if name is None:
            self.document(xml.parameters_document(job, self.root))
            return
        self.text("\n".join(_named(job, unquote(name))))

    async def post(self, job_type: str, job_id: str, name: str | None = None) -> None:
        job = self.job(job_type, job_id, "change")
        _, values = self.form()
        if name is not None:
            values = {unquote(name): values.get("VALUE", []) or next(iter(values.values()), [])}
        if not values or not all(values.values()):
            raise UsageError("no parameter is given: send NAME=value")
        self.see_job(self.manager.set_parameters(job, values))

    async def put(self, job_type: str, job_id: str, name: str | None = None) -> None:
        job = self.job(job_type, job_id, "change")
        if name is None:
            raise UsageError("PUT sets one parameter: send its value to parameters/<name>")
        try:
            value = bytes(self._body).decode()
        except UnicodeDecodeError:
            raise UsageError(f"the value of the parameter '{unquote(name)[:80]}' is not UTF-8") from None
        self.see_job(self.manager.set_parameters(job, {unquote(name): [value]}))


class ResultsMixin(_UWSHandler):
    """``results`` is their list, ``results/<name>`` the data itself."""

    async def get(self, job_type: str, job_id: str, name: str | None = None) -> None:
        job = self.job(job_type, job_id)
        if name is None:
            self.document(xml.results_document(job, self.root))
            return
        wanted = unquote(name)
        for result in job.results:
            if result.name == wanted:
                await self.send(self.files.result(job, result.path), result.content_type)
                return
        known = ", ".join(result.name for result in job.results) or "none"
        raise NotFound(f"the job '{job.job_id}' has no result '{wanted[:80]}'; its results are: {known}")

    head = get


class LogMixin(_UWSHandler):
    """``stdout`` and ``stderr``: what the job has written so far; Range asks for what is new."""

    async def get(self, job_type: str, job_id: str, stream: str) -> None:
        job = self.job(job_type, job_id)
        path = self.files.log(job, stream)
        if path.exists():
            await self.send(path, "text/plain; charset=UTF-8")
        else:
            self.text("")  # it has not started yet

    head = get


def _named(job: Job, name: str) -> Sequence[str]:
    for known, values in job.parameters.items():
        if known.lower() == name.lower():
            return values
    known = ", ".join(job.parameters) or "none"
    raise NotFound(f"the job '{job.job_id}' has no parameter '{name[:80]}'; its parameters are: {known}")


def _phases(values: list[str]) -> list[Phase]:
    try:
        return [Phase(value.strip().upper()) for value in values]
    except ValueError:
        allowed = ", ".join(Phase)
        raise UsageError(f"PHASE '{' '.join(values)[:80]}' is not a phase; the phases are: {allowed}") from None


def _after(value: str | None) -> Any:
    try:
        return None if value is None else parse_time(value)
    except ValueError as error:
        raise UsageError(f"AFTER {error}") from None


def _last(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"0*[1-9]\d{0,8}", value.strip()):
        raise UsageError(f"LAST '{value[:60]}' is not a whole number greater than 0")
    return int(value)


def _wait(value: str | None) -> float | None:
    if value is None:
        return None
    if not re.fullmatch(r"-1|\d{1,9}", value.strip()):
        raise UsageError(f"WAIT '{value[:60]}' is not a whole number of seconds, or -1")
    return float(value)


def make_routes(base: type[RequestHandler], manager: JobManager, files: JobFiles) -> list[tuple[str, Any, Any]]:
    """The routes below ``/uws`` for an application whose handlers derive from ``base``."""
    job = r"/uws/([a-z][a-z0-9_-]*)/(\d[\w.-]*)"
    mixins: list[tuple[str, type]] = [
        (r"/uws/?", JobListMixin),
        (r"/uws/events", EventsMixin),
        (r"/uws/([a-z][a-z0-9_-]*)/?", JobListMixin),
        (job, JobMixin),
        (rf"{job}/({'|'.join(_ATOMS)})", AtomMixin),
        (rf"{job}/parameters", ParametersMixin),
        (rf"{job}/parameters/([^/]+)", ParametersMixin),
        (rf"{job}/results", ResultsMixin),
        (rf"{job}/results/([^/]+)", ResultsMixin),
        (rf"{job}/(stdout|stderr)", LogMixin),
    ]
    settings = {"manager": manager, "files": files}
    classes = {mixin: form_handler(mixin, base) for _, mixin in mixins}
    return [(pattern, classes[mixin], settings) for pattern, mixin in mixins]
