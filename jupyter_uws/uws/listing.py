"""Jobs as JSON, for front ends: pages of a long list, and a whole job.

The same resources as the XML documents of the standard, where a request's Accept header names ``application/json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from .errors import UsageError
from .events import describe
from .model import Job
from .places import job_url
from .store import Place
from .times import format_time
from .uploads import files_of

JSON = "application/json; charset=UTF-8"
#: Jobs of a page, and the most a client may ask for.
PAGE, PAGE_MAX = 100, 1000
TEXT_MAX = 200
_PLACE = re.compile(r"(-?\d{1,18})_(\d[\w.-]{0,39})", re.ASCII)


def wanted(accept: str) -> bool:
    """Whether an Accept header names JSON and none of the other representations.

    >>> [wanted(accept) for accept in ("application/json", "application/json, text/xml", "*/*")]
    [True, False, False]
    """
    accept = accept.lower()
    return "application/json" in accept and not any(kind in accept for kind in ("/xml", "text/html"))


def read_place(text: str | None) -> Place | None:
    """The ``next`` of a page, as a client sends it back. Raises UsageError."""
    if text is None:
        return None
    if not (found := _PLACE.fullmatch(text.strip())):
        raise UsageError(f"PAGE '{text[:60]}' is not the 'next' of another page")
    return int(found[1]), found[2]


def jobs_page(jobs: Iterable[Job], next_place: Place | None, counts: Mapping[str, int] | None) -> dict[str, Any]:
    """``jobs`` as their events have them, ``next`` for the page after, ``counts`` by phase with the first page."""
    page: dict[str, Any] = {"jobs": [describe(job) for job in jobs]}
    page["next"] = None if next_place is None else f"{next_place[0]}_{next_place[1]}"
    return page if counts is None else {**page, "counts": counts}


def whole_job(job: Job, root: str) -> dict[str, Any]:
    """All that the job's XML document says, and size and SHA-256 of its files. Times are ISO 8601 or null.

    ``parameters`` has name -> values; of those that are files, ``uploads`` has name -> files.
    """
    url = job_url(job, root)
    times = ("creation_time", "start_time", "end_time", "quote", "destruction")
    return {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "owner": job.owner,
        "run_id": job.run_id,
        "phase": job.phase,
        "run": job.run,
        **{name: None if (time := getattr(job, name)) is None else format_time(time) for name in times},
        "execution_duration": job.execution_duration,
        "disk": job.disk,
        "info": job.info,
        "parameters": job.parameters,
        "uploads": {
            name: [
                {"filename": file.filename, "size": file.size, "sha256": file.sha256, "source": file.source}
                for file in files
            ]
            for name in job.parameters
            if (files := files_of(job, name))
        },
        "results": [
            {**asdict(result), "href": f"{url}/results/{quote(result.name, safe='')}"} for result in job.results
        ],
        "error": None
        if job.error is None
        else {"message": job.error.message, "type": job.error.type, "has_detail": bool(job.error.detail)},
    }
