"""Whatever is asked: rows or one clear sentence, and no file but the archive's is opened.

``JUPYTER_UWS_FUZZ=10000`` asks so many queries of each kind, other ones each time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from adql_grammar import HOSTILE, Queries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.errors import QueryTimeout, TAPError
from jupyter_uws.tap.formats import find_format

WANTED = int(os.environ.get("JUPYTER_UWS_FUZZ", "0"))
MANY = settings(
    max_examples=WANTED or 500,
    derandomize=not WANTED,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

IN_OPEN, IN_CREATE = 0x20, 0x100


class OpenedFiles:
    """What is opened, by whomever, in a folder from now on (inotify)."""

    def __init__(self, folder: Path, mask: int) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        assert self.libc.inotify_add_watch(self.fd, os.fsencode(folder), mask) >= 0

    def names(self) -> set[str]:
        found = set()
        try:
            data = os.read(self.fd, 1 << 20)
        except BlockingIOError:
            return found
        while data:
            size = struct.unpack("iIII", data[:16])[3]
            found.add(data[16 : 16 + size].rstrip(b"\0").decode())
            data = data[16 + size :]
        return found


class Asker:
    """An engine, and the loop that its queries run in."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.folder = folder
        self.runner = asyncio.Runner()
        self.engine = Engine(archive, timeout=0.5, memory=200 * 2**20, threads=1)
        self.answered = self.refused = 0

    def ask(self, query: str) -> None:
        self.runner.run(self._ask(query))

    async def _ask(self, query: str) -> None:
        try:
            async with self.engine.query(query, maxrec=50) as result:
                async for _ in result.written(find_format("votable").writer(result.fields, query)):
                    pass
            self.answered += 1
        except TAPError as error:
            self.refused += 1
            message = str(error)
            assert message
            assert len(message) < 600, message
            for unwanted in ("\n", "Traceback", "INTERNAL", "FATAL", "Error:", str(self.engine.path), "LINE 1"):
                assert unwanted not in message, message
            for ours in (r"\bt\d+\.", r"\badql_"):
                assert not re.search(ours, message) or re.search(ours, query), message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forbidden")
    for name in ("secret.csv", "secret.parquet", "secret.json", "secret.db", "secret.duckdb", "secret.so"):
        (folder / name).write_text("a,b\n1,2\n")
    return folder


@pytest.fixture(scope="module")
def asker(archive: Path, folder: Path) -> Iterator[Asker]:
    asker = Asker(archive, folder)
    asker.ask("SELECT n FROM test.numbers")  # opens the archive
    before = _open_files()
    opened, created = OpenedFiles(folder, IN_OPEN | IN_CREATE), OpenedFiles(archive.parent, IN_CREATE)
    yield asker
    assert opened.names() == set()
    assert created.names() == set()
    assert _open_files() <= before
    (folder / "secret.csv").read_text()
    assert "secret.csv" in opened.names()  # it would have been seen
    asker.engine.close()
    asker.runner.close()


def _open_files() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return {path for path in found if path.startswith("/") and not path.startswith(("/proc", "/dev"))}


@MANY
@given(seed=st.integers(0, 2**64))
def test_queries_of_the_grammar(asker: Asker, seed: int) -> None:
    asker.ask(Queries(seed).query())


@MANY
@given(seed=st.integers(0, 2**64))
def test_damaged_and_hostile_queries(asker: Asker, seed: int) -> None:
    asker.ask(Queries(seed).damaged(str(asker.folder)))


@pytest.mark.parametrize("fragment", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "frame",
    ["SELECT {} FROM test.kinds", "SELECT * FROM {}", "SELECT n FROM test.numbers WHERE n = {}", "{}",
     "SELECT n FROM test.numbers ORDER BY {}", "SELECT TOP 1 n FROM test.numbers {}"],
)  # fmt: skip
def test_hostile_fragments(asker: Asker, frame: str, fragment: str) -> None:
    asker.ask(frame.replace("{}", fragment.replace("{}", str(asker.folder))))


def test_the_engine_answers_afterwards(asker: Asker) -> None:
    answered = asker.answered
    asker.ask("SELECT COUNT(*) FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), BOX(10, 20, 30, 40))")
    assert asker.answered == answered + 1


def test_a_long_geometric_query_is_interrupted(asker: Asker) -> None:
    """Functions of ours run between the engine's looks at the clock; each look comes soon."""
    engine = asker.engine
    query = (
        "SELECT COUNT(*) FROM test.numbers AS a, test.numbers AS b WHERE 1 = INTERSECTS("
        "POLYGON(a.x, 0, a.x + 1, 0, a.x + 1, 1, a.x, 1), POLYGON(b.x, 0, b.x + 1, 0, b.x + 1, 1, b.x, 1))"
    )

    async def run() -> None:
        async with asyncio.timeout(15):
            with pytest.raises(QueryTimeout):
                async with engine.query(query, maxrec=1):
                    pass

    asker.runner.run(run())
