"""The XML documents of UWS 1.1, written by hand: the schema is small and its traps are many.

Namespace prefix ``uws``, for some clients read it literally. Elements stand in the schema's order;
``startTime``, ``endTime``, ``destruction`` and ``ownerId`` are always there, nil where they have no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from .model import Job, JobRef
from .places import job_url, list_path
from .times import format_time
from .uploads import files_of

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACES = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
# What XML 1.0 cannot carry at all, not even as a character reference.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal(text: str) -> bool:
    """Whether the text can stand in an XML document."""
    return _ILLEGAL.search(text) is None


def clean(text: str) -> str:
    """The text with what XML cannot carry replaced by U+FFFD, escaped."""
    # a parser would make a line feed of a bare carriage return
    return escape(_ILLEGAL.sub("\ufffd", text), {"\r": "&#13;"})


def _attribute(text: str) -> str:
    return quoteattr(_ILLEGAL.sub("\ufffd", text))


def _text(name: str, text: str) -> str:
    return f"<uws:{name}>{clean(text)}</uws:{name}>"


def _optional_time(name: str, time: datetime | None) -> str:
    return f'<uws:{name} xsi:nil="true"/>' if time is None else _text(name, format_time(time))


#: What stands before and after the lines of a job list.
JOBS_HEAD = f'{_HEAD}<uws:jobs {_NAMESPACES} version="1.1">\n'
JOBS_TAIL = "</uws:jobs>\n"


def jobs_document(jobs: Iterable[Job | JobRef], root: str) -> str:
    """The job list (UWS 1.1, section 2.2.2.1); ``root`` is the absolute URL above ``uws/``."""
    return JOBS_HEAD + jobs_part(jobs, root) + JOBS_TAIL


def jobs_part(jobs: Iterable[Job | JobRef], root: str) -> str:
    """Some of its lines, for a list too long to be made at once."""
    # ids, types and phases are ours and need no escaping: ten thousand jobs have to be quick
    href = _attribute(root)[1:-1]
    owner = lru_cache(maxsize=100)(clean)
    refs = [
        f'<uws:jobref id="{job.job_id}" xlink:href="{href}{list_path(job.job_type)}/{job.job_id}">'
        f"<uws:phase>{job.phase}</uws:phase>{'' if job.run_id is None else _text('runId', job.run_id)}"
        f"<uws:ownerId>{owner(job.owner)}</uws:ownerId>"
        f"<uws:creationTime>{format_time(job.creation_time)}</uws:creationTime></uws:jobref>\n"
        for job in jobs
    ]
    return "".join(refs)


def job_document(job: Job, root: str) -> str:
    """The whole job (UWS 1.1, section 2.2.2.2)."""
    parts = [
        _text("jobId", job.job_id),
        "" if job.run_id is None else _text("runId", job.run_id),
        _text("ownerId", job.owner),
        f"<uws:phase>{job.phase}</uws:phase>",
        _optional_time("quote", job.quote),
        _text("creationTime", format_time(job.creation_time)),
        _optional_time("startTime", job.start_time),
        _optional_time("endTime", job.end_time),
        f"<uws:executionDuration>{job.execution_duration}</uws:executionDuration>",
        _optional_time("destruction", job.destruction),
        _parameters(job, root),
        _results(job, root),
        _error(job),
        _info(job),
    ]
    body = "\n".join(part for part in parts if part)
    return f'{_HEAD}<uws:job {_NAMESPACES} version="1.1">\n{body}\n</uws:job>\n'


def parameters_document(job: Job, root: str) -> str:
    return _HEAD + _parameters(job, root, _NAMESPACES) + "\n"


def results_document(job: Job, root: str) -> str:
    return _HEAD + _results(job, root, _NAMESPACES) + "\n"


def _open(name: str, namespaces: str) -> str:
    return f"<uws:{name} {namespaces}>" if namespaces else f"<uws:{name}>"


def _parameters(job: Job, root: str, namespaces: str = "") -> str:
    lines = []
    for name, values in job.parameters.items():
        href = f"{job_url(job, root)}/parameters/{quote(name, safe='')}"
        items = {file.path: number for number, file in enumerate(files_of(job, name), 1)} if job.uploads else {}
        for value in values:
            item = items.get(value)
            if item is None and legal(value):
                lines.append(f"<uws:parameter id={_attribute(name)}>{clean(value)}</uws:parameter>")
            else:
                link = escape(href if item in (None, 1) else f"{href}?ITEM={item}")
                lines.append(f'<uws:parameter id={_attribute(name)} byReference="true">{link}</uws:parameter>')
    return _open("parameters", namespaces) + "".join(lines) + "</uws:parameters>"


def _results(job: Job, root: str, namespaces: str = "") -> str:
    lines = []
    for result in job.results:
        href = f"{job_url(job, root)}/results/{quote(result.name, safe='')}"
        size = "" if result.size is None else f' size="{result.size}"'
        lines.append(
            f"<uws:result id={_attribute(result.name)} xlink:href={_attribute(href)}{size}"
            f" mime-type={_attribute(result.content_type)}/>"
        )
    return _open("results", namespaces) + "".join(lines) + "</uws:results>"


def _error(job: Job) -> str:
    if job.error is None:
        return ""
    return (
        f'<uws:errorSummary type="{job.error.type}" hasDetail="{"true" if job.error.detail else "false"}">'
        f"<uws:message>{clean(job.error.message)}</uws:message></uws:errorSummary>"
    )


def _info(job: Job) -> str:
    """``jobInfo`` may hold anything: ours are elements without a namespace, one for each entry."""
    if not job.info:
        return ""
    lines = "".join(f"<{name}>{clean(str(value))}</{name}>" for name, value in job.info.items())
    return f"<uws:jobInfo>{lines}</uws:jobInfo>"
