"""What a job was made from and what was made of it, as the service knows it (PROV-JSON)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ServiceError
from .uws import JobDocument

if TYPE_CHECKING:
    import requests

    from .job import Job

#: Runs that are named, of many.
SHOWN = 20


class Step(NamedTuple):
    """A job beside another one: its ``result`` was given for this job's ``parameter``, or the other way round.

    Both are empty where one only ran after the other.
    """

    job: Job
    result: str
    parameter: str

    def __str__(self) -> str:
        document = self.job.document
        how = f" ({self.result} → {self.parameter})" if self.parameter else ""
        return f"{self.job.type} {document.run_id or document.job_id}, {document.phase}{how}"


class Provenance:
    """The neighbours of one job. In a notebook it shows itself as nested lists.

    ``runs`` are identifiers of the runs that it took; ``files`` are name and parameter of files that no job is known to
    have made; ``made_from`` and ``used_by`` are the jobs before and behind it. ``document`` is all that the service
    told, as PROV-JSON, some steps farther: the package ``prov`` reads it.
    """

    def __init__(self, job: Job, document: dict[str, Any]) -> None:
        self.job = job
        self.document = document
        self.runs: list[str] = []
        self.files: list[tuple[str, str]] = []
        self.made_from: list[Step] = []
        self.used_by: list[Step] = []
        activities = document.get("activity", {})
        me = next((key for key, told in activities.items() if told.get("uws:job_id") == job.id), None)
        entities = document.get("entity", {})
        makers = {each["prov:entity"]: each["prov:activity"] for each in document.get("wasGeneratedBy", {}).values()}
        for use in document.get("used", {}).values():
            user, entity, parameter = use["prov:activity"], use["prov:entity"], use["prov:role"]
            maker, told = makers.get(entity), entities[entity]
            label = str(told.get("prov:label", entity))
            if user == me and maker is not None:
                self.made_from.append(Step(self._neighbour(maker), label, parameter))
            elif user == me and "uws:sha256" in told:
                self.files.append((label, parameter))
            elif user == me:
                self.runs.append(label)
            elif maker == me:
                self.used_by.append(Step(self._neighbour(user), label, parameter))
        for pair in document.get("wasInformedBy", {}).values():
            later, earlier = pair["prov:informed"], pair["prov:informant"]
            steps, other = (self.made_from, earlier) if later == me else (self.used_by, later)
            if me in (later, earlier) and activities[other]["uws:job_id"] not in [step.job.id for step in steps]:
                steps.append(Step(self._neighbour(other), "", ""))

    def _neighbour(self, key: str) -> Job:
        told = self.document["activity"][key]
        service = self.job.service
        document = JobDocument(told["uws:job_id"], told["uws:phase"], told.get("uws:run_id"), complete=False)
        return type(self.job)(service, service.connection.resolve(key.partition(":")[2]), document)

    def _parts(self) -> Iterator[tuple[str, list[str]]]:
        more = [f"and {len(self.runs) - SHOWN} more"] if len(self.runs) > SHOWN else []
        yield "runs", self.runs[:SHOWN] + more
        yield "files", [f"{name} → {parameter}" for name, parameter in self.files]
        yield "made from", [str(step) for step in self.made_from]
        yield "used by", [str(step) for step in self.used_by]

    def __repr__(self) -> str:
        lines = [f"<Provenance of {self.job.type} {self.job.id}>"]
        for name, items in self._parts():
            lines += [f"  {name}", *(f"    {item}" for item in items)] if items else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [
            f"<li>{name}<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul></li>"
            for name, items in self._parts()
            if items
        ]
        title = f"{self.job.type} {self.job.document.run_id or self.job.id}"
        return f"<b>{escape(title)}</b><ul>{''.join(parts) or '<li>nothing is known</li>'}</ul>"


def read_provenance(job: Job, response: requests.Response) -> Provenance:
    """Raises ServiceError where the service told something else: only jupyter_uws has this resource."""
    try:
        document = response.json()
        return Provenance(job, document)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ServiceError("The service told nothing that could be read of the job's provenance.") from None
