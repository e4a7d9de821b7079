"""Validation of what a client sends against a job description.

Two faces of the same rules: :func:`validate` gives the strings that the UWS document shows,
:func:`typed` the Python values that the job's function is called with.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..sentences import OneSentence
from . import runs
from . import values as rules
from .description import JobDescription, Parameter
from .values import Value, shown

#: Longest value as sent, in characters, and most values of one parameter.
MAX_LENGTH = 100_000
MAX_ITEMS = 10_000
#: Bytes that a command's argument or an environment variable can hold, with room for its name (Linux: 128 KiB).
MAX_ARGUMENT = 120_000
#: Problems that one answer tells of; the others are counted.
MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """What is wrong with one parameter, in one sentence."""

    name: str
    value: str | None
    message: str


class ParameterError(OneSentence, ValueError):
    """One or more parameters are not as the description wants them: ``problems`` has each.

    ``name``, ``value`` and the first line of the message are those of the first problem.
    """

    def __init__(self, problems: Sequence[Problem], count: int | None = None) -> None:
        self.problems = tuple(problems)
        more = (count or len(self.problems)) - len(self.problems)
        lines = [problem.message for problem in self.problems]
        super().__init__("\n".join([*lines, f"and {more} more problems"] if more > 0 else lines))

    @property
    def name(self) -> str:
        return self.problems[0].name

    @property
    def value(self) -> str | None:
        return self.problems[0].value


def validate(
    description: JobDescription, values: Mapping[str, Sequence[str]], *, complete: bool = True
) -> dict[str, list[str]]:
    """Normalise the values of a request: canonical names and spelling, defaults filled in.

    ``values`` maps names, in any case, to the values as sent. An empty value counts as not
    given. Parameters come back in the description's order; ones without value and default are
    left out. The outcome is a fixed point: validating it again changes nothing. Unless
    ``complete``, required parameters may still be missing: a PENDING job can be given them later.

    Raises
    ------
    ParameterError
        With every problem found, each naming parameter, value and what is allowed.
    """
    return {
        name: [rules.text_of(item) for item in items] for name, items in _parsed(description, values, complete).items()
    }


def typed(description: JobDescription, values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The Python values of a request, by canonical name: scalars, or lists for multiple parameters.

    Takes what :func:`validate` takes, and raises the same errors. A file is its path below the job folder.
    """
    multiple = {parameter.name for parameter in description.parameters if parameter.multiple}
    parsed = _parsed(description, values)
    return {name: items if name in multiple else items[0] for name, items in parsed.items()}


def _parsed(
    description: JobDescription, values: Mapping[str, Sequence[str]], complete: bool = True
) -> dict[str, list[Value]]:
    sent: dict[str, list[str]] = {}
    for name, texts in values.items():
        sent.setdefault(name.lower(), []).extend(texts)
    parsed: dict[str, list[Value]] = {}
    problems: list[Problem] = []
    leading = runs.texts_that_lead(description)
    for parameter in description.parameters:
        texts = sent.pop(parameter.name.lower(), [])
        try:
            if items := _items(parameter, texts, complete):
                if not description.entry_point:
                    _check_argument(parameter, items, parameter.name in leading)
                parsed[parameter.name] = items
        except ValueError as error:
            problems.append(Problem(parameter.name, texts[0] if texts else None, f"{parameter.name} {error}"))
    unknown = [name for name in values if name.lower() in sent]
    problems += [_unknown(name, description) for name in unknown[:MAX_PROBLEMS]]
    if problems:
        count = len(problems) + len(unknown[MAX_PROBLEMS:])
        raise ParameterError(problems[:MAX_PROBLEMS], count)
    return parsed


def _items(parameter: Parameter, texts: Sequence[str], complete: bool) -> list[Value]:
    """The values of one parameter; ``[]`` where it is absent and may be."""
    if any(len(text) > MAX_LENGTH for text in texts):
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    if parameter.multiple:
        items = [item for text in texts for item in re.split(r"[\s,]+", text) if item]
    else:
        # the blanks of a text may be meant, around other values they are not
        items = [text if parameter.type == "string" else text.strip() for text in texts]
        items = [item for item in items if item]
    if not items:
        if parameter.required and complete:
            raise ValueError(f"is required{_hint(parameter)}")
        if parameter.default is None:
            return []
        default = parameter.default if parameter.multiple else [parameter.default]
        return [rules.parse(parameter, rules.text_of(item)) for item in default]
    _count(parameter, len(items))
    return [rules.parse(parameter, item) for item in items]


def _check_argument(parameter: Parameter, items: Sequence[Value], leads: bool) -> None:
    """What a command or a script can be given."""
    if sum(len(rules.text_of(item).encode()) + 1 for item in items) > MAX_ARGUMENT:
        raise ValueError(f"is longer than {MAX_ARGUMENT} bytes, more than a command can be given")
    for item in items if leads else ():
        if str(item).startswith("-") and item not in (parameter.choices or ()):
            raise ValueError(f"is {shown(item)}, a value that begins with '-' could be taken for an option")


def _count(parameter: Parameter, count: int) -> None:
    if not parameter.multiple:
        if count > 1:
            raise ValueError(f"is given {count} times, allowed is one value")
        return
    low, high = parameter.min_items or 0, min(parameter.max_items or MAX_ITEMS, MAX_ITEMS)
    if count < low:
        raise ValueError(f"has {count} values, allowed are at least {low}")
    if count > high:
        raise ValueError(f"has {count} values, allowed are at most {high}")


def _hint(parameter: Parameter) -> str:
    words = parameter.title or parameter.description
    allowed = rules.bounds(parameter) or (f"in {parameter.unit}" if parameter.unit else "")
    return "".join([f" ({words})" if words else "", f": {allowed}" if allowed else ""])


def _unknown(name: str, description: JobDescription) -> Problem:
    known = {parameter.name.lower(): parameter.name for parameter in description.parameters}
    near = difflib.get_close_matches(name[:64].lower(), known, n=1, cutoff=0.5)
    if near:
        advice = f"did you mean {known[near[0]]}?"
    elif known:
        advice = f"it has: {', '.join(known.values())}"
    else:
        advice = "it has none"
    return Problem(name, None, f"{description.name} has no parameter {shown(name)}; {advice}")
