"""What TAP 1.1, DALI 1.1 and VOSI 1.1 ask of the service beyond what its clients use every day, over real HTTP.

Documents are held against the schemas of VOSI, VODataService, VOResource and TAPRegExt that STILTS has in it, and
VOTables against the schema of astropy.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import astropy.io.votable
import duckdb
import pytest
import pyvo
import requests
import xmlschema
from astropy.table import Table as Rows
from defusedxml import ElementTree
from tap_server import Server
from test_tap_async import HEAVY, create, ended
from xsd import mistakes

from jupyter_uws.tap import vosi
from jupyter_uws.tap.limits import QueryLimits
from jupyter_uws.tap.schema import Column, ForeignKey, Table, write_tap_schema
from jupyter_uws.vosi import availability_document

TWO = "SELECT TOP 2 n FROM test.numbers ORDER BY n"
VOTABLE = xmlschema.XMLSchema(
    str(Path(astropy.io.votable.__file__).parent / "data" / "VOTable.v1.4.xsd"), allow="local", locations={}
)
EVERYTHING = Table(
    "a.b",
    (
        Column("x", "double", "<right> & ascension", unit="deg", ucd="pos.eq.ra", utype="o:x", indexed=True, std=True),
        Column("one word", "char", arraysize="16*", xtype="adql:REGION", principal=True),
        Column("m", "float", arraysize="2x3"),
    ),
    'a "table"\nof two lines',
    "ivo://a/b#c",
    "view",
)
NOTHING = Table("c.d", ())
KEYS = (ForeignKey("a.b", "c.d", (("x", "y"), ("one word", "z")), "to c.d"),)
TABLES = {"a.b": EVERYTHING, "c.d": NOTHING}


def sync(server: Server, **parameters: object) -> requests.Response:
    data = {"LANG": "ADQL", "QUERY": TWO, "FORMAT": "csv", **parameters}
    return requests.post(server.url + "/sync", data=data, timeout=60)


# parameters


@pytest.mark.parametrize(
    "parameters",
    [
        # an empty field of a form is none
        {"LANG": ""}, {"REQUEST": ""}, {"MAXREC": " "}, {"RESPONSEFORMAT": ""}, {"RUNID": ""}, {"UPLOAD": ""},
        {"LANG": ["", "ADQL"]}, {"VERSION": ""},
        # TAP 1.0's, and what is none of TAP's
        {"REQUEST": "doQuery", "VERSION": "1.0"}, {"VERSION": "9"}, {"PHASE": "RUN"}, {"nonsense": "1"},
        {"lang": "Adql-2.0", "LANG": []}, {"REQUEST": "DOQUERY"}, {"RUNID": "x" * 3000},
        {"MAXREC": "+2"}, {"MAXREC": "0002"}, {"MAXREC": "9" * 40}, {"MAXREC": ["2", "2"]},
        # RESPONSEFORMAT holds where both are given
        {"RESPONSEFORMAT": "csv", "FORMAT": "fits"}, {"FORMAT": "csv", "VERBOSE": "3"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_harmless_is_taken(server: Server, parameters: dict[str, object]) -> None:
    assert sync(server, **parameters).text == "n\r\n0\r\n1\r\n"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"QUERY": " "}, "QUERY is missing"),
        ({"LANG": "ADQL-3.0"}, "LANG: 'ADQL-3.0' is not known; ADQL, ADQL-2.0, ADQL-2.1 are"),
        ({"LANG": ["ADQL", "ADQL-2.0"]}, "LANG is given 2 times with different values; give it once"),
        ({"RUNID": ["a", "b"]}, "RUNID is given 2 times"),
        ({"REQUEST": "getCapabilities"}, "REQUEST: 'getCapabilities' is not known; doQuery is"),
        ({"MAXREC": "1e3"}, "MAXREC: '1e3' is not a whole number of rows, 0 or more"),
        ({"MAXREC": "-0"}, "MAXREC: '-0' is not a whole number"),
        ({"RESPONSEFORMAT": "text/html"}, "RESPONSEFORMAT: 'text/html' is not known; votable, votable/td"),
        ({"RESPONSEFORMAT": "text/xml;serialization=fits"}, "'text/xml;serialization=fits' is not known"),
        (
            {"UPLOAD": ",http://example.org/"},
            "UPLOAD is ',http://example.org/', allowed is NAME,URL or NAME,param:PART",
        ),
        ({"UPLOAD": "a b,param:x"}, "UPLOAD is 'a b,param:x', allowed is NAME,URL or NAME,param:PART; a name is"),
        ({"UPLOAD": "a,vos://x/y"}, "UPLOAD is 'vos://x/y', allowed is a file"),
        ({"UPLOAD": "a,file:///etc/passwd"}, "UPLOAD is 'file:///etc/passwd', allowed is a file"),
        ({"UPLOAD": "a,param:"}, "UPLOAD is 'param:', but the form has no part ''"),
        ({"UPLOAD": "a,param:x;A,param:y"}, "UPLOAD has the name 'A' twice"),
    ],
)
def test_what_is_wrong_is_named(server: Server, parameters: dict[str, object], message: str) -> None:
    answer = sync(server, **parameters)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/xml; charset=UTF-8")
    VOTABLE.validate(answer.text)
    (info,) = ElementTree.fromstring(answer.content).findall(".//{*}INFO")
    assert (info.get("name"), info.get("value")) == ("QUERY_STATUS", "ERROR")
    assert message in info.text


def test_a_job_may_be_made_of_anything_and_fails_when_it_runs(server: Server) -> None:
    """What its parameters must be is asked when the query runs (TAP 1.1, section 2.7)."""
    answer = requests.post(server.url + "/async", data={"MAXREC": "x"}, allow_redirects=False, timeout=60)
    assert answer.status_code == 303
    url = answer.headers["Location"]
    for data in ({"LANG": "SQL"}, {"QUERY": TWO}, {"LANG": "ADQL"}, {"FORMAT": "csv"}):
        requests.post(url + "/parameters", data=data, timeout=60).raise_for_status()
    requests.post(url + "/phase", data={"PHASE": "RUN"}, timeout=60).raise_for_status()
    assert ended(url) == "ERROR"
    assert "MAXREC: 'x' is not a whole number" in requests.get(url + "/error", timeout=60).text


# asynchronous queries


def test_uploads_add_up(server: Server) -> None:
    """TAP 1.1, sections 2.7.6 and 5.1.2, by pyvo and by hand."""
    job = pyvo.dal.TAPService(server.url).submit_job(
        "SELECT a.k, v, w FROM TAP_UPLOAD.a JOIN TAP_UPLOAD.b ON a.k = b.k", uploads={"a": Rows({"k": [1], "v": [2]})}
    )
    job.upload(b=Rows({"k": [1], "w": [3]}))
    # one of the same name, in any case, takes its place
    part = {"x": ("b.csv", b"k,w\n1,30\n")}
    requests.post(job.url + "/parameters", data={"UPLOAD": "B,param:x"}, files=part, timeout=60).raise_for_status()
    requests.post(job.url + "/parameters", data={"FORMAT": "csv", "UPLOAD": ""}, timeout=60).raise_for_status()
    contents = [requests.get(f"{job.url}/parameters/UPLOAD?ITEM={i}", timeout=60) for i in (1, 2, 3)]
    assert [answer.status_code for answer in contents] == [200, 200, 404]
    assert contents[1].content == b"k,w\n1,30\n"
    job.run().wait(timeout=60)
    assert requests.get(job.url + "/results/result", timeout=60).text == "k,v,w\r\n1,2,30\r\n"


SHAPES = [
    ("char", "*", "timestamp", ["2020-01-02T03:04:05.678", "", "2021-02-03"]),
    ("char", "*", "timestamp", ["2016-12-31T23:59:60", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05.123456789"]),
    ("boolean", "", "", ["true", "", "false"]),
    ("unsignedByte", "*", "", ["1 2 255", "0", "7 8"]),
    ("short", "2x2", "", ["1 2 3 4", "5 6 7 8", "-1 -2 -3 -4"]),
    ("int", "2x*", "", ["1 2 3 4", "5 6", "7 8"]),
    ("float", "3*", "", ["1.5 2.5", "0.25", "1 2 3"]),
    ("double", "2", "point", ["10.5 -5.25", "1 2", "359 90"]),
    ("double", "2", "interval", ["-Inf 5", "1 1", "-Inf +Inf"]),
    ("double", "3", "circle", ["10 20 0.5", "1 2 3", "4 5 6"]),
    ("double", "*", "polygon", ["10 10 10.5 10 10.5 10.5", "1 1 2 1 2 2", "1 1 2 1 2 3"]),
]


@pytest.mark.parametrize(("datatype", "arraysize", "xtype", "values"), SHAPES, ids=lambda value: str(value)[:20])
def test_types_and_shapes_of_uploads_are_kept(
    server: Server, datatype: str, arraysize: str, xtype: str, values: list[str]
) -> None:
    """TAP 1.1, section 2.7.6, with the types of DALI 1.1, section 3.3."""
    attributes = {"name": "x", "datatype": datatype, "arraysize": arraysize, "xtype": xtype}
    given = " ".join(f'{name}="{value}"' for name, value in attributes.items() if value)
    cells = "".join(f"<TR><TD>{value}</TD></TR>" for value in values)
    table = (
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        f"<FIELD {given}/><DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    data = {"QUERY": "SELECT * FROM TAP_UPLOAD.t", "UPLOAD": "t,param:t", "FORMAT": "votable/td"}
    answer = requests.post(server.url + "/sync", data=data, files={"t": ("t.vot", table)}, timeout=60)
    assert answer.status_code == 200, answer.text
    root = ElementTree.fromstring(answer.content)
    (field,) = root.findall(".//{*}FIELD")
    assert {name: field.get(name, "") for name in attributes} == attributes
    found = [cell.text or "" for cell in root.findall(".//{*}TD")]
    if values[0].startswith("2020"):
        values = ["2020-01-02T03:04:05.678000", "", "2021-02-03T00:00:00.000000"]
    assert found == values


def test_times_of_uploads_are_compared_as_times(server: Server) -> None:
    table = Rows({"i": [1, 2], "t0": ["2020-01-02T03:04:05.5", "2021-02-03"]})
    votable = astropy.io.votable.from_table(table)
    votable.get_first_table().get_field_by_id("t0").xtype = "timestamp"
    content = io.BytesIO()
    votable.to_xml(content)
    for condition in (
        "t0 > TIMESTAMP('2020-01-02T03:04:05')",
        "t0 > '2020-01-02T03:04:05'",
        "t0 >= '2020-01-02'",
    ):
        data = {"QUERY": f"SELECT i FROM TAP_UPLOAD.t WHERE {condition} AND t0 < '2021-01-01'", "UPLOAD": "t,param:t"}  # noqa: S608
        answer = requests.post(
            server.url + "/sync", data={**data, "FORMAT": "csv"}, files={"t": content.getvalue()}, timeout=60
        )
        assert answer.text == "i\r\n1\r\n", condition


def test_more_uploads_than_may_be_are_refused_and_those_before_stay(server: Server) -> None:
    url = requests.post(server.url + "/async", data={"QUERY": "SELECT k FROM TAP_UPLOAD.t1"}, timeout=60).url

    def send(first: int, last: int) -> requests.Response:
        names = range(first, last + 1)
        files = {f"p{i}": ("t.csv", f"k\n{i}\n".encode()) for i in names}
        data = {"UPLOAD": ";".join(f"t{i},param:p{i}" for i in names)}
        return requests.post(url + "/parameters", data=data, files=files, allow_redirects=False, timeout=60)

    assert send(1, 9).status_code == 303
    refused = send(10, 11)
    assert (refused.status_code, refused.text) == (400, "UPLOAD names 11 tables, 10 are allowed")
    assert send(10, 10).status_code == 303
    requests.post(url + "/phase", data={"PHASE": "RUN"}, timeout=60)
    assert ended(url) == "COMPLETED"


def test_the_error_of_a_job_is_there_where_there_is_one(server: Server) -> None:
    """DALI 1.1, section 4.2: 404 for the error of a job that has not failed, and for a result that is not there."""
    url = requests.post(server.url + "/async", data={"QUERY": TWO}, timeout=60).url
    for path in ("/error", "/results/result"):
        assert requests.get(url + path, timeout=60).status_code == 404
    requests.post(url + "/phase", data={"PHASE": "RUN"}, timeout=60)
    assert ended(url) == "COMPLETED"
    answer = requests.get(url + "/error", timeout=60)
    assert (answer.status_code, answer.text) == (
        404,
        f"the job '{url.rpartition('/')[2]}' is COMPLETED and has no error",
    )

    failed, aborted = create(server, QUERY="SELECT m FROM test.numbers"), create(server, QUERY=HEAVY)
    requests.post(aborted + "/phase", data={"PHASE": "ABORT"}, timeout=60)
    for url, phase, message in ((failed, "ERROR", "there is no column m"), (aborted, "ABORTED", "the job was aborted")):
        assert ended(url) == phase
        answer = requests.get(url + "/error", timeout=60)
        assert answer.status_code == 200
        VOTABLE.validate(answer.text)
        assert f"{message}</INFO>" in answer.text
        answer = requests.get(url + "/results/result", timeout=60)
        assert answer.status_code == 404
        # what a client shows that does not ask for the error, such as astroquery
        assert f"which is {phase}" in answer.text
        assert (message in answer.text) == (phase == "ERROR")


def test_a_job_gives_its_result_as_it_was_asked_for(server: Server) -> None:
    for kind, content_type in (
        ("text/xml", "text/xml;charset=utf-8"),
        ("image/fits", "image/fits"),
        ("csv", "text/csv;header=present;charset=utf-8"),
    ):
        url = create(server, QUERY="SELECT n FROM test.numbers WHERE n < 0", RESPONSEFORMAT=kind)
        assert ended(url) == "COMPLETED"
        answer = requests.get(url + "/results/result", timeout=60)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
        assert answer.headers["Content-Disposition"].startswith("inline; filename")
        again = requests.get(url + "/results/result", headers={"If-None-Match": answer.headers["ETag"]}, timeout=60)
        assert (again.status_code, again.content) == (304, b"")


# resources


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("", "GET, HEAD, OPTIONS"),
        ("/sync", "GET, HEAD, POST, OPTIONS"),
        ("/capabilities", "GET, HEAD, OPTIONS"),
        ("/availability", "GET, HEAD, OPTIONS"),
        ("/tables", "GET, HEAD, OPTIONS"),
        ("/tables/test.kinds", "GET, HEAD, OPTIONS"),
        ("/examples", "GET, HEAD, OPTIONS"),
    ],
)
def test_every_resource_says_which_methods_it_has(server: Server, path: str, allowed: str) -> None:
    answer = requests.options(server.url + path, timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (204, allowed)
    for method in {"POST", "PUT", "DELETE", "PATCH"} - set(allowed.split(", ")):
        answer = requests.request(method, server.url + path, data="x=1", timeout=60)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_detail_is_read_leniently(server: Server) -> None:
    def columns(query: str) -> int:
        answer = requests.get(f"{server.url}/tables{query}", timeout=60)
        assert answer.status_code == 200, query
        return answer.text.count("<column ")

    full = columns("")
    assert full > 20
    assert {columns(f"?{query}") for query in ("detail=max", "DETAIL=MAX", "detail=", "other=min", "detail=+")} == {
        full
    }
    short = ("detail=min", "detail=MIN", "Detail=Min", "DETAIL=min&detail=min", "detail=&DETAIL=min")
    assert {columns(f"?{query}") for query in short} == {0}
    for query in ("detail=columns", "detail=min&detail=max", "detail=%FF"):
        assert requests.get(f"{server.url}/tables?{query}", timeout=60).status_code == 400, query


def test_documents_tell_when_they_changed(server: Server) -> None:
    """VOSI 1.1, section 3.1; and nothing is taken from a cache unasked."""
    archive = server.engine.path.stat().st_mtime
    for path in ("/capabilities", "/tables", "/tables/test.kinds"):
        answer = requests.get(server.url + path, timeout=60)
        assert parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp() >= int(archive)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert requests.head(server.url + path, timeout=60).headers["Last-Modified"] == answer.headers["Last-Modified"]
        again = requests.get(server.url + path, headers={"If-None-Match": answer.headers["ETag"]}, timeout=60)
        assert (again.status_code, again.content) == (304, b"")


def test_the_address_of_the_service_is_a_page_for_people(server: Server) -> None:
    for address in (server.url, server.url + "/"):
        answer = requests.get(address, headers={"Accept": "*/*"}, timeout=60)
        assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        for path in ("sync", "async", "capabilities", "availability", "tables", "examples", "tables/test.numbers"):
            assert f'href="{server.url}/{path}"' in answer.text
        assert "a million rows (1000000 rows)" in answer.text


def test_examples_are_rdfa(server: Server) -> None:
    """DALI 1.1, section 2.3, and TAP 1.1, section 2.6: name, query and table are the texts of elements of their own."""
    page = ElementTree.fromstring(requests.get(server.url + "/examples", timeout=60).content)
    vocabularies = [one.get("vocab") for one in page.iter() if one.get("vocab")]
    assert vocabularies == ["http://www.ivoa.net/rdf/examples#"]
    (within,) = (one for one in page.iter() if one.get("vocab"))
    examples = [one for one in within.iter() if one.get("typeof") == "example"]
    assert len(examples) == 4
    assert len({one.get("id") for one in examples}) == 4
    for example in examples:
        assert example.get("resource") == f"#{example.get('id')}"
        found = [one for one in example.iter() if one.get("property")]
        assert sorted(str(one.get("property")) for one in found) == ["name", "query", "table"]
        for one in found:
            assert (len(one), bool((one.text or "").strip())) == (0, True)
            assert not {"src", "href"} & set(one.attrib)


# schemas


def test_tap_schema_tells_the_size_of_arrays(server: Server) -> None:
    """``size`` is the number in arraysize; null for more dimensions, and without a bound (TAP 1.1, section 4.3)."""
    con = duckdb.connect()
    sizes = {"a": "256*", "b": "16", "c": "*", "d": "2x3", "e": "2x*", "f": None}
    write_tap_schema(con, [Table("t.t", tuple(Column(name, "char", arraysize=size) for name, size in sizes.items()))])
    found = con.execute("SELECT column_name, \"size\" FROM tap_schema.columns WHERE table_name = 't.t'").fetchall()
    assert dict(found) == {"a": 256, "b": 16, "c": None, "d": None, "e": None, "f": None}
    asked = "SELECT column_name FROM TAP_SCHEMA.columns WHERE table_name = 'tap_schema.columns' ORDER BY column_index"
    assert [name.strip('"') for name in sync(server, QUERY=asked).text.splitlines()[1:]] == [
        "table_name", "column_name", "datatype", "arraysize", "xtype", "size", "description", "utype", "unit", "ucd",
        "indexed", "principal", "std", "column_index",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["text/xml", "votable/td", "votable/b1"])
def test_results_obey_the_schema_of_votable(server: Server, kind: str) -> None:
    for query, maxrec in (
        ("SELECT * FROM test.kinds", 10),
        ("SELECT * FROM test.kinds", 1),
        ("SELECT s_ra AS \"a 'b' <c>\", COUNT(*)\nFROM ivoa.obscore WHERE s_ra < 0 GROUP BY s_ra", 0),
    ):
        answer = sync(server, QUERY=query, FORMAT=kind, MAXREC=maxrec)
        VOTABLE.validate(answer.text)
        root = ElementTree.fromstring(answer.content)
        (resource,) = root.findall("{*}RESOURCE")
        assert resource.get("type") == "results"
        statuses = [one.get("value") for one in resource.findall("{*}INFO[@name='QUERY_STATUS']")]
        assert statuses == (["OK"] if maxrec == 10 else ["OK", "OVERFLOW"])
        assert resource.find("{*}INFO[@name='QUERY']").get("value") == query


DOCUMENTS: dict[str, tuple[str, Callable[[], str]]] = {
    "tables": ("tableset", lambda: vosi.tables_document(TABLES, KEYS, {"a.b": 7}, columns=True)),
    "tables, detail=min": ("tableset", lambda: vosi.tables_document(TABLES, KEYS, {}, columns=False)),
    "one table": ("table", lambda: vosi.table_document(EVERYTHING, KEYS, {"a.b": 0})),
    "capabilities": (
        "capabilities",
        lambda: vosi.capabilities(
            "http://h/~a/b'%22/x&y/", {"ivoa.obscore": NOTHING}, vosi.Offer(QueryLimits(), (1, 2))
        ),
    ),
    "capabilities for anonymous readers": (
        "capabilities",
        lambda: vosi.capabilities(
            "http://h/", {}, vosi.Offer(QueryLimits(upload_urls=False), None, "<open> & for\nall readers")
        ),
    ),
    "available": ("availability", lambda: availability_document(note="open & <free>")),
    "not available": ("availability", lambda: availability_document("the archive is away", note="open")),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_obey_the_schemas_of_the_ivoa(need: Callable[[str, str], str], tmp_path: Path, name: str) -> None:
    root, document = DOCUMENTS[name]
    assert mistakes(need("stilts", "stilts"), tmp_path / "document.xml", document(), root) == ""


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tables", "vs:VOTableType", "vs:TAPType"),
        ("one table", 'arraysize="2x3"', 'arraysize="2,3"'),
        ("capabilities", "<name>ADQL</name>", ""),
        ("capabilities", 'unit="row"', 'unit="rows"'),
        ("available", ">true<", ">yes<"),
    ],
)
def test_the_schemas_see_what_is_wrong(
    need: Callable[[str, str], str], tmp_path: Path, name: str, old: str, new: str
) -> None:
    root, document = DOCUMENTS[name]
    wrong = document().replace(old, new)
    assert wrong != document()
    assert "ERROR: (l." in mistakes(need("stilts", "stilts"), tmp_path / "document.xml", wrong, root)
