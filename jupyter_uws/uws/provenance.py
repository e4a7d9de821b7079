"""Where a job's results come from, as PROV-JSON (W3C member submission 2013), the JSON of the IVOA's ProvSAP.

Jobs are activities, files and what identifiers stand for are entities, owners are agents; names of jobs, results and
parameters are their addresses. Of the jobs around the one that was asked for, what the standard of the document calls
attributes is told: type, run id, phase, times.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from .lineage import Lineage, Used
from .model import Job, Result, Upload
from .places import list_path
from .times import format_time


def prov_document(lineage: Lineage, job: Job, root: str, identifiers: Collection[str]) -> dict[str, Any]:
    """The document of ``job``. ``root`` is the service's URL, with its last slash.

    The values of the parameters in ``identifiers`` name data that the job used. A file that is a result of another job
    is the same entity as this result.
    """
    document: dict[str, Any] = {
        "prefix": {
            "service": root,
            "uws": f"{root}uws#",
            "parameter": f"{root}{_path(job)}/parameters/",
            "ivo": "ivo://",
            "data": "urn:x-data:",
            "sha256": "urn:x-sha256:",
            "user": "urn:x-user:",
        },
        "activity": {_activity(each): _described(each) for each in lineage.jobs.values()},
        "entity": {},
        "agent": {_agent(job): {"prov:type": {"$": "prov:Person", "type": "prov:QUALIFIED_NAME"}}},
        "used": {},
        "wasGeneratedBy": {},
        "wasInformedBy": {},
        "wasAssociatedWith": {},
    }
    document["activity"][_activity(job)] |= {
        f"parameter:{_quoted(name)}": values if len(values) != 1 else values[0]
        for name, values in job.parameters.items()
        if values
    } | {"uws:is_cut": lineage.is_cut}
    for result in job.results:
        _generated(document, job, result)
    made = {(found.job.job_id, found.upload.path): found for found in lineage.used}
    for each in lineage.jobs.values():
        _add(document, "wasAssociatedWith", {"prov:activity": _activity(each), "prov:agent": _agent(job)})
        for upload in each.uploads:
            _given(document, each, upload, made.get((each.job_id, upload.path)))
    for name in identifiers:
        for value in job.parameters.get(name, ()):
            entity = f"ivo:{_quoted(value[6:])}" if value.startswith("ivo://") else f"data:{_quoted(value)}"
            document["entity"][entity] = {"prov:label": value}
            _used(document, job, entity, name)
    for later, earlier in sorted(lineage.after):
        informed, informant = _activity(lineage.jobs[later]), _activity(lineage.jobs[earlier])
        _add(document, "wasInformedBy", {"prov:informed": informed, "prov:informant": informant})
    return {name: part for name, part in document.items() if part}


def _add(document: dict[str, Any], relation: str, members: dict[str, Any]) -> None:
    document[relation][f"_:{relation}{len(document[relation]) + 1}"] = members


def _used(document: dict[str, Any], job: Job, entity: str, parameter: str) -> None:
    _add(document, "used", {"prov:activity": _activity(job), "prov:entity": entity, "prov:role": parameter})


def _given(document: dict[str, Any], job: Job, upload: Upload, made: Used | None) -> None:
    """A file that a job was given, and its maker where it is a result."""
    if made is None:
        entity = f"sha256:{upload.sha256}"
        document["entity"][entity] = {"prov:label": upload.filename} | _file(upload)
        if upload.source is not None:
            document["entity"][entity]["prov:location"] = upload.source
    else:
        entity = _generated(document, made.maker, made.result)
    _used(document, job, entity, upload.parameter)


def _generated(document: dict[str, Any], job: Job, result: Result) -> str:
    entity = f"service:{_path(job)}/results/{_quoted(result.name)}"
    if entity not in document["entity"]:
        document["entity"][entity] = {"prov:label": result.name} | _file(result)
        members = {"prov:entity": entity, "prov:activity": _activity(job), "prov:role": result.name}
        _add(document, "wasGeneratedBy", members)
    return entity


def _file(file: Upload | Result) -> dict[str, Any]:
    told = {"uws:content_type": file.content_type, "uws:size": file.size, "uws:sha256": file.sha256}
    return {name: value for name, value in told.items() if value is not None}


def _described(job: Job) -> dict[str, Any]:
    times = {"prov:startTime": job.start_time, "prov:endTime": job.end_time, "uws:creation_time": job.creation_time}
    told = {
        "prov:label": job.run_id or job.job_id,
        "uws:job_id": job.job_id,
        "uws:job_type": job.job_type,
        "uws:run_id": job.run_id,
        "uws:phase": str(job.phase),
        "uws:description_version": job.info.get("description_version"),
        "uws:description_sha256": job.info.get("description_sha256"),
        **{name: None if time is None else format_time(time) for name, time in times.items()},
    }
    return {name: value for name, value in told.items() if value}


def _path(job: Job) -> str:
    return f"{list_path(job.job_type)}/{job.job_id}"


def _activity(job: Job) -> str:
    return f"service:{_path(job)}"


def _agent(job: Job) -> str:
    return f"user:{_quoted(job.owner)}"


def _quoted(text: str) -> str:
    """As it stands in an address."""
    return quote(text, safe="/")
