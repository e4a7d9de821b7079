"""Services elsewhere, reached through this one: here a second service of our own, and one that misbehaves."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from running import RunningService, run_service, wait_until

from jupyter_uws.service.remotes import remotes

QUERY = "SELECT TOP 3 obs_id FROM ivoa.obscore ORDER BY obs_id"


class Misbehaving(http.server.BaseHTTPRequestHandler):
    """What a path asks for: /to/X redirects there, /cut breaks off, /wants a password, /told what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("/base")[2]
        body = json.dumps([self.path, dict(self.headers)]).encode()
        status, headers = 200, {"Set-Cookie": "a=b", "Content-Type": "text/html"}
        if path.startswith("/to/"):
            status, headers["Location"] = 303, path.removeprefix("/to/").replace("HOST", self.headers["Host"])
        elif path == "/wants":
            status, headers["WWW-Authenticate"] = 401, "Basic"
        length = 10**6 if path == "/cut" else len(body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = path == "/cut"

    def log_message(self, *args: Any) -> None:
        pass


@dataclass
class Both:
    near: RunningService
    far: RunningService


@pytest.fixture(scope="module")
def both(service: RunningService, sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("near")
    token, open_token = folder / "token", folder / "open"
    for file, mode in ((token, 0o600), (open_token, 0o644)):
        file.write_text(service.token + "\n")
        file.chmod(mode)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as odd, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        threading.Thread(target=odd.serve_forever, daemon=True).start()
        configuration = {
            "far": {"uws": f"{service.url}uws", "title": "Elsewhere", "token_file": str(token)},
            "tap": {"tap": f"{service.url}tap/", "token_file": str(token)},
            "anonymous": {"uws": f"{service.url}uws"},
            "open": {"uws": f"{service.url}uws", "token_file": str(open_token)},
            "odd": {"tap": f"http://127.0.0.1:{odd.server_address[1]}/base"},
            "away": {"tap": f"http://127.0.0.1:{closed.getsockname()[1]}"},
        }
        config = folder / "config.py"
        config.write_text(f"c.ServeApp.remote_services = {configuration!r}\n")
        with run_service(folder, sim_archive, f"--config={config}") as near:
            yield Both(near, service)
        odd.shutdown()


def test_the_list_names_them_without_secrets(both: Both) -> None:
    listed = both.near.get("remote").json()["services"]
    assert listed[0] == {"name": "far", "kind": "uws", "title": "Elsewhere", "url": f"{both.far.url}uws"}
    assert [each["kind"] for each in listed] == ["uws", "tap", "uws", "uws", "tap", "tap"]
    assert both.far.token not in both.near.get("remote").text


def test_a_job_runs_elsewhere(both: Both) -> None:
    """Created, watched, read and deleted through the near service; links lead back through it."""
    made = both.near.post("remote/far/sleeper", {"duration": "0", "PHASE": "RUN"})
    where = made.headers["Location"]
    assert (made.status_code, where.startswith(f"{both.near.url}remote/far/sleeper/")) == (303, True)
    path = where.removeprefix(both.near.url)
    wait_until(lambda: both.near.get(f"{path}/phase").text == "COMPLETED", 60)
    job = path.rpartition("/")[2]
    assert job in both.far.get("uws/sleeper").text
    assert job not in both.near.get("uws").text
    assert "done" in both.near.get(f"{path}/stdout").text or both.near.get(f"{path}/stdout").status_code == 200
    assert both.near.request("DELETE", path, allow_redirects=False).status_code == 303
    assert job not in both.far.get("uws/sleeper").text


def test_a_query_runs_elsewhere(both: Both) -> None:
    parameters = {"LANG": "ADQL", "QUERY": QUERY, "RESPONSEFORMAT": "csv"}
    expected = both.far.get("tap/sync", params=parameters).text
    assert both.near.get("remote/tap/sync", params=parameters).text == expected
    assert both.near.post("remote/tap/sync", parameters).text == expected
    wrong = both.near.get("remote/tap/sync", params={**parameters, "QUERY": "SELECT nothing FROM ivoa.obscore"})
    assert wrong.status_code == both.far.get("tap/sync", params={**parameters, "QUERY": "SELECT"}).status_code
    assert "nothing" in wrong.text


def test_neither_credentials_nor_cookies_pass(both: Both) -> None:
    answer = both.near.get("remote/odd/a%20b?x=1".replace("%20", "_"), headers={"Cookie": "s=1", "X-Other": "x"})
    path, headers = answer.json()
    assert path == "/base/a_b?x=1"
    assert {"Authorization", "Cookie", "X-Other"}.isdisjoint(headers)
    assert "Set-Cookie" not in answer.headers
    refused = both.near.get("remote/anonymous")
    assert (refused.status_code, "does not take this service's credentials" in refused.text) == (502, True)
    assert "WWW-Authenticate" not in refused.headers


@pytest.mark.parametrize("path", ["../uws", "a/../../x", "%2e%2e/x", "a%2Fb", "a%5Cb", "a%0Ab"])
def test_no_path_leads_out(both: Both, path: str) -> None:
    """Sent raw, for clients mend such paths themselves."""
    with socket.create_connection(("127.0.0.1", both.near.port), timeout=20) as connection:
        head = f"GET /remote/odd/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: token {both.near.token}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert " 400 " in answer.splitlines()[0], answer
    assert "is no address below the remote service 'odd'" in answer


def test_it_is_sent_on_within_the_service_only(both: Both) -> None:
    def ask(path: str) -> requests.Response:
        return both.near.get(f"remote/odd/to/{path}", allow_redirects=False)

    inside = ask("https://HOST/base/jobs?a=b")
    assert (inside.status_code, inside.headers["Location"]) == (303, f"{both.near.url}remote/odd/jobs?a=b")
    for elsewhere in ("http://169.254.169.254/latest", "http://HOST/based", "//127.0.0.1/base", "/etc"):
        refused = ask(elsewhere)
        assert (refused.status_code, "which is not below its URL" in refused.text) == (502, True), elsewhere


def test_failures_are_told_and_never_look_like_success(both: Both) -> None:
    with pytest.raises(requests.RequestException):
        both.near.get("remote/odd/cut")
    for name, status, words in (
        ("away", 502, "the remote service 'away' cannot be reached"),
        ("wants", 404, "there is no remote service 'wants'; this service knows: far, tap"),
        ("open", 503, "is open to others: chmod 600"),
    ):
        answer = both.near.get(f"remote/{name}/x")
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    refused = both.near.get("remote/odd/wants")
    assert refused.status_code == 502
    large = both.near.post("remote/far/sleeper", b"x" * (5 * 2**20))
    assert (large.status_code, "larger than" in large.text) == (413, True)
    assert both.near.token not in both.near.log


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"A B": {"tap": "https://x"}}, "'A B' is no name"),
        ({"a": "https://x"}, "is not a dictionary with 'tap' or 'uws'"),
        ({"a": {"tap": "https://x", "uws": "https://x"}}, "needs one of 'tap' and 'uws'"),
        ({"a": {"url": "https://x"}}, "there is no field 'url'"),
        ({"a": {"tap": "ftp://x"}}, "tap is 'ftp://x', which is no URL"),
        ({"a": {"tap": "https://me:secret@x"}}, "no URL such as"),
    ],
)
def test_bad_configuration_is_refused(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        remotes(given)
