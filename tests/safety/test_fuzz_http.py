"""Random requests from a grammar of our own routes: never a failure of the service, never a wait, always a type."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safety.conftest import ADMIN, OTHER, OWNER, Site


def words(text: str) -> list[str]:
    return text.split()


WORDS = st.sampled_from(
    [
        *(
            "",
            "0",
            "1",
            "-1",
            "9" * 30,
            "nan",
            "1e999",
            "0x1",
            "true",
            "RUN ",
            "ABORT",
            "DELETE",
            "PENDING",
            "ARCHIVED",
        ),
        *(
            "2026-11-22",
            "2026-11-22T01:02:03Z",
            "0001-01-01T00:00:00+23:59",
            "param:x",
            "http://127.0.0.1/",
            "file:///x",
        ),
        *(
            "..",
            "../..",
            "%2e%2e",
            "%00",
            "\0",
            "\r\nX: y",
            "<x>",
            "&amp;",
            "'",
            '"',
            ";",
            "$(id)",
            "{0}",
            "%s",
            "\u2028",
        ),
        *("SELECT TOP 1 * FROM ivoa.obscore", "SELECT", "ADQL", "csv", "votable", "ivoa.obscore", "a" * 3000),
    ]
)
TEXT = WORDS | st.text(max_size=20)
NAMES = st.sampled_from(
    words("""PHASE phase RUNID EXECUTIONDURATION DESTRUCTION ACTION LAST AFTER ALL ITEM VALUE QUERY LANG MAXREC REQUEST
        FORMAT RESPONSEFORMAT UPLOAD duration DURATION fail type detail t0 data""")
)
FIELDS = st.lists(st.tuples(NAMES | TEXT, TEXT), max_size=5)
JOB_PARTS = words("""phase executionduration destruction quote owner error parameters results stdout stderr
    provenance nosuch""")
TOP = words("""health uws uws/ uws/types uws/events uws/capabilities uws/availability uws/sleeper uws/repeat uws/nosuch
    tap tap/sync tap/capabilities tap/availability tap/tables
    datalink datalink/links datalink/bundle datalink/preview/counts datalink/capabilities files shutdown""")
BELOW = ["uws/sleeper/", "uws/sleeper/JOB/parameters/", "uws/sleeper/JOB/results/", "tap/tables/", "files/SIM-DR1/"]
TYPE_PAGES = [f"uws/sleeper/{page}" for page in ("description", "descriptor", "schema")]
PATHS = (
    st.sampled_from(["", *TOP, *TYPE_PAGES, "uws/sleeper/JOB", *[f"uws/sleeper/JOB/{part}" for part in JOB_PARTS]])
    | st.builds(lambda base, text: base + quote(text, safe=""), st.sampled_from(BELOW), TEXT)
    | st.builds(lambda text: quote(text, safe="/"), TEXT)
)
METHODS = st.sampled_from(["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "FOO"])
HEADERS = st.dictionaries(
    st.sampled_from(
        words("Accept Range If-Range If-None-Match If-Modified-Since Content-Type Last-Event-ID Expect X-UWS-Root")
    ),
    st.sampled_from(
        words("""text/html application/xml */* ;q= text/html;q=nan bytes=0-1 bytes=-5 bytes=9- bytes=²-1 * "x" W/"x"
            1 -1 a/b 100-continue multipart/form-data multipart/form-data;boundary=x application/json
            application/x-www-form-urlencoded""")
    ),
    max_size=3,
)
CALLERS = st.sampled_from([OWNER, OWNER, OTHER, ADMIN, "token", "anonymous"])
BODIES = (
    st.none() | FIELDS | st.binary(max_size=100) | st.builds(lambda body: b"--x\r\n" + body, st.binary(max_size=100))
)


@pytest.fixture(scope="module")
def job(site: Site) -> str:
    """One that is over, to be asked for all that a job can have."""
    path = site.job(PHASE="RUN")
    site.until(path, "COMPLETED")
    return path.rpartition("/")[2]


def ask(site: Site, job: str, caller: str, method: str, path: str, headers: Any, **more: Any) -> requests.Response:
    """The path as it is: requests would put it in order."""
    every = {**headers, **site.headers(caller)}
    prepared = requests.Request(method, site.service.url, headers=every, **more).prepare()
    query = (prepared.url or "").partition("?")[2]
    prepared.url = site.service.url + path.replace("JOB", job) + (f"?{query}" if query else "")
    with requests.Session() as session:
        return session.send(prepared, timeout=5, allow_redirects=False, stream=True)


@settings(
    max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(caller=CALLERS, method=METHODS, path=PATHS, query=FIELDS, body=BODIES, headers=HEADERS)
def test_random_requests(
    site: Site, job: str, caller: str, method: str, path: str, query: Any, body: Any, headers: dict[str, str]
) -> None:
    if path == "shutdown" and caller not in ("token", "anonymous"):
        return  # the relay may stop the service
    if method in ("POST", "PUT", "DELETE") and "JOB" in path:
        job = site.job().rpartition("/")[2]
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    start = time.monotonic()
    with ask(site, job, caller, method, path, sent, params=query, data=body) as answer:
        assert answer.status_code < 500 or (answer.status_code == 503 and answer.text.strip()), answer.text
        if "event-stream" not in answer.headers.get("Content-Type", ""):
            content = answer.content
            kind = answer.headers.get("Content-Type", "")
            assert not content or kind, (answer.status_code, content[:200])
            if answer.status_code >= 400 and content:
                assert kind.startswith(("text/plain", "text/xml")), kind
                assert b"Traceback" not in content
            if kind.startswith("text/xml") and method != "HEAD":
                assert content.startswith(b"<?xml")
    assert time.monotonic() - start < 5
    if caller == "anonymous":
        assert answer.status_code in (400, 401, 405), answer.status_code
    assert site.ask("token", "GET", "health", timeout=5).status_code == 200


def test_the_service_is_as_it_was(site: Site) -> None:
    site.healthy()
    path = site.job(PHASE="RUN")
    site.until(path, "COMPLETED")
