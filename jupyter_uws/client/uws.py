"""A small client for any UWS 1.1 service: its documents as data, its requests as methods.

It knows the pattern only (IVOA UWS 1.1), nothing of what the jobs do.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element

from .connection import READ_TIMEOUT, Connection, reachable, service_error, without_secrets
from .errors import BadValue, ServiceError

#: Phases in which something may still happen to a job without its owner's doing.
ACTIVE = frozenset({"QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN"})
#: Phases that do not change by themselves any more.
FINISHED = frozenset({"COMPLETED", "ERROR", "ABORTED", "ARCHIVED"})
PHASES = ACTIVE | FINISHED | {"PENDING"}

#: Bytes of a growing text that are read at once.
PIECE = 1 << 20

_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


@dataclass(frozen=True)
class NamedFile:
    """The content of a file, and what it is called."""

    name: str
    content: bytes


@dataclass(frozen=True)
class JobReference:
    """One line of a job list (UWS 1.1, section 2.2.2.1); times are aware, in UTC."""

    job_id: str
    url: str
    phase: str
    run_id: str | None = None
    owner: str | None = None
    creation_time: datetime | None = None


@dataclass(frozen=True)
class ResultReference:
    """A result as the job's document names it; ``size`` in bytes where the service tells it."""

    name: str
    url: str
    content_type: str = ""
    size: int | None = None


@dataclass(frozen=True)
class JobDocument:
    """A job as its service describes it (UWS 1.1, section 2.1); times are aware, in UTC.

    ``complete`` is false where only the job list's line is known.
    ``execution_duration`` is in wall seconds, 0 for no limit. ``parameters`` keeps the order and
    the multiplicity: name -> list of values; those in ``references`` are URLs of the values.
    ``info`` holds the elements of ``jobInfo`` as text.
    """

    job_id: str
    phase: str
    run_id: str | None = None
    owner: str | None = None
    quote: datetime | None = None
    creation_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    execution_duration: int = 0
    destruction: datetime | None = None
    parameters: dict[str, list[str]] = field(default_factory=dict)
    references: frozenset[str] = frozenset()
    results: dict[str, ResultReference] = field(default_factory=dict)
    error: str | None = None
    error_type: str | None = None
    info: dict[str, str] = field(default_factory=dict)
    complete: bool = True


def parse_job(body: bytes, url: str) -> JobDocument:
    """Read a ``uws:job`` document; ``url`` is where it came from, for relative links.

    Raises
    ------
    ServiceError
        The body is not such a document.
    """
    root = _document(body, "job", url)
    error = _child(root, "errorSummary")
    return JobDocument(
        job_id=_text(root, "jobId") or urlsplit(url).path.rstrip("/").rpartition("/")[2],
        phase=(_text(root, "phase") or "UNKNOWN").upper(),
        run_id=_text(root, "runId"),
        owner=_text(root, "ownerId"),
        quote=_time(_text(root, "quote")),
        creation_time=_time(_text(root, "creationTime")),
        start_time=_time(_text(root, "startTime")),
        end_time=_time(_text(root, "endTime")),
        execution_duration=_integer(_text(root, "executionDuration")) or 0,
        destruction=_time(_text(root, "destruction")),
        parameters=_parameters(root),
        references=_references(root),
        results=_results(root, url),
        error=None if error is None else (_text(error, "message") or "The job failed without a message"),
        error_type=None if error is None else error.get("type"),
        info={_name(element): _all_text(element) for element in _children(root, "jobInfo")},
    )


def parse_jobs(body: bytes, url: str) -> list[JobReference]:
    """Read a ``uws:jobs`` document, in the service's order.

    Raises
    ------
    ServiceError
        The body is not such a document.
    """
    base = url.partition("?")[0].rstrip("/") + "/"
    references = []
    for element in _document(body, "jobs", url):
        if _name(element) != "jobref":
            continue
        job_id = element.get("id") or ""
        references.append(
            JobReference(
                job_id=job_id,
                url=urljoin(base, element.get(_XLINK_HREF) or job_id),
                phase=(_text(element, "phase") or "UNKNOWN").upper(),
                run_id=_text(element, "runId"),
                owner=_text(element, "ownerId"),
                creation_time=_time(_text(element, "creationTime")),
            )
        )
    return references


def phase_words(phase: str | Iterable[str]) -> list[str]:
    """One phase or several, given in any case, in the standard's words. Raises BadValue for what is none."""
    words = [phase] if isinstance(phase, str) else list(phase)
    for word in words:
        if word.upper() not in PHASES:
            raise BadValue(f"phase={word!r} is not a phase of UWS: {', '.join(sorted(PHASES))}")
    return [word.upper() for word in words]


class UWSClient:
    """The requests of UWS 1.1, on one job list or on jobs by their URL."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def jobs(self, url: str, phase: str | Iterable[str] | None = None, last: int | None = None) -> list[JobReference]:
        """The jobs of a list; ``phase`` one phase or several, ``last`` the n most recent ones."""
        query: list[tuple[str, str]] = []
        if phase is not None:
            query += [("PHASE", word) for word in phase_words(phase)]
        if last is not None:
            if last < 1:
                raise BadValue(f"last={last} must be 1 or more")
            query.append(("LAST", str(last)))
        response = self.connection.get(url, params=query)
        return parse_jobs(response.content, response.url)

    def create(
        self,
        url: str,
        parameters: Mapping[str, str | list[str]],
        files: Sequence[tuple[str, tuple[str, Any]]] = (),
        run: bool = True,
    ) -> tuple[str, JobDocument]:
        """Create a job in the list at ``url``; returns the job's URL and document.

        ``files`` are parts of the form: name, and name and content of the file.
        """
        form: dict[str, Any] = dict(parameters)
        if run:
            form["PHASE"] = "RUN"
        response = self.connection.post(url, data=form, files=list(files) or None)
        document = parse_job(response.content, response.url)
        return response.url.partition("?")[0], document

    def job(self, url: str, wait: int | None = None, phase: str | None = None) -> JobDocument:
        """The job's document; with ``wait`` the answer comes when ``phase`` is left, or after ``wait`` seconds."""
        if wait is None:
            response = self.connection.get(url)
        else:
            query = {"WAIT": str(wait)} | ({"PHASE": phase} if phase else {})
            response = self.connection.get(url, params=query, timeout=(5.0, wait + 15.0))
        return parse_job(response.content, response.url)

    def find(self, url: str) -> tuple[str, JobDocument]:
        """A job by a URL that leads to it; returns its own URL and its document."""
        response = self.connection.get(url)
        document = parse_job(response.content, response.url)
        return response.url.partition("?")[0], document

    def set_phase(self, url: str, phase: str) -> JobDocument:
        """Send RUN or ABORT."""
        response = self.connection.post(url.rstrip("/") + "/phase", data={"PHASE": phase})
        return parse_job(response.content, response.url)

    def set_execution_duration(self, url: str, seconds: int) -> JobDocument:
        """Change the limit of the job's wall time; the service may clamp it."""
        response = self.connection.post(
            url.rstrip("/") + "/executionduration", data={"EXECUTIONDURATION": str(seconds)}
        )
        return parse_job(response.content, response.url)

    def delete(self, url: str) -> None:
        """Delete the job; the job list the service redirects to is not fetched: it may be long."""
        with reachable(url):
            response = self.connection.session.delete(url, allow_redirects=False, timeout=(5.0, READ_TIMEOUT))
            if response.status_code >= 400:
                raise service_error(response)

    def text(self, url: str) -> str:
        """A text resource of the job (``/error``, ``/stdout``)."""
        content: bytes = self.connection.get(url).content
        return content.decode("utf-8", "replace")

    def file(self, url: str) -> NamedFile:
        """A file that was sent to the job, with its name (RFC 6266, Content-Disposition)."""
        response = self.connection.get(url)
        header = Message()
        header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
        return NamedFile(header.get_filename() or "file", response.content)

    def text_from(self, url: str, position: int) -> tuple[str, int]:
        """What a growing text holds from a byte on, and the position behind it; at most 1 MiB at once."""
        headers = {"Range": f"bytes={position}-{position + PIECE - 1}"}
        try:
            response = self.connection.get(url, headers=headers)
        except ServiceError as error:
            if error.status == 416:  # nothing is new
                return "", position
            raise
        content = response.content if response.status_code == 206 else response.content[position:]
        text, used = codecs.utf_8_decode(content, "replace", False)
        return text, position + used


def _document(body: bytes, name: str, url: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # LookupError: an encoding nobody knows
        root = Element("")
    if _name(root) != name:
        where = without_secrets(url)
        raise ServiceError(f"What {where} sent is not a UWS {name} document: is it the URL of a UWS service?")
    return root


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _child(element: Element, name: str) -> Element | None:
    return next((child for child in element if _name(child) == name), None)


def _children(element: Element, name: str) -> list[Element]:
    child = _child(element, name)
    return [] if child is None else [grandchild for grandchild in child if _name(grandchild)]


def _all_text(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _text(element: Element, name: str) -> str | None:
    child = _child(element, name)
    if child is None or child.get(_NIL) in ("true", "1"):
        return None
    return _all_text(child) or None


def _parameters(root: Element) -> dict[str, list[str]]:
    parameters: dict[str, list[str]] = {}
    for element in _children(root, "parameters"):
        parameters.setdefault(element.get("id") or "", []).append("".join(element.itertext()))
    return parameters


def _references(root: Element) -> frozenset[str]:
    elements = _children(root, "parameters")
    return frozenset(element.get("id") or "" for element in elements if element.get("byReference") in ("true", "1"))


def _results(root: Element, url: str) -> dict[str, ResultReference]:
    base = url.partition("?")[0].rstrip("/") + "/"
    results = {}
    for element in _children(root, "results"):
        name = element.get("id") or ""
        href = element.get(_XLINK_HREF)
        results[name] = ResultReference(
            name=name,
            url=urljoin(base, href if href is not None else f"results/{name}"),
            content_type=element.get("mime-type") or "",
            size=_integer(element.get("size")),
        )
    return results


def _integer(text: str | None) -> int | None:
    try:
        return None if text is None else int(float(text))
    except (ValueError, OverflowError):
        return None


def _time(text: str | None) -> datetime | None:
    """ISO 8601; services that leave the zone out mean UTC. None for what is no time."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
