"""The rules for what a description runs: a function, a command, or a script."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from . import command_line, shell_names

if TYPE_CHECKING:
    from .description import Generated, JobDescription

#: Most files that one result can stand for.
MAX_FILES = 100


def check(description: JobDescription) -> None:
    """Refuse what could not run, or not safely. Raises ValueError with the reason."""
    ways = [way for way in ("entry_point", "command", "script") if getattr(description, way)]
    if len(ways) != 1:
        raise ValueError(f"it must have one of entry_point, command, script; it has {' and '.join(ways) or 'none'}")
    if description.entry_point:
        given = [result.name for result in description.generated if result.path is not None]
        if given:
            raise ValueError(f"result {given[0]}: path is for commands and scripts, a function declares its results")
        return
    _check_variables(description)
    for result in description.generated:
        _check_path(description, result)
    _refuse_numbered(description)
    _refuse_same_file(description)
    if description.command:
        _check_command(description)
    else:
        _check_script(description)


def texts_that_lead(description: JobDescription) -> set[str]:
    """The text parameters whose value begins an argument: one that begins with '-' would be an option."""
    texts = {parameter.name for parameter in description.parameters if parameter.type == "string"}
    return texts & command_line.leading(description.command)


def _check_command(description: JobDescription) -> None:
    program = description.command[0]
    if not isinstance(program, str) or not program or _known(description, "command", program):
        raise ValueError(f"command: {program!r} cannot be the program: one name or path, without placeholders")
    multiple = {parameter.name for parameter in description.parameters if parameter.multiple}
    for item in description.command:
        group = command_line.group_of(item)
        if any("\0" in argument for argument in group):
            raise ValueError("command: an argument holds NUL")
        used = [name for argument in group for name in _known(description, "command", argument)]
        if len(multiple & set(used)) > 1:
            raise ValueError(f"command: {item!r} holds two parameters of several values; only one can be repeated")


def _check_script(description: JobDescription) -> None:
    parts = [("parameter", parameter.name) for parameter in description.parameters]
    parts += [("result", result.name) for result in description.generated]
    for what, name in parts:
        if reason := shell_names.refuse(name):
            raise ValueError(f"{what} {reason}")
    if "\0" in description.script:
        raise ValueError("script holds NUL")


def _known(description: JobDescription, where: str, template: str) -> list[str]:
    try:
        found = command_line.names(template)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    for name in found:
        if name not in {parameter.name for parameter in description.parameters}:
            known = ", ".join(parameter.name for parameter in description.parameters) or "none"
            raise ValueError(f"{where}: {template!r} names {name!r}; the parameters are: {known}")
    return found


def _check_variables(description: JobDescription) -> None:
    variables = Counter(command_line.variable(parameter.name) for parameter in description.parameters)
    for parameter in description.parameters:
        if variables[variable := command_line.variable(parameter.name)] > 1:
            raise ValueError(f"parameter {parameter.name!r}: another one has the environment variable {variable}, too")


def _check_path(description: JobDescription, result: Generated) -> None:
    if result.path is None:
        return
    path = PurePosixPath(result.path)
    if not result.path or path.is_absolute() or ".." in path.parts or "\0" in result.path:
        raise ValueError(f"result {result.name}: path {result.path!r} must be a file in the work folder")
    for name in _known(description, f"result {result.name}", result.path):
        parameter = next(parameter for parameter in description.parameters if parameter.name == name)
        if parameter.multiple or parameter.type == "file":
            raise ValueError(f"result {result.name}: path {result.path!r} needs one value, {name} is not of that kind")


def _refuse_numbered(description: JobDescription) -> None:
    """Names such as ``image-2``, which the second file of ``image`` gets."""
    names = {result.name for result in description.generated}
    for name in names:
        if len(name) > 60:
            raise ValueError(f"result {name!r} is longer than 60 characters")
        stem, _, number = name.rpartition("-")
        if stem in names and number.isdigit():
            raise ValueError(f"result {name!r} could be the name of a further file of the result {stem!r}")


def _refuse_same_file(description: JobDescription) -> None:
    files = [parameter.filename or parameter.name for parameter in description.parameters if parameter.type == "file"]
    files += [result.path or result.name for result in description.generated]
    doubles = [name for name, count in Counter(files).items() if count > 1]
    if doubles:
        raise ValueError(f"two of its files would be called {doubles[0]!r} in the work folder")
