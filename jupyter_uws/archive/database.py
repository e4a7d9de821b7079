"""The archive's DuckDB file: its tables, and how it is opened and replaced.

``_archive.*`` is internal: collections, files, runs, HDUs. ``ivoa.obscore`` is a view over ``_archive.obscore``, with
some more columns whose names begin with an underscore; these are not in TAP_SCHEMA, the TAP engine finds rows by them
(:mod:`jupyter_uws.tap.places`). The table is sorted by one of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ..tap import places
from ..tap.ascii import note_ascii
from ..tap.pages import move_archive, pages_of, write_pages
from ..tap.schema import TAP_SCHEMA_TABLES, write_tap_schema
from .errors import ArchiveError
from .obscore import HEA_KEY, OBSCORE, OBSCORE_HEA

VERSION = 3
#: What an archive is called in the database that it is attached to.
ATTACHED = "stored"
LOCK_TIMEOUT = 120.0  # seconds
# the variable of the engine's that URLs begin with
_ROOT = "root_url"

_TYPES = {"char": pa.string(), "int": pa.int32(), "long": pa.int64(), "double": pa.float64()}

SCHEMAS: dict[str, pa.Schema] = {
    "meta": pa.schema({"version": pa.int32()}),
    # roots: the folders besides the store that its files may lie in
    "collection": pa.schema({"name": pa.string(), "store": pa.string(), "roots": pa.list_(pa.string())}),
    # a file is root/path on disk and files/<collection>/<name> in URLs
    "file": pa.schema(
        {
            "collection": pa.string(),
            "name": pa.string(),
            "root": pa.string(),
            "path": pa.string(),
            "size": pa.int64(),
            "sha256": pa.string(),
        }
    ),
    "run": pa.schema(
        {
            "obs_publisher_did": pa.string(),
            "collection": pa.string(),
            "obs_id": pa.int64(),
            "file_name": pa.string(),
            "fov_radius": pa.float64(),
            "energy_min": pa.float64(),
            "energy_max": pa.float64(),
            "n_events": pa.int64(),
            "signature": pa.string(),
        }
    ),
    "hdu": pa.schema(
        {
            "obs_publisher_did": pa.string(),
            "collection": pa.string(),
            "position": pa.int32(),
            "hdu_type": pa.string(),
            "hdu_class": pa.string(),
            "file_name": pa.string(),
            "hdu_name": pa.string(),
        }
    ),
    "obscore": pa.schema(
        {
            **{c.name: _TYPES[c.datatype] for c in OBSCORE.columns if c.name != "access_url"},
            "_links": pa.string(),
        }
    ),
    "obscore_hea": pa.schema({c.name: _TYPES[c.datatype] for c in OBSCORE_HEA.columns}),
}
_ORDER = {
    "file": "collection, name",
    "run": "collection, obs_id",
    "hdu": "collection, obs_publisher_did, position",
    "obscore": f"{places.CELL}, obs_publisher_did",
    "obscore_hea": "obs_publisher_did",
}


@contextlib.contextmanager
def read_archive(path: Path | str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A short-lived connection that reads an archive.

    The file is attached to a database in memory, because DuckDB shares one instance per path in a process: opening the
    path itself would fail beside a connection of other settings (the TAP engine's), and would go on
    showing the old state after the file was replaced. Raises ArchiveError where the file is no archive.
    """
    with open_any_version(path) as (con, version):
        if version != VERSION:
            raise ArchiveError(
                f"{path}: made by another version of jupyter-uws: move it away and index the stores again"
            )
        yield con


@contextlib.contextmanager
def open_any_version(path: Path | str) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
    """As :func:`read_archive`, and the version of its tables, which may be another than :data:`VERSION`."""
    path = Path(path)
    if not path.is_file():
        raise ArchiveError(
            f"{path}: there is no archive; make one with 'jupyter uws archive add' or 'archive simulate'"
        )
    with duckdb.connect() as con:
        try:
            con.execute(f"ATTACH '{_quoted(path)}' AS {ATTACHED} (READ_ONLY)")
            con.execute(f"USE {ATTACHED}")
            ((version,),) = con.execute("SELECT version FROM _archive.meta").fetchall()
        except (duckdb.Error, ValueError) as error:
            raise ArchiveError(f"{path}: not an archive of jupyter-uws: {_first_line(error)}") from error
        yield con, version


def write_archive(path: Path, tables: dict[str, pa.Table]) -> None:
    """Write a whole archive: beside ``path``, then moved over it, so that its readers keep the old one.

    ``tables`` has the tables of :data:`SCHEMAS`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with duckdb.connect() as con:
            # attached by a name of ours: DuckDB's own, the stem of the file's, may be that of a schema
            con.execute(f"ATTACH '{_quoted(temporary)}' AS stored")
            con.execute("USE stored")
            con.execute("CREATE SCHEMA _archive")
            con.execute("CREATE SCHEMA ivoa")
            for name, schema in SCHEMAS.items():
                table = tables[name].cast(schema)
                con.register("incoming", _placed(table) if name == "obscore" else table)
                order = f" ORDER BY {_ORDER[name]}" if name in _ORDER else ""
                con.execute(f"CREATE TABLE _archive.{name} AS SELECT * FROM incoming{order}")  # noqa: S608
                con.unregister("incoming")
            con.execute(_view())
            con.execute("CREATE VIEW ivoa.obscore_hea AS SELECT * FROM _archive.obscore_hea")
            write_tap_schema(con, [OBSCORE, OBSCORE_HEA], keys=[HEA_KEY])
            note_ascii(con, [OBSCORE, OBSCORE_HEA, *TAP_SCHEMA_TABLES])
            write_pages(con, OBSCORE, temporary, variables={"access_url": _ROOT})
            con.execute("CHECKPOINT stored")
            con.execute("USE memory")
            con.execute("DETACH stored")
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        move_archive(temporary, path)
    except (OSError, duckdb.Error) as error:
        raise ArchiveError(f"{path}: cannot write the archive: {_first_line(error)}") from error
    finally:
        for left in (temporary, temporary.with_name(temporary.name + ".wal"), *pages_of(temporary)):
            left.unlink(missing_ok=True)


def read_tables(con: duckdb.DuckDBPyConnection) -> dict[str, pa.Table]:
    """All internal tables of an open archive."""
    return {
        name: con.sql(f"SELECT {', '.join(schema.names)} FROM _archive.{name}").to_arrow_table().cast(schema)  # noqa: S608
        for name, schema in SCHEMAS.items()
    }


def to_table(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of :data:`SCHEMAS`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])


@contextlib.contextmanager
def locked(path: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the lock file ``path``; one process at a time writes. Raises ArchiveError after ``timeout`` seconds."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise ArchiveError(f"{path.parent}: cannot write there: {error.strerror}") from error
    with file:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ArchiveError(
                        f"{path}: another process has been writing for {timeout:.0f} s; try later"
                    ) from None
                time.sleep(0.05)
        yield


def lock_file(path: Path) -> Path:
    """The lock file of an archive."""
    return path.with_name(path.name + ".lock")


def _view() -> str:
    columns = [
        # the service sets the variable to its own root, as the client sees it
        f"coalesce(getvariable('{_ROOT}')::VARCHAR, '') || _links AS access_url" if c.name == "access_url" else c.name
        for c in OBSCORE.columns
    ]
    return f"CREATE VIEW ivoa.obscore AS SELECT {', '.join([*columns, *places.TYPES])} FROM _archive.obscore"  # noqa: S608


def _placed(obscore: pa.Table) -> pa.Table:
    """The rows with their hidden columns."""
    hidden = places.columns(*(obscore[name].combine_chunks() for name in ("s_ra", "s_dec", "s_region")))
    for name, values in hidden.items():
        obscore = obscore.append_column(name, values)
    return obscore


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
