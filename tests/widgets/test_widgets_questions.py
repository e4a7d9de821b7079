"""What a page may ask of the kernel, what it is answered, and what a widget leaves in a saved notebook."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from running import RunningService

from jupyter_uws import JobService
from jupyter_uws.client import Connection
from jupyter_uws.widgets import JobForm, JobList, JobView, SearchWidget, questions
from jupyter_uws.widgets.live import listen
from jupyter_uws.widgets.questions import Refused, Relay, below, read_question


class Page:
    """What a page hears, and when a question was answered."""

    def __init__(self, connection: Connection) -> None:
        self.messages: list[dict[str, Any]] = []
        self.body = b""
        self.ended = threading.Event()
        self.id = "0"
        self.relay = Relay(connection, self.hear)

    def hear(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append(message)
        self.body += b"".join(buffers)
        if message["kind"] in ("end", "failed"):
            self.ended.set()

    def ask(
        self, *path: str, method: str = "GET", query: str = "", body: bytes = b"", **headers: str
    ) -> dict[str, Any]:
        """The head of the answer, or why there is none."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.id = str(int(self.id) + 1)  # as pages do: the one before may not have come to its end
        if body:
            self.relay.take({"kind": "body", "id": self.id}, [memoryview(body)])
        question = {
            "kind": "request",
            "id": self.id,
            "method": method,
            "path": list(path),
            "query": query,
            "headers": given,
        }
        self.relay.take(question, [])
        assert self.ended.wait(60)
        return next(message for message in self.messages if message["kind"] in ("head", "failed"))


@pytest.fixture
def connection(service: RunningService) -> Connection:
    return Connection(service.url, service.token)


@pytest.fixture
def page(connection: Connection) -> Page:
    return Page(connection)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "TRACE"}, "method 'TRACE', allowed are GET, POST, PATCH, DELETE"),
        ({"path": []}, "path is not a list"),
        ({"path": "uws"}, "path is not a list"),
        ({"path": ["uws", ".."]}, "'..', which leads elsewhere"),
        ({"path": ["uws", "a/../../b"]}, "which leads elsewhere"),
        ({"path": ["uws", "..\\b"]}, "which leads elsewhere"),
        ({"path": ["uws", ""]}, "path has ''"),
        ({"path": ["uws", "a\r\nb"]}, "path has 'a"),
        ({"path": ["uws", 5]}, "path has 5"),
        ({"path": ["a"] * 33}, "path is not a list"),
        ({"query": "a=b"}, "begins with '?'"),
        ({"query": "?a b"}, "not encoded"),
        ({"query": "?a#b"}, "not encoded"),
        ({"headers": {"Authorization": "token x"}}, "header 'Authorization', allowed are Accept, Content-Type, Range"),
        ({"headers": {"Accept": "a\r\nCookie: b"}}, "one line of text"),
        ({"headers": ["Accept"]}, "headers is not a mapping"),
    ],
)
def test_what_is_not_passed_on(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        read_question({"method": "GET", "path": ["uws"], "query": "", "headers": {}, **change})
    assert words in str(refused.value)


def test_a_part_of_a_path_is_one() -> None:
    question = read_question({"method": "GET", "path": ["baskets", "http://other/?a#b"], "headers": {}})
    assert question.path == "baskets/http%3A%2F%2Fother%2F%3Fa%23b"


@pytest.mark.parametrize(
    "url", ["http://other/uws", "http://here/uws/../secret", "http://here/x", "file:///etc/passwd"]
)
def test_redirects_stay_below_the_root(url: str) -> None:
    assert below("http://here/uws/", "http://here/uws/uws/1") == "http://here/uws/uws/1"
    with pytest.raises(Refused):
        below("http://here/uws/", url)


def test_service_that_leads_elsewhere_is_not_followed() -> None:
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/other/")  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = Page(Connection(f"http://127.0.0.1:{server.server_port}/base/")).ask("uws")
        server.shutdown()
    assert answer["kind"] == "failed"
    assert "leads to another address" in answer["message"]
    assert asked == ["/base/uws"]


def test_an_answer_comes_whole(page: Page) -> None:
    head = page.ask("uws", "types", Accept="application/json")
    assert (head["status"], head["headers"]["Content-Type"].partition(";")[0]) == (200, "application/json")
    assert "sleeper" in [each["name"] for each in json.loads(page.body)["types"]]


def test_a_job_is_made_seen_and_deleted(connection: Connection) -> None:
    """A body is sent, the redirect followed; DELETE does not read the list that the service leads to."""
    page = Page(connection)
    form = {"Content_Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    assert page.ask("uws", "sleeper", method="POST", body=b"duration=7&RUNID=made", **form)["status"] == 200
    made = json.loads(page.body)
    assert (made["run_id"], made["phase"], made["parameters"]["duration"]) == ("made", "PENDING", ["7"])
    assert Page(connection).ask("uws", "sleeper", made["job_id"], method="DELETE")["status"] == 204
    assert Page(connection).ask("uws", "sleeper", made["job_id"])["status"] == 404


def test_what_is_wrong_is_told_in_the_services_words(page: Page, service: RunningService) -> None:
    head = page.ask("uws", "sleeper", method="POST", body=b"duration=long", Accept="application/json",
                    Content_Type="application/x-www-form-urlencoded")  # fmt: skip
    assert head["status"] == 400
    assert b"duration" in page.body
    refused = Page(Connection(service.url, "wrong")).ask("uws")
    assert "refused the token" in refused["message"]
    away = Page(Connection("http://127.0.0.1:9/")).ask("uws")
    assert "cannot be reached" in away["message"]


def test_sizes_are_bounded(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "LARGEST", 100)
    assert "more than" in page.ask("uws", "sleeper", method="POST", body=b"x" * 200)["message"]
    page.ended.clear()
    page.ask("uws", "types")
    assert "use the client" in page.messages[-1]["message"]


def test_a_cancelled_answer_ends(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is sent once the page does not want it; and the page is free for another question."""
    monkeypatch.setattr(questions, "PIECE", 10)
    page = Page(connection)
    heard = page.hear

    def cancel_at_head(message: dict[str, Any], buffers: list[bytes]) -> None:
        heard(message, buffers)
        if message["kind"] == "head":
            page.relay.take({"kind": "cancel", "id": message["id"]}, [])
            page.ended.set()

    page.relay.send = cancel_at_head
    page.ask("uws", "types")
    page.relay.send = heard
    page.ended.clear()
    page.messages.clear()
    assert page.ask("uws", "types")["status"] == 200


def test_a_question_that_is_asked_again_is_passed_on_once(connection: Connection, service: RunningService) -> None:
    """A page that was not told in time that it was heard asks again; the body of a job must not come twice."""
    page = Page(connection)
    question = {"kind": "request", "id": "1", "method": "POST", "path": ["uws", "sleeper"], "query": ""}
    question["headers"] = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    pieces = [b"duration=7&", b"RUNID=again"]
    question["size"] = sum(map(len, pieces))
    # the first piece is lost, so the kernel waits for the next attempt; then all comes, and comes once more
    page.relay.take({"kind": "body", "id": "1", "at": len(pieces[0])}, [pieces[1]])
    page.relay.take(question, [])
    assert page.messages == []
    for _ in range(2):
        page.relay.take({"kind": "body", "id": "1", "at": 0}, [pieces[0]])
        page.relay.take({"kind": "body", "id": "1", "at": len(pieces[0])}, [pieces[1]])
        page.relay.take(question, [])
    assert page.ended.wait(60)
    page.relay.take(question, [])
    assert [each["kind"] for each in page.messages].count("taken") == 3
    assert [each["kind"] for each in page.messages].count("head") == 1
    assert json.loads(page.body)["parameters"]["duration"] == ["7"]
    assert len(JobService(connection=connection).query(run_id="again")) == 1


def test_changes_are_told_to_all(connection: Connection, service: RunningService) -> None:
    """Two widgets on one connection hear of a job; the one that came later begins anew."""
    heard: list[list[dict[str, Any]]] = [[], []]
    told = [threading.Event(), threading.Event()]
    opened = threading.Event()

    def listener(number: int) -> Any:
        def tell(message: dict[str, Any]) -> bool:
            heard[number].append(message)
            opened.set()
            if any(each.get("run_id") == "told" for each in message.get("events", [])):
                told[number].set()
            return not told[number].is_set()

        return tell

    listen(connection, listener(0))
    assert opened.wait(30)
    listen(connection, listener(1))
    service.post("uws/sleeper", {"duration": "1", "RUNID": "told"})
    assert told[0].wait(30)
    assert told[1].wait(30)
    for messages in heard:
        assert messages[0]["kind"] == "opened"
        assert messages[1]["events"][0]["kind"] == "reset"
    assert sum(thread.name == "jupyter-uws-live" for thread in threading.enumerate()) <= 1


def test_a_saved_notebook_has_a_table(service: RunningService) -> None:
    where = {"url": service.url, "token": service.token}
    job = JobService(**where).submit("sleeper", duration=0.1, run_id="saved <b>").wait(progress=False)
    views = [
        (JobList(type="sleeper", run_id="saved", **where), "saved &lt;b&gt;"),
        (JobView(job), job.id),
        (JobView(job.id, **where), job.id),
        (JobForm("sleeper", duration=7, **where), "7"),
        (SearchWidget("Crab", **where), "Sim Crab"),
        (SearchWidget(adql="SELECT TOP 3 obs_id FROM ivoa.obscore", **where), "obs_id"),
    ]
    for view, words in views:
        data, _ = view._repr_mimebundle_()
        assert words in data["text/html"]
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
        state = view.get_state()
        assert words in state["_still"]
        assert service.token not in json.dumps({**data, **state}, default=str)
        view.close()


def test_what_a_form_cannot_take(service: RunningService) -> None:
    where = {"url": service.url, "token": service.token}
    with pytest.raises(ValueError, match="no job type 'sleper'; did you mean 'sleeper'"):
        JobForm("sleper", **where)
    with pytest.raises(ValueError, match="durations"):
        JobForm("sleeper", durations=5, **where)
    with pytest.raises(ValueError, match="name it first"):
        JobForm(duration=5, **where)
    with pytest.raises(ValueError, match="'DONE' is not a phase of UWS: ABORTED"):
        JobList(phase="DONE", **where)
    with pytest.raises(ValueError, match="radius is 0"):
        SearchWidget("Crab", radius=0, **where)


def test_widgets_are_imported_when_asked_for() -> None:
    code = (
        "import sys, jupyter_uws.widgets as w; before = {'ipywidgets', 'anywidget', 'astropy'} & set(sys.modules);"
        "w.JobList; print(before, 'anywidget' in sys.modules, 'astropy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set() True False"
