"""What is not quite HTTP: framing, smuggling, slow clients. Every connection gets an answer or an end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import RunningService, run_service, wait_until
from safety.conftest import Site


def talk(service: RunningService, *pieces: bytes, timeout: float = 10.0, half_close: bool = False) -> bytes:
    """Send the pieces, and all that comes back until the other side closes or is silent for a while."""
    answer = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=timeout) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
                connection.settimeout(0.3)
        except (TimeoutError, ConnectionError):
            pass
    return answer


def head(service: RunningService, line: str = "POST /uws/sleeper HTTP/1.1", *more: str, host: str = "x") -> bytes:
    lines = [line, *([f"Host: {host}"] if host else []), f"Authorization: token {service.token}", *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


FORM = "Content-Type: application/x-www-form-urlencoded"
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

#: Shapes on which two parsers could disagree where the request ends: never two answers.
AMBIGUOUS: dict[str, tuple[list[str], bytes]] = {
    "two lengths": (["Content-Length: 10", "Content-Length: 0"], b"duration=1"),
    "two lengths in one": (["Content-Length: 10, 0"], b"duration=1"),
    "length and chunks": (["Content-Length: 10", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunks and length": (["Transfer-Encoding: chunked", "Content-Length: 4"], b"5\r\nab=cd\r\n0\r\n\r\n"),
    "two encodings": (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], b"0\r\n\r\n"),
    "chunked and more": (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
    "more and chunked": (["Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
    "quoted chunked": (['Transfer-Encoding: "chunked"'], b"0\r\n\r\n"),
    "chunked with a tail": (["Transfer-Encoding: chunked;x=y"], b"0\r\n\r\n"),
    "xchunked": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "a space before the colon": (["Transfer-Encoding : chunked", "Content-Length: 3"], b"0\r\n\r\n"),
    "a folded header": (["X: a", " Transfer-Encoding: chunked", "Content-Length: 0"], b""),
    "a bare line feed": (["X: a\nTransfer-Encoding: chunked", "Content-Length: 5"], b"0\r\n\r\n"),
    "a bare carriage return": (["X: a\rTransfer-Encoding: chunked", "Content-Length: 0"], b""),
    "NUL in a header": (["X: a\0b", "Content-Length: 0"], b""),
    "no colon": (["nonsense", "Content-Length: 0"], b""),
    "an empty name": ([": x", "Content-Length: 0"], b""),
    "a negative length": (["Content-Length: -1"], b""),
    "a signed length": (["Content-Length: +10"], b"duration=1"),
    "a hexadecimal length": (["Content-Length: 0xa"], b"duration=1"),
    "a length of other digits": (["Content-Length: \xb2"], b"du"),
    "an underscore in the length": (["Content-Length: 1_0"], b"duration=1"),
    "a length with a fraction": (["Content-Length: 10.0"], b"duration=1"),
    "an endless length": (["Content-Length: " + "9" * 5000], b""),
    "a chunk of no size": (["Transfer-Encoding: chunked"], b"\r\n\r\n"),
    "a chunk of letters": (["Transfer-Encoding: chunked"], b"xyz\r\nabc\r\n0\r\n\r\n"),
    "a negative chunk": (["Transfer-Encoding: chunked"], b"-1\r\nabc\r\n0\r\n\r\n"),
    "a signed chunk": (["Transfer-Encoding: chunked"], b"+3\r\na=b\r\n0\r\n\r\n"),
    "a chunk of 0x": (["Transfer-Encoding: chunked"], b"0x3\r\na=b\r\n0\r\n\r\n"),
    "a huge chunk": (["Transfer-Encoding: chunked"], b"ffffffffffffffffffff\r\na"),
    "a chunk that is longer": (["Transfer-Encoding: chunked"], b"2\r\na=b\r\n0\r\n\r\n"),
    "a chunk without an end": (["Transfer-Encoding: chunked"], b"3\r\na=b0\r\n\r\n"),
    "a long extension": (["Transfer-Encoding: chunked"], b"3;" + b"x" * 100_000 + b"\r\na=b\r\n0\r\n\r\n"),
    "trailers": (["Transfer-Encoding: chunked"], b"3\r\na=b\r\n0\r\nContent-Length: 5\r\n\r\n"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_request_ends_in_one_place(site: Site, case: str) -> None:
    headers, body = AMBIGUOUS[case]
    service = site.service
    answer = talk(service, head(service, "POST /uws/sleeper HTTP/1.1", FORM, *headers), body, SMUGGLED)
    found = statuses(answer)
    # the smuggled request has no token: were it taken for one of its own, there would be a 401
    assert found in ([], [400], [413]), (found, answer[:500])
    assert site.ask("token", "GET", "health", timeout=5).status_code == 200


def test_what_is_right_about_lengths_is_taken(site: Site) -> None:
    service = site.service
    close = "Connection: close"
    same = ["Content-Length: 10", "Content-Length: 10"]
    chunks = b"4\r\ndura\r\n6;a=b\r\ntion=1\r\n0\r\n\r\n"
    assert statuses(talk(service, head(service, "POST /uws/sleeper HTTP/1.1", FORM, close, *same), b"duration=1")) == [
        303
    ]
    chunked = head(service, "POST /uws/sleeper HTTP/1.1", FORM, close, "Transfer-Encoding: chunked")
    assert statuses(talk(service, chunked, chunks)) in ([303], [400])  # tornado knows no extensions
    two = head(service, "GET /health HTTP/1.1") + head(service, "GET /nosuch HTTP/1.1", close)
    assert statuses(talk(service, two)) == [200, 404]


LINES = {
    "nothing": b"\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "version 0.9": b"GET /health HTTP/0.9\r\n\r\n",
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 9.9": b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
    "no method": b" /health HTTP/1.1\r\n\r\n",
    "two spaces": b"GET  /health HTTP/1.1\r\n\r\n",
    "a tab": b"GET\t/health\tHTTP/1.1\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control in the path": b"GET /\x1b[31m\x07 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the path": b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the method": b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a lower-case method": b"get /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "a whole URL": b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a bad host": b"GET /health HTTP/1.1\r\nHost: x/<script>\r\n\r\n",
    "a long line": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 30_000 + b"\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("case", LINES)
def test_lines_that_are_no_request_of_ours(site: Site, case: str) -> None:
    """Without a token, so 401 is right as well; anything but a success or a failure of the service."""
    answer = talk(site.service, LINES[case])
    assert all(400 <= status < 500 for status in statuses(answer)), answer[:500]
    assert len(statuses(answer)) <= 1
    assert b"<script>" not in answer
    site.healthy()


def test_the_log_holds_no_commands_to_a_terminal(site: Site) -> None:
    service = site.service
    talk(service, head(service, "GET /\x1b[31mred\x9b HTTP/1.1"), head(service, "GET /a%1b%0d%0ab HTTP/1.1"))
    site.ask("evil%0Aname%1b[31m", "GET", "nosuch")
    log = service.log.replace("\n", "")
    assert log.isprintable()


def test_a_host_is_not_believed_for_links(site: Site) -> None:
    """It may be wrong in a link, but it cannot break out of one."""
    service = site.service
    for host in ('x"><script>', "x\r\n", "x y", "x/../", "a@b", "[::1", "x" * 10_000):
        request = head(service, "GET /uws HTTP/1.1", "Connection: close", host=host.strip())
        answer = talk(service, request)
        assert b"<script>" not in answer
        assert statuses(answer) in ([200], [400], []), (host, answer[:300])


# Slow clients


@pytest.fixture(scope="module")
def impatient(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose limits were set by the operator, in a file."""
    folder = tmp_path_factory.mktemp("impatient")
    limits = {"timeout": 0.5, "size": 1000, "value": 300, "parameters": 5, "files": 1, "files_size": 5000, "rate": 5000}
    (folder / "jupyter_uws_config.json").write_text(json.dumps({"ServeApp": {"form_limits": limits}}))
    with run_service(folder, sim_archive, JUPYTER_CONFIG_DIR=str(folder)) as running:
        yield running


POST = b"POST /uws/sleeper HTTP/1.1\r\nHost: x\r\nAuthorization: token TOKEN\r\n"
SLOW = {
    "nothing at all": b"",
    "half a line": b"GET /hea",
    "half a header": b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
    "half a body": POST + b"Content-Length: 10\r\n\r\ndura",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\ndu",
    "half a file": POST + b"Content-Length: 900\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nabc',
}


@pytest.mark.parametrize("case", SLOW)
def test_who_stops_in_the_middle_is_cut_off(impatient: RunningService, case: str) -> None:
    start = time.monotonic()
    talk(impatient, SLOW[case].replace(b"TOKEN", impatient.token.encode()), timeout=10)
    assert time.monotonic() - start < 5
    wait_until(lambda: not list((impatient.state_dir / "incoming").iterdir()))


def test_who_drips_is_cut_off(impatient: RunningService) -> None:
    for start in (b"GET /health HTTP/1.1\r\nX: ", SLOW["half a body"].replace(b"TOKEN", impatient.token.encode())):
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
            connection.sendall(start)
            try:
                while time.monotonic() - begin < 10:
                    connection.settimeout(0.05)
                    try:
                        if not connection.recv(100):
                            break
                    except TimeoutError:
                        connection.sendall(b"x" if b"Length" not in start else b"")
            except ConnectionError:
                pass
        assert time.monotonic() - begin < 5


def test_hundreds_of_idle_connections_hinder_nobody(site: Site) -> None:
    service = site.service
    connections = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(500)]
    try:
        for connection in connections:
            connection.sendall(b"POST /uws/sleeper HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nX")
        begin = time.monotonic()
        assert site.ask("token", "GET", "uws").status_code == 200
        assert time.monotonic() - begin < 15
    finally:
        for connection in connections:
            connection.close()
    site.healthy()


LIMITS = {
    "x" * 1001: "larger than 1000 bytes",
    "a=" + "x" * 301: "'a' is larger than 300 bytes",
    "a=1&b=1&c=1&d=1&e=1&f=1": "more than 5 parameters",
}


@pytest.mark.parametrize("body", LIMITS)
def test_limits_are_the_operators_and_name_themselves(impatient: RunningService, body: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = impatient.post("uws/sleeper", body, headers=headers)
    assert LIMITS[body] in answer.text
    assert answer.status_code in (400, 413)


def test_limits_of_files(impatient: RunningService) -> None:
    answer = impatient.post("uws/sleeper", files={"a": b"1", "b": b"2"})
    assert (answer.status_code, "more than 1 files" in answer.text) == (400, True)
    answer = impatient.post("uws/sleeper", files={"a": b"x" * 7000})
    assert (answer.status_code, "larger than 6000 bytes" in answer.text) == (413, True)
