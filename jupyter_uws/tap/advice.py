"""What whoever wrote a wrong query may have meant, as the end of an error message: or nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import datetime

from .scope import sql_text

#: Words that queries are made of, as they are written.
_CLAUSES = {
    "SELECT": "SELECT", "DISTINCT": "DISTINCT", "FROM": "FROM", "WHERE": "WHERE", "GROUP": "GROUP BY",
    "ORDER": "ORDER BY", "HAVING": "HAVING", "OFFSET": "OFFSET", "DESC": "DESC", "JOIN": "JOIN", "NATURAL": "NATURAL",
    "UNION": "UNION", "BETWEEN": "BETWEEN", "LIKE": "LIKE", "ILIKE": "ILIKE",
}  # fmt: skip
_TIMES = {"NOW", "GETDATE", "CURRENT_TIMESTAMP", "CURRENT_DATE", "DATE", "TO_DATE", "DATEDIFF", "YEAR", "MONTH", "DAY"}
_NO_FUNCTION = re.compile(r"No function matches the given name and argument types '(?P<name>[^(]+)\((?P<types>.*)\)'")
_NO_COMPARISON = re.compile(r"Cannot compare values of type (?P<one>\S+) and type (?P<other>\S+)")
_SIGNS = {
    "~~": "LIKE", "!~~": "NOT LIKE", "~~*": "ILIKE", "!~~*": "NOT ILIKE", "&": "BIT_AND", "|": "BIT_OR", "~": "BIT_NOT",
    "XOR": "BIT_XOR",
}  # fmt: skip
_KINDS = {
    "VARCHAR": "a text", "STRING_LITERAL": "a text", "TIMESTAMP": "a time", "BOOLEAN": "a truth value",
    "DOUBLE[]": "a region",
}  # fmt: skip
_OVERFLOW = re.compile(r"Overflow in \w+ of \w+ \((?P<what>[^)]*)\)")
_MJD_0 = datetime(1858, 11, 17)


def misspelt(words: Iterable[str]) -> str:
    """Which word of ADQL one of ``words``, the last ones before an error, looks like."""
    for word in words:
        near = difflib.get_close_matches(word.upper(), _CLAUSES, n=1, cutoff=0.7)
        if near and _CLAUSES[near[0]] != word.upper():
            return f"; did you mean {_CLAUSES[near[0]]} instead of {word}?"
    return ""


def closest(name: str, known: Iterable[str]) -> str:
    """The names most like ``name``; those of tables have their schema before them."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    lower = name.lower()
    parts = [key for key in by_lower if key.endswith("." + lower) or key.startswith(lower + ".")]
    near = difflib.get_close_matches(lower, by_lower, n=3, cutoff=0.6)
    found = [by_lower[key] for key in dict.fromkeys((*parts, *near))][:3]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def as_mjd(text: str, unit: str | None) -> str:
    """A date in ISO 8601 as the number that a column in days takes."""
    if unit != "d":
        return ""
    try:
        days = (datetime.fromisoformat(text.strip().removesuffix("Z")).replace(tzinfo=None) - _MJD_0).total_seconds()
    except ValueError:
        return ""
    return f"; as MJD it is {round(days / 86400, 6):.10g}"


def as_text(word: str) -> str:
    """How a word is written that was taken for the name of a column."""
    return f"; a text is written in single quotes, {sql_text(word)}"


def of_word(word: str, functions: Iterable[str]) -> str:
    """How a word is written that was taken for the name of a column, where it is a function's."""
    if word.upper() in _TIMES:
        return "; times are numbers here, MJD in days"
    return f"; {word} is a function, {word}(…)" if word.upper() in functions else ""


def of_function(name: str, known: Iterable[str]) -> str:
    """What does the work of a function that is not there."""
    if name.upper() in _TIMES:
        return "; times are numbers here, MJD in days"
    return closest(name, known)


def of_types(message: str) -> str | None:
    """DuckDB's complaint about what a query does with its values, in the words of ADQL."""
    if found := _NO_COMPARISON.search(message):
        one, other = (_KINDS.get(name, "a number") for name in found.group("one", "other"))
        return f"{one} and {other} cannot be compared: CAST(value AS type) changes the type"
    if "More than one row returned by a subquery" in message:
        return "a subquery used as a value gives several rows: write IN (SELECT …), or MIN or MAX in it"
    if (number := _OVERFLOW.search(message)) is not None:
        return f"a whole number becomes too large, {number['what']}: CAST(value AS DOUBLE PRECISION) has more room"
    found = _NO_FUNCTION.search(message)
    if found is None:
        return None
    name = _SIGNS.get(found["name"].upper(), found["name"].upper())
    if name.startswith("BIT_"):
        return f"{name} takes whole numbers: CAST(value AS BIGINT) changes the type"
    kinds = [_KINDS.get(part.strip().partition("(")[0], "a number") for part in found["types"].split(",")]
    return f"{name} does not take {' and '.join(kinds)}: CAST(value AS type) changes the type"
