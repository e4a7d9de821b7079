"""The database under the job store: connections with bounded waits, and errors that say what is wrong.

The store is used in the service's event loop, so that no statement may take long: a database that is
locked, slow or away is given up after a second or a few, with an error for the client (503, or 507 for
a full disk) and nothing changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from .errors import UWSError

logger = logging.getLogger(__name__)

#: How long a statement waits for another program's lock [s].
LOCK_TIMEOUT = 1.0
#: How long a statement of PostgreSQL may take, and a connection to it (libpq counts in whole seconds, from 2) [s].
STATEMENT_TIMEOUT, CONNECT_TIMEOUT = 3.0, 3
#: A PostgreSQL that cannot be reached is tried again this often, outside the event loop [s].
PROBE_INTERVAL = 1.0
#: A service that was killed leaves its lock on PostgreSQL until that notices: waited for so long [s].
OWNER_TIMEOUT = 10.0
#: The advisory lock that the one service of a database holds ("uws" and a number).
OWNER_LOCK = 0x757773_01


class StoreError(UWSError):
    """The database cannot be used; nothing was changed. The text says why, to operators and clients alike."""

    status = 503


class StoreFull(StoreError):
    """There is no room for the database to grow."""

    status = 507


class JobExists(StoreError):
    """There is a job of this id already."""


class Database:
    """An engine in autocommit mode: every statement is a transaction, unless :meth:`transaction` says otherwise."""

    def __init__(self, url: str) -> None:
        try:
            self.engine = _engine(url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
            raise StoreError(f"store_url is no database URL that is known here: {error}") from None
        except ImportError as error:
            raise StoreError(
                f"the driver of the job store is missing ({error}): install jupyter-uws[postgresql]"
            ) from None
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._away = threading.Event()
        self._closed = threading.Event()
        self._owner: Connection | None = None

    def __str__(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for one statement. Raises :class:`StoreError` for whatever goes wrong with it."""
        if self._away.is_set():
            raise StoreError(_AWAY)
        try:
            with self.engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise self._explain(error) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose statements are done together or not at all."""
        with self.connect() as connection:
            # IMMEDIATE: SQLite waits for a lock here, never in the midst of it
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            try:
                yield connection
            except BaseException:
                if not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def own(self) -> None:
        """Be the one service of this database, until :meth:`close`. Raises :class:`StoreError`.

        A second one would settle the first one's jobs as lost. SQLite's file stands in a state folder, which is
        locked as a whole.
        """
        if self.is_sqlite:
            return
        deadline = time.monotonic() + OWNER_TIMEOUT
        try:
            while not self._lock():
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"another service uses the job store {self}: give each service a database of its own"
                    )
                time.sleep(0.05)
        except sa.exc.SQLAlchemyError as error:
            raise self._explain(error) from error

    def _lock(self) -> bool:
        """Take the lock that the session of one connection holds."""
        connection = self.engine.connect()
        if connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({OWNER_LOCK})").scalar():
            self._owner = connection
            return True
        connection.close()
        return False

    def close(self) -> None:
        self._closed.set()
        if self._owner is not None:
            self._owner.invalidate()  # a connection that goes back to the pool keeps its lock
            self._owner.close()
        self.engine.dispose()

    def _explain(self, error: sa.exc.SQLAlchemyError) -> StoreError:
        if isinstance(error, sa.exc.IntegrityError):
            return JobExists("there is a job of this id already")
        cause = getattr(error, "orig", None) or error
        found = _sqlite_error(cause) if self.is_sqlite else _postgresql_error(cause)
        if found is None:
            found = StoreError(f"the job store failed; nothing was changed ({_first_line(cause)})")
        if str(found) == _AWAY and not self._away.is_set():
            self._away.set()
            threading.Thread(target=self._probe, daemon=True, name="job store probe").start()
        logger.warning("%s [%s: %s]", found, self, _first_line(cause))
        return found

    def _probe(self) -> None:
        """Wait for the database to come back, in a thread: no request waits for a connection that cannot be made."""
        while not self._closed.wait(PROBE_INTERVAL):
            try:
                with self.engine.connect():
                    pass
                if self._owner is None or _lives(self._owner) or self._lock():
                    self._away.clear()
                    return
                logger.error("another service uses the job store %s now", self)
            except sa.exc.SQLAlchemyError:
                continue


def _lives(owner: Connection) -> bool:
    """Whether the connection, and its lock with it, outlived the trouble."""
    try:
        return bool(owner.exec_driver_sql("SELECT 1").scalar())
    except sa.exc.SQLAlchemyError:
        owner.close()
        return False


_AWAY = "the job store's database cannot be reached; nothing was changed, try again later"
_FULL = "the disk of the job store is full; nothing was changed: free some space and try again"
_LOCKED = "the job store is locked by another program; nothing was changed, try again"
_READ_ONLY = "the job store cannot be written: its disk, folder or database is read-only; nothing was changed"


def _sqlite_error(error: Any) -> StoreError | None:
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith("SQLITE_FULL"):
        return StoreFull(_FULL)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(_LOCKED)
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
        return StoreError(_READ_ONLY)
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")):
        return StoreError(f"the job store's file cannot be read or written; nothing was changed ({_first_line(error)})")
    return None


def _postgresql_error(error: Any) -> StoreError | None:
    state = getattr(error, "sqlstate", None)
    if state is None or state.startswith(("08", "57P", "28", "3D", "53300")):
        return StoreError(_AWAY)  # no answer at all, the connection was lost, the server stops or starts or refuses us
    if state.startswith("53100"):
        return StoreFull(_FULL)
    if state in ("55P03", "57014", "40P01"):
        return StoreError(_LOCKED)
    if state == "25006":
        return StoreError(_READ_ONLY)
    return None


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _engine(url: str) -> Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(parsed, isolation_level="AUTOCOMMIT", connect_args={"timeout": LOCK_TIMEOUT})
        sa.event.listen(engine, "connect", _pragmas)
        return engine
    if parsed.get_backend_name() != "postgresql":
        raise sa.exc.ArgumentError(f"{parsed.get_backend_name()!r}; use sqlite:///FILE or postgresql+psycopg://...")
    milliseconds = {
        "statement_timeout": 1000 * STATEMENT_TIMEOUT,
        "lock_timeout": 1000 * LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": 10_000,
    }
    options = " ".join(f"-c {name}={value:.0f}" for name, value in milliseconds.items())
    # the server, too, has to notice soon that a service's host is gone: it holds the service's lock
    keepalive = "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
    defaults = {
        "connect_timeout": CONNECT_TIMEOUT,
        "options": f"{options} {keepalive}",
        "tcp_user_timeout": int(1000 * STATEMENT_TIMEOUT),
        "application_name": "jupyter_uws",
    }
    return sa.create_engine(
        parsed,
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        connect_args={name: value for name, value in defaults.items() if name not in parsed.query},
    )


def _pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        # NORMAL loses no committed job when the process dies, only when the machine does
        cursor.execute("PRAGMA synchronous=NORMAL")
    finally:
        cursor.close()
