"""The job type ``python``: code that its owner sends, run in a job's process.

Offered only where the operator says so, and only to the user whose service it is: to them it gives nothing that
their own account does not have. The code is text in the job's folder; values are JSON, files, tables (ECSV) and arrays.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import linecache
import logging
import os
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Annotated, Any

from .context import JobContext, JobError
from .describe import job_type
from .description import Parameter

log = logging.getLogger(__name__)

NAME = "python"
#: Set once the job runs in the Python that it asked for.
CHOSEN = "UWS_PYTHON"
#: Most result files of a job.
FILES = 200
RESULT = "result"


@job_type(
    name=NAME,
    title="Own Python code",
    execution_duration=3600,
    execution_duration_max=7 * 86400,
    memory_limit=8192,
)
def python(
    job: JobContext,
    *,
    code: Annotated[Path, Parameter(title="Code, its values and its environment (JSON)", max_size=4 << 20)],
    inputs: Annotated[list[Path] | None, Parameter(title="Files, tables and arrays that it takes")] = None,
) -> None:
    """Run code of the service's own user: a function, or the cell of a notebook."""
    order = json.loads(code.read_bytes())
    _change_python(order["python"])
    _check_modules(order["source"])
    values = {name: _value(given, inputs or []) for name, given in order["values"].items()}
    (job.folder / "source.py").write_text(order["source"])
    namespace: dict[str, Any] = {"__name__": "__job__"}
    if order["call"]:
        _execute(order["source"], namespace)
        arguments = (job,) if order["takes_job"] else ()
        _keep(job, RESULT, namespace[order["call"]](*arguments, **values))
    else:
        namespace.update(values)
        _execute(order["source"], namespace)
        for name in order["outputs"]:
            if name not in namespace:
                raise JobError(f"the code did not set {name}, which is named as its output")
            _keep(job, name, namespace[name])
    keep_files(job)


def environment() -> dict[str, Any]:
    """This process's Python, as an order names it."""
    return {"executable": sys.executable, "version": list(sys.version_info[:2])}


def versions(source: str) -> dict[str, str]:
    """The packages that the source imports, and their versions here."""
    distributions = packages_distributions()
    found = {}
    for module in modules(source):
        for name in distributions.get(module, [])[:1]:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
    return found


def modules(source: str) -> list[str]:
    """The top-level modules that the source imports, in the order of their names."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return sorted(found)


def _change_python(wanted: Mapping[str, Any]) -> None:
    """Go on in the Python that the code was written with, if it is another one; this does not return then."""
    executable = str(wanted["executable"])
    if executable in (sys.executable, os.environ.get(CHOSEN)):
        return
    if not os.access(executable, os.X_OK):
        raise JobError(f"the Python {executable} is not there on {os.uname().nodename}")
    if fd := os.environ.get("UWS_PROGRESS_FD"):
        os.set_inheritable(int(fd), True)
    os.environ[CHOSEN] = executable
    log.info("going on in %s", executable)
    os.execv(executable, [executable, "-m", "jupyter_uws.jobs.main", "../request.json"])  # noqa: S606


def _check_modules(source: str) -> None:
    for module in modules(source):
        if importlib.util.find_spec(module) is None:
            raise JobError(f"the code imports {module}, which is not in the environment of the job ({sys.executable})")


def _execute(source: str, namespace: dict[str, Any]) -> None:
    """Run the source; its lines are in tracebacks."""
    linecache.cache["<job>"] = (len(source), None, source.splitlines(keepends=True), "<job>")
    exec(compile(source, "<job>", "exec"), namespace)  # noqa: S102 (it is what this job type is for)


def _value(given: Mapping[str, Any], inputs: list[Path]) -> Any:
    """A value of an order: JSON as it is, or one of the inputs as what it is."""
    kind = given["kind"]
    if kind == "json":
        return given["value"]
    if kind == "files":
        return [inputs[number] for number in given["inputs"]]
    path = inputs[given["input"]]
    if kind == "table":
        from astropy.table import Table

        return Table.read(path, format="ascii.ecsv")
    if kind == "array":
        import numpy as np

        return np.load(path, allow_pickle=False)
    return path


def _keep(job: JobContext, name: str, value: Any) -> None:
    """Make a result of what the code gave: a file it names, a table, an array, a figure, JSON; dicts of these."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    if value is None:
        return
    if isinstance(value, Mapping) and any(not _is_json(item) for item in value.values()):
        for key, item in value.items():
            _keep(job, str(key), item)
        return
    work = job.work
    if isinstance(value, Path):
        job.result(plain, value)
    elif hasattr(value, "colnames"):
        value.write(work / f"{plain}.ecsv", format="ascii.ecsv", overwrite=True)
        job.result(plain, f"{plain}.ecsv")
    elif hasattr(value, "savefig"):
        value.savefig(work / f"{plain}.png", dpi=100)
        job.result(plain, f"{plain}.png")
    elif hasattr(value, "dtype") and not value.dtype.hasobject and getattr(value, "ndim", None):
        import numpy as np

        np.save(work / f"{plain}.npy", np.asarray(value), allow_pickle=False)
        job.result(plain, f"{plain}.npy", "application/x-npy")
    elif _is_json(value):
        (work / f"{plain}.json").write_text(json.dumps(_as_json(value), indent=1, allow_nan=False))
        job.result(plain, f"{plain}.json")
    else:
        raise JobError(
            f"{name} is a {type(value).__name__}: a result is a file (Path), a table, an array, a figure or JSON"
        )


def _as_json(value: Any) -> Any:
    return value.item() if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 else value


def _is_json(value: Any) -> bool:
    try:
        json.dumps(_as_json(value), allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def keep_files(job: JobContext) -> None:
    """The files that the code wrote and did not name are results, called as they are."""
    known = {str(result["path"]) for result in job._results.values()}
    files = sorted(path for path in job.work.rglob("*") if path.is_file() and not path.is_symlink())
    names = set(job._results)
    for path in files[:FILES]:
        relative = path.relative_to(job.work).as_posix()
        if relative in known or path.name.startswith("."):
            continue
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", relative)[:60]
        name = name if name[:1].isalpha() else f"file_{name}"[:60]
        if name not in names:
            names.add(name)
            job.result(name, path)
    if len(files) > FILES:
        log.warning("%d files were written; the first %d are results", len(files), FILES)
