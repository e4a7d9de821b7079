"""Queries that differ in their numbers only are parsed once, and translated as if each were the first."""

# ruff: noqa: S608

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from adql_grammar import Queries
from running import recorded

from jupyter_uws.tap import grammar
from jupyter_uws.tap.adql import Query, translate
from jupyter_uws.tap.errors import ArchiveUnavailable, TAPError
from jupyter_uws.tap.schema import Table
from jupyter_uws.tap.snapshot import Snapshot
from jupyter_uws.tap.trees import KEPT, MAX_LENGTH, Trees

CONE = "SELECT obs_id, s_ra FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({}, {}, {}))"
NUMBERS = ("0", "1", "5", "17", "170", "3.25", "0.001", "9e3", "1E-7", "12345678901234567890", "1e308")

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[\w.]+|.", re.DOTALL)


@pytest.fixture(scope="module")
def tables(archive: Path) -> dict[str, Table]:
    return Snapshot(archive, threads=1, memory=64 * 2**20).tables


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the parser was given."""
    return recorded(monkeypatch, grammar, "parse")


def outcome(query: str, tables: dict[str, Table], trees: Trees | None) -> Query | str:
    try:
        return translate(query, tables, limit=1000, trees=trees)
    except TAPError as error:
        return str(error)


def renumbered(query: str, source: random.Random) -> str:
    """The query with other numbers."""
    tokens = _TOKEN.findall(query)
    return "".join(source.choice(NUMBERS) if re.fullmatch(r"[0-9]+(\.[0-9]+)?(e[0-9]+)?", t) else t for t in tokens)


def test_a_form_is_parsed_once(tables: dict[str, Table], parsed: list[str]) -> None:
    trees = Trees()
    source = random.Random(1)
    found = set()
    for _ in range(20):
        query = CONE.format(*(round(source.uniform(0, 80), source.randint(0, 6)) for _ in range(3)))
        found.add(translate(query, tables, trees=trees).sql)
    assert (len(parsed), len(trees), len(found)) == (1, 1, 20)
    translate(CONE.format(-1, 2, 3), tables, trees=trees)  # a sign is another form
    translate(CONE.replace("obs_id", "target_name").format(1, 2, 3), tables, trees=trees)
    assert (len(parsed), len(trees)) == (3, 3)


@pytest.mark.parametrize("damage", [False, True])
def test_a_kept_form_gives_what_a_fresh_parse_gives(
    tables: dict[str, Table], parsed: list[str], tmp_path: Path, damage: bool
) -> None:
    trees, queries, source = Trees(), Queries(20261129 + damage), random.Random(7)
    good = 0
    for _ in range(200 if damage else 500):
        query = queries.damaged(str(tmp_path)) if damage else queries.query()
        for variant in (query, renumbered(query, source), renumbered(query, source)):
            before = len(parsed)
            mine = outcome(variant, tables, trees)
            again = len(parsed) == before
            assert mine == outcome(variant, tables, None), variant
            good += again and isinstance(mine, Query)
    # most queries of the grammar, and nearly all damaged ones, mean nothing; of the others two of three were not parsed
    assert damage or good > 60


@pytest.mark.parametrize(
    "query",
    [
        "SELECT s_ra FROM ivoa.obscore -- of 5\nWHERE s_ra > 5",
        "SELECT s_ra FROM ivoa.obscore -- it's 5\nWHERE s_ra > 5 AND obs_id = '5'",
        "SELECT TOP 5 s_ra FROM ivoa.obscore WHERE s_ra > .5 AND s_dec < 5. AND s_ra < 0x5 AND 5=5",
        "SELECT s_ra AS \"5\", s_dec AS r5 FROM ivoa.obscore WHERE obs_id = '5''5' AND s_ra > 5e-5 ORDER BY 1",
        "SELECT CAST(obs_id AS VARCHAR(5)) FROM ivoa.obscore OFFSET 5",
        "SELECT s_ra FROM ivoa.obscore WHERE s_ra > 5 AND nope < 5",
        "SELECT TOP 5 nope FROM ivoa.obscore",
        "SELECT s_ra FROM ivoa.obscore WHERE s_ra IN (5, 5e, 5)",
        "SELECT s_ra FROM ivoa.obscore WHERE obs_id = 'a' '5' OR s_ra = N'5'",
        "SELECT s_ra FROM ivoa.obscore WHERE s_ra = 5 5",
        f"SELECT s_ra FROM ivoa.obscore WHERE s_ra = 5 AND s_dec = {10**30}",
    ],
)
def test_what_looks_like_a_number(query: str, tables: dict[str, Table]) -> None:
    trees = Trees()
    for number in ("5", "12345", "7.25", "5"):
        variant = query.replace("5", number)
        assert outcome(variant, tables, trees) == outcome(variant, tables, None)


def test_queries_of_one_form_at_a_time(tables: dict[str, Table]) -> None:
    trees = Trees()
    expected = {n: translate(CONE.format(n, n / 10, 1), tables) for n in range(60)}
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: (n, translate(CONE.format(n, n / 10, 1), tables, trees=trees)), [*expected] * 10)
        assert all(query == expected[n] for n, query in found)
    assert 1 <= len(trees) <= 4


def test_forms_are_bounded(tables: dict[str, Table]) -> None:
    trees = Trees()
    for number in range(KEPT + 10):
        translate(f"SELECT s_ra AS c{number} FROM ivoa.obscore", tables, trees=trees)
    assert len(trees) == KEPT
    long = "SELECT s_ra FROM ivoa.obscore WHERE s_ra IN (" + "1, " * MAX_LENGTH + "2)"
    assert trees.take(long) is None


def test_a_parser_that_cannot_be_derived_from_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of sqlglot's compiled modules cannot, whose package replaces the others' files."""

    class Sealed(grammar.ADQL.Parser):  # type: ignore[name-defined, misc]
        def __new__(cls, *args: object, **kwargs: object) -> Sealed:
            raise TypeError("interpreted classes cannot inherit from compiled")

    assert grammar._problem() is None
    monkeypatch.setattr(grammar.ADQL, "parser_class", Sealed)
    monkeypatch.setattr(grammar, "PROBLEM", grammar._problem())
    with pytest.raises(ArchiveUnavailable, match=r"cannot inherit from compiled.* pip uninstall sqlglotc") as caught:
        translate("SELECT s_ra FROM ivoa.obscore", {}, trees=Trees())
    assert caught.value.status == 503
