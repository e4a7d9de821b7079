"""The magics, in a real IPython shell on the real service."""

from __future__ import annotations

import re
import warnings

import pytest
from astropy.table import Table
from IPython.core.error import UsageError

from jupyter_uws.client import Job


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
    assert list(shell.run_line_magic("uws", "types sleeper")) == ["sleeper"]
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
        raise KeyboardInterrupt("Job 1 was not stopped, it goes on")

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
        ("types sleper", "did you mean 'sleeper'"),
    ],
)
def test_errors_are_one_sentence(shell, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shell.run_line_magic("uws", line)


def test_words_with_blanks_stay_whole(shell) -> None:
    job = shell.run_line_magic("uws", """run sleeper run_id="my {first} 'job'" duration={ {"a": 0}["a"] }""")
    assert job.wait(progress=False).document.run_id == "my {first} 'job'"


def test_the_archive_is_searched(shell, capsys, tmp_path) -> None:
    targets = tmp_path / "list.csv"
    targets.write_text("name,ra,dec\nCrab,83.6331,22.0145\nnothing,10,-80\n")
    runs = shell.run_line_magic("archive", "search Crab --radius 2deg")
    assert len(runs) == 4
    shell.user_ns["where"] = runs.pointings[0]
    assert shell.run_line_magic("archive", "search {where} --radius '1 deg' --energy 1TeV - -n near") is None
    assert "near: 4 observations" in capsys.readouterr().out
    assert len(shell.run_line_magic("archive", "search --time 2023-11-01 2023-11-03 --maxrec 2")) == 2
    shell.user_ns["mine"] = ["86 21", "Crab"]
    found = shell.run_line_magic("archive", "search --targets {mine} --radius 2deg")
    assert set(found["target"]) == {"86 21", "Crab Nebula"}
    assert (
        shell.run_line_magic("archive", f"search --targets {targets} --radius 1deg --collection SIM-DR1").dids
        == runs.dids
    )
    runs.basket("of the magics")
    assert len(shell.run_line_magic("archive", 'basket "of the magics"')) == 4
    assert "of the magics" in shell.run_line_magic("archive", "baskets")
    for line, message in (
        ("search Crab --radus 2", "no option --radus; it has: --radius"),
        ("search --time 2004", "--time needs two values"),
        ("search Crab --maxrec x", "'x' is not a whole number"),
        ("find Crab", "%archive find: write"),
        ("basket nothing", "nothing"),
    ):
        with pytest.raises(UsageError, match=message):
            shell.run_line_magic("archive", line)


def test_a_cell_is_a_job(shell, capsys) -> None:
    shell.user_ns["seconds"] = 0.1
    cell = "# how long\nduration = {seconds}\nfail: false\n"
    job = shell.run_cell_magic("uws", "job sleeper --run-id 'one two' --wait", cell)
    assert (job.phase, job.document.run_id, job.parameters["duration"]) == ("COMPLETED", "one two", ["0.1"])
    assert shell.run_cell_magic("uws", f"job sleeper -n later --after {job.id}", "duration: 0\n") is None
    assert shell.user_ns["later"].wait(progress=False).document.info["after"] == job.id
    shell.run_line_magic("uws", f"log {job.id}")
    shell.run_line_magic("uws", f"log {job.id.rpartition('-')[2]} -f")
    assert capsys.readouterr().out.count("sleeping for 0.1 s") == 2
    again = shell.run_line_magic("uws", f"rerun {job.id} duration=0")
    assert again.parameters["duration"] == ["0"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("duration = {1/0}", "ZeroDivisionError"),
        ("duration", "neither name = value nor name: value"),
        ("duration: 1\nduration: 2", "twice"),
        ("duration: {a: 1}", "SyntaxError|NameError|invalid"),
        ("duration: [1", "duration: '\\[1' is not YAML: expected ',' or ']'"),
        ("cuts:\n  energy: 1", "cuts is a mapping"),
    ],
)
def test_bad_cells(shell, cell: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shell.run_cell_magic("uws", "job sleeper", cell)


def test_what_python_gives_is_a_value_and_nothing_else(shell) -> None:
    shell.user_ns["evil"] = "0\nfail = true\nexecution_duration: 1 {__import__('os')}"
    for submit in (
        lambda: shell.run_cell_magic("uws", "job sleeper", "duration = {evil}"),
        lambda: shell.run_line_magic("uws", "run sleeper duration={evil}"),
    ):
        with pytest.raises(UsageError, match="DURATION|duration"):
            submit()


def test_parameters_in_yaml() -> None:
    from jupyter_uws.magics.words import parameters, value

    cell = "obs_ids:\n  - 1\n  - 2\nmodel: pl\nwhen: 2004-12-01\nmore: [1, 2]\nruns: {found}\nname = a b = c\n"
    found = parameters(cell, lambda text: value(text, {"found": [3]}.get))
    assert found == {
        "obs_ids": [1, 2], "model": "pl", "when": "2004-12-01", "more": [1, 2], "runs": [3], "name": "a b = c",
    }  # fmt: skip


def test_adql_with_a_table_of_the_notebook(shell) -> None:
    shell.user_ns["mine"] = Table({"obs": ["100001", "100002"], "weight": [1.0, 2.0]})
    query = "SELECT obs_id, weight FROM ivoa.obscore JOIN tap_upload.mine ON obs_id = obs"
    found_rows = shell.run_cell_magic("adql", "--upload mine=mine --format qtable", query)
    assert sorted(found_rows["weight"]) == [1.0, 2.0]
    with pytest.raises(UsageError, match="'mine=nothing' is not NAME=TABLE"):
        shell.run_cell_magic("adql", "--upload mine=nothing", query)
    with pytest.raises(UsageError, match="nosuchtable"):
        shell.run_cell_magic("adql", "--upload mine=mine", "SELECT * FROM nosuchtable")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%uws sh", "show"),
        ("%uws run slee", "sleeper"),
        ("%uws run sleeper dur", "duration="),
        ("%%uws job quick", "quicklook"),
        ("%%uws job sleeper\ndur", "duration = "),
        ("%%uws job sleeper --aft", "--after"),
        ("%uws types slee", "sleeper"),
        ("%uws log 20261122-abc --fol", "--follow"),
        ("%%remote --out", "--outputs"),
        ("%archive sea", "search"),
        ("%archive search Crab --rad", "--radius"),
        ("%%adql --service sim", "simbad"),
        ("%%adql\nSELECT t_exp", "t_exptime"),
        ("%%adql\nSELECT obs_id FROM ivoa.obs", "ivoa.obscore"),
        ("%%adql\nSELECT obs_id FROM ivoa.obscore WHERE t_exp", "t_exptime"),
    ],
)
def test_completion(shell, text: str, offered: str) -> None:
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        found = [completion.text for completion in shell.Completer.completions(text, len(text))]
    assert any(offered.endswith(word) or word.endswith(offered) for word in found), found


def test_ids_are_completed(shell) -> None:
    job = shell.run_line_magic("uws", "run sleeper duration=0")
    _, found = shell.complete("", f"%uws wait {job.id[:10]}", len(f"%uws wait {job.id[:10]}"))
    assert any(job.id in word or job.id.endswith(word) for word in found)


def test_errors_in_a_cell_show_the_cell_and_the_sentence(shell, capsys) -> None:
    def shown(cell: str) -> str:
        shell.run_cell(cell)
        return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)

    shown("from jupyter_uws import JobService\njobs = JobService()\ndef mine():\n    jobs.submit('sleper')")
    for cell in ("mine()", "jobs.submit('sleeper', durration=1)", "jobs.job('20000101-none').results"):
        text = shown(cell)
        assert "jupyter_uws/" not in text
        assert cell in text
    text = shown("mine()")
    assert "jobs.submit('sleper')" in text
    assert text.rstrip().endswith("theta2.")
