"""Small pieces of HTML and text with which objects show themselves; every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from .uws import JobDocument


def html_paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def html_row(tag: str, texts: Iterable[str]) -> str:
    """A row of an HTML table, everything escaped."""
    return f"<tr>{''.join(html_cell(tag, text) for text in texts)}</tr>"


def html_cell(tag: str, text: str) -> str:
    return f'<{tag} style="text-align:left">{escape(text)}</{tag}>'


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with a head, everything escaped."""
    body = "".join(html_row("td", row) for row in rows)
    return f"<table><thead>{html_row('th', head)}</thead><tbody>{body}</tbody></table>"


def short(values: list[str], limit: int = 60) -> str:
    """The values of a parameter, or the first of them and how many there are."""
    text = " ".join(values)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(values)} values)"


def utc(time: datetime | None) -> str:
    return "" if time is None else time.strftime("%Y-%m-%d %H:%M:%S UTC")


def seconds_taken(document: JobDocument) -> float | None:
    """Wall time of a job's run so far [s]; None before it has begun."""
    if document.start_time is None:
        return None
    return ((document.end_time or datetime.now(UTC)) - document.start_time).total_seconds()


def took(document: JobDocument) -> str:
    seconds = seconds_taken(document)
    limit = f" of at most {document.execution_duration} s" if document.execution_duration else ""
    return "" if seconds is None else f"{seconds:.1f} s{limit}"
