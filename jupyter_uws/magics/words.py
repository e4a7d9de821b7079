"""What is written after a magic, taken apart: words, ``name=value``, options, and parameters in a cell.

``{…}`` is Python, evaluated in the notebook. What it gives is a value as it is: it never becomes text that is taken
apart again, so nothing in it can be an option or another parameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.error import UsageError

#: Evaluates the text of a word: ``{runs[:4]}`` is Python, all else is text.
Evaluate = Callable[[str], Any]

_WORD = re.compile(r"""(?: [^\s"'{}] | "[^"]*" | '[^']*' | \{ (?: [^{}] | \{[^{}]*\} )* \} )+""", re.VERBOSE)
_LINE = re.compile(r"([A-Za-z_][\w.-]*)\s*(=|:(?=\s|$))\s*(.*)")


def split(magic: str, line: str) -> list[str]:
    """Words of a line; blanks within quotes and braces belong to their word."""
    words = _WORD.findall(line)
    if _WORD.sub("", line).strip():
        raise UsageError(f"%{magic}: a quote or a brace is not closed")
    return words


def value(text: str, run: Callable[[str], Any]) -> Any:
    """``{runs[:4]}`` is what ``run`` makes of the Python in it, everything else is text."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if not (text.startswith("{") and text.endswith("}")):
        return text
    try:
        return run(text[1:-1].strip())
    except Exception as error:  # whatever the user's expression raises
        raise UsageError(f"{text}: {type(error).__name__}: {error}") from None


def options(
    magic: str, words: Sequence[str], names: Sequence[str], flags: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Part the words from ``--name VALUE`` (or ``--name=VALUE``) and ``--flag``.

    ``-n`` is ``--name``, ``-f`` is ``--follow``.
    """
    rest: list[str] = []
    found: dict[str, str] = {}
    short = {"-n": "--name", "-f": "--follow"}
    queue = list(words)
    while queue:
        word = short.get(queue[0], queue[0])
        queue.pop(0)
        if not word.startswith("--"):
            rest.append(word)
            continue
        name, equals, text = word[2:].partition("=")
        if name in flags:
            found[name] = "true"
        elif name not in names:
            known = ", ".join(f"--{known}" for known in (*names, *flags))
            raise UsageError(f"%{magic} has no option --{name}; it has: {known}")
        elif equals:
            found[name] = text
        elif not queue:
            raise UsageError(f"%{magic}: --{name} needs a value")
        else:
            found[name] = queue.pop(0)
    return rest, found


def pairs(words: Sequence[str], evaluate: Evaluate) -> dict[str, Any]:
    """``name=value`` words; a name that is repeated has a list of values."""
    parameters: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{word!r} is not of the form name=value")
        given = evaluate(text)
        parameters[name] = [*_as_list(parameters[name]), given] if name in parameters else given
    return parameters


def parameters(cell: str, evaluate: Evaluate) -> dict[str, Any]:
    """The parameters in a cell: ``name = value`` lines, or YAML; ``{…}`` as a whole value is Python.

    A value in YAML may go on in the lines below it where they are indented or begin with ``-``.
    """
    found: dict[str, Any] = {}
    lines = [line for line in cell.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    while lines:
        line = lines.pop(0)
        match = _LINE.fullmatch(line.strip())
        if match is None or line[:1].isspace():
            raise UsageError(f"{line.strip()!r} is neither name = value nor name: value")
        name, sign, text = match.groups()
        block = []
        while sign == ":" and lines and (lines[0][:1].isspace() or lines[0].startswith("-")):
            block.append(lines.pop(0))
        if name in found:
            raise UsageError(f"{name!r} is there twice; several values are a list: [a, b]")
        if block or (sign == ":" and not text.startswith("{")):
            found[name] = _yaml(name, "\n".join([text, *block]), evaluate)
        else:
            found[name] = evaluate(text.strip())
    return found


def _yaml(name: str, text: str, evaluate: Evaluate) -> Any:
    import yaml

    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "this cannot be read"
        raise UsageError(f"{name}: {text.strip()[:60]!r} is not YAML: {problem}") from None
    if isinstance(given, dict):
        raise UsageError(f"{name} is a mapping; parameters are texts, numbers, truth values and lists of these")
    # dates and times are texts to a service
    plain = (str, int, float, bool, list, type(None))
    return given if isinstance(given, plain) else text.strip()


def _as_list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
