"""The job type ``notebook``: a notebook that its owner sends, run from top to bottom in a job's process.

As ``python`` it is code of the service's own user, and offered where that is. Parameters are given as papermill does:
a cell with the tag ``parameters`` holds their defaults, and one with the tag ``injected-parameters`` is put below it.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from .context import JobContext, JobError
from .describe import job_type
from .description import Generated, Parameter
from .python import keep_files

if TYPE_CHECKING:
    from nbformat import NotebookNode

log = logging.getLogger(__name__)

NAME = "notebook"
DEFAULTS, INJECTED = "parameters", "injected-parameters"
#: Seconds between two versions of the result while cells run.
SAVED = 2.0


@job_type(
    name=NAME,
    title="Notebook",
    generated=[
        Generated(name="notebook", content_type="application/x-ipynb+json", description="The notebook as it ran"),
        Generated(name="report", content_type="text/html", description="The same as a page, to be read by anybody"),
    ],
    execution_duration=3600,
    execution_duration_max=7 * 86400,
    memory_limit=8192,
)
def notebook(
    job: JobContext,
    *,
    notebook: Annotated[Path, Parameter(title="Notebook (.ipynb)", max_size=64 << 20)],
    parameters: Annotated[
        str | None,
        Parameter(title="Its parameters (YAML or JSON): {target: Crab, energy_min: 0.5}"),
    ] = None,
    files: Annotated[list[Path] | None, Parameter(title="Files that it reads, from its own folder")] = None,
) -> None:
    """Run a notebook of the service's own user from top to bottom, with other values of its parameters if need be.

    The files it writes into its folder are results, beside the notebook with its outputs and the same as a page. Where
    a cell fails, both are there up to that cell.
    """
    name = _sent_as(notebook)
    document = _read(notebook, name)
    if values := _values(parameters):
        _inject(document, values)
    folder = job.work / "executed"  # of its own: the notebook may write files of these names
    folder.mkdir()
    for file in files or ():
        try:
            (job.work / _sent_as(file)).symlink_to(file.resolve())
        except FileExistsError:
            raise JobError(f"there is more than one file {_sent_as(file)!r} in the folder of the notebook") from None
    target = folder / name
    failure = _run(job, document, target)
    report = target.with_suffix(".html")
    report.write_text(_page(document, name))
    job.result("report", report)
    keep_files(job)
    if failure:
        raise JobError(failure)


def _sent_as(path: Path) -> str:
    """The name of a file of the request where it came from; here the digest of its content stands before it."""
    return path.name.partition("-")[2] or path.name


def _read(path: Path, name: str) -> NotebookNode:
    import nbformat

    try:
        document: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises what it likes for what is none
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise JobError(f"{name} is not a notebook: {reason}") from None
    return document


def _values(text: str | None) -> dict[str, Any]:
    """The parameters of a request: names of Python with plain values."""
    import yaml

    try:
        values = yaml.safe_load(text or "")
        json.dumps(values, allow_nan=False)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise JobError(f"parameters {text!r:.200} cannot be read as YAML of plain values: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(map(_is_name, values)):
        raise JobError(f"parameters {text!r:.200} is not of the form 'name: value', with names of Python")
    return values


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)


def _inject(document: NotebookNode, values: Mapping[str, Any]) -> None:
    """Put a cell that sets the values below the one with the defaults, or first where there is none."""
    from nbformat.v4 import new_code_cell

    language = document.metadata.get("kernelspec", {}).get("language") or "python"
    if language != "python":
        raise JobError(f"parameters can be given to notebooks in Python; this one is in {language}")
    # a notebook that was the result of a job has such a cell already
    document.cells = [cell for cell in document.cells if INJECTED not in _tags(cell)]
    tagged = [(place, cell) for place, cell in enumerate(document.cells) if DEFAULTS in _tags(cell)]
    for _, cell in tagged[:1]:
        known = _assigned(cell.source)
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f": it has {', '.join(known) or 'none'}"
                raise JobError(f"the notebook has no parameter {name!r} in its cell with the tag {DEFAULTS!r}{hint}")
    source = "\n".join(["# Parameters", *(f"{name} = {value!r}" for name, value in values.items())])
    cell = new_code_cell(source, metadata={"tags": [INJECTED]})  # type: ignore[no-untyped-call]
    document.cells.insert(tagged[0][0] + 1 if tagged else 0, cell)


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", ()))


def _assigned(source: str) -> list[str]:
    """The names that a cell assigns; magics and what else is no Python are left out."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        nodes = [*ast.walk(ast.parse("\n".join(lines)))]
    except SyntaxError as error:
        raise JobError(f"the cell with the tag {DEFAULTS!r} cannot be read: {error.msg}") from None
    return sorted({node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)})


def _run(job: JobContext, document: NotebookNode, target: Path) -> str | None:
    """Run all cells, and keep the result ``notebook`` up to date; why it could not be run to its end."""
    import nbformat
    from nbclient.client import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from traitlets.config import Config

    runs = [place for place, cell in enumerate(document.cells) if cell.cell_type == "code" and cell.source.strip()]
    current, saved = "the kernel", -SAVED

    def save() -> None:
        nonlocal saved
        scratch = target.with_name(f".{target.name}.new")
        nbformat.write(document, scratch)  # type: ignore[no-untyped-call]
        scratch.replace(target)
        job.result("notebook", target)
        saved = time.monotonic()

    def begins(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current
        if cell_index in runs:
            number = runs.index(cell_index)
            first = next(line.strip() for line in cell.source.splitlines() if line.strip())
            current = f"cell {number + 1} of {len(runs)} ({first[:60]})"
            job.progress(number / len(runs), current)

    def ends(cell: NotebookNode, cell_index: int, **_: Any) -> None:
        if time.monotonic() - saved > SAVED:
            save()

    class Client(NotebookClient):
        """It also writes what cells write to the job's log."""

        def output(self, outs: Any, msg: dict[str, Any], display_id: Any, cell_index: int) -> Any:
            _say(msg["msg_type"], msg["content"])
            return super().output(outs, msg, display_id, cell_index)

    kernel = document.metadata.get("kernelspec", {}).get("name") or "python3"
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    client = Client(
        document,
        kernel_name=_kernel(kernel),
        resources={"metadata": {"path": str(job.work)}},
        timeout=None,  # the job has its own
        on_cell_execute=begins,
        on_cell_executed=ends,
        config=config,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return f"{current}: {error.ename}: {_plain(error.evalue)}"[:1000]
    except DeadKernelError:
        return f"{current}: the kernel died, perhaps for want of memory"
    finally:
        save()
    job.progress(1, "all cells have run")
    return None


def _kernel(name: str) -> str:
    """The kernel that a notebook names, or this environment's where that is not known here."""
    from jupyter_client.kernelspec import KernelSpecManager

    known = KernelSpecManager().find_kernel_specs()
    if name in known:
        return name
    if "python3" not in known:
        raise JobError(f"there is no kernel {name!r} on this machine, and no 'python3': ipykernel is not installed")
    log.warning("there is no kernel %r on this machine; 'python3' is used instead", name)
    return "python3"


def _say(kind: str, content: Mapping[str, Any]) -> None:
    if kind == "stream":
        stream = sys.stderr if content["name"] == "stderr" else sys.stdout
        print(content["text"], end="", file=stream, flush=True)
    elif kind == "error":
        print(_plain("\n".join(content["traceback"])), file=sys.stderr, flush=True)
    elif text := content.get("data", {}).get("text/plain"):
        print(text, flush=True)


def _plain(text: str) -> str:
    """Without the colours of a terminal."""
    from nbconvert.filters import strip_ansi

    found: str = strip_ansi(text)  # type: ignore[no-untyped-call]
    return found


def _page(document: NotebookNode, name: str) -> str:
    """A notebook as one page of HTML, which asks for nothing of other hosts."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        embed_images=True, mathjax_url="", require_js_url="", jquery_url="", widget_renderer_url="", mermaid_js_url=""
    )
    body: str = exporter.from_notebook_node(document, resources={"metadata": {"name": Path(name).stem}})[0]
    return body
