"""Command lines with placeholders: ``{name}`` stands for the value of a parameter.

A value is always a part of exactly one argument: nothing is split, expanded or interpreted, and there
is no shell. Standard library only, for the job's process uses it too.

An item of a command is one argument, or a group of them that belong together (``["--ra", "{RA}"]``).
An item whose parameter has no value is left out; one with a parameter of several values is repeated
for each. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

#: One argument, or several that belong together.
Item = str | Sequence[str]

_PART = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}|[{}]")


def names(template: str) -> list[str]:
    """The parameters that a template names, in order. Raises ValueError for stray braces."""
    found = []
    for part in _PART.finditer(template):
        if part.group(1):
            found.append(part.group(1))
        elif part.group() in "{}":
            raise ValueError(f"{template!r}: a placeholder is {{name}}; a brace is written {{{{ or }}}}")
    return found


def fill(template: str, value: Callable[[str], str]) -> str:
    """The template with ``value(name)`` in place of each placeholder."""

    def replace(part: re.Match[str]) -> str:
        return value(part.group(1)) if part.group(1) else part.group()[0]

    return _PART.sub(replace, template)


def group_of(item: Item) -> Sequence[str]:
    """The arguments of an item."""
    return [item] if isinstance(item, str) else item


def expand(command: Sequence[Item], values: Mapping[str, Sequence[str]]) -> list[str]:
    """The arguments of a command, given the texts of its parameters."""
    arguments = []
    for item in command:
        group = group_of(item)
        used = {name for argument in group for name in names(argument)}
        if not all(values.get(name) for name in used):
            continue
        for turn in range(max((len(values[name]) for name in used), default=1)):
            for argument in group:
                arguments.append(fill(argument, lambda name, turn=turn: _turn(values[name], turn)))  # type: ignore[misc]
    return arguments


def _turn(texts: Sequence[str], turn: int) -> str:
    return texts[turn] if len(texts) > 1 else texts[0]


def leading(command: Sequence[Item]) -> set[str]:
    """The parameters whose value begins an argument, where it could pass for an option.

    After the argument ``--`` nothing is taken for an option, by the convention of POSIX.
    """
    found: set[str] = set()
    for item in command:
        for argument in group_of(item):
            if argument == "--":
                return found
            if (part := _PART.match(argument)) and part.group(1):
                found.add(part.group(1))
    return found


def variable(name: str) -> str:
    """The environment variable of a parameter: ``UWS_PARAM_OBS_IDS`` for ``obs_ids``."""
    return "UWS_PARAM_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()
