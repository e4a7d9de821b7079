"""Rows that become groups: which values a query of groups may ask for (ADQL 2.1, section 2.2; SQL-92, section 7.9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from .functions import AGGREGATES

#: What is counted with a query of its own.
_QUERIES = (exp.Subquery, exp.Select, exp.SetOperation)


def aggregates(node: exp.Expr) -> Iterator[exp.Anonymous]:
    """COUNT, SUM and the like in an expression, those of its subqueries left out."""
    for part in node.walk(prune=lambda part: isinstance(part, _QUERIES)):
        if isinstance(part, exp.Anonymous) and str(part.this).upper() in AGGREGATES:
            yield part


def makes_groups(node: exp.Select) -> bool:
    """Whether a SELECT gives groups of rows, be it one of all rows, and not the rows themselves."""
    if node.args.get("group") or node.args.get("having"):
        return True
    parts: Sequence[exp.Expr] = (*node.expressions, *filter(None, [node.args.get("order")]))
    return any(True for part in parts for _ in aggregates(part))


def bare(node: exp.Expr) -> exp.Expr:
    """An expression without parentheses around it."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def form_of(node: exp.Expr) -> str:
    """The kind of an expression: only two of one kind can be the same."""
    return str(node.this).upper() if isinstance(node, exp.Anonymous) else node.key
