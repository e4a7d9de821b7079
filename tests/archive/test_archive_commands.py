"""``jupyter uws archive ...`` as it is typed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from jupyter_uws.archive import default_archive
from jupyter_uws.archive.commands import add_parser


def command(*argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["archive", *map(str, argv)])
    return int(args.run(args))


def test_add_and_list(simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "a.duckdb"
    assert command("add", simulated, "--archive", archive) == 0
    assert capsys.readouterr().out == f"SIM-DR1: 28 added, 0 updated, 0 unchanged ({archive})\n"
    assert command("add", simulated, "--archive", archive) == 0
    assert "0 added, 0 updated, 28 unchanged" in capsys.readouterr().out
    assert command("list", "--archive", archive) == 0
    assert capsys.readouterr().out.split() == ["SIM-DR1", "28", "runs", str(simulated)]


def test_what_is_left_out_is_said(own_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = own_store / "data/sim_dr1_obs_id_100001.fits.gz"
    gone.unlink()
    assert command("add", own_store, "--collection", "MINE", "--archive", tmp_path / "a.duckdb") == 0
    shown = capsys.readouterr()
    assert "MINE: 27 added, 0 updated, 0 unchanged, 1 problems" in shown.out
    assert f"left out: {gone}: cannot be opened: No such file or directory\n" in shown.err
    for file in (own_store / "data").iterdir():
        file.unlink()
    # nothing could be done: a cron job shall notice
    assert command("add", own_store, "--collection", "MINE", "--archive", tmp_path / "a.duckdb") == 1
    assert "27 removed, 28 problems" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["add", "nowhere"], "nowhere: there is no such folder"),
        (["add", "."], "not a DL3 data store: obs-index.fits.gz (or obs-index.fits) is missing"),
        (["list"], "there is no archive; make one with"),
        (["simulate", "file/x"], "file: cannot write there"),
    ],
)
def test_errors_are_one_sentence(
    argv: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert command(*argv, "--archive", "a.duckdb") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_simulate_into_the_default_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JUPYTER_UWS_ARCHIVE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_archive() == tmp_path / "jupyter-uws" / "archive.duckdb"
    assert command("simulate") == 0
    assert "28 added" in capsys.readouterr().out
    assert (tmp_path / "jupyter-uws" / "sim-dr1" / "obs-index.fits.gz").exists()
    assert command("simulate") == 0
    assert "28 unchanged" in capsys.readouterr().out
    monkeypatch.setenv("JUPYTER_UWS_ARCHIVE", "~/other.duckdb")
    assert default_archive() == Path.home() / "other.duckdb"
