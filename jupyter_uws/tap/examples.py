"""The document of ``/tap/examples``: queries to begin with, for people and for clients (DALI 1.1, section 2.3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..markup import DECLARATION, tag, text


@dataclass(frozen=True)
class Example:
    """A query on ``table``. Parsers of ADQL 2.0 want a coordinate system in each POINT and CIRCLE."""

    name: str
    table: str
    query: str
    about: str


EXAMPLES = (
    Example(
        "Runs near a position",
        "ivoa.obscore",
        "SELECT obs_id, target_name, t_exptime,\n"
        "  DISTANCE(POINT('ICRS', s_ra, s_dec), POINT('ICRS', 83.633, 22.014)) AS offset_deg\n"
        "FROM ivoa.obscore\n"
        "WHERE 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 83.633, 22.014, 2))\n"
        "ORDER BY offset_deg",
        "Observations that point within 2 degrees of the Crab nebula, nearest first.",
    ),
    Example(
        "Time on each target",
        "ivoa.obscore",
        "SELECT target_name, COUNT(*) AS runs, SUM(t_exptime) / 3600 AS hours\n"
        "FROM ivoa.obscore\nGROUP BY target_name\nORDER BY hours DESC",
        "How many observations there are of each target, and how many hours they took together.",
    ),
    Example(
        "The latest runs",
        "ivoa.obscore",
        "SELECT TOP 10 obs_id, target_name, t_min, t_max, access_url\nFROM ivoa.obscore\nORDER BY t_min DESC",
        "The ten latest observations, and where their files are.",
    ),
    Example(
        "What the columns mean",
        "tap_schema.columns",
        "SELECT table_name, column_name, unit, ucd, description\n"
        "FROM tap_schema.columns\nORDER BY table_name, column_index",
        "All columns of all tables, with their units.",
    ),
)


def examples_document(tables: Collection[str]) -> str:
    """The examples on the ``tables`` that there are, as XHTML with RDFa."""
    shown = [_example(number, one) for number, one in enumerate(EXAMPLES, 1) if one.table in tables]
    head = tag("head", tag("title", "Examples of queries"))
    body = tag("body", tag("h1", "Examples of queries"), "\n", *shown, vocab="http://www.ivoa.net/rdf/examples#")
    return DECLARATION + "<!DOCTYPE html>\n" + tag("html", head, body, xmlns="http://www.w3.org/1999/xhtml") + "\n"


def _example(number: int, example: Example) -> str:
    name = f"example-{number}"
    return (
        tag(
            "div",
            tag("h2", text(example.name), property="name"),
            tag("p", text(example.about), " On the table ", tag("code", text(example.table), property="table"), "."),
            tag("pre", text(example.query), property="query"),
            id=name,
            resource=f"#{name}",
            typeof="example",
        )
        + "\n"
    )
