"""Tables that clients bring: every format, inline and by URL, and what is refused."""

from __future__ import annotations

import io
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import pyvo
import requests
from astropy.io import fits, votable
from astropy.table import MaskedColumn, Table
from tap_server import Server

from jupyter_uws.tap.limits import DEFAULT

ALL = "SELECT * FROM TAP_UPLOAD.t ORDER BY i"
NAMES = ["b", "ub", "s", "i", "l", "f", "d", "t", "u"]


def table() -> Table:
    """A column of each kind, the second row null where there can be one."""
    found = Table(
        [
            MaskedColumn([True, False, False], "b", mask=[False, True, False]),
            MaskedColumn(np.array([255, 0, 1], np.uint8), "ub", mask=[False, True, False]),
            MaskedColumn(np.array([-32768, 0, 1], np.int16), "s", mask=[False, True, False]),
            MaskedColumn(np.array([1, 2, 3], np.int32), "i"),
            MaskedColumn(np.array([2**62, 0, -(2**62)], np.int64), "l", mask=[False, True, False]),
            MaskedColumn(np.array([1.5, np.nan, -2.5], np.float32), "f"),
            MaskedColumn(np.array([0.1, np.nan, 1e300]), "d", unit="deg", description="an angle"),
            MaskedColumn(["plain", "", "a<b & c"], "t"),
            MaskedColumn(["grün", "", "星"], "u"),
        ]
    )
    found["d"].meta["ucd"] = "pos.eq.ra"
    return found


def ask(server: Server, content: bytes, query: str = ALL, **parameters: str) -> requests.Response:
    data = {"LANG": "ADQL", "QUERY": query, "UPLOAD": "t,param:file", **parameters}
    return requests.post(server.url + "/sync", data=data, files={"file": ("t", content)}, timeout=60)


def answered(server: Server, content: bytes) -> votable.tree.TableElement:
    answer = ask(server, content)
    assert answer.status_code == 200, answer.text
    return votable.parse(io.BytesIO(answer.content)).get_first_table()


def as_votable(kind: str) -> bytes:
    document = votable.from_table(table())
    document.get_first_table().get_field_by_id("d").ucd = "pos.eq.ra"
    for name in ("ub", "s", "l") if kind == "binary" else ():  # which has no other null
        document.get_first_table().get_field_by_id(name).values.null = 7
    out = io.BytesIO()
    document.to_xml(out, tabledata_format=kind)
    return out.getvalue()


def check(found: votable.tree.TableElement) -> None:
    assert [field.name for field in found.fields] == NAMES
    rows = found.array
    assert rows["i"].tolist() == [1, 2, 3]
    assert rows["b"].tolist()[0] is True
    for name, values in {"ub": (255, 1), "s": (-32768, 1), "l": (2**62, -(2**62)), "f": (1.5, -2.5)}.items():
        assert (rows[name][0], rows[name][2]) == values, name
        assert rows.mask[name].tolist() == [False, True, False], name
    assert (rows["d"][0], rows["d"][2]) == (0.1, 1e300)
    assert rows.mask["d"].tolist() == [False, True, False]
    assert [str(text) for text in rows["t"]][::2] == ["plain", "a<b & c"]
    assert [str(text) for text in rows["u"]][::2] == ["grün", "星"]


@pytest.mark.parametrize("kind", ["tabledata", "binary", "binary2"])
def test_votables_in_every_serialisation(server: Server, kind: str) -> None:
    found = answered(server, as_votable(kind))
    check(found)
    field = found.get_field_by_id("d")
    assert (str(field.unit), field.ucd, field.description) == ("deg", "pos.eq.ra", "an angle")
    datatypes = ["boolean", "unsignedByte", "short", "int", "long", "float", "double", "char", "unicodeChar"]
    assert [each.datatype for each in found.fields] == datatypes


def test_fits(server: Server) -> None:
    rows = table()
    for name, null in {"ub": 7, "s": 7, "l": 7}.items():
        rows[name] = rows[name].filled(null)
    rows["b"] = rows["b"].filled(False)
    rows["u"] = np.char.encode(np.asarray(rows["u"]), "utf-8")
    hdu = fits.table_to_hdu(rows)
    for number, name in enumerate(NAMES, 1):
        if name in ("ub", "s", "l"):
            hdu.header[f"TNULL{number}"] = 7
    hdu.header[f"TUCD{NAMES.index('d') + 1}"] = "pos.eq.ra"
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    found = answered(server, out.getvalue())
    check(found)
    assert (str(found.get_field_by_id("d").unit), found.get_field_by_id("d").ucd) == ("deg", "pos.eq.ra")


def test_parquet(server: Server) -> None:
    rows = table()
    arrays = [pa.array(np.asarray(rows[name]), mask=np.ma.getmaskarray(rows[name]), from_pandas=True) for name in NAMES]
    schema = pa.schema([pa.field(name, array.type) for name, array in zip(NAMES, arrays, strict=True)])
    place = NAMES.index("d")
    schema = schema.set(place, schema.field(place).with_metadata({"unit": "deg", "ucd": "pos.eq.ra"}))
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), out)
    found = answered(server, out.getvalue())
    check(found)
    assert (str(found.get_field_by_id("d").unit), found.get_field_by_id("d").ucd) == ("deg", "pos.eq.ra")


def test_csv(server: Server) -> None:
    content = 'i,x,name,when,flag\n1,0.5,"a, b",2020-01-02T03:04:05,true\n2,,grün,,false\n'.encode()
    answer = ask(server, content, FORMAT="json").json()
    assert answer["data"] == [
        [1, 0.5, "a, b", "2020-01-02T03:04:05", True],
        [2, None, "grün", None, False],
    ]
    assert [field["datatype"] for field in answer["metadata"]] == ["long", "double", "unicodeChar", "char", "boolean"]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[str]:
    """A web server on ``tmp_path``."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_tables_by_url(server: Server, shelf: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k,v\n1,one\n2,two\n")
    query = "SELECT x.v, y.v AS w FROM TAP_UPLOAD.x AS x JOIN tap_upload.Y AS y ON x.k = y.k ORDER BY x.k DESC"
    for upload in (f"x,{shelf}/a.csv;y,{shelf}/a.csv", [f"x,{shelf}/a.csv", f"y,{shelf}/a.csv"]):
        data = {"QUERY": query, "FORMAT": "csv", "UPLOAD": upload}
        answer = requests.post(server.url + "/sync", data=data, timeout=60)
        assert answer.text == "v,w\r\ntwo,two\r\none,one\r\n"
    answer = requests.post(server.url + "/sync", data={**data, "UPLOAD": f"x,{shelf}/gone.csv"}, timeout=60)
    assert answer.status_code == 400
    assert "UPLOAD: the host '127.0.0.1' answered with status 404" in answer.text
    # pyvo uploads by URL, too
    job = pyvo.dal.TAPService(server.url).submit_job("SELECT * FROM TAP_UPLOAD.x", uploads={"x": f"{shelf}/a.csv"})
    job.run().wait(timeout=60)
    assert len(job.fetch_result()) == 2


def test_an_upload_ends_with_its_query_and_is_seen_by_no_other(server: Server) -> None:
    assert ask(server, b"a\n1\n", "SELECT * FROM TAP_UPLOAD.t").status_code == 200
    answer = requests.get(server.url + "/sync", params={"QUERY": "SELECT * FROM TAP_UPLOAD.t"}, timeout=60)
    assert answer.status_code == 400
    assert "there is no table 'TAP_UPLOAD.t'" in answer.text
    assert server.jobs is not None


EVIL = '<?xml version="1.0"?>%s<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">%s</VOTABLE>'
RESOURCE = '<RESOURCE><TABLE><FIELD name="a" datatype="int"/><DATA>%s</DATA></TABLE></RESOURCE>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x01\x02", "it is no VOTable, FITS, Parquet or CSV file"),
        (b"<VOTABLE><RESOURCE>", "it is not well-formed XML"),
        (b"<html></html>", "there is no TABLE in it"),
        (
            (EVIL % ("", RESOURCE % '<BINARY><STREAM href="file:///etc/passwd"/></BINARY>')).encode(),
            "its data is elsewhere",
        ),
        (
            (EVIL % ('<!DOCTYPE VOTABLE [<!ENTITY a "b">]>', RESOURCE % "<TABLEDATA/>")).encode(),
            "it declares entities",
        ),
        (
            (EVIL % ("", (RESOURCE % "<BINARY2/>").replace("<TABLE>", '<TABLE nrows="99999999">'))).encode(),
            "200000 are allowed",
        ),
        (
            (EVIL % ("", RESOURCE.replace('"int"', '"char" arraysize="90000"') % ("<TABLEDATA>" + "<TR/>" * 999)))
            .encode()
            .replace(b"</DATA>", b"</TABLEDATA></DATA>"),
            "its texts and arrays of fixed size are too long",
        ),
        (
            (EVIL % ("", RESOURCE.replace('"int"', '"char" arraysize="3x*"') % "")).encode(),
            "the column a holds arrays of texts: send them as FITS or Parquet",
        ),
        (b"a,A\n1,2\n", "each column needs a name of its own"),
        (b"a,b\n1\n", "cannot be read"),
        (b"SIMPLE  =                    T", "cannot be read"),
        (b"PAR1" + b"\0" * 20, "cannot be read"),
        (b"a\n" + b"1\n" * (DEFAULT.upload_rows + 1), f"{DEFAULT.upload_rows} are allowed"),
        (b"x" * (DEFAULT.upload_size + 1), f"allowed are at most {DEFAULT.upload_size}"),
        (",".join(f"c{i}" for i in range(501)).encode() + b"\n", "it has 501 columns, 500 are allowed"),
    ],
    ids=range(15),
)
def test_what_is_refused(server: Server, content: bytes, message: str) -> None:
    answer = ask(server, content)
    assert answer.status_code == 400
    assert message in answer.text
    assert "QUERY_STATUS" in answer.text
    assert "/etc/passwd" not in answer.text


def test_columns_are_named_as_they_are_sent_and_hold_no_sql(server: Server) -> None:
    name = 'x"; DROP TABLE y; --'
    content = f'"{name.replace(chr(34), chr(34) * 2)}",b\n1,2\n'.encode()
    answer = ask(server, content, "SELECT * FROM TAP_UPLOAD.t", FORMAT="json").json()
    assert [field["name"] for field in answer["metadata"]] == [name, "b"]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("serialisation", ["TABLEDATA", "BINARY", "BINARY2"])
def test_stilts_uploads_a_table_for_a_crossmatch(
    server: Server, need: Callable[[str, str], str], tmp_path: Path, serialisation: str, sync: bool
) -> None:
    (tmp_path / "mine.csv").write_text("name,ra,dec\nfirst,0.0,-86.4\nsecond,137.507764,-84.0\n")
    query = (
        "SELECT u.name, o.obs_id FROM TAP_UPLOAD.mine AS u JOIN ivoa.obscore AS o"
        " ON 1 = CONTAINS(POINT('ICRS', o.s_ra, o.s_dec), CIRCLE('ICRS', u.ra, u.dec, 1)) ORDER BY name"
    )
    found = subprocess.run(
        [need("stilts", "stilts"), "tapquery", f"tapurl={server.url}", f"sync={str(sync).lower()}", "nupload=1",
         f"upload1={tmp_path / 'mine.csv'}", "ufmt1=csv", "upname1=mine", f"upvotformat={serialisation}",
         f"adql={query}", "ofmt=csv", *([] if sync else ["poll=100"])],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == ["name,obs_id", "first,o0", "second,o1"]
