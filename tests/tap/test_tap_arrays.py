"""Columns of arrays in results and uploads: of numbers, booleans and texts, of one length and of any."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import requests
from astropy.io import fits, votable
from tap_server import Server, run_server

from jupyter_uws.client.arrow import read_arrow
from jupyter_uws.client.votable import read_votable
from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.schema import Column, Table, write_tap_schema

COLUMNS = (
    Column("id", "int"),
    Column("i3", "int", "three", arraysize="3", unit="deg", ucd="pos", utype="a:b", xtype="interval"),
    Column("d", "double", arraysize="*", unit="TeV"),
    Column("m", "short", arraysize="2x2"),
    Column("b", "boolean", arraysize="*"),
    Column("ub", "unsignedByte", arraysize="*"),
    Column("f2", "float", arraysize="2"),
    Column("l", "long", arraysize="*"),
    Column("t", "char", arraysize="4x*"),
    Column("u", "unicodeChar", arraysize="3x2"),
)
ROWS: list[list[Any]] = [
    [1, [1, -2, 3], [0.5, None, -1e300], [1, 2, 3, 4], [True, False], [0, 255], [1.5, -2.5], [2**62], ["a", "bcde"],
     ["grü", "星"]],
    [2] + [None] * 9,
    [3, [7, 8, 9], [], [-1, 0, 0, 1], [], [], [None, 0.25], [], [], ["", "z"]],
    [4, [0, 0, 0], [1.0, 2.0, 3.0, 4.0], [5, 6, 7, 8], [True], [7], [0.0, 0.0], [1, -(2**62)], ["x y"], ["ab", "c"]],
]  # fmt: skip
NUMBERS = "id, i3, d, m, b, ub, f2, l"
TYPES = [
    "INTEGER",
    "DOUBLE",
    "SMALLINT",
    "BOOLEAN",
    "UTINYINT",
    "FLOAT",
    "BIGINT",
    "VARCHAR",
    "VARCHAR",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("arrays")
    with duckdb.connect(str(folder / "a.duckdb")) as con:
        con.execute("CREATE SCHEMA test")
        types = ", ".join(f"{c.name} {kind}[]" for c, kind in zip(COLUMNS[1:], TYPES, strict=True))
        con.execute(f"CREATE TABLE test.arrays (id INTEGER, {types})")
        con.executemany(f"INSERT INTO test.arrays VALUES ({', '.join('?' * len(COLUMNS))})", ROWS)  # noqa: S608
        write_tap_schema(con, [Table("test.arrays", COLUMNS)])
    yield from run_server(Engine(folder / "a.duckdb"))


def ask(server: Server, columns: str = "*", kind: str = "json") -> bytes:
    query = f"SELECT {columns} FROM test.arrays ORDER BY id"  # noqa: S608
    answer = requests.get(server.url + "/sync", params={"QUERY": query, "FORMAT": kind}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_json_parquet_and_arrow_have_lists(server: Server) -> None:
    found = json.loads(ask(server))
    assert found["data"] == ROWS
    assert [field.get("arraysize") for field in found["metadata"]] == [column.arraysize for column in COLUMNS]
    table = pyarrow.parquet.read_table(io.BytesIO(ask(server, kind="parquet")))
    assert [list(row.values()) for row in table.to_pylist()] == ROWS
    reader = pyarrow.ipc.open_stream(ask(server, kind="arrow"))
    assert [list(row.values()) for row in pa.Table.from_batches(list(reader)).to_pylist()] == ROWS


def plain(value: Any) -> Any:
    """A value of astropy as it is in ``ROWS``; an empty array stands for a null one, which VOTable cannot tell."""
    if value is np.ma.masked or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, np.ndarray):
        found = [plain(item) for item in np.ma.asarray(value).ravel().tolist()]
        return found if any(item is not None for item in found) else None
    return value.item() if isinstance(value, np.generic) else value


def wanted(rows: list[list[Any]]) -> list[list[Any]]:
    return [[None if value == [] else value for value in row] for row in rows]


@pytest.mark.parametrize("kind", ["votable", "votable/td", "votable/b1"])
def test_astropy_reads_them_in_every_votable(server: Server, kind: str) -> None:
    content = ask(server, NUMBERS, kind)
    table = votable.parse(io.BytesIO(content), verify="exception").get_first_table()
    assert [field.arraysize for field in table.fields] == [column.arraysize for column in COLUMNS[:8]]
    i3 = table.fields[1]
    assert (str(i3.unit), i3.ucd, i3.utype, i3.xtype, i3.description) == ("deg", "pos", "a:b", "interval", "three")
    rows = [[plain(row[name]) for name in NUMBERS.split(", ")] for row in table.array]
    assert rows == wanted([row[:8] for row in ROWS])


@pytest.mark.parametrize("kind", ["votable", "votable/td", "votable/b1"])
def test_shapes_of_a_query_are_dalis_arrays(server: Server, kind: str) -> None:
    shapes = "POINT(id, 2) AS p, CIRCLE(1, 2, 3) AS c, BOX(0, 0, 0, 0) AS b, POINT(id, NULL) AS n"
    content = ask(server, shapes, kind)
    table = votable.parse(io.BytesIO(content), verify="exception").get_first_table()
    fields = [(field.datatype, field.arraysize, field.xtype, str(field.unit)) for field in table.fields]
    assert fields == [
        ("double", "2", "point", "deg"), ("double", "3", "circle", "deg"), ("double", "*", "polygon", "deg"),
        ("double", "2", "point", "deg"),
    ]  # fmt: skip
    p, c, b, n = (table.array[name][0] for name in "pcbn")
    assert (p[1], list(c), list(b)) == (2, [1, 2, 3], [0] * 8)
    assert np.isnan(np.ma.filled(n, np.nan)).all()


def test_astropy_reads_them_in_fits(server: Server) -> None:
    with fits.open(io.BytesIO(ask(server, kind="fits"))) as hdus:
        hdus.verify("exception")
        data = hdus[1].data
        assert data["i3"].tolist()[::2] == [[1, -2, 3], [7, 8, 9]]
        assert data["m"][0].tolist() == [[1, 2], [3, 4]]
        assert [value.tolist() for value in data["l"]] == [[2**62], [], [], [1, -(2**62)]]
        assert np.array_equal(data["d"][0], [0.5, np.nan, -1e300], equal_nan=True)
        assert data["d"][3].tolist() == [1.0, 2.0, 3.0, 4.0]
        assert data["b"][0].tolist() == [True, False]
        assert [text.strip("\0") for text in data["t"][0]] == ["a", "bcde"]


def test_stilts_reads_the_same_from_all(server: Server, need: Callable[[str, str], str], tmp_path: Path) -> None:
    found = {}
    for kind, form in (("votable", "votable"), ("votable/td", "votable"), ("votable/b1", "votable"), ("fits", "fits")):
        columns = "*" if form == "votable" else NUMBERS
        path = tmp_path / f"{kind.replace('/', '-')}"
        path.write_bytes(ask(server, columns, kind))
        pipe = subprocess.run(
            [need("stilts", "stilts"), "tpipe", f"in={path}", f"ifmt={form}", "ofmt=csv", "omode=out"],
            capture_output=True, check=True,
        )  # fmt: skip
        found[kind] = list(csv.reader(io.StringIO(pipe.stdout.decode())))
    first = dict(zip(found["votable"][0], found["votable"][1], strict=True))
    assert first["i3"] == "(1, -2, 3)"
    assert first["d"] == "(0.5, NaN, -1.0E300)"
    assert first["t"] == "(a, bcde)"
    assert first["u"] == "(grü, 星)"
    assert found["votable/td"][1] == found["votable"][1] == [*found["fits"][1], *found["votable"][1][8:]]
    assert found["votable/b1"][1] == found["votable"][1]


@pytest.mark.parametrize("kind", ["votable", "votable/td", "votable/b1", "fits", "parquet"])
def test_what_was_answered_can_be_uploaded(server: Server, kind: str) -> None:
    columns = NUMBERS if kind.startswith("votable") else f"{NUMBERS}, t"
    content = ask(server, columns, kind)
    data = {"QUERY": "SELECT * FROM TAP_UPLOAD.t ORDER BY id", "FORMAT": "json", "UPLOAD": "t,param:file"}
    answer = requests.post(server.url + "/sync", data=data, files={"file": ("t", content)}, timeout=60)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    described = {field["name"]: field for field in found["metadata"]}
    assert (described["i3"]["arraysize"], described["d"]["arraysize"]) == ("3", "*")
    assert described["i3"]["datatype"] == "int"
    assert {"unit": "deg", "ucd": "pos", "description": "three"}.items() <= described["i3"].items()
    for mine, theirs in zip(wanted(found["data"]), wanted(json.loads(ask(server, columns))["data"]), strict=True):
        for name, value, other in zip(described, mine, theirs, strict=True):
            if kind == "fits" and name == "t":  # filled up to the longest, and an empty text is a null one
                value, other = ([text for text in texts or [] if text] for texts in (value, other))
            if kind == "fits" and name in ("b", "ub") and other is None:
                value = None
            assert value == other, (name, value, other)


def test_arrays_in_csv_and_conditions(server: Server) -> None:
    rows = list(csv.reader(io.StringIO(ask(server, kind="csv").decode())))
    assert rows[1][1:4] == ["1 -2 3", "0.5 NaN -1e+300", "1 2 3 4"]
    assert rows[2][1:] == [""] * 9
    for query in ("SELECT i3 + 1 FROM test.arrays", "SELECT id FROM test.arrays WHERE d = 'x'"):
        answer = requests.get(server.url + "/sync", params={"QUERY": query}, timeout=60)
        assert (answer.status_code, "QUERY_STATUS" in answer.text) == (400, True)


def test_the_client_reads_them_as_astropy_does(server: Server) -> None:
    arrow, _ = read_arrow([ask(server, kind="arrow")])
    fast, _ = read_votable(ask(server, NUMBERS, "votable"))
    table = votable.parse(io.BytesIO(ask(server, NUMBERS, "votable"))).get_first_table().to_table()
    assert arrow["t"][0].tolist() == ["a", "bcde"]
    for found in (arrow, fast):
        for name in NUMBERS.split(", "):
            assert found[name].shape == table[name].shape
            assert found[name].meta == table[name].meta
            assert [plain(value) for value in found[name]] == [plain(value) for value in table[name]], name
