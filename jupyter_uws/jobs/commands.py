"""``jupyter uws jobs``: look at the descriptions of job types, without a running service."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .description import JobDescription
    from .registry import Registry


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("jobs", help="list, check and export the job types", description=__doc__)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add(actions, "list", _list, "the job types there are, and where each is described")
    check = _add(actions, "check", _check, "what is wrong with description files; exit status 1 where something is")
    check.add_argument("files", nargs="*", type=Path, metavar="FILE", help="these instead of all that are configured")
    export = _add(actions, "export", _export, "write a job type as a VOTable file of OPUS, or as JSON Schema")
    export.add_argument("type", metavar="TYPE", help="the name of a job type, or a description file")
    export.add_argument("--format", choices=["opus", "schema"], default="opus", help="(%(default)s)")
    export.add_argument("--output", type=Path, metavar="FILE", help="where to, instead of standard output")


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    words: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    parser.add_argument(
        "--descriptions", action="append", type=Path, default=[], metavar="DIR", help="a folder to be read first"
    )
    parser.set_defaults(run=run)
    return parser


def _registry(arguments: argparse.Namespace) -> Registry:
    from .files import default_folders  # here and below: other commands need none of it
    from .registry import load_registry

    return load_registry(folders=[*arguments.descriptions, *default_folders()])


def _list(arguments: argparse.Namespace) -> int:
    registry = _registry(arguments)
    for name, description in registry.items():
        print(f"{name:20} {description.version:8} {description.title or '-':30} {registry.source(name)}")
    return _report(registry)


def _check(arguments: argparse.Namespace) -> int:
    from .files import read_description

    if not arguments.files:
        return _report(_registry(arguments))
    status = 0
    for path in arguments.files:
        try:
            description = read_description(path)
        except ValueError as error:
            print(error, file=sys.stderr)
            status = 1
        else:
            print(f"{path}: {description.name}, version {description.version}, is well described")
    return status


def _report(registry: Registry) -> int:
    for reason in registry.problems.values():
        print(reason, file=sys.stderr)
    return 1 if registry.problems else 0


def _export(arguments: argparse.Namespace) -> int:
    try:
        description = _find(arguments)
        text = _written(description, arguments.format)
        if arguments.output is None:
            sys.stdout.write(text)
        else:
            arguments.output.write_text(text, encoding="utf-8")
    except ValueError as error:
        print(f"jupyter uws jobs export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"jupyter uws jobs export: {arguments.output}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _find(arguments: argparse.Namespace) -> JobDescription:
    from .files import read_description

    path = Path(arguments.type)
    if path.suffix:
        return read_description(path)
    registry = _registry(arguments)
    if arguments.type not in registry:
        raise ValueError(f"there is no job type {arguments.type!r}; the job types are: {', '.join(registry) or 'none'}")
    return registry[arguments.type]


def _written(description: JobDescription, form: str) -> str:
    if form == "schema":
        from .schema import json_schema

        return json.dumps(json_schema(description), indent=2) + "\n"
    from .jdl_write import write_jdl

    return write_jdl(description)
