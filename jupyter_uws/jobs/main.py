"""The entry of a job's process: ``python -m jupyter_uws.jobs.main request.json``.

Reads which function to call with which values, calls it with a
:class:`~jupyter_uws.jobs.context.JobContext`, and leaves ``results.json`` and, where the job
failed, ``error.json`` in the job folder. Exit status: 0 completed, 1 failed.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .context import JobContext, JobError, write_json

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Run the job of a request file.

    It holds ``{"parameters": {"entry_point": "module:function", "values": {...}, "files": [...]}}``;
    ``files`` names those of the values that are paths below the job folder.
    """
    if len(argv) != 1:
        print("usage: python -m jupyter_uws.jobs.main REQUEST.json", file=sys.stderr)
        return 2
    _quieten()
    job = JobContext.from_environment()
    try:
        request = json.loads(Path(argv[0]).read_bytes())["parameters"]
        function = load(request["entry_point"])
        log.info("%s with %s", request["entry_point"], json.dumps(request["values"])[:2000])
        function(job, **with_paths(job, request))
    except JobError as error:
        return _fail(job, str(error), error.type)
    except MemoryError as error:
        return _fail(job, f"the job needed more memory than {_memory_limit()} ({error})".replace(" ()", ""))
    except SystemExit as error:
        if error.code in (None, 0):
            return 0
        return _fail(job, f"the job ended itself with sys.exit({error.code!r})")
    except Exception as error:
        lines = str(error).strip().splitlines()
        return _fail(job, f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)
    log.info("completed")
    return 0


def with_paths(job: JobContext, request: dict[str, Any]) -> dict[str, Any]:
    """The values of a request, files as absolute paths."""
    values: dict[str, Any] = dict(request["values"])
    for name in request.get("files", ()):
        value = values.get(name)
        if isinstance(value, list):
            values[name] = [job.folder / item for item in value]
        elif value is not None:
            values[name] = job.folder / value
    return values


def load(entry_point: str) -> Callable[..., Any]:
    """The function that ``module:function`` names.

    Raises
    ------
    JobError
        Where there is none, or its module cannot be imported.
    """
    module, _, name = entry_point.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise JobError(f"the job's code {entry_point} cannot be imported: {error}") from error
    if not callable(function):
        raise JobError(f"the job's code {entry_point} is not a function")
    return function  # type: ignore[no-any-return]


def _quieten() -> None:
    """Log to stderr: our own words from INFO, libraries' from WARNING; figures without a display."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    logging.getLogger("jupyter_uws").setLevel(logging.INFO)
    # run with -m, this module is called __main__
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    os.environ["MPLBACKEND"] = "Agg"


def _memory_limit() -> str:
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]
    finite = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    return f"its limit of {min(finite) // 2**20} MiB" if finite else "there is"


def _fail(job: JobContext, message: str, kind: str = "fatal") -> int:
    detail = traceback.format_exc()
    log.error("%s\n%s", message, detail)
    try:
        write_json(job.folder / "error.json", {"message": message[:2000], "type": kind, "detail": detail[-100_000:]})
    except OSError as error:  # no room: the supervisor tells the end of stderr instead
        log.error("error.json cannot be written: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
