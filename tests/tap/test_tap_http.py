"""TAP over real HTTP, with the clients that observers use."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import pyvo
import requests
from astropy import units as u
from astropy.coordinates import SkyCoord
from defusedxml import ElementTree
from running import run_service
from tap_server import Server, run_server

from jupyter_uws.archive import add_store
from jupyter_uws.tap import limits
from jupyter_uws.tap.engine import Engine

TOP5 = "SELECT TOP 5 obs_id, s_ra FROM ivoa.obscore ORDER BY obs_id"


def test_pyvo_searches_a_cone(server: Server) -> None:
    service = pyvo.dal.TAPService(server.url)
    found = service.search(
        "SELECT obs_id, s_ra, s_dec, access_url FROM ivoa.obscore"
        " WHERE 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 83.63, 22.01, 10)) ORDER BY obs_id"
    ).to_table()
    everything = service.search("SELECT obs_id, s_ra, s_dec FROM ivoa.obscore").to_table()
    here = SkyCoord(everything["s_ra"], everything["s_dec"])
    near = everything[here.separation(SkyCoord(83.63 * u.deg, 22.01 * u.deg)) <= 10 * u.deg]
    assert len(near) > 2
    assert sorted(found["obs_id"]) == sorted(near["obs_id"])
    assert found["s_ra"].unit == u.deg
    assert all(np.char.startswith(found["access_url"].astype(str), server.url.removesuffix("tap") + "files/"))


def test_a_small_answer_goes_out_with_its_length_and_a_large_one_in_pieces(server: Server) -> None:
    for query, whole in (("SELECT TOP 5 n FROM test.numbers", True), ("SELECT n FROM test.numbers", False)):
        asked = {"LANG": "ADQL", "QUERY": query, "FORMAT": "votable/td", "MAXREC": 100_000}
        answer = requests.post(f"{server.url}/sync", asked, timeout=60)
        assert answer.status_code == 200
        assert ("Content-Length" in answer.headers) == whole
        assert answer.content.endswith(b"</VOTABLE>\n")


def test_pyvo_reads_what_the_service_says_of_itself(server: Server) -> None:
    service = pyvo.dal.TAPService(server.url)
    assert service.available
    assert (service.maxrec, service.hardlimit) == (100_000, 10_000_000)
    tables = service.tables
    assert set(tables.keys()) == {
        "ivoa.obscore", "test.kinds", "test.numbers", "tap_schema.schemas", "tap_schema.tables", "tap_schema.columns",
        "tap_schema.keys", "tap_schema.key_columns",
    }  # fmt: skip
    columns = {column.name: column for column in tables["ivoa.obscore"].columns}
    assert columns["s_ra"].unit == "deg"
    assert columns["s_ra"].ucd == "pos.eq.ra"
    assert columns["s_region"].datatype.content == "char"
    assert [c.name for c in tables["test.kinds"].columns][-2:] == ['"size"', '"Mixed Name"']
    capability = next(c for c in service.capabilities if c.standardid == "ivo://ivoa.net/std/TAP")
    assert [language.name for language in capability.languages] == ["ADQL"]
    assert capability.interfaces[0].accessurls[0].content == server.url


def test_tables_without_columns_and_one_by_one(server: Server) -> None:
    short = requests.get(server.url + "/tables", params={"detail": "min"}, timeout=60).content
    assert len(ElementTree.fromstring(short).findall(".//table")) == 8
    assert b"<column" not in short
    counted = {
        table.findtext("name"): int(table.findtext("nrows")) for table in ElementTree.fromstring(short).iter("table")
    }
    service = pyvo.dal.TAPService(server.url)
    asked = {name: service.search(f"SELECT COUNT(*) AS n FROM {name}")["n"][0] for name in counted}  # noqa: S608
    assert counted == asked
    assert counted["ivoa.obscore"] > 0
    for name in ("test.kinds", "TEST.Kinds"):
        one = ElementTree.fromstring(requests.get(f"{server.url}/tables/{name}", timeout=60).content)
        assert len(one.findall("column")) == 14
    assert requests.get(server.url + "/tables/test.nothing", timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"QUERY": ""}, "QUERY is missing"),
        ({"QUERY": TOP5, "LANG": "SQL"}, "LANG: 'SQL' is not known"),
        ({"QUERY": TOP5, "REQUEST": "getCapabilities"}, "REQUEST: 'getCapabilities' is not known"),
        ({"QUERY": TOP5, "MAXREC": "-1"}, "MAXREC: '-1' is not a whole number"),
        ({"QUERY": TOP5, "MAXREC": "ten"}, "MAXREC: 'ten' is not a whole number"),
        (
            {"QUERY": TOP5, "RESPONSEFORMAT": "xls"},
            "RESPONSEFORMAT: 'xls' is not known; votable, votable/td, votable/b1, csv",
        ),
        ({"QUERY": [TOP5, TOP5 + " "]}, "QUERY is given 2 times with different values"),
        ({"QUERY": TOP5, "maxrec": "5", "MaxRec": "6"}, "MAXREC is given 2 times"),
        ({"QUERY": TOP5, "UPLOAD": "t"}, "UPLOAD is 't', allowed is NAME,URL or NAME,param:PART"),
        ({"QUERY": TOP5, "UPLOAD": "t,param:x"}, "UPLOAD is 'param:x', but the form has no part 'x'"),
        ({"QUERY": TOP5, "UPLOAD": "t,http://10.0.0.1/y"}, "the host '10.0.0.1' has no address on the public"),
        ({"QUERY": "SELECT s_raa FROM ivoa.obscore"}, "line 1, column 8: there is no column s_raa; did you mean s_ra?"),
        ({"QUERY": "SELECT s_ra FROM ivoa.obscore WHERE t_min > '2020-01-01'"}, "compared; as MJD it is 58849"),
        ({"QUERY": "SELECT s_ra FROM ivoa.obscore WHERE t_min > '2020-01-01T06:00:00Z'"}, "as MJD it is 58849.25"),
        ({"QUERY": "SELECT s_ra FROM ivoa.obscore WHERE COUNT(*) > 3"}, "conditions on COUNT, SUM, … follow HAVING"),
        ({"QUERY": "SELECT * FROM read_csv('/etc/passwd')"}, "only tables may stand in FROM"),
        ({"QUERY": TOP5, "RESPONSEFORMAT": "text/csv;header=maybe"}, "RESPONSEFORMAT: 'text/csv;header=maybe' is not"),
        ({"QUERY": "SELECT s_ra, COUNT(*) FROM ivoa.obscore GROUP BY obs_id"}, "column 8: s_ra is neither in GROUP BY"),
        ({"QUERY": "SELECT x<y&z FROM ivoa.obscore"}, "'&' is not ADQL"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_errors_are_votables(server: Server, method: str, parameters: dict[str, str], message: str) -> None:
    where = {"params" if method == "GET" else "data": {"LANG": "ADQL", **parameters}}
    answer = requests.request(method, server.url + "/sync", timeout=60, **where)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/xml")
    info = ElementTree.fromstring(answer.content).find(".//{*}INFO[@name='QUERY_STATUS']")
    assert info.get("value") == "ERROR"
    assert message in info.text
    with pytest.raises(pyvo.dal.DALQueryError, match="."):
        pyvo.dal.TAPService(server.url).search("SELECT nothing FROM nowhere")


def test_parameters_are_read_as_dali_says(server: Server) -> None:
    for parameters in (
        {"query": TOP5, "lang": "adql-2.1", "ReQuEsT": "doQuery", "format": "csv", "runid": "x", "unknown": "ignored"},
        {"QUERY": [TOP5, TOP5], "LANG": "ADQL-2.0", "RESPONSEFORMAT": "csv", "FORMAT": "votable", "MAXREC": " 100 "},
        {"QUERY": TOP5, "FORMAT": "text/csv"},
    ):
        answer = requests.post(server.url + "/sync", data=parameters, timeout=60)
        assert answer.text.splitlines()[:2] == ["obs_id,s_ra", "o0,0"]
    # HEAD asks for the same without the rows
    answer = requests.head(server.url + "/sync", params={"QUERY": TOP5, "FORMAT": "csv"}, timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "text/csv;header=present;charset=utf-8"
    assert requests.head(server.url + "/sync", params={"QUERY": TOP5, "FORMAT": "xls"}, timeout=60).status_code == 400
    # a + that was not encoded is a blank
    address = (
        f"{server.url}/sync?QUERY={TOP5.replace(' ', '+')}&FORMAT=application/x-votable+xml;serialization=tabledata"
    )
    assert b"<TABLEDATA>" in requests.get(address, timeout=60).content
    # some in the address, some in the body
    answer = requests.post(server.url + "/sync?LANG=ADQL&FORMAT=csv", data={"QUERY": TOP5}, timeout=60)
    assert answer.text.startswith("obs_id,s_ra\r\no0,")


def test_multipart_with_the_preamble_of_stilts(server: Server) -> None:
    boundary = "<<<--------------MULTIPART-BOUNDARY------->>>"
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"LANG": "ADQL", "REQUEST": "doQuery", "FORMAT": "csv", "QUERY": TOP5}.items()
    )
    answer = requests.post(
        server.url + "/sync",
        data=iter([f"\r\n{parts}--{boundary}--\r\n".encode()]),  # an iterator is sent in chunks
        headers={"Content-Type": f'multipart/form-data; boundary="{boundary}"'},
        timeout=60,
    )
    assert answer.text.startswith("obs_id,s_ra\r\no0,"), answer.text


def test_bodies_are_bounded(server: Server) -> None:
    answer = requests.post(server.url + "/sync", data={"QUERY": "x" * 500_000}, timeout=60)
    assert answer.status_code == 400
    assert "200000 are allowed" in answer.text
    try:
        answer = requests.post(server.url + "/sync", data=b"x" * 5_000_000, timeout=60)
    except requests.ConnectionError:
        return  # it was refused while it was still being sent
    assert answer.status_code == 413


@pytest.fixture
def small(archive: Path) -> Iterator[Server]:
    """A server that answers one query at a time."""
    yield from run_server(Engine(archive, max_queries=1, max_waiting=0, timeout=30))


HEAVY = "SELECT COUNT(*) FROM test.numbers AS a, test.numbers AS b WHERE MOD(a.n * b.n, 7) = 3"


def _send(server: Server, query: str) -> socket.socket:
    """A request whose answer nobody reads."""
    url = urlsplit(server.url)
    client = socket.create_connection((url.hostname or "", url.port or 0))
    target = f"{url.path}/sync?MAXREC={limits.DEFAULT.rows_max}&QUERY={quote(query)}"
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    return client


def _until(server: Server, condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.005)

    asyncio.run_coroutine_threadsafe(asyncio.wait_for(wait(), 60), server.loop).result(65)


def test_too_many_queries_are_told_to_come_again_and_a_client_that_leaves_frees_its_query(small: Server) -> None:
    client = _send(small, HEAVY)
    _until(small, lambda: len(small.engine.active) == 1)
    refused = requests.get(small.url + "/sync", params={"QUERY": TOP5}, timeout=60)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert "too many queries are waiting" in refused.text
    client.close()
    _until(small, lambda: not small.engine.active)
    assert requests.get(small.url + "/sync", params={"QUERY": TOP5}, timeout=60).status_code == 200


def test_a_client_that_leaves_in_the_middle_of_the_rows_frees_its_query(small: Server) -> None:
    client = _send(small, "SELECT a.n, b.x FROM test.numbers AS a, test.numbers AS b")
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    # 10^7 rows are 200 MB: the buffers of the sockets, which hold some MB, cannot have taken all of them already
    assert len(small.engine.active) == 1
    client.close()
    _until(small, lambda: not small.engine.active)


def test_rows_that_break_off_are_told_from_complete_ones(archive: Path) -> None:
    """The error comes in a late batch, long after the head went out."""
    running = run_server(Engine(archive, threads=1))
    server = next(running)
    query = "SELECT n, MOD(n, 999000 - n) AS m FROM test.numbers"
    for kind in ("votable", "votable/td"):
        answer = requests.get(
            server.url + "/sync", params={"QUERY": query, "MAXREC": 1_000_000, "FORMAT": kind}, timeout=60
        )
        infos = ElementTree.fromstring(answer.content).findall(".//{*}INFO[@name='QUERY_STATUS']")
        assert [info.get("value") for info in infos] == ["OK", "ERROR"]
        assert "Division by zero" in (infos[1].text or "")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(server.url + "/sync", params={"QUERY": query, "MAXREC": 1_000_000, "FORMAT": "csv"}, timeout=60)
    assert next(running, None) is None


def test_a_missing_archive_is_said_clearly(tmp_path: Path) -> None:
    running = run_server(Engine(tmp_path / "gone.duckdb"))
    server = next(running)
    for path in ("/sync?QUERY=SELECT+1", "/tables", "/capabilities"):
        answer = requests.get(server.url + path, timeout=60)
        assert answer.status_code == 503
        assert "the archive gone.duckdb cannot be read: No such file or directory" in answer.text
    available = requests.get(server.url + "/availability", timeout=60)
    assert available.status_code == 200
    assert "<vosi:available>false</vosi:available><vosi:note>the archive gone.duckdb" in available.text
    assert next(running, None) is None


def test_stilts_queries(server: Server, need: Callable[[str, str], str]) -> None:
    command = [need("stilts", "stilts"), "tapquery", f"tapurl={server.url}", "sync=true", f"adql={TOP5}", "ofmt=csv"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.splitlines()[:2] == ["obs_id,s_ra", "o0,0.0"]


def taplint(archive: Path, folder: Path, stilts: str, *options: str) -> str:
    """What STILTS's checker says of the whole service."""
    with run_service(folder, archive) as service:
        password = ["-Dstar.basicauth.user=observer", f"-Dstar.basicauth.password={service.token}"]
        return subprocess.run(
            [stilts, *password, "taplint", f"tapurl={service.url}tap", "report=EWF", *options],
            capture_output=True, text=True, check=False, timeout=120,
        ).stdout  # fmt: skip


def test_taplint_finds_nothing(sim_archive: Path, tmp_path: Path, need: Callable[[str, str], str]) -> None:
    """On the simulated archive, in all stages but that of ObsLocTAP, which wants another table."""
    found = taplint(sim_archive, tmp_path, need("stilts", "stilts"), "stages=-LOC")
    assert "Totals: Errors: 0; Warnings: 0; Failures: 0" in found, found


@pytest.mark.hess
def test_taplint_finds_nothing_in_measured_data(
    hess_dir: Path, sim_archive: Path, tmp_path: Path, need: Callable[[str, str], str]
) -> None:
    """With the H.E.S.S. collection beside the simulated one, in the stages that look at values."""
    archive = Path(shutil.copy(sim_archive, tmp_path / "archive.duckdb"))
    assert add_store(archive, hess_dir).skipped == []
    found = taplint(archive, tmp_path, need("stilts", "stilts"), "stages=TME TMS CAP MDQ OBS EXA")
    assert "Totals: Errors: 0; Warnings: 0; Failures: 0" in found, found


def test_the_examples_of_the_documentation_run(sim_archive: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "observers" / "adql.md"
    queries = re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(queries) > 5
    running = run_server(Engine(sim_archive))
    service = pyvo.dal.TAPService(next(running).url)
    for query in queries:
        assert len(service.search(query)) > 0, query
    assert next(running, None) is None


def test_the_examples_of_the_service_run(sim_archive: Path) -> None:
    running = run_server(Engine(sim_archive))
    server = next(running)
    answer = requests.get(server.url + "/examples", timeout=60)
    assert answer.headers["Content-Type"] == "application/xhtml+xml; charset=UTF-8"
    service = pyvo.dal.TAPService(server.url)
    examples = service.examples
    assert len(examples) == 4
    for example in examples:
        assert len(example.execute()) > 0, example["QUERY"]
    assert next(running, None) is None


def test_capabilities_tell_limits_uploads_and_formats(server: Server) -> None:
    capability = next(c for c in pyvo.dal.TAPService(server.url).capabilities if c.standardid.endswith("/TAP"))
    methods = {method.ivo_id.partition("#")[2] for method in capability.uploadmethods}
    assert methods == {"upload-inline", "upload-http", "upload-https"}
    assert capability.uploadlimit.hard.content == limits.DEFAULT.upload_rows
    assert capability.executionduration.hard == limits.DEFAULT.job_duration_max
    for kind in capability.outputformats:
        for name in (kind.mime, *kind.aliases):
            answer = requests.get(server.url + "/sync", params={"QUERY": TOP5, "RESPONSEFORMAT": name}, timeout=60)
            assert answer.status_code == 200, name
