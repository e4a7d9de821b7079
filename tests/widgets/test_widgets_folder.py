"""Which files of the kernel's machine a page gets: those below the notebook's folder, and those given by name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from running import RunningService
from test_widgets_questions import Page

from jupyter_uws.client import Connection
from jupyter_uws.widgets import JobForm, questions
from jupyter_uws.widgets.folder import Folder, NoFile
from jupyter_uws.widgets.questions import Relay


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A notebook's folder with files, and things outside of it and hidden in it."""
    root = tmp_path / "work"
    (root / "data").mkdir(parents=True)
    (root / "data" / "table.csv").write_text("a,b\n")
    (root / "Notes.txt").write_text("gamma\n")
    (root / ".secret").write_text("token")
    (tmp_path / "outside.txt").write_text("outside")
    (root / "out.txt").symlink_to(tmp_path / "outside.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "in.txt").symlink_to(root / "Notes.txt")
    os.mkfifo(root / "pipe")
    return Folder(root, {"text": tmp_path / "outside.txt", "raw": b"bytes", "gone": tmp_path / "gone"})


def read(folder: Folder, **asked: Any) -> tuple[str, bytes]:
    content_type, content = folder.open(asked)
    with content:
        return content_type, content.read()


def test_folders_are_listed_and_files_read(folder: Folder) -> None:
    content_type, entries = read(folder, path=[])
    assert content_type == "application/json"
    names = [(each["name"], each["folder"]) for each in json.loads(entries)]
    assert names == [("data", True), ("up", True), ("in.txt", False), ("Notes.txt", False), ("out.txt", False)]
    assert json.loads(read(folder, path=["data"])[1]) == [{"name": "table.csv", "folder": False}]
    assert read(folder, path=["data", "table.csv"]) == ("text/csv", b"a,b\n")
    assert read(folder, path=["in.txt"]) == ("text/plain", b"gamma\n")
    assert read(folder, given="text") == ("text/plain", b"outside")
    assert read(folder, given="raw") == ("application/octet-stream", b"bytes")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"path": ["out.txt"]}, "'out.txt' is a link that leads out of the notebook's folder"),
        ({"path": ["up"]}, "leads out"),
        ({"path": ["up", "outside.txt"]}, "leads out"),
        ({"path": [".secret"]}, "path has '.secret', allowed are names of files that are not hidden"),
        ({"path": [".."]}, "path has '..'"),
        ({"path": ["data/../../outside.txt"]}, "path has 'data/"),
        ({"path": ["/etc/passwd"]}, "path has '/etc"),
        ({"path": ["a\0"]}, "path has"),
        ({"path": [1]}, "path has 1"),
        ({"path": ["a"] * 40}, "at most 32"),
        ({"path": "data"}, "not a list"),
        ({}, "not a list"),
        ({"path": ["pipe"]}, "'pipe' is not a file"),
        ({"path": ["none"]}, "cannot read this: No such file"),
        ({"given": "none"}, "No file was given for 'none'"),
        ({"given": ["text"]}, "No file was given"),
        ({"given": "gone"}, "'gone' is not a file"),
    ],
)
def test_what_is_not_given(folder: Folder, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(NoFile) as refused:
        folder.open(asked)
    assert words in str(refused.value)


def ask(folder: Folder | None, of: Any) -> Page:
    page = Page(Connection("http://127.0.0.1:9/"))
    page.relay = Relay(page.relay.connection, page.hear, folder)
    page.relay.take({"kind": "request", "id": "1", "size": 0, "of": of}, [])
    assert page.ended.wait(30)
    return page


def test_files_come_by_messages(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ask(folder, {"path": ["Notes.txt"]})
    assert [message["kind"] for message in page.messages] == ["taken", "head", "piece", "end"]
    assert (page.messages[1]["headers"], page.body) == ({"Content-Type": "text/plain"}, b"gamma\n")
    assert "leads out" in ask(folder, {"path": ["up"]}).messages[-1]["message"]
    assert ask(folder, "x").messages[-1]["message"] == "of is not a mapping"
    assert "gives no files" in ask(None, {"path": []}).messages[-1]["message"]
    monkeypatch.setattr(questions, "LARGEST", 3)
    assert "more than" in ask(folder, {"path": ["Notes.txt"]}).messages[-1]["message"]


#: What a form needs to know of a job type that takes files.
DESCRIPTION = {
    "name": "count",
    "parameters": [
        {"name": "text", "type": "file"},
        {"name": "more", "type": "file", "multiple": True},
        {"name": "word", "type": "string"},
    ],
}


def test_a_form_begins_with_files(service: RunningService, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_uws.client.jobs.JobService.type", lambda *_: DESCRIPTION)
    where = {"url": service.url, "token": service.token}
    notes = folder.path / "Notes.txt"
    form = JobForm("count", text=str(notes), more=b"raw", word="gamma", **where)
    whole = {"name": "Notes.txt", "path": str(notes), "code": repr(str(notes))}
    assert form._place["asked"]["files"] == {"text": whole, "more": {"name": "more", "path": "more", "code": "b'raw'"}}
    assert form._place["asked"]["parameters"] == {"word": "gamma"}
    assert read(form._relay.folder, given="text") == ("text/plain", b"gamma\n")
    assert "Notes.txt" in form._repr_mimebundle_()[0]["text/html"]
    monkeypatch.chdir(folder.path.parent)
    monkeypatch.setenv("HOME", str(folder.path / "data"))
    near = JobForm("count", text=notes, more=b"1" * 300, **where)._place["asked"]["files"]
    assert near["text"]["code"] == "'work/Notes.txt'"
    assert near["more"]["code"] is None
    monkeypatch.chdir(folder.path / "data")
    monkeypatch.setenv("HOME", str(folder.path))
    at_home = JobForm("count", text="~/Notes.txt", **where)._place["asked"]["files"]
    assert at_home["text"]["code"] == "'~/Notes.txt'"
    with pytest.raises(ValueError, match="more got 2 files: a form takes one"):
        JobForm("count", more=[notes, notes], **where)
    with pytest.raises(ValueError, match="there is no file"):
        JobForm("count", text="none.txt", **where)
    by_url = JobForm("count", text="https://host/a.txt", **where)
    assert by_url._place["asked"]["parameters"] == {"text": "https://host/a.txt"}
