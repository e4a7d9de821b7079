"""``jupyter uws``: the command line. Each command imports its own room only."""

from __future__ import annotations

import argparse
import sys

from ._version import __version__


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["serve"]:
        # its own command line: every option is a traitlet
        from .service.config import ServeApp

        ServeApp.launch_instance(argv[1:])
        return 0
    parser = argparse.ArgumentParser(prog="jupyter uws", description="An observatory in a notebook.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.add_parser("serve", help="run the service by hand (see serve --help)", add_help=False)
    _add_commands(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130


def _add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from . import backup, cluster_status, demo, status, tokens
    from .archive import commands as archive
    from .jobs import commands as jobs

    status.add_parser(commands)
    cluster_status.add_parser(commands)
    tokens.add_parser(commands)
    backup.add_parser(commands)
    archive.add_parser(commands)
    jobs.add_parser(commands)
    demo.add_parser(commands)


if __name__ == "__main__":
    sys.exit(main())
