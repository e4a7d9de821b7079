"""Names, values and bodies that no honest client sends: always a clear 4xx, never a 500, and nothing is harmed."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import defusedxml.ElementTree as ElementTree
import psutil
import pytest
import requests
from running import wait_until
from safety.conftest import OTHER, OWNER, UWS, Site

SLEEPER = "uws/sleeper"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refused(answer: requests.Response, *statuses: int) -> str:
    """The text of a refusal: plain, one printable sentence or more, without what an attacker could use."""
    assert answer.status_code in (statuses or (400, 403, 404, 413, 414, 415)), (answer.status_code, answer.text[:500])
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = answer.text
    assert text.endswith("\n")
    assert 10 < len(text) < 2000, text
    assert "Traceback" not in text
    assert 'File "' not in text
    return text


def words(text: str) -> list[str]:
    return text.split()


def create(site: Site, body: bytes | str, headers: dict[str, str] = FORM, **more: Any) -> requests.Response:
    data = body.encode() if isinstance(body, str) else body
    return site.ask(OWNER, "POST", SLEEPER, data=data, headers=headers, **more)


def multipart(*parts: bytes, boundary: bytes = b"x") -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def part(name: str, value: bytes | str, more: str = "") -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content


def nothing_left(site: Site) -> None:
    """Files of requests are gone, very soon after the answer."""
    wait_until(lambda: not list((site.service.state_dir / "incoming").iterdir()))


MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}

#: What is sent as a form -> what the answer must say.
BODIES: dict[str, tuple[bytes | str, dict[str, str], str]] = {
    "NUL in a value": ("duration=1%00", FORM, "the value of the parameter 'duration' has a NUL character"),
    "NUL in a name": ("dur%00ation=1", FORM, "the name of a parameter has a NUL character"),
    "a raw NUL": (b"duration=\x00", FORM, "NUL"),
    "no UTF-8 in a value": ("duration=%ff%fe", FORM, "the value of the parameter 'duration' is not UTF-8"),
    "no UTF-8 in a name": ("%c3%28=1", FORM, "the name of a parameter is not UTF-8"),
    "a surrogate": ("duration=%ed%a0%80", FORM, "not UTF-8"),
    "an overlong slash": ("duration=%c0%af", FORM, "not UTF-8"),
    "raw bytes": (b"duration=\xff\xfe", FORM, "not UTF-8"),
    "10 000 parameters": ("&".join(f"p{n}=1" for n in range(10_000)), FORM, "more than 1000 parameters"),
    "10 000 times one": ("&".join(["duration=1"] * 10_000), FORM, "more than 1000 parameters"),
    "10 000 parts": (multipart(*[part(f"p{n}", "1") for n in range(10_000)]), MULTIPART, "more than 1000 parameters"),
    "a long value": ("duration=" + "9" * (2**20 + 1), FORM, "'duration' is larger than 1048576 bytes"),
    "a long part": (multipart(part("duration", "9" * (2**20 + 1))), MULTIPART, "'duration' is larger than 1048576"),
    "a long name": ("p" * 100_000 + "=1", FORM, "has no parameter"),
    "unknown": ("duratoin=1", FORM, "duration"),
    "twice": ("duration=1&duration=2", FORM, "duration"),
    "in two cases": ("duration=1&DURATION=2", FORM, "duration"),
    "text": ("hello", {"Content-Type": "text/plain"}, "'text/plain'; send a form"),
    "JSON": ('{"duration": 1}', {"Content-Type": "application/json"}, "'application/json'; send a form"),
    "XML": ("<x/>", {"Content-Type": "text/xml"}, "'text/xml'; send a form"),
    "compressed": (b"\x1f\x8b", {**FORM, "Content-Encoding": "gzip"}, "compressed"),
    "no boundary": (multipart(part("a", "1")), {"Content-Type": "multipart/form-data"}, "no valid boundary"),
    "an empty boundary": (b"", {"Content-Type": 'multipart/form-data; boundary=""'}, "no valid boundary"),
    "a long boundary": (b"", {"Content-Type": "multipart/form-data; boundary=" + "x" * 300}, "no valid boundary"),
    "another boundary": (multipart(part("a", "1"), boundary=b"y"), MULTIPART, "cannot be parsed"),
    "no last boundary": (b"--x\r\n" + part("duration", "1"), MULTIPART, "cannot be parsed"),
    "no part at all": (b"nothing", MULTIPART, "cannot be parsed"),
    "a part without a name": (multipart(b"Content-Disposition: form-data\r\n\r\n1"), MULTIPART, "has no name"),
    "an empty name": (multipart(part("", "1")), MULTIPART, "has no name"),
    "no disposition": (multipart(b"Content-Type: text/plain\r\n\r\n1"), MULTIPART, "cannot be parsed"),
    "another disposition": (multipart(b"Content-Disposition: inline\r\n\r\n1"), MULTIPART, "cannot be parsed"),
    "a broken header": (multipart(b"nonsense\r\n\r\n1"), MULTIPART, "cannot be parsed"),
    "many headers": (multipart(b"A: b\r\n" * 1000 + b"\r\n1"), MULTIPART, "too many or long headers"),
    "a long header": (multipart(b"A: " + b"b" * 100_000 + b"\r\n\r\n1"), MULTIPART, "too many or long headers"),
    "an endless header": (b"--x\r\nA: " + b"b" * 3_000_000, MULTIPART, "too many or long headers"),
    "bad bytes in a header": (multipart(b'Content-Disposition: form-data; name="\xff"\r\n\r\n1'), MULTIPART, "parsed"),
    "a lying length": (multipart(b"Content-Length: 5\r\n" + part("duration", "1")), MULTIPART, "cannot be parsed"),
    "a file for nobody": (multipart(part("data", "x", '; filename="a"')), MULTIPART, "'data' belongs to no parameter"),
    "21 files": (multipart(*[part("d", "x", '; filename="a"')] * 21), MULTIPART, "more than 20 files"),
    "a long text": ("RUNID=" + "x" * 100_000, FORM, "RUNID"),
    "NUL in RUNID": ("RUNID=%00", FORM, "RUNID"),
    "RUNID that XML cannot hold": ("RUNID=%01%1b", FORM, "RUNID"),
    "a wrong phase": ("PHASE=COMPLETED", FORM, "PHASE"),
    "a phase with more": ("PHASE=RUN%0d%0aSet-Cookie: a=b", FORM, "PHASE"),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies(site: Site, case: str) -> None:
    body, headers, message = BODIES[case]
    assert message in refused(create(site, body, headers))
    nothing_left(site)


def test_nothing_was_harmed_by_the_bodies(site: Site) -> None:
    site.healthy()
    assert create(site, "duration=1").status_code == 303


def test_nested_multipart_is_one_value(site: Site) -> None:
    inner = part("x", "1")
    for depth in range(60):
        boundary = f"b{depth}".encode()
        more = f"\r\nContent-Type: multipart/mixed; boundary=b{depth}"
        inner = part("x", multipart(inner, boundary=boundary), more)
    assert "x" in refused(create(site, multipart(inner), MULTIPART), 400)


def test_the_preamble_of_stilts_is_taken(site: Site) -> None:
    assert create(site, b"\r\n" + multipart(part("duration", "1")), MULTIPART).status_code == 303


def test_a_browsers_empty_file_field_is_no_file(site: Site) -> None:
    body = multipart(part("duration", "1"), part("data", "", '; filename=""'))
    assert create(site, body, MULTIPART).status_code == 303


TIMES = words("""0 1 -1 now tomorrow 2026 2026-13-01 2026-02-30 2026-00-10 20260101 2026-01-01T25:00:00Z
    2026-01-01T00:60:00Z 2026-01-01T00:00:61Z 2026-01-01T00:00:00+99:99 0000-01-01 10000-01-01 -2026-01-01
    0001-01-01T00:00:00+23:59 9999-12-31T23:59:59-23:59 2026-1-1 2026/01/01 01.01.2026 2026-01-01T 2026-01-01Z00:00
    2026-01-01T00:00:00ZZ 2026-01-01T00:00:00.Z 2026-W01-1 2026-001 1e9 nan inf 0x10 ٢٠٢٦-٠١-٠١ NaT null None
    MJD60000 2026-01-01T00:00:00.0000000000Z 1767225600 P1D""")


@pytest.mark.parametrize("text", TIMES)
def test_times_of_every_wrong_form(site: Site, text: str) -> None:
    path = site.job()
    assert "DESTRUCTION" in refused(site.ask(OWNER, "POST", path + "/destruction", data={"DESTRUCTION": text}), 400)
    assert "DESTRUCTION" in refused(create(site, f"DESTRUCTION={quote(text)}"), 400)
    assert "AFTER" in refused(site.ask(OWNER, "GET", f"uws?AFTER={quote(text)}"), 400)


NUMBERS = [
    *words("""nan NaN -nan inf -inf
    infinity 1e309 -1e309 -1 -0.5 1e400 0x10 0b1 1,5 1.2.3 -- + - . e 1e 1_000 ١٢ ² ½ true None
    1;1 1|1 [1] {1} 1%00 1'2 $1"""),
    "9" * 5000,
    "1" + "0" * 400,
    "-" + "9" * 400,
    "0." + "0" * 5000 + "1x",
    " ",
]


@pytest.mark.parametrize("text", NUMBERS, ids=lambda text: text[:20])
def test_numbers_of_every_wrong_form(site: Site, text: str) -> None:
    """A number that some reader understands may be clamped; it never makes a failure."""
    path = site.job()
    for name, where in (("EXECUTIONDURATION", "/executionduration"), ("duration", "/parameters")):
        answer = site.ask(OWNER, "POST", path + where, data={name: text})
        if answer.status_code != 303:
            assert name in refused(answer, 400)
    for query in ("LAST", "WAIT") if text != "-1" else ("LAST",):  # WAIT=-1 is a right one
        answer = site.ask(OWNER, "GET", f"{'uws' if query == 'LAST' else path}?{query}={quote(text)}", timeout=5)
        if answer.status_code != 200:
            assert query in refused(answer, 400)
    answer = site.ask(OWNER, "GET", "tap/sync", params={"LANG": "ADQL", "QUERY": "SELECT 1 FROM x", "MAXREC": text})
    assert answer.status_code == 400
    document = ElementTree.fromstring(site.ask(OWNER, "GET", path).content)
    assert 0 < int(document.findtext(f"{UWS}executionDuration")) <= 86400


PATHS = [
    *words("""../../etc/passwd ..%2f..%2f..%2fetc%2fpasswd %2e%2e/%2e%2e/etc/passwd ..%252f..%252fetc%252fpasswd
    ....//....//etc/passwd ..%5c..%5cetc %c0%ae%c0%ae/etc /etc/passwd %2fetc%2fpasswd //etc/passwd report%00.txt
    report%2f..%2f..%2frequest.json ..;/ . .. %2e %2e%2e ~root file:///etc/passwd ../request.json ../../secret
    ../../../secret %ff%fe * ? %0d%0aSet-Cookie:a=b a%0ab con nul"""),
    "a" * 5000,
]


@pytest.fixture(scope="module")
def finished(site: Site) -> str:
    path = site.job(PHASE="RUN")
    site.until(path, "COMPLETED")
    return path


def raw_get(site: Site, path: str) -> requests.Response:
    """As it is: requests would take the dots out of it."""
    request = requests.Request("GET", site.service.url, headers=site.headers(OWNER)).prepare()
    request.url = site.service.url + path
    with requests.Session() as session:
        return session.send(request, timeout=60, allow_redirects=False)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_paths_stay_inside(site: Site, finished: str, path: str) -> None:
    places = ["", "uws/", "uws/sleeper/", f"{finished}/", f"{finished}/results/", f"{finished}/parameters/"]
    for place in [*places, "files/", "files/SIM-DR1/", "tap/tables/", "datalink/preview/", "datalink/bundle?ID="]:
        answer = raw_get(site, place + path)
        assert "root:" not in answer.text
        assert '"argv"' not in answer.text
        assert "Set-Cookie" not in answer.headers
        if answer.status_code != 200:
            refused(answer, 400, 404)
        else:  # what a browser makes of it: the same resource, or the list above it
            assert path.strip("/?") in ("", ".", "..", "*"), (place, path, answer.text[:200])


def test_methods_that_nobody_knows(site: Site, finished: str) -> None:
    for method in ("TRACE", "CONNECT", "PROPFIND", "G" * 1000, "BREW"):
        for path in ("", "uws", finished, "tap/sync", "nosuch"):
            answer = site.ask(OWNER, method, path)
            assert answer.status_code in (400, 405), (method, path, answer.status_code)


def test_header_injection(site: Site) -> None:
    value = "x\r\nSet-Cookie: a=b\r\n\r\n<script>"
    answer = create(site, f"RUNID={quote(value)}&duration=1")
    assert "Set-Cookie" not in answer.headers
    if answer.status_code == 303:
        job = site.ask(OWNER, "GET", SLEEPER + "/" + answer.headers["Location"].rpartition("/")[2])
        assert "Set-Cookie" not in job.headers
        assert ElementTree.fromstring(job.content).findtext(f"{UWS}runId") == value
    else:
        refused(answer, 400)


def test_values_come_back_as_they_were_in_xml_and_html(site: Site) -> None:
    run_id = "<&>\"' ]]> &amp; é \U0001f52d \u2028 {x} %s"
    answer = create(site, f"RUNID={quote(run_id)}")
    assert answer.status_code == 303, answer.text
    path = SLEEPER + "/" + answer.headers["Location"].rpartition("/")[2]
    assert ElementTree.fromstring(site.ask(OWNER, "GET", path).content).findtext(f"{UWS}runId") == run_id
    for page in (path, SLEEPER):
        html = site.ask(OWNER, "GET", page, headers={"Accept": "text/html"})
        assert html.headers["Content-Type"].startswith("text/html")
        assert "<&>" not in html.text
        assert (
            "script-src" in html.headers["Content-Security-Policy"]
            or "default-src 'none'" in (html.headers["Content-Security-Policy"])
        )


@pytest.mark.parametrize(
    "header", ["Accept", "Range", "If-Modified-Since", "If-None-Match", "If-Range", "Last-Event-ID"]
)
def test_headers_of_every_wrong_form(site: Site, finished: str, header: str) -> None:
    values = [
        "",
        "x",
        "\xff\xfe",
        "bytes=0-" + "9" * 5000,
        "bytes=-" + "9" * 5000,
        "bytes=²-",
        "bytes=5-1",
        ";;;,,,q=",
        "*",
    ]
    values += ["a" * 50_000, ",".join(["bytes=0-1"] * 5000), "text/html;q=nan", "text/html;q=1e999", "9" * 5000, "-1"]
    values += [
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "1 Jan 99999999999999999999 0:0:0",
        "Mon, 01 Jan 2001 00:00:00 +99999999999",
    ]
    for value in values:
        headers = {header: value.encode("latin-1")}
        for path in (finished, f"{finished}/results/report", f"{finished}/stdout", "uws", "tap/capabilities"):
            answer = site.ask(OWNER, "GET", path, headers=headers)
            assert answer.status_code in (200, 206, 304, 400, 406, 416), (path, value[:50], answer.text)
        with site.ask(OTHER, "GET", "uws/events", headers=headers, stream=True) as stream:
            assert stream.status_code in (200, 400)


def test_thousands_of_cookies_and_long_addresses(site: Site) -> None:
    cookies = "; ".join(f"c{n}=v" for n in range(5000))
    assert site.ask(OWNER, "GET", "uws", headers={"Cookie": cookies}).status_code == 200
    assert "65536 bytes; send the parameters as a POST" in refused(site.ask(OWNER, "GET", "uws?a=" + "x" * 70_000), 414)
    # in an address tornado itself counts them, and has no words for it
    assert site.ask(OWNER, "GET", "uws?" + "&".join(["a=1"] * 1001)).status_code == 400


# Large bodies


def memory(site: Site) -> float:
    """Resident memory of the service in MB."""
    return float(psutil.Process(site.service.process.pid).memory_info().rss) / 1e6


def pieces(total: int, first: bytes = b"", last: bytes = b"") -> Iterator[bytes]:
    """A body as a stream, sent in chunks."""
    yield first
    piece = os.urandom(1 << 16).replace(b"\r", b"x")
    for _ in range(total >> 16):
        yield piece
    yield last


def push(site: Site, body: Any, headers: dict[str, str], caller: str = OWNER, path: str = SLEEPER) -> Any:
    try:
        return site.ask(caller, "POST", path, data=body, headers=headers)
    except requests.ConnectionError:
        return None  # it was answered, and closed, while it was still being sent


@pytest.mark.parametrize("size", [100_000_000])
def test_large_bodies_are_refused_early_and_held_nowhere(site: Site, size: int) -> None:
    memory_before = memory(site)
    head = b"--x\r\n" + part("duration", "")
    file = b"--x\r\n" + part("data", "", '; filename="a"')
    largest = memory_before

    def watch(done: threading.Event) -> None:
        nonlocal largest
        while not done.wait(0.01):
            largest = max(largest, memory(site))

    done = threading.Event()
    watching = threading.Thread(target=watch, args=(done,))
    watching.start()
    try:
        for body, headers, path in [
            (pieces(size), FORM, SLEEPER),
            (pieces(size), FORM, "tap/sync"),
            (pieces(size), FORM, "health"),
            (pieces(size), FORM, "nosuch"),
            (pieces(size, head), MULTIPART, SLEEPER),
            (pieces(size, head), MULTIPART, "tap/sync"),
            (pieces(size, file), MULTIPART, "tap/sync"),
            (pieces(size, b"--x\r\n"), MULTIPART, SLEEPER),
            (pieces(size, file, b"\r\n--x--\r\n"), MULTIPART, SLEEPER),
        ]:
            answer = push(site, body, headers, path=path)
            assert answer is None or answer.status_code in (400, 404, 405, 413), answer.text
        anonymous = push(site, pieces(size), FORM, "anonymous")
        assert anonymous is None or anonymous.status_code == 401
        declared = site.ask(OWNER, "POST", SLEEPER, headers={**FORM, "Content-Length": str(size)})
        assert "larger than 4194304 bytes" in refused(declared, 413)
        declared = site.ask(OWNER, "POST", SLEEPER, headers={**MULTIPART, "Content-Length": str(10 * 2**30)})
        assert "larger than 1077936128 bytes" in refused(declared, 413)
        declared = site.ask(OWNER, "POST", "health", headers={**FORM, "Content-Length": "9" * 400})
        assert declared.status_code in (400, 413)
    finally:
        done.set()
        watching.join()
    assert largest - memory_before < 40, f"{memory_before:.0f} MB grew to {largest:.0f} MB"
    nothing_left(site)
    site.healthy()


def test_a_file_that_is_broken_off_is_forgotten(site: Site) -> None:
    def broken() -> Iterator[bytes]:
        yield b"--x\r\n" + part("data", "x" * 100_000, '; filename="a"')
        raise ConnectionResetError

    with pytest.raises((ConnectionResetError, requests.ConnectionError)):
        site.ask(OWNER, "POST", SLEEPER, data=broken(), headers=MULTIPART)
    nothing_left(site)
    site.healthy()


def test_random_bytes_as_forms(site: Site) -> None:
    chance = random.Random(20261122)
    for _ in range(200):
        body = chance.randbytes(chance.randrange(200))
        headers = chance.choice([FORM, MULTIPART, {}])
        if headers is MULTIPART and chance.random() < 0.7:
            body = b"--x\r\n" + body
        answer = create(site, body, headers)
        assert answer.status_code < 500, (body, answer.text)
    site.healthy()
