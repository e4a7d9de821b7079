"""Functions and cells of a notebook as jobs, on a real service."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from IPython.core.error import UsageError
from running import RunningService

import jupyter_uws.jobs.describe as describe
from jupyter_uws import job
from jupyter_uws.client import JobFailed, JobService
from jupyter_uws.jobs.context import JobContext
from jupyter_uws.jobs.describe import DescriptionError
from jupyter_uws.jobs.python import modules

SCALE = 2.0
TABLE = Table({"a": [1]})


def doubled(value: float) -> float:
    return SCALE * value


@job
def analyse(
    energy: Annotated[float, job.Parameter(unit="TeV", minimum=0.1, maximum=100)],
    kind: Literal["a", "b"] = "a",
    runs: list[int] | None = None,
    notes: Path | None = None,
) -> dict[str, Any]:
    """Double an energy."""
    print("analysing")
    job.progress(0.5, "half")
    Path("sub").mkdir()
    Path("sub/notes.txt").write_text(notes.read_text() if notes else "none")
    table = Table({"x": [doubled(energy)] * u.TeV})
    return {"table": table, "array": np.arange(3), "plain": {"kind": kind, "runs": runs, "energy": doubled(energy)}}


@job
def told(context: JobContext, n: int = 1) -> str:
    context.progress(1.0, "done")
    return f"{context.job_id} {n}"


@job
def uses_a_table() -> int:
    return len(TABLE)


def test_it_is_still_a_function() -> None:
    assert told.name == "told"
    assert told(JobContext("here", Path()), 3) == "here 3"
    assert analyse.__doc__ == "Double an energy."


def test_a_function_is_a_job(jobs: JobService, tmp_path: Path) -> None:
    notes = tmp_path / "my notes.txt"
    notes.write_text("seen")
    done = jobs.submit(analyse, energy=500 * u.GeV, runs=[1, 2], notes=notes).wait(progress=False)
    assert (done.type, done.document.run_id) == ("python", "analyse")
    results = done.results
    assert results["plain"].value == {"kind": "a", "runs": [1, 2], "energy": 1.0}
    assert results["table"].value["x"].quantity[0] == 1 * u.TeV
    assert list(results["array"].value) == [0, 1, 2]
    assert results["sub_notes.txt"].text == "seen"
    assert done.log("stdout") == "analysing\n"
    again = done.rerun().wait(progress=False)
    assert again.results["plain"].value == results["plain"].value


def test_a_grid_of_ones_own(jobs: JobService) -> None:
    group = jobs.submit_many(told, grid={"n": [1, 2]}).wait(progress=False)
    assert [each.results["result"].value.split()[1] for each in group] == ["1", "2"]
    assert group[0].results["result"].value.split()[0] == group[0].id
    assert [told.split()[1] for told in group.results("result")["result"]] == ["1", "2"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"energy": 1 * u.deg}, "'energy' is in TeV; 1.0 deg cannot be converted"),
        ({"energy": 500}, "energy.*100"),
        ({"energy": 1, "kind": "c"}, "kind.*'c'"),
        ({}, "energy"),
        ({"energy": 1, "colour": "red"}, "no parameter 'colour'"),
        ({"energy": 1, "notes": "/nowhere/x"}, "no file '/nowhere/x'"),
    ],
)
def test_values_are_checked_before_anything_is_sent(jobs: JobService, values: dict[str, Any], message: str) -> None:
    before = len(jobs.jobs())
    with pytest.raises(ValueError, match=message):
        jobs.submit(analyse, **values)
    assert len(jobs.jobs()) == before


def test_what_cannot_be_a_job() -> None:
    with pytest.raises(DescriptionError, match="uses TABLE, a Table of the notebook: give it as a parameter"):
        uses_a_table.order({})
    with pytest.raises(DescriptionError, match="'x' has no type hint"):

        @job
        def untyped(x):  # type: ignore[no-untyped-def]
            return x

    number = 3

    @job
    def closure() -> int:
        return number

    with pytest.raises(DescriptionError, match="uses variables of the function around it"):
        closure.order({})


def test_errors_name_line_and_reason(jobs: JobService) -> None:
    @job
    def fails() -> None:
        raise RuntimeError("no such luck")

    with pytest.raises(JobFailed, match="RuntimeError: no such luck"):
        jobs.submit(fails).wait(progress=False)
    assert "raise RuntimeError" in jobs[-1].stderr


def test_another_python(jobs: JobService, tmp_path: Path) -> None:
    """One that lacks what the code needs says so; one that is not there, too."""
    venv.create(tmp_path / "bare", system_site_packages=False, with_pip=False, symlinks=True)
    site = next((tmp_path / "bare" / "lib").glob("python*/site-packages"))
    paths = [str(Path(describe.__file__).parents[2]), *(str(path) for path in _site_packages())]
    (site / "ours.pth").write_text("\n".join(paths))
    bare = str(tmp_path / "bare" / "bin" / "python")
    where = job.define(_where, python=bare)
    assert jobs.submit(where).wait(progress=False).results["result"].value == bare
    gone = job.define(_where, python=str(tmp_path / "gone"))
    with pytest.raises(JobFailed, match="is not there on"):
        jobs.submit(gone).wait(progress=False)


def _site_packages() -> list[Path]:
    return [Path(np.__file__).parents[1]]


def _where() -> str:
    import sys

    return sys.executable


def test_modules_of_a_source() -> None:
    assert modules("import a.b as c\nfrom d.e import f\ndef g():\n    import h\n") == ["a", "d", "h"]


@pytest.mark.parametrize(("type", "file"), [("python", "code"), ("notebook", "notebook")])
def test_only_where_it_is_offered_and_only_for_the_own_user(service: RunningService, type: str, file: str) -> None:
    """Another user, as the relay names them, is refused; so is everybody where the operator did not turn it on."""
    secret = (service.state_dir / "secret").read_text().strip()
    form = {"PHASE": (None, "RUN"), file: ("file.json", b"{}")}
    headers = {"X-UWS-Secret": secret, "X-UWS-Owner": "somebody", "Authorization": ""}
    answer = service.request("POST", f"uws/{type}", files=form, headers=headers)
    assert (answer.status_code, "for the user who runs the service only" in answer.text) == (403, True)


def test_a_cell_on_the_cluster(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("import numpy as np\nfrom astropy.table import Table\nfactor = 3\n")
    shell.user_ns |= {"runs": Table({"a": [1, 2]}), "data": np.arange(4.0), "n": np.int64(2)}
    cell = "total = data.sum() * n * factor\nfound = Table({'b': runs['a'] * 2})\nprint('there')\nnothing = None\n"
    shell.run_cell_magic("remote", "-i runs,data,n -o total,found,nothing", cell)
    assert shell.user_ns["total"] == 36
    assert list(shell.user_ns["found"]["b"]) == [2, 4]
    assert shell.user_ns["nothing"] is None
    assert "there" in capsys.readouterr().out
    waiting = shell.run_cell_magic("remote", "--no-wait -o x", "x = 1")
    assert waiting.wait(progress=False).results["x"].value == 1


@pytest.mark.parametrize(
    ("line", "cell", "message"),
    [
        ("-i gone", "x = 1", "the input gone is not defined"),
        ("", "y = unknown + 1", "the cell uses unknown, which is not defined"),
        (
            "",
            "y = shell_object",
            "the cell uses shell_object, a .* of the notebook: give it as a parameter or an input",
        ),
        ("-i shell_object", "x = 1", "the input shell_object is a"),
        ("-o 1x", "x = 1", "'1x' is not a name of a variable"),
        ("", "x = (", "line 1"),
        ("-o x", "y = 1", "the code did not set x"),
        ("--colour red", "x = 1", "no option --colour"),
        ("", "import surely_no_module", "imports surely_no_module, which is not in the environment"),
    ],
)
def test_cells_that_cannot_run(shell: Any, line: str, cell: str, message: str) -> None:
    shell.user_ns["shell_object"] = object()
    with pytest.raises(UsageError, match=message):
        shell.run_cell_magic("remote", line, cell)


def test_a_cell_that_fails_says_where(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        shell.run_cell_magic("remote", "", "def inverse(x):\n    return 1 / x\n\nprint('begins')\ninverse(0)\n")
    shown = capsys.readouterr().out
    assert "begins" in shown
    assert shown.index("inverse(0)") < shown.index("return 1 / x") < shown.index("ZeroDivisionError: division by zero")
    assert "jupyter_uws" not in shown


def test_the_page_of_the_documentation(service: RunningService, tmp_path: Path) -> None:
    """Its program, as it stands there; the last line is what it shows."""
    page = (Path(__file__).parents[2] / "docs" / "authors" / "own-python.md").read_text()
    block = page.partition("## A function")[2].partition("```python\n")[2].partition("```")[0].rstrip()
    program, _, last = block.rpartition("\n")
    (tmp_path / "program.py").write_text(f"{program}\nprint({last})\n")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "JUPYTER_UWS_URL": service.url, "JUPYTER_UWS_TOKEN": service.token},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == ["2", "2.0", "3.0"]
