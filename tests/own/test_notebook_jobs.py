"""Notebooks as jobs, on a real service with real kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from running import wait_until

from jupyter_uws.client import JobFailed, JobService

DEFAULTS = new_code_cell('target = "Crab"\nlimit = 1.0', metadata={"tags": ["parameters"]})


def written(path: Path, *cells: Any, **metadata: Any) -> Path:
    cells = tuple(new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells)
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def outputs(document: dict[str, Any]) -> list[str]:
    """What the cells of a notebook printed and gave, one text for each cell of code."""

    def words(output: dict[str, Any]) -> str:
        text = output.get("text") or output.get("data", {}).get("text/plain") or output.get("ename", "")
        return "".join(text)

    return ["".join(map(words, cell["outputs"])) for cell in document["cells"] if cell["cell_type"] == "code"]


def test_a_notebook_runs_with_values_of_its_own(jobs: JobService, tmp_path: Path) -> None:
    table = tmp_path / "energies.txt"
    table.write_text("0.5 2 3")
    notebook = written(
        tmp_path / "my analysis.ipynb",
        new_markdown_cell("# Hard events\n<script>alert(1)</script>"),
        DEFAULTS,
        "hard = [e for e in map(float, open('energies.txt').read().split()) if e > limit]\nprint(target, hard)",
        "open('hard.txt', 'w').write(str(len(hard)))\nlen(hard)",
    )
    values = {"limit": 2.5, "target": "M 87 'jet'"}
    done = jobs.submit("notebook", notebook=notebook, parameters=values, files=table).wait(progress=False)
    document = done.results["notebook"].json
    assert outputs(document) == ["", "", "M 87 'jet' [3.0]\n", "1"]
    assert document["cells"][2]["metadata"]["tags"] == ["injected-parameters"]
    assert done.results["notebook"].file_name == "notebook.ipynb"
    assert done.results["hard.txt"].text == "1"
    assert set(done.results) == {"notebook", "report", "hard.txt"}, "files that it was given are no results"
    assert "M 87" in done.log("stdout")
    assert (done.progress, done.message) == (1.0, "all cells have run")
    report = done.results["report"]
    assert report.content_type == "text/html"
    assert "Hard events" in report.text
    assert 'src="http' not in report.text

    again = done.rerun(parameters="limit: 1").wait(progress=False)
    assert outputs(again.results["notebook"].json)[2] == "Crab [2.0, 3.0]\n"
    grid = jobs.submit_many(
        "notebook", notebook=notebook, files=table, grid={"parameters": [{"limit": 0}, {"limit": 9}]}
    )
    found = [outputs(each.results["notebook"].json)[2] for each in grid.wait(progress=False)]
    assert found == ["Crab [0.5, 2.0, 3.0]\n", "Crab []\n"]
    # one that was a result has such a cell already
    once_more = jobs.submit("notebook", notebook=done.results["notebook"].path, parameters={"limit": 5}, files=table)
    injected = [
        cell["source"]
        for cell in once_more.wait(progress=False).results["notebook"].json["cells"]
        if cell["metadata"].get("tags") == ["injected-parameters"]
    ]
    assert ["".join(source) for source in injected] == ["# Parameters\nlimit = 5"]


def test_the_cell_that_fails_is_named_and_what_there_was_is_kept(jobs: JobService, tmp_path: Path) -> None:
    notebook = written(tmp_path / "a.ipynb", "print('before')", "x = 1\ny = x / 0", "print('after')")
    job = jobs.submit("notebook", notebook=notebook)
    with pytest.raises(JobFailed, match=r"cell 2 of 3 \(x = 1\): ZeroDivisionError: division by zero$"):
        job.wait(progress=False)
    assert outputs(job.results["notebook"].json) == ["before\n", "ZeroDivisionError", ""]
    assert "division by zero" in job.results["report"].text
    assert "y = x / 0" in job.log("stderr")


def test_a_kernel_that_dies(jobs: JobService, tmp_path: Path) -> None:
    notebook = written(
        tmp_path / "a.ipynb", "print('before')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    job = jobs.submit("notebook", notebook=notebook)
    with pytest.raises(JobFailed, match="cell 2 of 2 .*the kernel died"):
        job.wait(progress=False)
    assert outputs(job.results["notebook"].json)[0] == "before\n"


def test_one_that_is_aborted_keeps_what_it_had(jobs: JobService, tmp_path: Path) -> None:
    waits = "import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)"
    job = jobs.submit("notebook", notebook=written(tmp_path / "a.ipynb", "print('before')", waits))
    wait_until(lambda: "pid" in job.log("stdout"))
    pid = int(job.log("stdout").split()[-1])
    assert Path(f"/proc/{pid}").exists()
    job.abort()
    job.wait(progress=False, raise_on_error=False)
    assert job.phase == "ABORTED"
    assert outputs(job.results["notebook"].json)[0] == "before\n"
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    ("cells", "parameters", "message"),
    [
        ([DEFAULTS], {"limti": 2}, "has no parameter 'limti' .*; did you mean 'limit'"),
        ([DEFAULTS], {"colour": 2}, "has no parameter 'colour' .*: it has limit, target"),
        ([DEFAULTS], "limit", "is not of the form 'name: value'"),
        ([DEFAULTS], '{"a b": 1}', "is not of the form 'name: value', with names of Python"),
        ([DEFAULTS], "class: 1", "is not of the form 'name: value', with names of Python"),
        ([DEFAULTS], "limit: [1", "cannot be read as YAML"),
        ([DEFAULTS], "limit: 2026-11-29", "cannot be read as YAML of plain values"),
        ([DEFAULTS], "limit: .nan", "cannot be read as YAML of plain values"),
        ([DEFAULTS], "!!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        (None, None, "a.ipynb is not a notebook: "),
    ],
)
def test_what_cannot_be_run(jobs: JobService, tmp_path: Path, cells: Any, parameters: Any, message: str) -> None:
    path = tmp_path / "a.ipynb"
    if cells is None:
        path.write_text(json.dumps({"cells": 1}))
    else:
        written(path, *cells)
    with pytest.raises(JobFailed, match=message):
        jobs.submit("notebook", notebook=path, parameters=parameters).wait(progress=False)


def test_two_files_of_a_name(jobs: JobService, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "a.txt", tmp_path / "sub" / "a.txt"]
    for number, file in enumerate(files):
        file.write_text(str(number))
    with pytest.raises(JobFailed, match="there is more than one file 'a.txt'"):
        jobs.submit("notebook", notebook=written(tmp_path / "a.ipynb", "1"), files=files).wait(progress=False)


def test_parameters_need_python(jobs: JobService, tmp_path: Path) -> None:
    path = written(tmp_path / "a.ipynb", "1", kernelspec={"name": "ir", "language": "R", "display_name": "R"})
    with pytest.raises(JobFailed, match="this one is in R"):
        jobs.submit("notebook", notebook=path, parameters={"a": 1}).wait(progress=False)


def test_a_kernel_that_is_not_here_is_replaced(jobs: JobService, tmp_path: Path) -> None:
    spec = {"name": "of-another-machine", "language": "python", "display_name": "x"}
    done = jobs.submit("notebook", notebook=written(tmp_path / "a.ipynb", "6 * 7", kernelspec=spec)).wait(
        progress=False
    )
    assert outputs(done.results["notebook"].json) == ["42"]
    assert "there is no kernel 'of-another-machine' on this machine; 'python3' is used" in done.log("stderr")
