"""The job store: the truth of what clients see, in SQLite (WAL) or another database by URL.

One table, one row per job. Phases change by compare-and-set only (:meth:`JobStore.move`), so two
reports that cross each other cannot both win. Times are kept as integers, microseconds since
1970 in UTC: every database compares them alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from .model import ErrorSummary, Job, Result, Upload
from .phases import Phase, sources

#: Raised by one whenever the tables change; a newer database is refused.
SCHEMA_VERSION = 1

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.String(40), primary_key=True),
    sa.Column("job_type", sa.String(80), nullable=False),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("phase", sa.String(10), nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("creation_time", sa.BigInteger, nullable=False),
    sa.Column("start_time", sa.BigInteger),
    sa.Column("end_time", sa.BigInteger),
    sa.Column("quote", sa.BigInteger),
    sa.Column("execution_duration", sa.BigInteger, nullable=False),
    sa.Column("destruction", sa.BigInteger),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("results", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("info", sa.Text, nullable=False),
    sa.Column("uploads", sa.Text),
    sa.Index("jobs_by_owner", "owner", "creation_time"),
    sa.Index("jobs_by_type", "owner", "job_type", "creation_time"),
    sa.Index("jobs_by_kind", "job_type", "creation_time"),
    sa.Index("jobs_by_phase", "phase"),
    sa.Index("jobs_by_destruction", "destruction"),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = frozenset({"creation_time", "start_time", "end_time", "quote", "destruction"})
_DOCUMENTS = frozenset({"parameters", "results", "error", "info"})


class StoreError(Exception):
    """The database cannot be used: its message says why."""


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def _encode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a :class:`Job` as the table's columns hold them."""
    row: dict[str, Any] = {}
    for name, value in values.items():
        if name in _TIMES:
            row[name] = _microseconds(value)
        elif name in ("results", "uploads"):
            row[name] = json.dumps([asdict(part) for part in value]) if value or name == "results" else None
        elif name == "error":
            row[name] = None if value is None else json.dumps(asdict(value))
        elif name in _DOCUMENTS:
            row[name] = json.dumps(value)
        else:
            row[name] = value
    return row


def _decode(row: sa.RowMapping) -> Job:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    for name in _TIMES:
        values[name] = _time(values[name])
    values["phase"] = Phase(values["phase"])
    values["parameters"] = json.loads(values["parameters"])
    values["results"] = tuple(Result(**result) for result in json.loads(values["results"]))
    values["error"] = ErrorSummary(**json.loads(values["error"])) if values["error"] else None
    values["info"] = json.loads(values["info"])
    values["uploads"] = tuple(Upload(**upload) for upload in json.loads(values["uploads"] or "[]"))
    return Job(**values)


@lru_cache(maxsize=64)
def _update(columns: tuple[str, ...], phases: tuple[str, ...], with_run: bool) -> sa.Update:
    """The UPDATE that sets ``columns`` of one job in one of ``phases``; building it costs more than running it."""
    statement = sa.update(jobs).where(jobs.c.job_id == sa.bindparam("the_job"), jobs.c.phase.in_(phases))
    if with_run:
        statement = statement.where(jobs.c.run == sa.bindparam("the_run"))
    return statement.values({name: sa.bindparam(f"new_{name}") for name in columns})


_GET = sa.select(jobs).where(jobs.c.job_id == sa.bindparam("the_job"))
_DELETE = sa.delete(jobs).where(jobs.c.job_id == sa.bindparam("the_job"))
_INSERT = sa.insert(jobs)


class JobStore:
    """The table of jobs. All methods are synchronous and quick: one indexed statement each."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        try:
            metadata.create_all(self.engine)
            self._check_version()
        except sa.exc.DatabaseError as error:
            raise StoreError(f"the job store {self.engine.url!r} cannot be used: {error.orig}") from error

    def _check_version(self) -> None:
        with self.engine.begin() as connection:
            found = connection.execute(sa.select(schema_version.c.version)).scalar()
            if found is None:
                connection.execute(sa.insert(schema_version).values(version=SCHEMA_VERSION))
            elif found > SCHEMA_VERSION:
                raise StoreError(
                    f"the job store {self.engine.url!r} has schema version {found}, this program knows "
                    f"{SCHEMA_VERSION}: it was written by a newer jupyter_uws"
                )

    def create(self, job: Job) -> None:
        """Add a new job; an id that exists is an error, never an overwrite."""
        fields = {name: getattr(job, name) for name in Job.__dataclass_fields__}
        with self.engine.begin() as connection:
            connection.execute(_INSERT, _encode(fields))

    def get(self, job_id: str) -> Job | None:
        with self.engine.connect() as connection:
            row = connection.execute(_GET, {"the_job": job_id}).mappings().first()
        return None if row is None else _decode(row)

    def move(self, job_id: str, target: Phase, *, of_run: int | None = None, **changes: Any) -> Job | None:
        """Move a job to ``target`` if the transition table allows it from where it is now.

        ``of_run`` restricts the move to that run of the job; ``changes`` are other fields of
        :class:`Job` set in the same statement. Returns the job after the move, or None where
        nothing was moved.
        """
        return self._set(job_id, sources(target), of_run, {"phase": target, **changes})

    def update(
        self, job_id: str, phases: Iterable[Phase] | None = None, *, of_run: int | None = None, **changes: Any
    ) -> Job | None:
        """Set fields of a job while it is in one of ``phases`` (None: any); None where it is not."""
        return self._set(job_id, Phase if phases is None else phases, of_run, changes)

    def _set(self, job_id: str, phases: Iterable[Phase], run: int | None, changes: Mapping[str, Any]) -> Job | None:
        statement = _update(tuple(changes), tuple(sorted(phase.value for phase in phases)), run is not None)
        values = {f"new_{name}": value for name, value in _encode(changes).items()}
        values["the_job"] = job_id
        if run is not None:
            values["the_run"] = run
        with self.engine.begin() as connection:
            if connection.execute(statement, values).rowcount == 0:
                return None
            return _decode(connection.execute(_GET, {"the_job": job_id}).mappings().one())

    def delete(self, job_id: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(_DELETE, {"the_job": job_id})

    def find(
        self,
        *,
        owner: str | None = None,
        job_type: str | None = None,
        phases: Sequence[Phase] = (),
        after: datetime | None = None,
        last: int | None = None,
    ) -> list[Job]:
        """Jobs, newest first: ``after`` is exclusive, ``last`` is applied after all other filters.

        Without ``phases`` all but the ARCHIVED ones (UWS 1.1, section 2.2.2.1).
        """
        statement = sa.select(jobs).order_by(jobs.c.creation_time.desc(), jobs.c.job_id.desc())
        if owner is not None:
            statement = statement.where(jobs.c.owner == owner)
        if job_type is not None:
            statement = statement.where(jobs.c.job_type == job_type)
        if phases:
            statement = statement.where(jobs.c.phase.in_([phase.value for phase in phases]))
        else:
            statement = statement.where(jobs.c.phase != Phase.ARCHIVED.value)
        if after is not None:
            statement = statement.where(jobs.c.creation_time > _microseconds(after))
        if last is not None:
            statement = statement.limit(last)
        return self._rows(statement)

    def active(self) -> list[Job]:
        """The jobs an executor has in hand, oldest first."""
        phases = [phase.value for phase in (Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED, Phase.UNKNOWN)]
        return self._rows(sa.select(jobs).where(jobs.c.phase.in_(phases)).order_by(jobs.c.creation_time))

    def due(self, now: datetime) -> list[Job]:
        """The jobs whose destruction time has come."""
        return self._rows(sa.select(jobs).where(jobs.c.destruction <= _microseconds(now)))

    def count_active(self) -> int:
        phases = [phase.value for phase in (Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED, Phase.UNKNOWN)]
        with self.engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).where(jobs.c.phase.in_(phases))).scalar_one())

    def _rows(self, statement: sa.Select[Any]) -> list[Job]:
        with self.engine.connect() as connection:
            return [_decode(row) for row in connection.execute(statement).mappings()]

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            # NORMAL loses no committed job when the process dies, only when the machine does
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.execute("PRAGMA busy_timeout=5000")
            cursor.close()

    return engine
