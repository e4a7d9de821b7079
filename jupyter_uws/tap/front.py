"""The page at ``/tap`` itself: what the service is, for people who follow its address (TAP 1.1, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from ..uws.html import facts_table, link, page
from .schema import Table

_RESOURCES = {
    "sync": "a query (QUERY, in ADQL) and its rows in one request",
    "async": "queries as jobs",
    "tables": "the tables and their columns",
    "examples": "queries to begin with",
    "capabilities": "what the service can do, and its limits",
    "availability": "whether it can do it now",
}


def front_page(root: str, tables: Iterable[Table], rows: Mapping[str, int], note: str | None = None) -> str:
    """Links to all resources and tables. ``root`` is the service's URL with its last slash; ``note`` is for readers."""
    tap = f"{root}tap"
    resources = facts_table(
        ((link(f"{tap}/{name}", name), escape(what)) for name, what in _RESOURCES.items()), raw=True
    )
    known = facts_table(
        ((link(f"{tap}/tables/{table.name}", table.name), _about(table, rows)) for table in tables), raw=True
    )
    about = (
        "<p>A service of the Virtual Observatory (Table Access Protocol 1.1): programs such as TOPCAT, STILTS and pyvo "
        f"take the address of this page, <code>{escape(tap)}</code>.</p>"
    )
    words = f"<p>{escape(note)}</p>" if note else ""
    return page("Tables to query", [], f"{about}{words}<h2>Resources</h2>{resources}<h2>Tables</h2>{known}")


def _about(table: Table, rows: Mapping[str, int]) -> str:
    count = rows.get(table.name)
    return escape(" ".join(filter(None, (table.description, "" if count is None else f"({count} rows)"))))
