"""Description files: read again when they change, and what a broken or changed one does to jobs."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest
from described import UWS, DescribedService, message
from running import run_service, wait_until

from jupyter_uws.cli import main
from jupyter_uws.jobs.files import INTERVAL, DescriptionFiles, default_folders, read_description
from jupyter_uws.jobs.jdl import read_jdl
from jupyter_uws.jobs.registry import Registry, load_registry

ECHO = "name: {name}\nversion: '{version}'\nparameters: {{text: {{}}}}\ncommand: [echo, 'v{version}', '{{text}}']\n"


def echo(name: str = "echo", version: str = "1") -> str:
    return ECHO.format(name=name, version=version)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += INTERVAL
        return self.time


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    return tmp_path / "jobs"


@pytest.fixture
def registry(folder: Path) -> Registry:
    return Registry(files=DescriptionFiles([folder, folder.parent / "no-such-folder"], clock=Clock()))


def test_files_come_change_and_go(folder: Path, registry: Registry) -> None:
    assert dict(registry) == {}
    (folder / "echo.yaml").write_text(echo())
    (folder / "README.txt").write_text("no description")
    (folder / ".hidden.yaml").write_text("broken")
    assert list(registry) == ["echo"]
    first = registry["echo"]
    assert registry["echo"] is first
    (folder / "echo.yaml").write_text(echo(version="2"))
    assert registry["echo"].version == "2"
    (folder / "echo.yaml").write_text(echo(name="shout", version="2"))
    assert list(registry) == ["shout"]
    (folder / "echo.yaml").unlink()
    assert (list(registry), registry.problems) == ([], {})


def test_a_broken_edit_keeps_the_last_good_version(folder: Path, registry: Registry) -> None:
    path = folder / "echo.yaml"
    path.write_text(echo())
    (folder / "other.yaml").write_text("name: other\ncommand: [\n")
    assert list(registry) == ["echo"]
    assert list(registry.problems) == [str(folder / "other.yaml")]
    path.write_text(echo(version="2") + "colour: red\n")
    assert registry["echo"].version == "1"
    problem = registry.problems[str(path)]
    assert problem == f"{path}, line 5: colour: Extra inputs are not permitted; its version 1 from before is kept"
    path.write_text(echo(version="3"))
    assert registry["echo"].version == "3"
    assert str(path) not in registry.problems


def test_the_first_of_two_files_has_the_name(folder: Path, registry: Registry) -> None:
    (folder / "a.yaml").write_text(echo())
    (folder / "b.yaml").write_text(echo(version="2"))
    assert registry["echo"].version == "1"
    assert registry.problems == {
        str(folder / "b.yaml"): f"{folder}/b.yaml: the job type 'echo' is described by {folder}/a.yaml already"
    }
    (folder / "a.yaml").unlink()
    assert (registry["echo"].version, registry.problems) == ("2", {})


def test_the_script_beside_a_votable_is_watched(folder: Path, registry: Registry) -> None:
    (folder / "old_vot.xml").write_text('<VOTABLE><RESOURCE name="old" utype="voprov:ActivityDescription"/></VOTABLE>')
    (folder / "old.sh").write_text("echo 1")
    digest = registry["old"].digest
    (folder / "old.sh").write_text("echo two")
    assert registry["old"].script == "echo two"
    assert registry["old"].digest != digest


def test_the_folders_are_looked_at_no_more_often_than_once_a_second(folder: Path) -> None:
    clock = iter([0.0, INTERVAL / 2, INTERVAL])
    files = DescriptionFiles([folder], clock=lambda: next(clock))
    assert not files.look()
    (folder / "echo.yaml").write_text(echo())
    assert not files.look()
    assert files.look()


def test_what_is_not_read(folder: Path, registry: Registry) -> None:
    (folder / "open.yaml").write_text(echo())
    (folder / "open.yaml").chmod(0o666)
    (folder / "large.yaml").write_text(echo() + "#" * (1 << 20))
    (folder / "binary.yaml").write_bytes(b"name: x\n\xff\xfe")
    (folder / "folder.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")
    (folder / "lost.yaml").symlink_to("no-such-file")
    assert dict(registry) == {}
    reasons = {Path(path).name: reason.partition(".yaml")[2] for path, reason in registry.problems.items()}
    assert reasons == {
        "open.yaml": ": everybody may write it, and what it says is run; chmod o-w",
        "large.yaml": ": it is larger than 1 MiB",
        "binary.yaml": ", line 2: it is not UTF-8",
        "folder.yaml": ": it is not a file",
        "pipe.yaml": ": it is not a file",
        "lost.yaml": ": it cannot be read: No such file or directory",
    }


def test_a_folder_that_everybody_may_write_is_not_read(folder: Path, registry: Registry) -> None:
    (folder / "echo.yaml").write_text(echo())
    assert list(registry) == ["echo"]
    folder.chmod(0o777)
    assert dict(registry) == {}
    assert "everybody may write there" in registry.problems[str(folder)]
    folder.chmod(0o755)
    assert (list(registry), registry.problems) == (["echo"], {})


def test_where_files_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_UWS_DESCRIPTIONS", f"{tmp_path}/a{os.pathsep}{tmp_path}/b")
    monkeypatch.setenv("JUPYTER_PATH", f"{tmp_path}/jupyter")
    assert default_folders()[:3] == [tmp_path / "a", tmp_path / "b", tmp_path / "jupyter/jupyter-uws/jobs"]


def test_an_installed_type_cannot_be_replaced_by_a_file(folder: Path) -> None:
    (folder / "sleeper.yaml").write_text(echo(name="sleeper"))
    registry = load_registry(folders=[folder])
    assert registry["sleeper"].entry_point
    assert "'sleeper' is described by jupyter_uws.analysis.sleeper:sleeper already" in str(registry.problems)


def test_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "echo.yaml").write_text(echo())
    here = f"--descriptions={folder}"
    assert main(["jobs", "list", here]) == 0
    assert f"{folder}/echo.yaml" in capsys.readouterr().out
    assert main(["jobs", "check", here]) == 0
    (folder / "bad.yaml").write_text("name: bad\ncommand: []\n")
    assert main(["jobs", "check", here]) == 1
    assert f"{folder}/bad.yaml, line 1: it must have one of" in capsys.readouterr().err
    assert main(["jobs", "check", str(folder / "echo.yaml")]) == 0
    assert main(["jobs", "check", str(folder / "README.md")]) == 1
    target = folder / "echo_vot.xml"
    assert main(["jobs", "export", "echo", here, f"--output={target}"]) == 0
    assert read_jdl(target, target.read_bytes()) == read_description(folder / "echo.yaml")
    capsys.readouterr()
    assert main(["jobs", "export", str(target), "--format=schema"]) == 0
    assert '"title": "echo"' in capsys.readouterr().out
    assert main(["jobs", "export", "nothing", here]) == 1
    assert "there is no job type 'nothing'; the job types are: " in capsys.readouterr().err
    assert main(["jobs", "export", "echo", here, "--output=/no/such/folder/x"]) == 1


def test_a_service_takes_new_files_without_a_restart(described: DescribedService) -> None:
    path = described.describe("live.yaml", echo("live"))
    described.has("live")
    job = described.submit("live", {"text": "a b"})
    document = described.ended(job)
    assert described.service.get(f"{job}/stdout").text == "v1 a b\n"
    digest = described.types()["live"]["sha256"]
    assert document.findtext(f"{UWS}jobInfo/description_version") == "1"
    assert document.findtext(f"{UWS}jobInfo/description_sha256") == digest

    described.describe("live.yaml", echo("live", "2") + "colour: red\n")
    problem = wait_until(lambda: described.problems().get(str(path)))
    assert "line 5: colour" in problem
    assert described.types()["live"]["version"] == "1"
    described.describe("live.yaml", echo("live", "2"))
    described.has("live", "2")
    assert described.problems().get(str(path)) is None
    # the old job still tells what it ran with
    assert digest in described.service.get(job).text

    path.unlink()
    wait_until(lambda: "live" not in described.types())
    assert described.service.post("uws/live", {}).status_code == 404
    assert described.service.get(job).status_code == 200
    assert described.service.request("DELETE", job, allow_redirects=False).status_code == 303


def test_a_pending_job_runs_with_the_description_of_the_time_it_is_run(described: DescribedService) -> None:
    described.describe("change.yaml", echo("change"))
    described.has("change")
    pending = (
        described.service.post("uws/change", {"text": "x"}).headers["Location"].removeprefix(described.service.url)
    )
    described.describe("change.yaml", echo("change", "2").replace("{text: {}}", "{text: {pattern: '[a-w]'}}"))
    described.has("change", "2")
    refused = described.service.post(f"{pending}/phase", {"PHASE": "RUN"})
    assert (refused.status_code, "text is 'x'" in refused.text) == (400, True)
    assert described.service.post(f"{pending}/parameters", {"text": "a"}).status_code == 303
    assert described.service.post(f"{pending}/phase", {"PHASE": "RUN"}).status_code == 303
    document = described.ended(pending)
    assert document.findtext(f"{UWS}jobInfo/description_version") == "2"
    assert described.service.get(f"{pending}/stdout").text == "v2 a\n"


def test_a_queued_job_runs_with_the_description_it_was_queued_with(sim_archive: Path, tmp_path: Path) -> None:
    """Also when the service was killed and the file changed before its turn came."""
    folder = tmp_path / "descriptions"
    folder.mkdir()
    (folder / "echo.yaml").write_text(echo())
    (folder / "gone.yaml").write_text(echo("gone"))
    here = {"JUPYTER_UWS_DESCRIPTIONS": str(folder)}
    with run_service(tmp_path, sim_archive, "--workers=1", **here) as service:
        first = DescribedService(service, folder)
        blocking = first.submit("sleeper", {"duration": "600"})
        wait_until(lambda: service.get(f"{blocking}/phase").text == "EXECUTING")
        queued = first.submit("echo", {"text": "hello"})
        gone = first.submit("gone", {"text": "hello"})
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(30)
    (folder / "echo.yaml").write_text(echo(version="2"))
    (folder / "gone.yaml").unlink()
    with run_service(tmp_path, sim_archive, "--workers=1", **here) as service:
        second = DescribedService(service, folder)
        document = second.ended(queued)
        assert document.findtext(f"{UWS}phase") == "COMPLETED", message(document)
        assert service.get(f"{queued}/stdout").text == "v1 hello\n"
        assert document.findtext(f"{UWS}jobInfo/description_version") == "1"
        assert "not known" in message(second.ended(gone))
        again = second.submit("echo", {"text": "hello"})
        second.ended(again)
        assert service.get(f"{again}/stdout").text == "v2 hello\n"


def test_the_digest_is_that_of_the_content(folder: Path) -> None:
    (folder / "echo.yaml").write_text(echo())
    description = read_description(folder / "echo.yaml")
    content = '{"command":["echo","v1","{text}"],"name":"echo","parameters":[{"name":"text"}]}'
    assert description.digest == hashlib.sha256(content.encode()).hexdigest()
