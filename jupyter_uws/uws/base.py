"""What all UWS resources have in common, as a mixin for a base handler that knows the caller.

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

from ..forms import FormMixin
from ..methods import MethodsMixin
from ..serving import name_file, open_regular, send_file
from . import html, listing
from .access import Act, check_access
from .errors import NotFound, UsageError
from .manager import JobManager
from .model import Job, Upload
from .places import job_url
from .uploads import FOLDER, Given, Part, Values, discard, receive

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    from .fetch import Fetched

    class _Handler(RequestHandler):
        owner: str
        root: str
        is_admin: bool
else:
    _Handler = object

# What the standard gives a meaning, for creation and control; all other names are the job's own.
CONTROL = frozenset({"phase", "runid", "executionduration", "destruction", "action", "after"})


class JobFiles(Protocol):
    """Where the files of a job are, and how one comes from a URL."""

    def folder_of(self, job_id: str) -> Path: ...

    def result(self, job: Job, name: str) -> Path: ...

    def log(self, job: Job, stream: str) -> Path: ...

    async def fetch(self, url: str, target: Path, max_size: int) -> Fetched: ...


class UWSHandler(MethodsMixin, FormMixin, _Handler):
    """One resource of the tree."""

    is_admin = False

    def initialize(self, manager: JobManager, files: JobFiles) -> None:
        self.manager = manager
        self.files = files

    # -- who may

    def job(self, job_type: str, job_id: str, act: Act = "see") -> Job:
        """The job, if the caller may ``act`` on it."""
        return self.manager.get(self.owner, job_type, job_id, is_admin=self.is_admin, act=act)

    def may_change(self, job: Job) -> None:
        check_access(job, self.owner, self.is_admin, "change")

    # -- answers

    def xml(self, text: str) -> None:
        self.set_header("Content-Type", "text/xml; charset=UTF-8")
        self.add_header("Vary", "Accept")
        self.write(text)

    def html(self, text: str) -> None:
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.add_header("Vary", "Accept")
        self.set_header("Content-Security-Policy", html.POLICY)
        self.write(text)

    def wants_html(self) -> bool:
        """Whether the caller prefers HTML: only where it names it, for XML comes first (UWS 1.1, section 2.2.1)."""
        return html.preferred(self.request.headers.get("Accept", ""))

    def wants_json(self) -> bool:
        """Whether the caller asks for JSON, which no other client than a front end does."""
        return listing.wanted(self.request.headers.get("Accept", ""))

    def json(self, document: dict[str, Any]) -> None:
        self.add_header("Vary", "Accept")
        self.write(document)
        self.set_header("Content-Type", listing.JSON)

    def text(self, text: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(text)

    async def send(self, path: Path, content_type: str, filename: str | None = None) -> None:
        try:
            file, info = await asyncio.to_thread(open_regular, path)
        except OSError:
            raise NotFound(f"the file '{filename or path.name}' is not there any more") from None
        name_file(self, filename or path.name)
        # what jobs and clients made must not act with the rights of the page it comes from
        self.set_header("Content-Security-Policy", "sandbox")
        await send_file(self, file, info, content_type)

    def see_job(self, job: Job) -> None:
        self.redirect(job_url(job, self.root), status=303)

    # -- what was sent

    def form(self, known: frozenset[str] = CONTROL) -> tuple[Values, Values]:
        """The ``known`` parameters by lower-case name, and all others as they came."""
        control: Values = {}
        own: Values = {}
        for name, values in self.read_form().items():
            if name.lower() in known:
                control.setdefault(name.lower(), []).extend(values)
            else:
                own[name] = values
        return control, own

    def take_resources(self, job_type: str, sent: Values) -> dict[str, str]:
        """Take out of what was ``sent`` the resources that it asks for."""
        names = self.manager.job_type(job_type).resource_names
        found: Values = {}
        for name in [name for name in sent if name.lower() in names]:
            found.setdefault(name.lower(), []).extend(sent.pop(name))
        return {name: (single(found, name) or "").strip() for name in found}

    def parts(self) -> list[Part]:
        """The files of the form, once it is read."""
        return [
            Part(file.name, file.filename, file.content_type, file.path, file.size, file.sha256)
            for file in self.sent_files
        ]

    async def set_parameters(self, job: Job, values: Values, given: Sequence[Given]) -> Job:
        """Replace parameters of a PENDING job; files that are not needed any more go."""
        if not given:
            changed = self.manager.set_parameters(job, values)
        else:
            rules = self.manager.job_type(job.job_type).files
            self.manager.check_parameters(job, with_files(values, given))
            folder = self.files.folder_of(job.job_id) / FOLDER
            uploads = await receive(given, rules, folder, self.files.fetch)
            try:
                changed = self.manager.set_parameters(job, with_uploads(values, uploads), uploads)
            except BaseException:
                current = self.manager.store.get(job.job_id)
                await asyncio.to_thread(discard, folder, uploads, current.uploads if current else ())
                raise
        if job.uploads:
            folder = self.files.folder_of(job.job_id) / FOLDER
            await asyncio.to_thread(discard, folder, job.uploads, changed.uploads)
        return changed


def with_files(values: Values, given: Sequence[Given]) -> Values:
    """The values as they will be once the files are there: to be checked before these are taken."""
    return _added(values, [(one.parameter, f"{FOLDER}/file") for one in given])


def with_uploads(values: Values, uploads: Sequence[Upload]) -> Values:
    return _added(values, [(upload.parameter, upload.path) for upload in uploads])


def _added(values: Values, more: Sequence[tuple[str, str]]) -> Values:
    added = {name: list(texts) for name, texts in values.items()}
    for name, text in more:
        added.setdefault(name, []).append(text)
    return added


def single(values: Values, name: str) -> str | None:
    """The value of a parameter that may come once; raises UsageError where it comes with different values."""
    found = values.get(name, [])
    if len(set(found)) > 1:
        raise UsageError(f"{name.upper()} is given {len(found)} times with different values; give it once")
    return found[0] if found else None


def whole_number(name: str, value: str | None, pattern: str, allowed: str) -> int | None:
    """The integer that a query gives; raises UsageError where it does not match ``pattern``."""
    if value is None:
        return None
    if not re.fullmatch(pattern, value.strip(), re.ASCII):
        raise UsageError(f"{name} '{value[:60]}' is not {allowed}")
    return int(value)
