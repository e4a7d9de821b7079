"""The widgets about jobs: a live list, the form of a new one, the page of one, a result."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import traitlets

from ..client.connection import connect
from ..client.errors import BadValue
from ..client.job import Job
from ..client.joblist import JobList as Jobs
from ..client.jobs import JobService
from ..client.parameters import encode
from ..client.results import Result
from ..client.show import html_paragraph, html_table
from ..client.uws import phase_words
from .base import ServiceWidget

#: Jobs that the static picture of a list shows.
STILL = 20
#: Bytes of a content that is short enough to stand in the code of a form.
SHORT = 200


class JobList(ServiceWidget):
    """The jobs of a service, the newest first, as they change.

    Parameters
    ----------
    phase, type, run_id
        Which jobs are shown at first: of a UWS phase, of a type, with a text in their run id or id.
    url, token
        The service; without them the one this kernel belongs to.
    """

    #: The ids of the jobs that are marked in the list.
    selected_ids = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        *,
        phase: str | Iterable[str] | None = None,
        type: str | None = None,
        run_id: str | None = None,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        phases = phase_words(phase or [])
        self._service = JobService(connection=connect(url, token))
        if type is not None:
            self._service.type(type)  # says at once what there is
        query = {"phases": phases, "type": type or "", "text": run_id or ""}
        super().__init__({"kind": "jobs", "query": query}, url, token, self._service.connection)

    @property
    def selected(self) -> Jobs:
        """The jobs that are marked in the list."""
        return Jobs(self._service.job(id) for id in self.selected_ids)

    def _static(self) -> dict[str, Any]:
        query = self._place["query"]
        text = query["text"].lower()
        found = self._service.jobs(query["phases"] or None, query["type"] or None, None if text else STILL)
        fitting = [job for job in found if text in f"{job.id} {job.document.run_id or ''}".lower()]
        return {"text/html": Jobs(fitting[:STILL])._repr_html_()}


class JobForm(ServiceWidget):
    """The form of a new job, filled in with what is known already.

    Parameters
    ----------
    type
        The name of a job type; without it the form begins with the first there is.
    run_id
        A name of your own for the job.
    url, token
        The service; without them the one this kernel belongs to.
    **parameters
        Values of the type's parameters, as :meth:`~jupyter_uws.JobService.submit` takes them. A file may also be chosen
        in the form, from the notebook's folder or from the computer of the browser.

    Raises
    ------
    ValueError
        An unknown job type or parameter, or a value that it cannot take.
    """

    #: The id of the job that was started last; empty before.
    job_id = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        type: str | None = None,
        *,
        run_id: str | None = None,
        url: str | None = None,
        token: str | None = None,
        **parameters: Any,
    ) -> None:
        self._service = JobService(connection=connect(url, token))
        asked: dict[str, Any] = {"run_id": run_id or ""}
        files: dict[str, Path | bytes] = {}
        self._description: dict[str, Any] | None = None
        if type is not None:
            self._description = self._service.type(type)
            fields = encode(self._description, parameters)
            files = {name: value for name, value in fields.items() if isinstance(value, (Path, bytes))}
            for name, value in fields.items():
                if isinstance(value, list) and any(isinstance(item, (Path, bytes)) for item in value):
                    raise BadValue(f"{name} got {len(value)} files: a form takes one; submit() takes them all")
            shown = {name: _file_reference(name, value) for name, value in files.items()}
            values = {name: value for name, value in fields.items() if name not in files}
            asked |= {"type": type, "parameters": values, "files": shown}
        elif parameters:
            raise BadValue(f"{', '.join(parameters)}: parameters are those of a type: name it first")
        super().__init__({"kind": "form", "asked": asked}, url, token, self._service.connection, files)

    @property
    def job(self) -> Job | None:
        """The job that was started last; None before."""
        return self._service.job(self.job_id) if self.job_id else None

    def _static(self) -> dict[str, Any]:
        if self._description is None:
            return {"text/html": html_paragraph("The form of a new job.")}
        files = {name: file["path"] for name, file in self._place["asked"]["files"].items()}
        given = {**self._place["asked"]["parameters"], **files}
        rows = [
            (each["name"], str(given.get(each["name"], "")), each.get("unit") or "", each.get("description") or "")
            for each in self._description["parameters"]
        ]
        table = html_table(("parameter", "value", "unit", "description"), rows)
        return {"text/html": html_paragraph(f"A new job of the type {self._description['name']}") + table}


class JobView(ServiceWidget):
    """The page of a job: progress, parameters, results with their previews, log; ``job`` is a Job or its id."""

    def __init__(self, job: Job | str, *, url: str | None = None, token: str | None = None) -> None:
        self.job = job if isinstance(job, Job) else JobService(url, token).job(job)
        place = {"kind": "job", "job": _reference(self.job)}
        super().__init__(place, url, token, self.job.service.connection)

    def _static(self) -> dict[str, Any]:
        return {"text/html": self.job.refresh()._repr_html_() or ""}


class ResultView(ServiceWidget):
    """A result of a job: a sky map to zoom, a table to sort, a plot, a text.

    ``result`` is one of ``job.results``, or the name of one: ``ResultView(job, "image")``.
    """

    def __init__(
        self, result: Result | Job | str, name: str | None = None, *, url: str | None = None, token: str | None = None
    ) -> None:
        if isinstance(result, Result):
            self.result = result
            self.job = JobService(connection=result.connection).job(result.url.rpartition("/results/")[0])
        else:
            self.job = result if isinstance(result, Job) else JobService(url, token).job(result)
            self.result = self.job.results[name or ""]
        place = {"kind": "result", "job": _reference(self.job), "name": self.result.name}
        super().__init__(place, url, token, self.job.service.connection)

    def _static(self) -> dict[str, Any]:
        for kind, show in (("image/png", self.result._repr_png_), ("image/jpeg", self.result._repr_jpeg_)):
            picture = show()
            if picture is not None:
                return {kind: picture}
        html = self.result._repr_html_()
        return {"text/html": html or html_paragraph(repr(self.result))}


def _file_reference(name: str, given: Path | bytes) -> dict[str, str | None]:
    """How a form calls a file, shows it, and writes it in Python: from here, so that the code works as it stands."""
    if isinstance(given, bytes):
        return {"name": name, "path": name, "code": repr(given) if len(given) <= SHORT else None}
    path = given.absolute()
    for root, before in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(root):
            shown = before + path.relative_to(root).as_posix()
            break
    else:
        shown = path.as_posix()
    return {"name": path.name, "path": shown, "code": repr(shown)}


def _reference(job: Job) -> dict[str, str]:
    return {"id": job.id, "type": job.type}
