"""One connection: the token stays with its service, errors are one sentence, nothing hangs or is sent twice."""

from __future__ import annotations

import json
import os
import socket
import time
import traceback
from pathlib import Path

import pytest

from jupyter_uws.client import Connection, NotConfigured, ServiceError, ServiceUnreachable, connect

TOKEN = "s3cret-t0ken"


def authorization(requests) -> list[str | None]:
    return [headers.get("Authorization") for _, _, headers, _ in requests]


def test_the_token_is_sent_to_the_service(odd) -> None:
    odd.on("/uws", body="ok")
    Connection(odd.url, TOKEN).get("uws")
    assert authorization(odd.requests) == [f"token {TOKEN}"]


def test_the_token_stays_with_its_origin(odd, other) -> None:
    odd.on("/uws/away", 303, Location=other.url + "landing")
    other.on("/landing", body="hello")
    connection = Connection(odd.url, TOKEN)
    assert connection.get("uws/away").text == "hello"
    assert connection.get(other.url + "landing").text == "hello"
    assert authorization(other.requests) == [None, None]


def test_the_token_survives_a_redirect_within_its_service(odd) -> None:
    odd.on("/uws/sleeper", 303, Location="/uws/sleeper/1")
    odd.on("/uws/sleeper/1", body="job")
    Connection(odd.url, TOKEN).post("uws/sleeper", {"a": "b"})
    assert authorization(odd.requests) == [f"token {TOKEN}"] * 2


def test_netrc_does_not_take_the_place_of_the_token(odd, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    odd.on("/uws", body="ok")
    Connection(odd.url, TOKEN).get("uws")
    Connection(odd.url).get("uws")
    assert authorization(odd.requests) == [f"token {TOKEN}", None]


def test_the_token_is_never_shown(odd) -> None:
    connection = Connection(odd.url.replace("http://", "http://user:word@") + "?token=" + TOKEN, TOKEN)
    shown = repr(connection) + connection.url + repr(connection.session.auth)
    odd.on("/broken", 500, "it broke")
    with pytest.raises(ServiceError) as refused:
        connection.get("broken", params={"token": TOKEN})
    odd.close()
    with pytest.raises(ServiceUnreachable) as unreachable:
        connection.get("broken", params={"token": TOKEN})
    for error in (refused.value, unreachable.value):
        shown += "".join(traceback.format_exception(error))
    assert TOKEN not in shown
    assert "word" not in connection.url


@pytest.mark.parametrize(
    ("status", "body", "content_type", "message"),
    [
        (400, "duration 'x' is not\na number", "text/plain", "duration 'x' is not a number."),
        (404, "", "text/plain", "404 Not Found: the URL of a service within JupyterLab"),
        (500, "<html><body>Traceback ...</body></html>", "text/html", "answered 500"),
        (404, json.dumps({"message": "no such path"}), "application/json", "no such path."),
        (500, "[1]", "application/json", "answered 500"),
        (401, "anything", "text/plain", "refused the token"),
        (403, "<html>login</html>", "text/html", "refused the token"),
        (403, "the job belongs to somebody else", "text/plain", "the job belongs to somebody else."),
        (
            400,
            '<?xml version="1.0"?><VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
            '<INFO name="QUERY_STATUS" value="ERROR">no table\n foo</INFO></RESOURCE></VOTABLE>',
            "application/x-votable+xml",
            "no table foo.",
        ),
        (400, '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "text/xml", "answered 400"),
    ],
)
def test_an_error_is_one_sentence(odd, status: int, body: str, content_type: str, message: str) -> None:
    odd.on("/broken", status, body, content_type)
    for stream in (False, True):
        with pytest.raises(ServiceError) as caught:
            Connection(odd.url).post("broken", stream=stream)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.status == status


def test_a_login_page_is_a_refusal(odd) -> None:
    odd.on("/uws", 302, Location="/login?next=uws")
    odd.on("/login", body="<html>", content_type="text/html")
    with pytest.raises(ServiceError, match="did not accept the token"):
        Connection(odd.url, "wrong").get("uws")


def test_a_service_that_says_nothing_is_given_up(odd) -> None:
    odd.never("/uws")
    begin = time.monotonic()
    with pytest.raises(ServiceUnreachable, match=odd.url):
        Connection(odd.url).post("uws", timeout=(1, 0.2))
    assert time.monotonic() - begin < 20


def test_every_call_has_a_timeout(odd, monkeypatch) -> None:
    odd.never("/uws")
    monkeypatch.setattr("jupyter_uws.client.connection.READ_TIMEOUT", 0.2)
    with pytest.raises(ServiceUnreachable, match="did not answer in time"):
        Connection(odd.url).post("uws")


def test_a_refused_connection_names_the_service() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/jupyter-uws/"
    with pytest.raises(ServiceUnreachable, match="refused") as caught:
        Connection(url).get("uws")
    assert url in str(caught.value)


def test_only_get_is_tried_again(odd) -> None:
    odd.answers["/uws"] = lambda _: None  # hangs up
    for method in ("GET", "POST"):
        with pytest.raises(ServiceUnreachable):
            Connection(odd.url).request(method, "uws")
    methods = [method for method, *_ in odd.requests]
    assert methods.count("GET") > 1
    assert methods.count("POST") == 1


@pytest.mark.parametrize("url", ["", "localhost:8888", "file:///etc/passwd", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        Connection(url)


def test_connect_takes_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("JUPYTER_UWS_URL", "http://localhost:1/here")
    monkeypatch.setenv("JUPYTER_UWS_TOKEN", TOKEN)
    connection = connect()
    assert connection.url == "http://localhost:1/here/"
    assert connection.session.auth._token == TOKEN
    assert connect("http://localhost:2/there/", "own").session.auth._token == "own"


def runtime_file(**content) -> None:
    folder = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    folder.mkdir(exist_ok=True)
    (folder / f"jpserver-{content['pid']}.json").write_text(json.dumps(content))


def test_connect_finds_the_jupyter_server_of_this_kernel(monkeypatch) -> None:
    runtime_file(pid=4242, url="http://localhost:8889/base/", token=TOKEN, password=False)
    runtime_file(pid=4243, url="http://localhost:8890/", token="other", password=False)
    monkeypatch.setenv("JPY_PARENT_PID", "4242")
    connection = connect()
    assert connection.url == "http://localhost:8889/base/jupyter-uws/"
    assert connection.session.auth._token == TOKEN


def test_connect_finds_the_server_that_is_our_parent() -> None:
    runtime_file(pid=os.getppid(), url="http://localhost:8889/", token=TOKEN)
    assert connect().url == "http://localhost:8889/jupyter-uws/"


def test_connect_finds_the_hub(monkeypatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/alice/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", TOKEN)
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://0.0.0.0:8765/user/alice/")
    connection = connect()
    assert connection.url == "http://127.0.0.1:8765/user/alice/jupyter-uws/"
    assert connection.session.auth._token == TOKEN


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ({"url": "http://localhost:1/", "token": "", "password": True}, "password"),
        ({"url": "http+unix://%2Ftmp%2Fs/", "token": TOKEN}, "JUPYTER_UWS_URL"),
    ],
)
def test_connect_says_why_a_server_cannot_be_used(monkeypatch, server, reason: str) -> None:
    runtime_file(pid=4242, **server)
    monkeypatch.setenv("JPY_PARENT_PID", "4242")
    with pytest.raises(NotConfigured, match=reason):
        connect()


def test_connect_tells_what_to_set_where_nothing_is_found() -> None:
    with pytest.raises(NotConfigured, match="JUPYTER_UWS_URL and JUPYTER_UWS_TOKEN"):
        connect()
