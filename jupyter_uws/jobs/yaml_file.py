"""Job descriptions in YAML: the fields of :class:`~jupyter_uws.jobs.description.JobDescription`.

::

    name: count-lines
    title: Count lines
    parameters:
      text: {type: file, required: true, content_types: [text/plain]}
      least: {type: integer, minimum: 0, default: 0, unit: lines}
    command: [./count.py, "--least={least}", "{text}"]
    generated:
      count: {path: count.json, content_type: application/json}

``parameters``, ``used`` and ``generated`` are mappings of names. A program with a slash in its name
is found from the file's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .describe import DescriptionError, culprit
from .description import JobDescription

_LISTS = ("parameters", "used", "generated")


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only. A key that is there twice is an error, and so are dates: ``2026-01-01`` is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as in the base class)
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


def read_yaml(path: Path, text: str) -> JobDescription:
    """The description in the text of a YAML file.

    Raises
    ------
    DescriptionError
        Naming file, line and reason.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DescriptionError(f"{path}, line {line}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DescriptionError(f"{path}: it is not YAML: {error}") from None
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        raise DescriptionError(f"{path}, line 1: it must be a mapping of fields, such as 'name: count-lines'")
    try:
        return JobDescription.model_validate(_fields(path, content))
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in _names(first["loc"], content))
        line = _line(node, first["loc"] or culprit(reason))
        raise DescriptionError(f"{path}, line {line}: {f'{where}: ' if where else ''}{reason}") from None
    except ValueError as error:
        raise DescriptionError(f"{path}, line {_line(node, culprit(str(error)))}: {error}") from None


def _fields(path: Path, content: dict[Any, Any]) -> dict[str, Any]:
    """The content as the model takes it: named things as lists, the program with its path."""
    fields = dict(content)
    for key in _LISTS:
        things = fields.get(key)
        if things is None:
            fields.pop(key, None)
            continue
        if not isinstance(things, dict):
            raise ValueError(f"{key} must be a mapping of names")
        if doubled := [name for name, thing in things.items() if isinstance(thing, dict) and "name" in thing]:
            raise ValueError(f"{key}: {doubled[0]} has its name already")
        fields[key] = [{**thing, "name": name} if isinstance(thing, dict) else thing for name, thing in things.items()]
    command = fields.get("command")
    if isinstance(command, list) and command and isinstance(command[0], str) and "/" in command[0]:
        program = path.parent.absolute() / command[0]
        if not program.is_file():
            raise ValueError(f"command: there is no program {command[0]} beside the file")
        fields["command"] = [str(program), *command[1:]]
    return fields


def _names(place: Sequence[int | str], content: dict[Any, Any]) -> list[int | str]:
    """A place in the model as it is called in the file: ``parameters.text`` for ``parameters.0``."""
    if len(place) >= 2 and place[0] in _LISTS and isinstance(place[1], int):
        return [place[0], list(content[place[0]])[place[1]], *place[2:]]
    return list(place)


def _line(node: yaml.Node, place: Sequence[int | str]) -> int:
    """The line of a place in the model; of what is around it, where it is not in the file."""
    line = node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode) and isinstance(part, int) and part < len(node.value):
            key, node = node.value[part]
        elif isinstance(node, yaml.MappingNode) and part in (keys := [key.value for key, _ in node.value]):
            key, node = node.value[keys.index(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            key = node = node.value[part]
        else:
            break
        line = key.start_mark.line + 1
    return line
