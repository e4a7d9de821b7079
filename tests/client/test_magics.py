"""The magics, in a real IPython shell on the real service."""

from __future__ import annotations

import warnings

import pytest
from astropy.table import Table
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from running import RunningService

from jupyter_uws.client import Job


@pytest.fixture
def shell(service: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_UWS_URL", service.url)
    monkeypatch.setenv("JUPYTER_UWS_TOKEN", service.token)
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_uws")
    yield shell
    InteractiveShell.clear_instance()


def test_adql_returns_or_keeps_its_table(shell, capsys) -> None:
    table = shell.run_cell_magic("adql", "", "SELECT obs_id FROM ivoa.obscore WHERE target_name = 'Sim Crab'")
    assert isinstance(table, Table)
    assert len(table) == 4
    assert shell.run_cell_magic("adql", "-n crab --maxrec 10", "SELECT TOP 3 obs_id FROM ivoa.obscore") is None
    assert len(shell.user_ns["crab"]) == 3
    assert "crab: 3 rows" in capsys.readouterr().out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shell.run_cell_magic("adql", "--maxrec 2", "SELECT obs_id FROM ivoa.obscore")
    assert "Only 2 rows were fetched, there are more: raise --maxrec" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "cell", "message"),
    [("", "SELEC", "SELECT"), ("", "  ", "empty"), ("-n 1x", "SELECT 1", "1x"), ("--maxrec x", "SELECT 1", "maxrec")],
)
def test_adql_errors_are_one_sentence(shell, line: str, cell: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shell.run_cell_magic("adql", line, cell)


def test_jobs(shell) -> None:
    shell.user_ns["seconds"] = [0.1, 0.2]
    job = shell.run_line_magic("uws", "run sleeper duration={seconds[0]} fail=false")
    assert isinstance(job, Job)
    assert job.parameters["duration"] == ["0.1"]
    assert shell.run_line_magic("uws", f"wait {job.id}").phase == "COMPLETED"
    assert shell.run_line_magic("uws", f"show {job.id.rpartition('-')[2]}").id == job.id
    shell.user_ns["job"] = job
    assert shell.run_line_magic("uws", "show {job}") is job
    assert shell.run_line_magic("uws", "show {job.id}").id == job.id
    assert job.id in repr(shell.run_line_magic("uws", "list completed"))
    assert job.id in repr(shell.run_line_magic("uws", ""))
    types = repr(shell.run_line_magic("uws", "types"))
    assert "    duration [s]: Duration, default 5\n" in types
    assert "    model: Model, pl or ecpl, default pl\n" in types
    assert "    energy_min [TeV]: Lowest energy, optional\n" in types
    shell.run_line_magic("uws", f"delete {job.id}")
    assert job.id not in repr(shell.run_line_magic("uws", "list"))


def test_a_job_is_aborted(shell) -> None:
    job = shell.run_line_magic("uws", 'run sleeper duration=300 memory="300 MiB"')
    assert job.document.info["memory"] == "300 MiB"
    shell.run_line_magic("uws", f"abort {job.id}")
    with pytest.raises(UsageError, match="ABORTED"):
        shell.run_line_magic("uws", f"wait {job.id}")


def test_ctrl_c_is_one_sentence_too(shell, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("Job 1 was left EXECUTING: it goes on.")

    shell.user_ns["job"] = shell.run_line_magic("uws", "run sleeper duration=0")
    monkeypatch.setattr(Job, "wait", interrupt)
    with pytest.raises(UsageError, match="it goes on"):
        shell.run_line_magic("uws", "wait {job}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("launch sleeper", "no command 'launch'; it has: list"),
        ("run", "needs a job type"),
        ("run sleper", "did you mean 'sleeper'"),
        ("run sleeper duration", "not of the form name=value"),
        ("run sleeper duration={nowhere}", "NameError"),
        ('run sleeper duration="5', "not closed"),
        ("run sleeper duration=x", "duration"),
        ("show", "takes one job id"),
        ("show 20000101-none", "no job"),
        ("list NONE", "not a phase"),
    ],
)
def test_errors_are_one_sentence(shell, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shell.run_line_magic("uws", line)


def test_words_with_blanks_stay_whole(shell) -> None:
    job = shell.run_line_magic("uws", """run sleeper run_id="my {first} 'job'" duration={ {"a": 0}["a"] }""")
    assert job.wait(progress=False).document.run_id == "my {first} 'job'"
