"""The fast readers of VOTable and Arrow give what astropy gives, for whatever table, and tell what is broken."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from astropy.io import votable
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jupyter_uws.client import Archive, QueryError, ServiceError
from jupyter_uws.client.votable import read_votable

DTYPES = ["u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16", "bool"]
ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)
BMP = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r", max_codepoint=0xFFFF), max_size=6)
UNICODE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)


@st.composite
def columns(draw: st.DrawFn, rows: int, name: str) -> MaskedColumn:
    kind = draw(st.sampled_from([*DTYPES, "ascii", "unicode", "fixed", "arrays"]))
    mask = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    more = {
        "name": name,
        "description": draw(st.sampled_from([None, "what it is"])),
        "unit": draw(st.sampled_from([None, "deg", "TeV-1 cm-2 s-1"])),
        "meta": draw(st.sampled_from([{}, {"ucd": "pos.eq.ra", "utype": "a:b.c", "xtype": "timestamp"}])),
    }
    if kind in ("ascii", "unicode"):
        texts = draw(st.lists(ASCII if kind == "ascii" else UNICODE, min_size=rows, max_size=rows))
        objects = np.empty(rows, object)
        objects[:] = texts
        more["meta"] = {**more["meta"], "_votable_string_dtype": "char" if kind == "ascii" else "unicodeChar"}
        return MaskedColumn(objects, **more)
    if kind == "fixed":
        return MaskedColumn(np.array(draw(st.lists(BMP, min_size=rows, max_size=rows)), dtype=str), **more)
    if kind == "arrays":
        objects = np.empty(rows, object)
        for row, size in enumerate(seed.integers(0, 4, rows)):
            objects[row] = np.ma.masked_array(seed.integers(-9, 9, size).astype("i4"), mask=np.zeros(size, bool))
        return MaskedColumn(objects, **more)
    shape = draw(st.sampled_from([(), (), (3,), (2, 2)]))
    octets = seed.bytes(int(np.dtype(kind).itemsize * rows * np.prod(shape, dtype=int)))
    values = np.frombuffer(octets, np.dtype("u1") if kind == "bool" else kind)
    values = (values > 127 if kind == "bool" else values).reshape(rows, *shape)
    hidden = np.broadcast_to(np.reshape(mask, (rows, *(1,) * len(shape))), values.shape)
    return MaskedColumn(values, mask=hidden, **more)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    rows = draw(st.integers(1, 8))  # astropy writes no column of objects without rows
    table = Table([draw(columns(rows, f"c{number}")) for number in range(draw(st.integers(1, 9)))])
    made = votable.from_table(table)
    kind = draw(st.sampled_from(["binary2", "binary2", "binary", "tabledata"]))
    for field in made.get_first_table().fields:
        integer = field.datatype in ("unsignedByte", "short", "int", "long")
        if integer and (kind != "binary2" or field.arraysize):  # which have no other null
            field.values.null = 7
    out = io.BytesIO()
    made.to_xml(out, tabledata_format=kind)
    return out.getvalue()


def by_astropy(document: bytes) -> Table:
    return votable.parse(io.BytesIO(document), verify="ignore").get_first_table().to_table(use_names_over_ids=True)


def same(found: Table, wanted: Table) -> None:
    """The same values, nulls and descriptions; a null text is masked here, and empty in astropy."""
    assert found.colnames == wanted.colnames
    assert found.meta == wanted.meta
    for name in wanted.colnames:
        mine, theirs = found[name], wanted[name]
        assert (mine.unit, mine.description, mine.meta) == (theirs.unit, theirs.description, theirs.meta), name
        if theirs.dtype.kind in "OU" and all(isinstance(value, str) for value in theirs.data.data):
            assert [str(text) for text in mine.filled("")] == [text.rstrip("\0") for text in theirs.data.data]
            continue
        assert mine.dtype == theirs.dtype
        if theirs.dtype.kind == "O":
            pairs = zip(mine.data.data, theirs.data.data, strict=True)
            assert all(np.ma.allequal(a, b) and a.dtype.kind == b.dtype.kind for a, b in pairs if len(a) or len(b)), (
                name
            )
            continue
        assert np.array_equal(np.ma.getmaskarray(mine), np.ma.getmaskarray(theirs)), name
        assert np.array_equal(mine.filled(0), theirs.filled(0)), name


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(), st.integers(1, 400))
def test_any_table_is_as_astropy_reads_it(document: bytes, size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = by_astropy(document)
        except Exception:
            reject()  # astropy does not read all that it writes
        pieces = [document[at : at + size] for at in range(0, len(document), size)]
        for source in (document, io.BytesIO(document), iter(pieces)):
            found, overflow = read_votable(source)
            assert overflow is False
            same(found, wanted)


def made(rows: str, fields: str = '<FIELD name="i" datatype="int"/>', kind: str = "BINARY2") -> bytes:
    return (
        '<?xml version="1.0"?><v:VOTABLE version="1.4" xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3">'
        f"<!-- <STREAM> --><v:RESOURCE><v:TABLE>{fields.replace('<F', '<v:F')}<v:DATA><v:{kind}>"
        f'<v:STREAM encoding = "base64"  >{rows}</v:STREAM></v:{kind}></v:DATA></v:TABLE>'
        '<v:INFO name="QUERY_STATUS" value="OVERFLOW"/></v:RESOURCE></v:VOTABLE>'
    ).encode()


def test_prefixes_comments_and_an_overflow() -> None:
    found, overflow = read_votable(made("AAAA\n AAc= "))
    assert overflow
    assert found["i"].tolist() == [7]


def test_texts_beyond_ascii() -> None:
    """Servers send UTF-8 as ``char``, which astropy refuses; surrogate pairs are one character."""
    fields = '<FIELD name="a" datatype="char" arraysize="*"/><FIELD name="b" datatype="unicodeChar" arraysize="*"/>'
    rows = b""
    for a, b in (("grün", "x🌟y"), ("", ""), ("\N{SNOWMAN}", "é")):
        wide = b.encode("utf-16-be")
        rows += b"\0" + len(a.encode()).to_bytes(4, "big") + a.encode() + (len(wide) // 2).to_bytes(4, "big") + wide
    found, _ = read_votable(made(base64.b64encode(rows).decode(), fields))
    assert found["a"].tolist() == ["grün", "", "\N{SNOWMAN}"]
    assert found["b"].tolist() == ["x🌟y", "", "é"]
    broken, _ = read_votable(made(base64.b64encode(b"\0\0\0\0\2\xff\xff\0\0\0\0").decode(), fields))
    assert broken["a"].tolist() == ["��"]


def test_one_long_text_does_not_widen_all_rows() -> None:
    lengths = [0] * 20_000 + [2_000_000]
    rows = b"".join(b"\0" + length.to_bytes(4, "big") + b"x" * length for length in lengths)
    fields = '<FIELD name="t" datatype="char" arraysize="*"/>'
    found, _ = read_votable(made(base64.b64encode(rows).decode(), fields))
    assert found["t"].dtype == object
    assert [len(text) for text in found["t"]] == lengths


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (made("AAAAAA="), "not a VOTable"),
        (made("AAAAAA=="), "breaks off in the midst of a row"),
        (made("AAAA").partition(b"</v:STREAM")[0], "breaks off"),
        (made("AAAAAAc=").removesuffix(b"</v:VOTABLE>"), "not a VOTable"),
        (made("AFg=", '<FIELD name="b" datatype="boolean"/>'), "not a VOTable"),
        (made("AP////8=", '<FIELD name="t" datatype="char" arraysize="*"/>'), "breaks off in the midst of a row"),
    ],
)
def test_what_is_broken_is_told(document: bytes, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        read_votable(document)


def test_an_error_after_the_rows_is_an_error() -> None:
    with pytest.raises(QueryError, match="out of luck"):
        read_votable(made("AAAAAAc=").replace(b'"OVERFLOW"/>', b'"ERROR">out of luck</v:INFO>'))


def both(archive: Archive, query: str, **more: Any) -> Iterable[Table]:
    yield archive.adql(query, **more)
    form = {"LANG": "ADQL", "QUERY": query, "MAXREC": str(more.get("maxrec", 10**6))}
    answer = archive.connection.post("tap/sync", data=form, stream=True)
    yield read_votable(answer.iter_content(1000))[0]
    yield by_astropy(archive.connection.post("tap/sync", data=form).content)


def test_arrow_and_votable_say_the_same(archive: Archive) -> None:
    joined = "SELECT * FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea"
    for query in (joined, "SELECT * FROM tap_schema.columns", "SELECT TOP 0 * FROM ivoa.obscore"):
        arrow, fast, wanted = both(archive, query)
        for table in (arrow, fast):
            table.meta = {key: value for key, value in table.meta.items() if key not in ("adql", "overflow")}
            same(table, wanted)
        assert [arrow[name].mask.tolist() for name in arrow.colnames] == [
            fast[name].mask.tolist() for name in fast.colnames
        ]
    arrow = archive.adql("SELECT pol_states, s_ra, o_ucd FROM ivoa.obscore")
    assert arrow["pol_states"].mask.all()
    assert (arrow["s_ra"].unit, arrow["s_ra"].meta["ucd"]) == ("deg", "pos.eq.ra")
    assert arrow["s_ra"].description == "right ascension of the pointing, ICRS"
