"""The relay, byte for byte: a real Jupyter server before a stand-in for the service."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from jupyters import BASE_URL, TOKEN, Jupyter, kill_service
from running import wait_until
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from jupyter_uws.launcher import Launcher
from jupyter_uws.relay import is_patient, request_headers, request_target

SIZE = 100 * 1024 * 1024
AUTHORIZATION = {"Authorization": f"token {TOKEN}"}


def get(uri: str, headers: HTTPHeaders) -> HTTPServerRequest:
    headers["Host"] = "h"
    return HTTPServerRequest(headers=headers, start_line=RequestStartLine("GET", uri, "HTTP/1.1"))


@contextlib.contextmanager
def stopped(jupyter: Jupyter) -> Iterator[int]:
    """The service does not answer but keeps its socket."""
    jupyter("GET", "health")
    pid = jupyter.service_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


# What passes and what does not


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("/b/jupyter-uws/", "/"),
        ("/b/jupyter-uws/tap/sync?QUERY=a%26b&LANG=ADQL", "/tap/sync?QUERY=a%26b&LANG=ADQL"),
        ("/b/jupyter-uws/x?token=s", "/x"),
        ("/b/jupyter-uws/x?a=1&%74oken=s&b=2&_xsrf=t", "/x?a=1&b=2"),
        ("/b/jupyter-uws/a%2Fb/..?q=token&mytoken=1", "/a%2Fb/..?q=token&mytoken=1"),
    ],
)
def test_request_target(uri: str, target: str) -> None:
    assert request_target(uri, "/b/jupyter-uws") == target


def test_request_headers_drop_what_connection_names() -> None:
    headers = HTTPHeaders({"Connection": "close, X-Hop", "X-Hop": "1", "X-Stays": "2"})
    passed = request_headers(get("/", headers), "http://r/", {"X-UWS-Secret": "s"})
    assert "X-Hop" not in passed
    assert passed["X-Stays"] == "2"
    assert passed["X-UWS-Secret"] == "s"


def test_owners_of_any_letters_go_into_the_header(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "jürgen kohl")
    assert Launcher(str(state_dir)).opening()["X-UWS-Owner"] == "j%C3%BCrgen%20kohl"


@pytest.mark.parametrize(
    ("uri", "accept", "patient"),
    [
        ("/x", "*/*", False),
        ("/x?WAIT=60", "*/*", True),
        ("/x?wait=-1&PHASE=QUEUED", "*/*", True),
        ("/x", "text/event-stream, */*", True),
    ],
)
def test_long_polls_and_event_streams_may_be_silent(uri: str, accept: str, patient: bool) -> None:
    request = get(uri, HTTPHeaders({"Accept": accept}))
    assert is_patient(request) is patient


def test_secrets_and_false_claims_stay_behind(jupyter: Jupyter) -> None:
    response = jupyter(
        "GET",
        f"echo/a%2Fb?x=1&token={TOKEN}&y=%20",
        headers={
            "Cookie": "session=leak",
            "X-XSRFToken": "leak",
            "Referer": "http://h/lab?token=leak",
            "Expect": "leak",
            "X-UWS-Owner": "leak",
            "x-uws-root": "http://leak/",
            "X-UWS-Secret": "leak",
            "X-UWS-Other": "leak",
            "X-Forwarded-Host": "leak",
            "X-Mine": "kept",
        },
    )
    assert response.status_code == 200, response.text
    seen = response.json()
    assert "leak" not in response.text
    assert TOKEN not in response.text
    assert seen["uri"] == "/echo/a%2Fb?x=1&y=%20"
    assert seen["headers"]["X-Mine"] == "kept"
    assert seen["headers"]["X-Uws-Root"] == jupyter.url + "jupyter-uws/"
    assert seen["headers"]["X-Uws-Root"].endswith(BASE_URL + "jupyter-uws/")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_passes(jupyter: Jupyter, method: str) -> None:
    assert jupyter(method, "echo").json()["method"] == method


@pytest.mark.parametrize("code", [200, 204, 303, 304, 403, 404, 409, 500])
def test_status_passes(jupyter: Jupyter, code: int) -> None:
    response = jupyter("GET", f"code/{code}", allow_redirects=False)
    assert response.status_code == code
    assert response.content == b""
    if code == 303:
        assert response.headers["Location"] == jupyter.url + "jupyter-uws/uws/sleeper/1"


def test_files_ranges_and_conditions_pass(jupyter: Jupyter) -> None:
    (jupyter.state_dir / "files" / "f.fits").write_bytes(bytes(range(100)))
    whole = jupyter("GET", "files/f.fits")
    assert whole.content == bytes(range(100))
    head = jupyter("HEAD", "files/f.fits")
    assert (head.headers["Content-Length"], head.content) == ("100", b"")
    part = jupyter("GET", "files/f.fits", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["Content-Range"] == "bytes 10-19/100"
    assert jupyter("GET", "files/f.fits", headers={"Range": "bytes=500-"}).status_code == 416
    same = jupyter("GET", "files/f.fits", headers={"If-None-Match": whole.headers["Etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_pages_of_jobs_cannot_run_as_jupyter(jupyter: Jupyter) -> None:
    page = jupyter("GET", "page")
    assert page.headers["Content-Security-Policy"] == "sandbox"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in page.headers or "job=" not in page.headers["Set-Cookie"]
    own = jupyter("GET", "page?own=1")
    assert own.headers["Content-Security-Policy"] == "sandbox allow-scripts"


def test_multipart_with_a_preamble_passes_untouched(jupyter: Jupyter) -> None:
    """STILTS begins its body with an empty line; tornado's own parser answers 400 to that."""
    body = b'\r\n--<<<STILTS>>>\r\nContent-Disposition: form-data; name="LANG"\r\n\r\nADQL\r\n--<<<STILTS>>>--\r\n'
    kind = 'multipart/form-data; boundary="<<<STILTS>>>"'
    for data in (body, iter([body[:1], body[1:40], body[40:]])):
        seen = jupyter("POST", "upload", data=data, headers={"Content-Type": kind}).json()
        assert seen == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "type": kind}


def test_a_chunked_body_where_none_is_usual_is_refused(jupyter: Jupyter) -> None:
    response = jupyter("DELETE", "echo", data=iter([b"x"]))
    assert (response.status_code, response.text) == (411, "A DELETE with a body needs a Content-Length\n")


# Streams


@pytest.mark.parametrize("chunked", [True, False])
def test_upload_of_100_mb_is_not_held(jupyter: Jupyter, chunked: bool) -> None:
    piece = os.urandom(1024 * 1024)
    jupyter("POST", "upload", data=piece)
    before = jupyter.rss()
    pieces = (piece for _ in range(100))
    connection = jupyter.connection()
    length = {} if chunked else {"Content-Length": str(SIZE)}
    connection.request(
        "POST", BASE_URL + "jupyter-uws/upload", pieces, {**AUTHORIZATION, **length}, encode_chunked=chunked
    )
    answer = connection.getresponse()
    assert answer.status == 200
    assert hashlib.sha256(piece * 100).hexdigest() in answer.read().decode()
    assert jupyter.rss() - before < 60


@pytest.mark.parametrize("length", [0, 1])
def test_download_of_100_mb_is_not_held(jupyter: Jupyter, length: int) -> None:
    before = jupyter.rss()
    response = jupyter("GET", f"download?mb=100&length={length}", stream=True)
    assert sum(len(piece) for piece in response.iter_content(1 << 20)) == SIZE
    assert jupyter.rss() - before < 60


def test_slow_reader_slows_the_service_and_its_end_ends_it(jupyter: Jupyter) -> None:
    jupyter("POST", "forget")
    before = jupyter.rss()
    response = jupyter("GET", "download?mb=200", stream=True)
    response.raw.read(1024)
    wait_until(lambda: jupyter.seen().get("sent_mb"))
    steady = [jupyter.seen()["sent_mb"] for _ in range(20)]
    assert steady[-1] < 50
    assert jupyter.rss() - before < 60
    response.close()
    wait_until(lambda: jupyter.seen().get("download_gone"))


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_events_pass_at_once(jupyter: Jupyter, accept: str) -> None:
    jupyter("POST", "forget")
    response = jupyter("GET", "events", stream=True, headers={"Accept": accept})
    lines = response.iter_lines()
    assert next(lines) == b"data: first"  # the second comes only after this
    jupyter("POST", "go")
    assert [line for line in lines if line] == [b"data: second"]


def test_event_stream_outlasts_the_idle_bound_and_ends_with_its_client(jupyter: Jupyter) -> None:
    jupyter("POST", "forget")
    response = jupyter("GET", "events", stream=True, headers={"Accept": "text/event-stream"})
    lines = response.iter_lines()
    assert next(lines) == b"data: first"
    asked = jupyter.seen()["health"]
    wait_until(lambda: jupyter.seen()["health"] > asked + 1)  # it was silent, asked for, and left alone
    response.close()
    wait_until(lambda: jupyter.seen().get("events_gone"))


@pytest.mark.parametrize("length", [0, 1])
def test_broken_answer_does_not_look_complete(jupyter: Jupyter, length: int) -> None:
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        jupyter("GET", f"download?mb=4&cut=1&length={length}")


def test_early_refusal_reaches_a_client_that_is_still_sending(jupyter: Jupyter) -> None:
    for _ in range(10):
        response = jupyter("POST", "refuse", data=(b"x" * 100_000 for _ in range(50)))
        assert response.status_code == 413
        assert len(response.text) == 200_000


def test_client_gone_mid_upload_leaves_nothing(jupyter: Jupyter) -> None:
    jupyter("POST", "forget")
    before = jupyter.files()
    connection = jupyter.connection()
    connection.putrequest("POST", BASE_URL + "jupyter-uws/upload")
    connection.putheader("Authorization", f"token {TOKEN}")
    connection.putheader("Content-Length", str(SIZE))
    connection.endheaders()
    connection.send(b"x" * 200_000)
    wait_until(lambda: jupyter.seen().get("uploading"))
    connection.close()
    wait_until(lambda: jupyter.seen().get("upload_gone"))
    wait_until(lambda: jupyter.files() <= before)


# The service dies, or keeps silent


def test_get_after_the_service_was_killed(jupyter: Jupyter) -> None:
    old = jupyter("GET", "health").json()["pid"]
    kill_service(jupyter.state_dir)
    assert jupyter("GET", "health").json()["pid"] != old


def test_get_during_which_the_service_dies_is_repeated_once(jupyter: Jupyter, tmp_path: Path) -> None:
    response = jupyter("GET", "suicide", params={"once": str(tmp_path / "marker")})
    assert (response.status_code, response.text) == (200, "alive")
    old = jupyter("GET", "health").json()["starts"]
    response = jupyter("GET", "suicide")
    assert response.status_code == 502
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "The UWS service ended while it was asked" in response.text
    assert jupyter("GET", "health").json()["starts"] == old + 2


def test_post_is_never_repeated(jupyter: Jupyter, tmp_path: Path) -> None:
    response = jupyter("POST", "suicide", params={"once": str(tmp_path / "marker")})
    assert response.status_code == 502


def test_killed_during_an_upload(jupyter: Jupyter) -> None:
    jupyter("POST", "forget")

    def body() -> Iterator[bytes]:
        yield b"x" * 100_000
        wait_until(lambda: jupyter_seen().get("uploading"))
        kill_service(jupyter.state_dir)
        for _ in range(20):
            yield b"x" * 100_000

    def jupyter_seen() -> dict[str, object]:
        return dict(requests.get(jupyter.url + "jupyter-uws/seen", headers=AUTHORIZATION, timeout=10).json())

    response = jupyter("POST", "upload", data=body())
    assert response.status_code == 502


def test_what_is_no_http_is_a_bad_gateway(jupyter: Jupyter) -> None:
    assert jupyter("GET", "nothttp").status_code == 502


def test_slow_but_healthy_is_waited_for_within_a_bound(jupyter: Jupyter) -> None:
    assert jupyter("GET", "silent?s=1.2").text == "at last"
    response = jupyter("GET", "silent?s=10")
    assert (response.status_code, response.text) == (504, "The UWS service gave no answer within 2 s\n")
    assert jupyter("GET", "silent?s=2.5&WAIT=60").text == "at last"  # asked for
    assert jupyter("GET", "silent?s=3&begin=1").text == "first at last"  # it had begun


@pytest.mark.parametrize("path", ["echo", "echo?WAIT=60"])
def test_stopped_service_is_named(jupyter: Jupyter, path: str) -> None:
    with stopped(jupyter) as pid:
        response = jupyter("GET", path)
        assert response.status_code == 504
        assert f"The UWS service (pid {pid} on " in response.text
        assert str(jupyter.state_dir) in response.text
        assert response.text.count("\n") == 1
    assert jupyter("GET", path).status_code == 200


def test_stopped_service_during_an_upload(jupyter: Jupyter) -> None:
    with stopped(jupyter) as pid:
        response = jupyter("POST", "upload", data=(b"x" * 1_000_000 for _ in range(10)))
        assert (response.status_code, f"pid {pid}" in response.text) == (504, True)


def test_stopped_service_breaks_a_download(jupyter: Jupyter) -> None:
    response = jupyter("GET", "download?mb=200", stream=True)
    response.raw.read(1024)
    with stopped(jupyter), pytest.raises(requests.exceptions.RequestException):
        for _ in response.iter_content(1 << 20):
            pass


def test_nothing_was_left_open(jupyter: Jupyter) -> None:
    """After all of the above: no connection, and no complaint in Jupyter's log."""
    jupyter.session.close()
    wait_until(lambda: jupyter.files() < 40)
    log = jupyter.log.read_text()
    for complaint in ("Traceback", "never retrieved", "Uncaught", "Cannot send error response"):
        assert complaint not in log
