"""What a client asks of TAP, synchronous or not: DALI's parameters, read and checked (TAP 1.1, section 2.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import TAPError
from .formats import Format, find_format
from .limits import QueryLimits

LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
#: The parameters of TAP that may come once; UPLOAD may come several times.
SINGLE = ("REQUEST", "LANG", "QUERY", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RUNID")


@dataclass(frozen=True)
class QueryRequest:
    """A query as it was asked for, with at most ``maxrec`` rows in the answer."""

    query: str
    maxrec: int
    kind: Format
    content_type: str


def canonical(form: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """TAP's parameters by upper-case name; those that TAP does not know are left out. Raises :class:`TAPError`."""
    found: dict[str, list[str]] = {}
    for name, values in form.items():
        found.setdefault(name.upper(), []).extend(values)
    for name in SINGLE:
        if len(set(found.get(name, ()))) > 1:
            raise TAPError(f"{name} is given {len(found[name])} times with different values; give it once")
    return {name: found[name][0] for name in SINGLE if found.get(name)}


def read_request(parameters: Mapping[str, str], limits: QueryLimits) -> QueryRequest:
    """The request that :func:`canonical` parameters make. Raises :class:`TAPError`."""
    request = parameters.get("REQUEST", "doQuery")
    if request.lower() != "doquery":
        raise TAPError(f"REQUEST: {request[:40]!r} is not known; doQuery is")
    language = parameters.get("LANG", "ADQL")
    if language.upper() not in LANGUAGES:
        raise TAPError(f"LANG: {language[:40]!r} is not known; {', '.join(LANGUAGES)} are")
    if not parameters.get("QUERY", "").strip():
        raise TAPError("QUERY is missing: give an ADQL query, such as SELECT TOP 5 * FROM ivoa.obscore")
    maxrec = _maxrec(parameters.get("MAXREC"), limits)
    kind = find_format(parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT"))
    return QueryRequest(parameters["QUERY"], maxrec, kind, _content_type(kind, parameters))


def _maxrec(given: str | None, limits: QueryLimits) -> int:
    if given is None or not given.strip():
        return limits.rows
    if not given.strip().isascii() or not given.strip().isdigit():
        raise TAPError(f"MAXREC: {given[:40]!r} is not a whole number of rows, 0 or more")
    return min(int(given.strip()[:18]), limits.rows_max)


def _content_type(kind: Format, parameters: Mapping[str, str]) -> str:
    """What was asked for by a MIME type of its own is called so in the answer."""
    asked = (parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT") or "").strip().lower()
    return asked if asked in ("text/xml", "application/x-votable+xml") else kind.content_type
