"""The process of a job that is a command or a script: ``python -m jupyter_uws.jobs.command request.json``.

Starts the program without a shell, or bash with the script's file, waits for it, and declares the files
it was described to generate. Parameters reach it as arguments, as environment variables and in
``request.json``; no value is ever written into a program's text. Ends as the program ended.
Standard library only.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import command_line
from .context import JobContext, JobError, write_json

log = logging.getLogger(__name__)

Texts = dict[str, list[str]]

# Of the name a file had at its sender's, what is kept: programs go by it.
_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,8}){1,2}$")


@dataclass(frozen=True)
class Expected:
    """A result that is looked for at the end: ``path`` with the parameters' values filled in, and as a pattern."""

    name: str
    path: str
    pattern: str
    content_type: str
    description: str
    optional: bool
    max_items: int

    @classmethod
    def of(cls, entry: dict[str, Any], texts: Texts) -> Expected:
        """From an entry of the request. Raises JobError where a parameter's value is no file name."""
        template = entry["path"] or entry["name"]

        def value(name: str) -> str:
            text = texts.get(name, [""])[0]
            if not text or "/" in text or text in (".", ".."):
                raise JobError(f"{name} is {text!r}; it names the file of the result {entry['name']}, without a folder")
            return text

        path = command_line.fill(template, value)
        pattern = command_line.fill(template, lambda name: glob.escape(value(name)))
        return cls(
            name=entry["name"],
            path=path,
            pattern=pattern,
            content_type=entry["content_type"],
            description=entry["description"],
            optional=entry["optional"],
            max_items=entry["max_items"],
        )


def main(argv: list[str]) -> int:
    """Run the job of a request file.

    It holds ``{"parameters": {"texts": {name: [text, ...]}, "files": {name: file name}, "generated":
    [...]}}`` and either ``command`` or ``script``. ``texts`` are the parameters as text, in the
    description's order.
    """
    if len(argv) != 1:
        print("usage: python -m jupyter_uws.jobs.command REQUEST.json", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    job = JobContext.from_environment()
    request = json.loads(Path(argv[0]).read_bytes())["parameters"]
    try:
        texts = place_files(job, request["texts"], request["files"])
        expected = [Expected.of(entry, texts) for entry in request["generated"]]
        environment = {command_line.variable(name): " ".join(values) for name, values in texts.items()}
        if request.get("script"):
            arguments = prepare_script(job, request["script"], environment, texts, expected)
        else:
            arguments = command_line.expand(request["command"], texts)
        status = run(job, arguments, {**os.environ, **environment})
        missing = [f"{result.name} ({result.path})" for result in expected if not declare(job, result)]
        if status == 0 and missing:
            raise JobError(f"the program ended without an error but did not write {', '.join(missing)}")
    except JobError as error:
        write_json(job.folder / "error.json", {"message": str(error), "type": error.type, "detail": None})
        log.error("%s", error)
        return 1
    if status < 0:  # end in the same way, so that the service tells of the signal
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def place_files(job: JobContext, texts: Texts, names: dict[str, str | None]) -> Texts:
    """Link the files of the client into the work folder; the texts with the names they have there.

    The names are the description's or the parameters', never the client's: a script may use them
    without quotes.
    """
    placed = dict(texts)
    for parameter in names.keys() & texts.keys():
        stem = names[parameter]
        placed[parameter] = []
        for number, path in enumerate(texts[parameter], start=1):
            suffix = _SUFFIX.search(path) if stem is None else None
            name = (stem or parameter) + (suffix.group() if suffix else "")
            name = name if len(texts[parameter]) == 1 else f"{number}-{name}"
            (job.work / name).symlink_to(job.folder / path)
            placed[parameter].append(name)
    return placed


def prepare_script(
    job: JobContext, script: str, environment: dict[str, str], texts: Texts, expected: list[Expected]
) -> list[str]:
    """Write the script's file, and say how to run it; ``environment`` gets the results' variables, too.

    Before the script, on its first line, its shell variables are set: parameters by name, and results
    with the file each is to be written to. Only names are written there; the values are taken from the
    environment, where nothing interprets them. The variables are not exported: no parameter can change
    by its name what another program does.
    """
    sources = {name: command_line.variable(name) for name in texts}
    for result in expected:
        if result.name not in sources:
            sources[result.name] = f"UWS_RESULT_{result.name}"
            environment[sources[result.name]] = result.path
    if taken := sorted(sources.keys() & os.environ.keys()):
        raise JobError(f"{taken[0]!r} cannot be a shell variable of the script: it is set in the job's environment")
    head = " ".join(f"{name}=${{{source}-}}" for name, source in sources.items())
    file = job.folder / "script.sh"
    file.write_text(f"{head}\n{script}\n", encoding="utf-8")
    # -e: the first command that fails ends the script; -p: bash executes nothing that it finds in the environment
    return ["bash", "-e", "-p", str(file)]


def run(job: JobContext, arguments: list[str], environment: dict[str, str]) -> int:
    """Run the program to its end, in the work folder; its exit status, negative for a signal."""
    log.info("running %s", json.dumps(arguments)[:2000])
    fds = [] if job.progress_fd is None else [job.progress_fd]
    try:
        return subprocess.run(
            arguments, cwd=job.work, env=environment, stdin=subprocess.DEVNULL, pass_fds=fds, check=False
        ).returncode
    except OSError as error:
        raise JobError(f"{arguments[0]} cannot be run: {error.strerror or error}") from error


def declare(job: JobContext, result: Expected) -> bool:
    """Declare the files of a result; whether there are as many as there must be."""
    files = found(job.work, result)
    if len(files) > result.max_items:
        left = len(files) - result.max_items
        log.warning("%s: %d of the files that match %s are left out", result.name, left, result.path)
    for number, file in enumerate(files[: result.max_items], start=1):
        name = result.name if number == 1 else f"{result.name}-{number}"
        job.result(name, file, result.content_type, result.description)
    return bool(files) or result.optional


def found(work: Path, result: Expected) -> list[str]:
    """The regular files of a result, relative to ``work``, in order.

    Links that lead out of the folder are not among them: the files of the client, for one.
    """
    if (work / result.path).is_file():
        names = [result.path]
    else:
        names = glob.glob(result.pattern, root_dir=work, recursive=True)
    inside = work.resolve()
    return sorted(name for name in names if (work / name).is_file() and (work / name).resolve().is_relative_to(inside))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
