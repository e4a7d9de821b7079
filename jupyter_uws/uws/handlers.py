"""The UWS resources over HTTP (UWS 1.1, section 2.2): the lists, the job, its atoms, and the routes to all of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from ..forms import form_handler
from . import html, listing, xml
from .base import JobFiles, UWSHandler, single, whole_number, with_files, with_uploads
from .errors import NotAllowed, NotFound, UsageError
from .events import Wait
from .manager import Control, JobManager
from .model import Job
from .parts import LogMixin, ParameterMixin, ParametersMixin, ProvenanceMixin, ResultMixin, ResultsMixin
from .phases import Phase
from .places import SERVICES, list_path
from .store import Place
from .streams import EventsMixin
from .times import format_time, parse_time
from .uploads import FOLDER, Values, discard, receive, sort_out

_FILTERS = frozenset({"phase", "after", "last", "wait", "all"})
#: What pages of JSON can be asked for beside those.
_PAGING = frozenset({"before", "text", "order", "page", "tally"})
#: Of so many QUEUED jobs of a page it is told what they wait for: that counts the jobs before each.
_EXPLAINED = 20

#: Jobs of a long list that are read, written and sent together: they take some 20 ms of the loop.
_PIECE = 5000

#: After a deletion clients are sent to the list of so many jobs: most follow, and none wants them all.
LIST_AFTER_DELETION = 100


class JobListMixin(UWSHandler):
    """``/uws`` and ``/uws/<type>``: the jobs that the caller may see, newest first; creation by POST."""

    takes_files = True

    async def get(self, job_type: str | None = None) -> None:
        if job_type is not None:
            self.manager.job_type(job_type)
        query, _ = self.form(_FILTERS | _PAGING)
        last = whole_number("LAST", single(query, "last"), r"0*[1-9]\d{0,8}", "a whole number greater than 0")
        if self.wants_json():
            await self.list_page(job_type, query, last)
            return
        as_html = self.wants_html()
        filters: dict[str, Any] = {
            "owner": self.whose(single(query, "all")),
            "job_type": job_type,
            "phases": _phases(query.get("phase", [])),
            "after": _time("AFTER", single(query, "after")),
            "last": html.PAGE if as_html and last is None else last,
        }
        if as_html:
            jobs = self.manager.store.refs(**filters)
            self.html(html.jobs_page(jobs, self.root, job_type, sorted(self.manager.types), shown_all=last is not None))
        else:
            await self.list_all(filters)

    head = get

    async def list_all(self, filters: dict[str, Any]) -> None:
        """The list, however long (section 2.2.2.1); between two pieces of it other requests are answered."""
        self.xml(xml.JOBS_HEAD)
        for jobs in self.manager.store.pages(_PIECE, **filters):
            self.write(xml.jobs_part(jobs, self.root))
            if len(jobs) == _PIECE:
                try:
                    await self.flush()
                except StreamClosedError:
                    return
                await asyncio.sleep(0)  # a quick client makes flush return at once
        self.write(xml.JOBS_TAIL)

    async def list_page(self, job_type: str | None, query: Values, last: int | None) -> None:
        """One page as JSON; PAGE, the ``next`` of one, asks for the page after it.

        Beside PHASE and AFTER it takes BEFORE (a time), TEXT (in the run id or the id) and ORDER: newest or oldest.
        TALLY=1 counts the jobs by type and run id, with the first page.
        """
        order = single(query, "order") or "newest"
        if order.lower() not in ("newest", "oldest"):
            raise UsageError(f"ORDER '{order[:60]}' is not one of newest, oldest")
        text = (single(query, "text") or "").strip()
        if len(text) > listing.TEXT_MAX:
            raise UsageError(f"TEXT is longer than {listing.TEXT_MAX} characters")
        filters: dict[str, Any] = {
            "owner": self.whose(single(query, "all")),
            "job_type": job_type,
            "after": _time("AFTER", single(query, "after")),
            "until": _time("BEFORE", single(query, "before")),
            "text": text or None,
        }
        phases = _phases(query.get("phase", []))
        place = listing.read_place(single(query, "page"))
        size = min(last or listing.PAGE, listing.PAGE_MAX)
        tallied = place is None and single(query, "tally") == "1"

        def read() -> tuple[list[Job], Place | None, dict[str, int] | None, dict[str, dict[str, int]]]:
            store, oldest_first = self.manager.store, order.lower() == "oldest"
            jobs, next_place = store.page(last=size, place=place, oldest_first=oldest_first, phases=phases, **filters)
            counts = None if place else store.count(phases=list(Phase), **filters)
            return jobs, next_place, counts, store.tally(phases=phases, **filters) if tallied else {}

        async with self.manager.readers:
            jobs, next_place, counts, tally = await asyncio.to_thread(read)
        queued = [job.job_id for job in jobs if job.phase is Phase.QUEUED][:_EXPLAINED]
        jobs = [self.manager.described(job) if job.job_id in queued else job for job in jobs]
        self.json({**listing.jobs_page(jobs, next_place, counts), **tally})

    def whose(self, everybody: str | None) -> str | None:
        """The owner whose jobs a list shows; None for those of all, where an administrator sent ALL=1."""
        if everybody is None or everybody.strip() == "0":
            return self.owner
        if everybody.strip() != "1":
            raise UsageError(f"ALL '{everybody[:60]}' is not known: ALL=1 lists the jobs of all owners")
        if not self.is_admin:
            raise NotAllowed("ALL=1: only an administrator may list the jobs of all owners")
        return None

    async def post(self, job_type: str | None = None) -> None:
        if job_type is None:
            raise UsageError("a job is created at the list of its type: POST to uws/<job type>")
        kind = self.manager.job_type(job_type)
        control, sent = self.form()
        phase = single(control, "phase")
        if phase is not None and phase.strip().upper() != "RUN":
            raise UsageError(f"PHASE '{phase[:60]}' cannot be asked for at creation: send RUN, or nothing for PENDING")
        run_id = single(control, "runid")
        resources = self.take_resources(job_type, sent)
        if kind.wants_root:
            resources["root"] = self.root
        after = control.get("after", [])
        asked = Control(run_id, single(control, "executionduration"), single(control, "destruction"), resources, after)
        values, given = sort_out(sent, self.parts(), kind.files)
        if phase is not None or given:
            # a job that cannot run is refused before it exists, and a bad one before its files are taken
            kind.validate(with_files(values, given), phase is not None)
            kind.resources(resources)
            self.manager.chains.check(self.owner, after)
        self.manager.admit(self.owner, run=phase is not None)
        if not given:
            job = self.manager.create(self.owner, job_type, values, asked)
        else:
            with self.manager.reserved(job_type) as job_id:
                folder = self.files.folder_of(job_id) / FOLDER
                uploads = await receive(given, kind.files, folder, self.files.fetch)
                try:
                    values = with_uploads(values, uploads)
                    job = self.manager.create(self.owner, job_type, values, asked, job_id, uploads)
                except BaseException:
                    await asyncio.to_thread(discard, folder, uploads, ())
                    raise
        if phase is not None:
            job = await self.manager.run(job)
        self.see_job(job)


class FoundMixin(UWSHandler):
    """``/uws/<id>``: sends on to the job of that id, whatever its type."""

    async def get(self, job_id: str) -> None:
        self.see_job(self.manager.find(self.owner, job_id, is_admin=self.is_admin))

    head = get


class JobMixin(UWSHandler):
    """``/uws/<type>/<id>``: the job, with WAIT; deletion; parameters and phase by POST."""

    takes_files = True

    waiting: Wait | None = None

    async def get(self, job_type: str, job_id: str) -> None:
        job = self.job(job_type, job_id)
        query, _ = self.form(_FILTERS)
        seconds = whole_number("WAIT", single(query, "wait"), r"-1|\d{1,9}", "a whole number of seconds, or -1")
        phases = _phases(query.get("phase", []))
        if seconds is not None and self.request.method == "GET" and (not phases or job.phase in phases):
            self.waiting = Wait(self.owner)
            job = await self.manager.wait(job, seconds, self.waiting)
        if self.wants_json():
            self.json(listing.whole_job(self.manager.described(job), self.root))
        elif self.wants_html():
            self.html(html.job_page(self.manager.described(job), self.root))
        else:
            self.xml(xml.job_document(self.manager.described(job), self.root))

    head = get

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.waiting is not None:
            self.waiting.release()

    async def post(self, job_type: str, job_id: str) -> None:
        job = self.job(job_type, job_id, "stop")
        control, sent = self.form()
        action = single(control, "action")
        if action is not None:
            if action.strip().upper() != "DELETE":
                raise UsageError(f"ACTION '{action[:60]}' is not known: the only action is DELETE")
            await self.delete(job_type, job_id)
            return
        if "after" in control:
            raise UsageError("AFTER can be given only when a job is created")
        parts = self.parts()
        if resources := self.take_resources(job_type, sent):
            self.may_change(job)
            job = self.manager.set_resources(job, resources)
        if sent or parts:
            self.may_change(job)
            values, given = sort_out(sent, parts, self.manager.job_type(job_type).files)
            job = await self.set_parameters(job, values, given)
        phase = single(control, "phase")
        if phase is not None:
            job = await set_phase(self, job, phase)
        self.see_job(job)

    async def delete(self, job_type: str, job_id: str) -> None:
        await self.manager.delete(self.job(job_type, job_id, "stop"))
        self.redirect(f"{self.root}{list_path(job_type)}?LAST={LIST_AFTER_DELETION}", status=303)


class AtomMixin(UWSHandler):
    """``quote``, ``owner``, ``error``, and what can be read of the controls: one value each, as text."""

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
                self.tell_error(job)

    head = get

    def tell_error(self, job: Job) -> None:
        kind, error = self.manager.types.get(job.job_type), job.error
        if kind is None or kind.error_document is None:
            self.text("" if error is None else "\n\n".join(filter(None, (error.message, error.detail))))
        elif error is not None:
            self.xml(kind.error_document(error.message))
        elif job.phase is Phase.ABORTED:
            self.xml(kind.error_document("the job was aborted"))
        else:
            raise NotFound(f"the job '{job.job_id}' is {job.phase} and has no error")


class ControlMixin(AtomMixin):
    """``phase``, ``executionduration``, ``destruction``: they can be set."""

    async def post(self, job_type: str, job_id: str, atom: str) -> None:
        job = self.job(job_type, job_id, "stop")
        control, _ = self.form()
        value = single(control, atom)
        if value is None:
            raise UsageError(f"the parameter {atom.upper()} is missing")
        match atom:
            case "phase":
                job = await set_phase(self, job, value)
            case "executionduration":
                self.may_change(job)
                job = self.manager.set_execution_duration(job, value)
            case "destruction":
                self.may_change(job)
                job = self.manager.set_destruction(job, value)
        self.see_job(job)


async def set_phase(handler: UWSHandler, job: Job, phase: str) -> Job:
    match phase.strip().upper():
        case "RUN":
            handler.may_change(job)
            return await handler.manager.run(job)
        case "ABORT":
            return await handler.manager.abort(job)
        case _:
            raise UsageError(f"PHASE '{phase[:60]}' cannot be asked for: send RUN or ABORT")


def _phases(values: list[str]) -> list[Phase]:
    try:
        return [Phase(value.strip().upper()) for value in values]
    except ValueError:
        allowed = ", ".join(Phase)
        raise UsageError(f"PHASE '{' '.join(values)[:80]}' is not a phase; the phases are: {allowed}") from None


def _time(name: str, value: str | None) -> datetime | None:
    try:
        return None if value is None else parse_time(value)
    except ValueError as error:
        raise UsageError(f"{name} {error}") from None


def make_routes(base: type[RequestHandler], manager: JobManager, files: JobFiles) -> list[tuple[str, Any, Any]]:
    """The routes of all job lists for an application whose handlers derive from ``base``."""
    mixins: list[tuple[str, type]] = [(r"/uws/?", JobListMixin), (r"/uws/events", EventsMixin)]
    mixins += [(r"/uws/(\d[\w.-]*)", FoundMixin)]
    for jobs in (r"/uws/([a-z][a-z0-9_-]*)", rf"/({'|'.join(sorted(SERVICES))})/async"):
        job = rf"{jobs}/(\d[\w.-]*)"
        mixins += [
            (rf"{jobs}/?", JobListMixin),
            (job, JobMixin),
            (rf"{job}/(phase|executionduration|destruction)", ControlMixin),
            (rf"{job}/(quote|owner|error)", AtomMixin),
            (rf"{job}/parameters", ParametersMixin),
            (rf"{job}/parameters/([^/]+)", ParameterMixin),
            (rf"{job}/results", ResultsMixin),
            (rf"{job}/results/([^/]+)", ResultMixin),
            (rf"{job}/(stdout|stderr)", LogMixin),
            (rf"{job}/provenance", ProvenanceMixin),
        ]
    settings = {"manager": manager, "files": files}
    classes = {mixin: form_handler(mixin, base) for _, mixin in mixins}
    return [(pattern, classes[mixin], settings) for pattern, mixin in mixins]
