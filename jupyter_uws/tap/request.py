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
    """TAP's parameters by upper-case name; those that TAP does not know are left out. Raises :class:`TAPError`.

    An empty one is not given: forms send all their fields.
    """
    found: dict[str, list[str]] = {}
    for name, values in form.items():
        found.setdefault(name.upper(), []).extend(value for value in values if value.strip())
    for name in SINGLE:
        if len(set(found.get(name, ()))) > 1:
            raise TAPError(f"{name} is given {len(found[name])} times with different values; give it once")
    return {name: found[name][0] for name in SINGLE if found.get(name)}


def read_request(parameters: Mapping[str, str], limits: QueryLimits) -> QueryRequest:
    """The request that :func:`canonical` parameters make. Raises :class:`TAPError`."""
    request = parameters.get("REQUEST", "doQuery")
    if request.strip().lower() != "doquery":
        raise TAPError(f"REQUEST: {request[:40]!r} is not known; doQuery is")
    language = parameters.get("LANG", "ADQL")
    if language.strip().upper() not in LANGUAGES:
        raise TAPError(f"LANG: {language[:40]!r} is not known; {', '.join(LANGUAGES)} are")
    if not parameters.get("QUERY"):
        raise TAPError("QUERY is missing: give an ADQL query, such as SELECT TOP 5 * FROM ivoa.obscore")
    maxrec = _maxrec(parameters.get("MAXREC"), limits)
    wanted = parameters.get("RESPONSEFORMAT") or parameters.get("FORMAT")
    kind = find_format(wanted)
    return QueryRequest(parameters["QUERY"], maxrec, kind, kind.called(wanted))


def _maxrec(given: str | None, limits: QueryLimits) -> int:
    if given is None:
        return limits.rows
    digits = given.strip().removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        raise TAPError(f"MAXREC: {given[:40]!r} is not a whole number of rows, 0 or more")
    return min(int(digits[:18]), limits.rows_max)
