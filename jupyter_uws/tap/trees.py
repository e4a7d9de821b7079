"""Queries of one form, which differ in their numbers only, are parsed once.

Who moves over the sky asks the same again and again for other positions, and to parse takes longer than to translate.
Only the syntax tree is kept: each query is translated and checked as if it were the first one, with its own numbers.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from . import grammar
from .errors import ADQLError

#: Trees that are kept, of queries of so many characters and numbers.
KEPT, MAX_LENGTH, MAX_NUMBERS = 64, 2000, 100

# strings and quoted names are part of the form; a number is one where nothing before or after it can belong to it
_PARTS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![\w.])(?P<number>[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?)(?![\w.])"""
)
_STAND_IN = 10**30  # and more: no number of a query is as long


@dataclass(frozen=True)
class Tree:
    """A syntax tree, and those of its nodes that are numbers, in the order of the text."""

    text: str
    root: exp.Expr
    numbers: tuple[exp.Literal, ...]


class Trees:
    """The trees of the last queries."""

    def __init__(self) -> None:
        self._kept: dict[str, Tree] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, query: str) -> Tree | None:
        """The form of a query, with its numbers in it, for the caller alone until it is given back.

        None where the query is an exception: whoever parses it learns why.
        """
        if len(query) > MAX_LENGTH:
            return None
        numbers: list[str] = []

        def stand_in(part: re.Match[str]) -> str:
            if part["number"] is None:
                return part[0]
            numbers.append(part["number"])
            return str(_STAND_IN + len(numbers) - 1)

        text = _PARTS.sub(stand_in, query)
        if len(numbers) > MAX_NUMBERS:
            return None
        with self._lock:
            tree = self._kept.pop(text, None)
        tree = tree or _parsed(text, len(numbers))
        if tree is not None:
            for node, number in zip(tree.numbers, numbers, strict=True):
                node.set("this", number)
        return tree

    def give_back(self, tree: Tree) -> None:
        with self._lock:
            self._kept[tree.text] = tree
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]


def _parsed(text: str, count: int) -> Tree | None:
    try:
        tree = grammar.parse(text)
    except ADQLError:
        return None
    wanted = [str(_STAND_IN + number) for number in range(count)]
    found: dict[str, list[exp.Literal]] = {}
    for node in tree.find_all(exp.Literal):
        found.setdefault(node.name, []).append(node)
    nodes: Sequence[list[exp.Literal]] = [found.get(name, []) for name in wanted]
    # one in a comment, or one that the tokenizer takes for something else, has no node
    if any(len(same) != 1 or same[0].is_string for same in nodes):
        return None
    return Tree(text, tree, tuple(same[0] for same in nodes))
