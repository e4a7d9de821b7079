"""Many processes read an archive while others put new ones in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

from jupyter_uws.archive import add_store, remove_collection
from jupyter_uws.archive.database import lock_file, read_archive
from jupyter_uws.tap.pages import pages_of

READERS = 3

#: Reads until its input ends; every answer must be one state of the archive, whole.
READER = """
import sys, threading
from pathlib import Path
from jupyter_uws.archive.database import read_archive

QUERY = '''SELECT (SELECT COUNT(*) FROM ivoa.obscore), (SELECT COUNT(*) FROM _archive.run),
  (SELECT COUNT(*) FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea), (SELECT COUNT(*) FROM _archive.collection)'''
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
seen, last = [], False
while not last:
    last = over.is_set()
    with read_archive(Path(sys.argv[1])) as con:
        (state,) = con.execute(QUERY).fetchall()
    if state not in seen:
        seen.append(state)
        print(*state, flush=True)
    over.wait(0.005)  # the writer needs a processor, too
"""


def test_readers_see_one_state_or_the_next(simulated: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.duckdb"
    add_store(archive, simulated)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(archive)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(READERS)
    ]
    try:
        before = {reader.stdout.readline().strip() for reader in readers if reader.stdout}
        assert before == {"28 28 28 1"}
        for responses in (True, False, True):
            add_store(archive, simulated, responses=responses)
        states = set()
        for reader in readers:
            said, _ = reader.communicate(timeout=60)
            assert reader.returncode == 0
            states |= set(said.splitlines())
            assert said.splitlines()[-1:] == ["140 28 140 1"]
        assert states <= {"28 28 28 1", "140 28 140 1"}
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert remove_collection(archive, "SIM-DR1") == 28
    assert [path.name for path in tmp_path.glob(".a*")] == []


def test_readers_keep_the_state_they_opened(simulated: Path, own_store: Path, tmp_path: Path) -> None:
    archive = tmp_path / "ivoa.duckdb"  # DuckDB would call its catalog ivoa, like the schema
    add_store(archive, simulated)
    # as the TAP engine has it open: other settings than ours
    settings = {"lock_configuration": "true", "enable_external_access": "false"}
    with duckdb.connect(str(archive), read_only=True, config=settings) as reader:
        add_store(archive, own_store, collection="COPY")
        ((count,),) = reader.execute("SELECT count(*) FROM ivoa.ivoa.obscore").fetchall()
        assert count == 28
        with read_archive(archive) as con:
            assert con.execute("SELECT count(*) FROM ivoa.obscore").fetchone() == (56,)
    assert {*tmp_path.iterdir()} == {archive, lock_file(archive), own_store, *pages_of(archive)}
    assert len(pages_of(archive)) == 1
