"""Start a real PostgreSQL for tests, from the programs of the distribution."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

#: Durability against a crash of the machine is not what is tested.
_SETTINGS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=40"]


@dataclass
class PostgreSQL:
    """A server that listens on a unix socket in ``folder`` only."""

    folder: Path
    programs: Path
    user: str

    def url(self, database: str = "postgres", **options: str) -> str:
        query = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.folder}{query}"

    def program(self, name: str, *arguments: str) -> None:
        """Run one of its programs; as its own user, for it refuses to serve root."""
        command = [str(self.programs / name), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", self.user, "--", *command]
        log = self.folder / "log"
        with log.open("ab") as output:
            done = subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, timeout=60)
        assert done.returncode == 0, f"{name} failed: {log.read_text()[-2000:]}"

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in _SETTINGS)
        start = ["-D", str(self.folder / "data"), "-l", str(self.folder / "server.log"), "-w", "-t", "30"]
        self.program("pg_ctl", *start, "-o", f"{options} -k {self.folder}", "start")

    def stop(self) -> None:
        self.program("pg_ctl", "-D", str(self.folder / "data"), "-m", "fast", "-w", "stop")

    def execute(self, *statements: str) -> None:
        """Run SQL, each statement by itself."""
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)
        finally:
            engine.dispose()

    def empty(self) -> str:
        """The URL of the database with nothing in it."""
        self.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return self.url()


@contextlib.contextmanager
def run_postgresql(need: Callable[[str, str], str]) -> Iterator[PostgreSQL]:
    """A server of our own; it is gone, with all its files, when this ends."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = installed[-1] if installed else Path(need("initdb", "postgresql"))
    # the path of a socket is limited to 107 bytes: not below pytest's own folder
    folder = Path(tempfile.mkdtemp(prefix="uws-pg-"))
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        shutil.chown(folder, user)
    server = PostgreSQL(folder, initdb.parent, user)
    try:
        server.program("initdb", "-D", str(folder / "data"), "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):  # a test may have stopped it
                server.stop()
    finally:
        shutil.rmtree(folder)
