"""Every kind of value survives every format, nulls too."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import requests
from astropy.io import fits, votable
from astropy.table import Table
from tap_server import Server

KINDS = "SELECT * FROM test.kinds ORDER BY id"
NAMES = ["id", "b", "ub", "s", "i", "l", "f", "d", "t", "u", "w", "when", "size", "Mixed Name"]
DATATYPES = ["int", "boolean", "unsignedByte", "short", "int", "long", "float", "double", "char", "unicodeChar"]
DATATYPES += ["unicodeChar", "char", "int", "int"]


def ask(server: Server, query: str, **parameters: object) -> requests.Response:
    answer = requests.get(server.url + "/sync", params={"LANG": "ADQL", "QUERY": query, **parameters}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.W03")  # it wants an ID of "Mixed Name"
@pytest.mark.parametrize("kind", ["votable", "votable/td"])
def test_votable_round_trip(server: Server, kind: str) -> None:
    document = votable.parse(io.BytesIO(ask(server, KINDS, RESPONSEFORMAT=kind).content), verify="exception")
    fields = document.get_first_table().fields
    assert [field.name for field in fields] == NAMES
    assert [field.datatype for field in fields] == DATATYPES
    assert fields[11].xtype == "timestamp"
    table = document.get_first_table().array
    first, null, last = (table[i] for i in range(3))
    assert tuple(first)[:8] == (1, True, 255, -32768, 2147483647, 9223372036854775807, 1.5, 0.1)
    assert tuple(first)[8:] == ('a<b & "c", d', "grün", "星🌟x", "2020-01-02T03:04:05.000000", 7, 8)
    assert tuple(last)[1:6] == (False, 0, 32767, -2147483648, -9223372036854775807)
    assert np.isnan(table["f"].data[2])
    assert last["d"] == -np.inf
    assert (last["u"], last["when"]) == ("plain", "1999-12-31T23:59:59.250000")
    for name in ("b", "ub", "s", "i", "l", "size", "Mixed Name"):
        assert table.mask[name].tolist() == [False, True, False], name
    assert null["t"] in ("", np.ma.masked)
    assert np.isnan(table["d"].data[1])


def test_stilts_reads_the_same(server: Server, need: Callable[[str, str], str], tmp_path: Path) -> None:
    stilts = need("stilts", "stilts")
    for kind in ("votable", "votable/td"):
        path = tmp_path / "kinds.vot"
        path.write_bytes(ask(server, KINDS, RESPONSEFORMAT=kind).content)
        lint = subprocess.run([stilts, "votlint", f"votable={path}"], capture_output=True, text=True, check=False)
        assert (lint.returncode, lint.stdout) == (0, ""), lint.stdout + lint.stderr
        pipe = subprocess.run(
            [stilts, "tpipe", f"in={path}", "ifmt=votable", "ofmt=csv", "omode=out"],
            capture_output=True, check=True,
        )  # fmt: skip
        rows = list(csv.reader(io.StringIO(pipe.stdout.decode())))
        assert rows[0] == NAMES
        assert rows[1][:6] == ["1", "true", "255", "-32768", "2147483647", "9223372036854775807"]
        assert rows[1][8:11] == ['a<b & "c", d', "grün", "星🌟x"]
        assert rows[2] == ["2"] + [""] * 13
        assert rows[3][1:6] == ["false", "0", "32767", "-2147483648", "-9223372036854775807"]


def test_csv_tsv_json(server: Server) -> None:
    answer = ask(server, KINDS, FORMAT="csv")
    assert answer.headers["Content-Type"] == "text/csv;header=present;charset=utf-8"
    assert "grün" in answer.text  # by that character set
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows[0] == NAMES
    assert rows[1][7:11] == ["0.1", 'a<b & "c", d', "grün", "星🌟x"]
    assert rows[2] == ["2"] + [""] * 13
    assert rows[3][6:9] == ["NaN", "-Inf", ""]
    assert b',-Inf,"",plain,"",' in answer.content  # an empty text is not a null

    # parameters of the MIME type, in any order; the character set is the one there is
    for kind in ("text/csv; header=present", 'TEXT/CSV;charset="UTF-8";header=PRESENT', "text/csv;charset=utf-8"):
        assert ask(server, KINDS, RESPONSEFORMAT=kind).content == answer.content
    for kind in ("text/csv;header=absent", "text/csv; charset=utf-8; header=absent"):
        bare = ask(server, KINDS, RESPONSEFORMAT=kind)
        assert bare.headers["Content-Type"] == "text/csv;header=absent;charset=utf-8"
        assert bare.content == answer.content.split(b"\r\n", 1)[1]
    assert ask(server, KINDS, RESPONSEFORMAT="text/csv;header=absent", MAXREC=0).content == b""

    lines = ask(server, KINDS, RESPONSEFORMAT="text/tab-separated-values").content.decode().splitlines()
    assert lines[0].split("\t") == NAMES
    assert lines[1].split("\t")[8] == 'a<b & "c", d'

    found = json.loads(ask(server, KINDS, RESPONSEFORMAT="json").content)
    assert [field["name"] for field in found["metadata"]] == NAMES
    assert found["data"][0][:9] == [1, True, 255, -32768, 2147483647, 9223372036854775807, 1.5, 0.1, 'a<b & "c", d']
    assert found["data"][1] == [2] + [None] * 13
    assert found["data"][2][6:8] == [None, None]  # NaN and infinity


def test_metadata_follows_plain_columns_and_not_computed_ones(server: Server) -> None:
    content = ask(
        server, "SELECT s_ra AS x, s_ra + 1 AS y, MAX(s_dec) AS z, COUNT(*) FROM (SELECT * FROM ivoa.obscore) AS t"
        " GROUP BY s_ra",
    ).content  # fmt: skip
    x, y, z, n = votable.parse(io.BytesIO(content)).get_first_table().fields
    assert (x.name, str(x.unit), x.ucd, x.description) == ("x", "deg", "pos.eq.ra", "right ascension")
    assert (y.name, y.unit, y.ucd, y.datatype) == ("y", None, None, "double")
    assert (z.name, str(z.unit), z.ucd) == ("z", "deg", "pos.eq.dec;stat.max")
    assert (n.name, n.datatype) == ("count", "long")


def test_computed_types(server: Server) -> None:
    content = ask(
        server,
        "SELECT SUM(n) AS s, AVG(n) AS a, MAX('grün') AS g, MAX('x' || n) AS h,"
        " MIN(CAST('2020-01-01' AS TIMESTAMP)) AS t, MAX(CAST(n AS REAL)) AS r, NULL AS e"
        " FROM test.numbers WHERE n < 10",
    ).content
    table = votable.parse(io.BytesIO(content)).get_first_table()
    assert [f.datatype for f in table.fields] == ["long", "double", "unicodeChar", "char", "char", "float", "char"]
    assert tuple(table.array[0])[:6] == (45, 4.5, "grün", "x9", "2020-01-01T00:00:00.000000", 9.0)


def test_batches_join_without_a_seam(server: Server) -> None:
    """30 000 rows are four batches; base64 must not notice."""
    query = "SELECT n, x, 'row ' || n AS name FROM test.numbers WHERE n < 30000 ORDER BY n"
    for kind in ("votable", "votable/td", "csv"):
        content = ask(server, query, RESPONSEFORMAT=kind).content
        table = Table.read(io.BytesIO(content), format="votable" if kind != "csv" else "ascii.csv")
        assert np.array_equal(table["n"], np.arange(30000))
        assert np.array_equal(table["x"], np.arange(30000) / 2)
        assert table["name"][29999] == "row 29999"


def test_maxrec_and_overflow(server: Server) -> None:
    def status(**parameters: object) -> tuple[int, list[str]]:
        query = str(parameters.pop("query", "SELECT n FROM test.numbers"))
        document = votable.parse(io.BytesIO(ask(server, query, **parameters).content))
        infos = [info.value for info in document.resources[0].infos if info.name == "QUERY_STATUS"]
        return len(document.get_first_table().array), infos

    assert status(MAXREC=10) == (10, ["OK", "OVERFLOW"])
    assert status(MAXREC=0) == (0, ["OK", "OVERFLOW"])
    assert status(query="SELECT TOP 5 n FROM test.numbers", MAXREC=10) == (5, ["OK"])
    assert status(query="SELECT TOP 10 n FROM test.numbers", MAXREC=10) == (10, ["OK"])
    assert status(query="SELECT n FROM test.numbers WHERE n < 10", MAXREC=10) == (10, ["OK"])
    assert status(query="SELECT n FROM test.numbers WHERE n < 11", MAXREC=10) == (10, ["OK", "OVERFLOW"])
    assert status(query="SELECT n FROM test.numbers WHERE n < 0") == (0, ["OK"])
    assert status(query="SELECT n FROM test.numbers WHERE n < 20000", MAXREC=16384) == (16384, ["OK", "OVERFLOW"])
    union = "SELECT n FROM test.numbers WHERE n < 6 UNION SELECT n FROM test.numbers WHERE n < 11"
    assert status(query=union, MAXREC=10) == (10, ["OK", "OVERFLOW"])


def test_names_of_formats(server: Server) -> None:
    for name, content_type in [
        ("text/xml", "text/xml;charset=utf-8"),
        ("application/x-votable+xml", "application/x-votable+xml"),
        ("application/x-votable+xml; serialization=TABLEDATA", "application/x-votable+xml;serialization=tabledata"),
        ("votable/b2", "application/x-votable+xml;serialization=binary2"),
        ("TSV", "text/tab-separated-values;charset=utf-8"),
        # what was asked for by a MIME type is called by it (DALI 1.1, section 3.4.3)
        ("text/xml; charset=UTF-8", "text/xml;charset=utf-8"),
        ("text/xml;serialization=binary2", "text/xml;serialization=binary2;charset=utf-8"),
        ("text/xml;serialization=Binary", "text/xml;serialization=binary;charset=utf-8"),
        ("text/xml;serialization=tabledata", "text/xml;serialization=tabledata;charset=utf-8"),
        ("application/x-votable+xml;charset=UTF-8", "application/x-votable+xml;charset=utf-8"),
        ("application/x-votable xml", "application/x-votable+xml"),
        ("image/fits", "image/fits"),
        ("fits", "application/fits"),
        ("application/x-parquet", "application/x-parquet"),
        ('text/csv; charset="utf-8"', "text/csv;header=present;charset=utf-8"),
    ]:
        answer = ask(server, "SELECT TOP 1 n FROM test.numbers", RESPONSEFORMAT=name)
        assert answer.headers["Content-Type"] == content_type


def _parquet(content: bytes) -> Table:
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    return Table({name: np.array(table[name].to_pylist(), object) for name in table.column_names})


@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.W03")  # it wants an ID of "Mixed Name"
def test_binary_has_a_value_for_null(server: Server, need: Callable[[str, str], str], tmp_path: Path) -> None:
    """The least integer of each type, so that one in the data cannot be told from a null."""
    content = ask(server, KINDS, RESPONSEFORMAT="votable/b1").content
    assert b"<BINARY><STREAM" in content
    document = votable.parse(io.BytesIO(content), verify="exception").get_first_table()
    assert [field.datatype for field in document.fields] == [
        "short" if kind == "unsignedByte" else kind for kind in DATATYPES
    ]
    table = document.array
    assert tuple(table[0])[:3] == (1, True, 255)
    assert tuple(table[0])[4:11] == (2147483647, 9223372036854775807, 1.5, 0.1, 'a<b & "c", d', "grün", "星🌟x")
    for name in ("b", "ub", "l", "size", "Mixed Name"):
        assert table.mask[name].tolist() == [False, True, False], name
    assert table.mask["s"].tolist() == [True, True, False]  # -32768
    path = tmp_path / "kinds.vot"
    path.write_bytes(content)
    stilts = need("stilts", "stilts")
    lint = subprocess.run([stilts, "votlint", f"votable={path}"], capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout) == (0, ""), lint.stdout + lint.stderr


def test_fits_round_trip(server: Server, need: Callable[[str, str], str], tmp_path: Path) -> None:
    answer = ask(server, KINDS, RESPONSEFORMAT="fits")
    assert answer.headers["Content-Type"] == "application/fits"
    assert len(answer.content) % 2880 == 0
    with fits.open(io.BytesIO(answer.content), checksum=False) as hdus:
        hdus.verify("exception")
        assert hdus[1].header["QSTATUS"] == "OK"
        data = hdus[1].data
        assert list(data.names) == NAMES
        assert [data[name][0] for name in ("id", "b", "ub", "i", "l", "f", "d")] == [
            1, True, 255, 2147483647, 9223372036854775807, 1.5, 0.1,
        ]  # fmt: skip
        assert data["d"][2] == -np.inf
        assert np.isnan(data["d"][1])
        assert hdus[1].columns["l"].null == -(2**63)
    path = tmp_path / "kinds.fits"
    path.write_bytes(answer.content)
    pipe = subprocess.run(
        [need("stilts", "stilts"), "tpipe", f"in={path}", "ifmt=fits", "ofmt=csv", "omode=out"],
        capture_output=True, check=True,
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO(pipe.stdout.decode())))
    assert rows[1][:3] == ["1", "true", "255"]
    assert rows[1][8] == 'a<b & "c", d'
    assert rows[2] == ["2"] + [""] * 13
    told = fits.open(io.BytesIO(ask(server, "SELECT TOP 2 s_ra, obs_id FROM ivoa.obscore", FORMAT="fits").content))[1]
    assert (told.header["TUNIT1"], told.header["TUCD1"], told.header["TCOMM1"]) == (
        "deg",
        "pos.eq.ra",
        "right ascension",
    )


def test_parquet_holds_a_votable_that_describes_it(server: Server) -> None:
    content = ask(server, KINDS, RESPONSEFORMAT="parquet").content
    table = _parquet(content)
    assert table.colnames == NAMES
    assert list(table[0])[:8] == [1, True, 255, -32768, 2147483647, 9223372036854775807, 1.5, 0.1]
    assert list(table[0])[8:] == ['a<b & "c", d', "grün", "星🌟x", "2020-01-02T03:04:05.000000", 7, 8]
    assert list(table[1]) == [2] + [None] * 13
    query = "SELECT n, s_ra FROM ivoa.obscore, test.numbers WHERE n < 1000"
    content = ask(server, query, RESPONSEFORMAT="parquet", MAXREC=300_000).content
    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (300_000, 3)
    told = file.metadata.metadata[b"IVOA.VOTable-Parquet.content"]
    described = votable.parse(io.BytesIO(told)).get_first_table()
    assert (described.fields[1].name, str(described.fields[1].unit), described.fields[1].ucd) == (
        "s_ra", "deg", "pos.eq.ra",
    )  # fmt: skip
    assert b'value="OVERFLOW"' in told
    assert file.schema_arrow.field("s_ra").metadata[b"unit"] == b"deg"


def test_arrow_is_a_stream(server: Server) -> None:
    reader = pyarrow.ipc.open_stream(ask(server, KINDS, RESPONSEFORMAT="arrow").content)
    rows = pa.Table.from_batches(list(reader)).to_pylist()
    assert rows[0]["w"] == "星🌟x"
    assert list(rows[1].values()) == [2] + [None] * 13
    reader = pyarrow.ipc.open_stream(ask(server, "SELECT n FROM test.numbers", FORMAT="arrow", MAXREC=10).content)
    batches = list(reader.iter_batches_with_custom_metadata())
    assert [batch.batch.num_rows for batch in batches] == [10, 0]
    assert batches[-1].custom_metadata[b"QUERY_STATUS"] == b"OVERFLOW"


@pytest.mark.parametrize(
    "kind", ["votable", "votable/td", "votable/b1", "csv", "tsv", "json", "fits", "parquet", "arrow"]
)
def test_no_rows_and_maxrec_0(server: Server, kind: str) -> None:
    """MAXREC=0 asks for the columns alone, and tells of an overflow whatever there is (DALI 1.1, section 3.4.4)."""
    nothing = "SELECT n, x, 'a' AS t FROM test.numbers WHERE n < 0"
    for query, maxrec, overflow in ((nothing, 10, False), (nothing, 0, True), (KINDS, 0, True)):
        content = ask(server, query, RESPONSEFORMAT=kind, MAXREC=maxrec).content
        if kind.startswith("votable"):
            document = votable.parse(io.BytesIO(content))
            assert len(document.get_first_table().array) == 0
            assert (b'value="OVERFLOW"' in content) is overflow
        elif kind == "fits":
            with fits.open(io.BytesIO(content)) as hdus:
                assert hdus[1].header["NAXIS2"] == 0
                assert (hdus[1].header["QSTATUS"] == "OVERFLOW") is overflow
        elif kind == "parquet":
            assert pyarrow.parquet.read_table(io.BytesIO(content)).num_rows == 0
        elif kind == "json":
            assert json.loads(content)["overflow"] is overflow


@pytest.mark.parametrize("kind", ["votable", "votable/td", "votable/b1", "fits", "parquet", "csv"])
def test_a_result_can_be_uploaded_again(server: Server, kind: str) -> None:
    """Out and in: the same values, units and UCDs."""
    query = "SELECT obs_id, target_name, s_ra, calib_level FROM ivoa.obscore WHERE s_ra < 90 ORDER BY obs_id"
    content = ask(server, query, RESPONSEFORMAT=kind).content
    back = requests.post(
        server.url + "/sync",
        data={"QUERY": "SELECT * FROM TAP_UPLOAD.t ORDER BY obs_id", "UPLOAD": "t,param:t"},
        files={"t": ("t", content)},
        timeout=60,
    )
    assert back.status_code == 200, back.text
    found = votable.parse(io.BytesIO(back.content)).get_first_table()
    wanted = votable.parse(io.BytesIO(ask(server, query).content)).get_first_table()
    for name in ("obs_id", "s_ra", "calib_level"):
        assert found.array[name].tolist() == wanted.array[name].tolist()
    assert [str(each or "") for each in found.array["target_name"]] == [
        str(each or "") for each in wanted.array["target_name"]
    ]
    if kind != "csv":
        field = found.get_field_by_id("s_ra")
        assert (str(field.unit), field.ucd, field.description) == ("deg", "pos.eq.ra", "right ascension")
