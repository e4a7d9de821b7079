"""What stands below a job: its parameters, results and logs (UWS 1.1, sections 2.1.11, 2.2.2.2 and 2.2.2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from . import xml
from .base import UWSHandler, single, whole_number
from .errors import NotFound, UsageError
from .lineage import trace
from .model import Job
from .provenance import prov_document
from .uploads import Given, Part, Values, files_of, sort_out

_ITEM = frozenset({"item"})


class ParametersMixin(UWSHandler):
    """``parameters``: the list; POST sets those it names."""

    takes_files = True

    async def get(self, job_type: str, job_id: str) -> None:
        self.xml(xml.parameters_document(self.job(job_type, job_id), self.root))

    head = get

    async def post(self, job_type: str, job_id: str) -> None:
        job = self.job(job_type, job_id, "change")
        control, sent = self.form()
        run_id = single(control, "runid")
        resources = self.take_resources(job_type, sent)
        values, given = sort_out(sent, self.parts(), self.manager.job_type(job.job_type).files)
        if not given and not any(values.values()) and not resources and run_id is None:
            raise UsageError("no parameter is given: send NAME=value")
        if run_id is not None:
            job = self.manager.set_run_id(job, run_id)
        if resources:
            job = self.manager.set_resources(job, resources)
        if values or given:
            job = await self.set_parameters(job, values, given)
        self.see_job(job)


class ParameterMixin(UWSHandler):
    """``parameters/<name>``: its values, one a line, or the file itself (``?ITEM=2``: its second one)."""

    takes_files = True

    async def get(self, job_type: str, job_id: str, name: str) -> None:
        job = self.job(job_type, job_id)
        values = _named(job, name)
        files = files_of(job, name)
        if not files:
            self.text("\n".join(values))
            return
        query, _ = self.form(_ITEM)
        item = (
            whole_number("ITEM", query.get("item", ["1"])[0], r"0*[1-9]\d{0,5}", "a whole number greater than 0") or 1
        )
        if item > len(files):
            raise NotFound(f"the parameter '{name[:80]}' has {len(files)} files, there is no ITEM {item}")
        file = files[item - 1]
        await self.send(self.files.folder_of(job.job_id) / file.path, file.content_type, file.filename)

    head = get

    async def post(self, job_type: str, job_id: str, name: str) -> None:
        """``VALUE=...``, ``<name>=...``, or a file."""
        job = self.job(job_type, job_id, "change")
        _, sent = self.form()
        values = [value for key, texts in sent.items() if key.lower() in ("value", name.lower()) for value in texts]
        parts = [replace(part, name=name) for part in self.parts()]
        if not values and not parts:
            raise UsageError(f"no value is given for '{name[:80]}': send VALUE=...")
        await self._set(job, {name: values} if values else {}, parts)

    async def put(self, job_type: str, job_id: str, name: str) -> None:
        """The body is the value; for a parameter that takes a file it is the file."""
        job = self.job(job_type, job_id, "change")
        rules = {known.lower(): known for known in self.manager.job_type(job_type).files}
        if name.lower() in rules:
            (sent,) = self.parts()
            await self._set(job, {}, [replace(sent, name=name, filename=rules[name.lower()])])
        else:
            await self._set(job, {name: [self.read_value(name)]}, [])

    async def _set(self, job: Job, sent: Values, parts: Sequence[Part]) -> None:
        given: list[Given]
        values, given = sort_out(sent, parts, self.manager.job_type(job.job_type).files)
        self.see_job(await self.set_parameters(job, values, given))


class ResultsMixin(UWSHandler):
    """``results``: the list."""

    async def get(self, job_type: str, job_id: str) -> None:
        self.xml(xml.results_document(self.job(job_type, job_id), self.root))

    head = get


class ResultMixin(UWSHandler):
    """``results/<name>``: the data itself."""

    async def get(self, job_type: str, job_id: str, name: str) -> None:
        job = self.job(job_type, job_id)
        for result in job.results:
            if result.name == name:
                await self.send(self.files.result(job, result.path), result.content_type)
                return
        known = ", ".join(result.name for result in job.results) or "none"
        why = f": {job.error.message}" if job.error is not None else ""
        raise NotFound(
            f"the job '{job.job_id}', which is {job.phase}{why}, has no result '{name[:80]}'; its results are: {known}"
        )

    head = get


class LogMixin(UWSHandler):
    """``stdout`` and ``stderr``: what the job has written so far; Range asks for what is new."""

    async def get(self, job_type: str, job_id: str, stream: str) -> None:
        job = self.job(job_type, job_id)
        path = self.files.log(job, stream)
        if path.exists() and path.stat().st_size:
            await self.send(path, "text/plain; charset=UTF-8")
        else:
            self.text("")  # nothing yet: whatever range is asked for, that is no error

    head = get


class ProvenanceMixin(UWSHandler):
    """``provenance``: what the job used and made, and the jobs before and after it, as PROV-JSON."""

    async def get(self, job_type: str, job_id: str) -> None:
        job = self.job(job_type, job_id)
        kind = self.manager.types.get(job_type)
        async with self.manager.readers:
            lineage = await asyncio.to_thread(trace, self.manager.store, job)
        self.json(prov_document(lineage, job, self.root, kind.identifiers if kind else ()))

    head = get


def _named(job: Job, name: str) -> Sequence[str]:
    for known, values in job.parameters.items():
        if known.lower() == name.lower():
            return values
    known = ", ".join(job.parameters) or "none"
    raise NotFound(f"the job '{job.job_id}' has no parameter '{name[:80]}'; its parameters are: {known}")
