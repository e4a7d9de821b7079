"""Documents that attack their reader: what our client gets from a service, and job descriptions that are imported."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_uws.client.connection import dali_error
from jupyter_uws.client.uws import _document, _results, _time
from jupyter_uws.client.votable import read_votable
from jupyter_uws.jobs.jdl import read_jdl
from jupyter_uws.names import parse_sesame

SECRET = "what-only-the-reader-may-see"


def bombs(secret: Path) -> dict[str, bytes]:
    """Each with an attack where a value would stand."""
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    uri = secret.as_uri()
    heads = {
        "a billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]>',
        "quadratic": f'<!DOCTYPE x [<!ENTITY l11 "{"a" * 100_000}">]>',
        "a file": f'<!DOCTYPE x [<!ENTITY l11 SYSTEM "{uri}">]>',
        "a URL": '<!DOCTYPE x [<!ENTITY l11 SYSTEM "http://127.0.0.1:9/">]>',
        "a parameter entity": f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{uri}"> %p; <!ENTITY l11 "x">]>',
        "a DTD elsewhere": f'<!DOCTYPE x SYSTEM "{uri}">',
    }
    body = {name: "&l11;" * (5000 if name == "quadratic" else 1) for name in heads}
    body["a DTD elsewhere"] = ""
    return {name: f"<?xml version='1.0'?>{head}".encode() + b"%s" + body[name].encode() for name, head in heads.items()}


DOCUMENTS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "a job": (
        b'<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:jobId>%b</uws:jobId></uws:job>',
        lambda body: "".join(_document(body, "job", "http://x/").itertext()),
    ),
    "an error of DALI": (
        b'<VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">%b</INFO></RESOURCE></VOTABLE>',
        dali_error,
    ),
    "a table": (
        b'<VOTABLE version="1.3"><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">%b</INFO></RESOURCE>'
        b"</VOTABLE>",
        read_votable,
    ),
    "a name": (b"<Sesame><Target><name>%b</name></Target></Sesame>", lambda body: parse_sesame(body, "x")),
    "a description": (b"<VOTABLE><RESOURCE><DESCRIPTION>%b</DESCRIPTION></RESOURCE></VOTABLE>", None),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("bomb", bombs(Path("/x")))
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_entities_are_not_followed(kind: str, bomb: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    head, _, value = bombs(secret)[bomb].partition(b"%s")
    document, read = DOCUMENTS[kind]
    read = read or (lambda body: read_jdl(Path("x_vot.xml"), body))
    start = time.process_time()
    told = tell(read, head + document.replace(b"%b", value))
    assert time.process_time() - start < 5
    assert SECRET not in told
    assert len(told) < 5000


def tell(read: Callable[[bytes], Any], body: bytes) -> str:
    """What came of it: the outcome, or the error."""
    try:
        return repr(read(body))
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_deep_and_broken_documents(kind: str) -> None:
    read = DOCUMENTS[kind][1] or (lambda body: read_jdl(Path("x_vot.xml"), body))
    strange = b"<?xml version='1.0' encoding='nosuch'?><a/>"
    for body in (b"", b"<", b"<a>" * 100_000, b"\xff\xfe\x00<", strange, b"<a>\x00</a>"):
        told = tell(read, body)
        assert not told.startswith(("MemoryError", "RecursionError", "LookupError", "Unicode")), (body[:50], told)


def test_results_with_evil_names_and_times() -> None:
    body = b"""<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink">
      <uws:results><uws:result id="../../.bashrc" xlink:href="file:///etc/passwd" size="nan"/>
      <uws:result id="" size="1e999"/></uws:results></uws:job>"""
    from jupyter_uws.client.results import Result

    results = _results(_document(body, "job", "http://x/"), "http://x/uws/a/1")
    for reference in results.values():
        name = Result(None, reference).file_name  # type: ignore[arg-type]
        assert "/" not in name
        assert not name.startswith(".")
        assert reference.size is None
    for text in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "x", "", "2026-99-99"):
        _time(text)
