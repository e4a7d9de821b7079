"""Names of targets: the shipped list for all, and a Sesame only where the operator named one."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from running import RunningService, run_service
from traitlets import TraitError

from jupyter_uws.service.config import ServeApp

#: As Sesame writes it with the option x (https://cds.unistra.fr/, "Sesame": output options).
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<Sesame xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <Target option="SNV"><name>{name}</name>
  <Resolver name="S=Simbad (via url)"><otype>QSO</otype><jpos>12:29:06.70 +02:03:08.6</jpos>
   <jradeg>{ra}</jradeg><jdedeg>+02.0523883</jdedeg><oname>3C   273</oname></Resolver>
 </Target></Sesame>"""
NOTHING = "<Sesame><Target option='SNV'><name>x</name><INFO>*** Nothing found ***</INFO></Target></Sesame>"


@dataclass
class Sesame:
    """A stand-in of Sesame; what it answers follows from the name it is asked for."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def sesame() -> Iterator[Sesame]:
    stand_in = Sesame()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            name = unquote(query)
            stand_in.asked.append(f"{path} {name}")
            bodies = {
                "3C 273": ANSWER.format(name=name, ra="187.2779154"),
                "off the sky": ANSWER.format(name=name, ra="nan"),
                "a page": "<html><body>moved</body></html>",
                "a bomb": '<!DOCTYPE x [<!ENTITY a "b">]><Sesame>&a;</Sesame>',
                "endless": "<Sesame>" + "x" * 10**6,
            }
            if name == "silent":
                stand_in.over.wait(30)
            status = {"elsewhere": 302, "broken": 500}.get(name, 200)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{stand_in.url}/-ox/SNV?3C%20273")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who asked has heard enough
                self.wfile.write(bodies.get(name, NOTHING).encode())

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}/cgi-bin/nph-sesame"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield stand_in
        stand_in.over.set()
        server.shutdown()


@pytest.fixture(scope="module")
def online(sesame: Sesame, sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("online")
    with run_service(folder, sim_archive, f"--ServeApp.name_resolver={sesame.url}/") as running:
        yield running


def look_up(service: RunningService, name: str) -> Any:
    return service.get("targets", params={"name": name})


def test_nobody_is_asked_unless_the_operator_says_so(service: RunningService) -> None:
    whole = service.get("targets").json()
    assert whole["resolver"] == ""
    assert len(whole["targets"]) > 100
    crab = look_up(service, "messier  1").json()["targets"]
    assert [source["name"] for source in crab] == ["Crab Nebula"]
    answer = look_up(service, "3C 273")
    assert answer.status_code == 404
    assert answer.text.strip() == "name: '3C 273' is not in the list, and this service asks no name resolver"


def test_the_list_comes_first_and_sesame_is_asked_once(online: RunningService, sesame: Sesame) -> None:
    assert online.get("targets").json()["resolver"] == "127.0.0.1"
    sesame.asked.clear()
    assert look_up(online, "Crab").json()["targets"][0]["name"] == "Crab Nebula"
    assert sesame.asked == []
    for written in ("3C 273", "3c273"):
        assert look_up(online, written).json()["targets"] == [
            {
                "name": "3C 273",
                "aliases": [],
                "ra": 187.2779154,
                "dec": 2.0523883,
                "kind": "QSO",
                "reference": "CDS Sesame, Simbad: 3C 273",
            }
        ]
    assert sesame.asked == ["/cgi-bin/nph-sesame/-ox/SNV 3C 273"]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("no such star", 404, "127.0.0.1 does not know it"),
        ("broken", 502, "answered with status 500"),
        ("elsewhere", 502, "answered with status 302"),
        ("a page", 502, "an answer that is not Sesame's"),
        ("a bomb", 502, "an answer that is not Sesame's"),
        ("off the sky", 502, "an answer that is not Sesame's"),
        ("endless", 502, "an answer that is not Sesame's"),
    ],
)
def test_what_is_no_answer_is_said(online: RunningService, name: str, status: int, words: str) -> None:
    answer = look_up(online, name)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_a_silent_sesame_is_given_up_and_holds_nobody_up(online: RunningService) -> None:
    begin = time.monotonic()
    waiting = threading.Thread(target=lambda: answers.append(look_up(online, "silent")))
    answers: list[Any] = []
    waiting.start()
    assert look_up(online, "3C 273").status_code == 200
    assert time.monotonic() - begin < 4
    waiting.join(20)
    assert (answers[0].status_code, "did not answer within 5 s" in answers[0].text) == (504, True)


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "Crab\x7f", "a\u202eb"])
def test_what_is_no_name_goes_nowhere(online: RunningService, sesame: Sesame, name: str) -> None:
    sesame.asked.clear()
    assert look_up(online, name).status_code == 400
    assert sesame.asked == []


@pytest.mark.parametrize("url", ["cds.unistra.fr", "file:///etc/passwd", "https://user@host/x", "https://host/x?y"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(TraitError, match="name_resolver: .* is no URL such as https://cds"):
        ServeApp(name_resolver=url)
