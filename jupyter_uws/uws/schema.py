"""The tables of the job store, how older ones become these, and how a job is written in a row.

Times are integers, microseconds since 1970 in UTC: every database compares them alike. What is only ever read as a
whole (parameters, results, ...) is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from .database import Database, StoreError
from .model import ErrorSummary, Job, JobRef, Result, Upload
from .phases import Phase

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

_NOT_ARCHIVED = sa.text("phase <> 'ARCHIVED'")

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
    sa.Column("disk", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("forget_time", sa.BigInteger),
    # one for every combination of the list's filters: the newest of each phase stand together
    sa.Index("jobs_of_phase", "phase", "creation_time", "job_id"),
    sa.Index("jobs_of_type", "job_type", "phase", "creation_time", "job_id"),
    sa.Index("jobs_of_owner", "owner", "phase", "creation_time", "job_id"),
    sa.Index("jobs_of_owner_and_type", "owner", "job_type", "phase", "creation_time", "job_id"),
    sa.Index("jobs_by_destruction", "destruction", sqlite_where=_NOT_ARCHIVED, postgresql_where=_NOT_ARCHIVED),
    sa.Index("jobs_by_forget_time", "forget_time"),
)

#: Jobs that are forgotten, or not yet there, and may have files: those are removed at the next opportunity.
remains = sa.Table(
    "remains",
    metadata,
    sa.Column("job_id", sa.String(40), primary_key=True),
    sa.Column("job_type", sa.String(80), nullable=False),
)

# -- versions

#: MIGRATIONS[n - 1] makes a store of version n one of version n + 1. Never edited after a release.
MIGRATIONS: list[list[str]] = [
    [
        "ALTER TABLE jobs ADD COLUMN uploads TEXT",
        "ALTER TABLE jobs ADD COLUMN disk BIGINT DEFAULT 0 NOT NULL",
        "ALTER TABLE jobs ADD COLUMN forget_time BIGINT",
        "DROP INDEX jobs_by_owner",
        "DROP INDEX jobs_by_type",
        "DROP INDEX jobs_by_phase",
        "DROP INDEX jobs_by_destruction",
        "CREATE INDEX jobs_of_phase ON jobs (phase, creation_time, job_id)",
        "CREATE INDEX jobs_of_type ON jobs (job_type, phase, creation_time, job_id)",
        "CREATE INDEX jobs_of_owner ON jobs (owner, phase, creation_time, job_id)",
        "CREATE INDEX jobs_of_owner_and_type ON jobs (owner, job_type, phase, creation_time, job_id)",
        "CREATE INDEX jobs_by_destruction ON jobs (destruction) WHERE phase <> 'ARCHIVED'",
        "CREATE INDEX jobs_by_forget_time ON jobs (forget_time)",
        "CREATE TABLE remains (job_id VARCHAR(40) NOT NULL PRIMARY KEY, job_type VARCHAR(80) NOT NULL)",
    ],
]
#: A newer database is refused.
SCHEMA_VERSION = len(MIGRATIONS) + 1


def prepare(database: Database) -> None:
    """Make the tables of a new database, or upgrade those of an older one, all or nothing.

    Raises :class:`StoreError`.
    """
    with database.transaction() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # an index of a million jobs takes longer
        if not sa.inspect(connection).has_table(schema_version.name):
            metadata.create_all(connection)
            connection.execute(sa.insert(schema_version).values(version=SCHEMA_VERSION))
            return
        found = connection.execute(sa.select(schema_version.c.version)).scalar_one()
        if found > SCHEMA_VERSION:
            raise StoreError(
                f"the job store {database} has schema version {found}, this program knows {SCHEMA_VERSION}: "
                "it was written by a newer jupyter_uws"
            )
        if found < SCHEMA_VERSION:
            for statement in (statement for steps in MIGRATIONS[found - 1 :] for statement in steps):
                connection.exec_driver_sql(statement)
            connection.execute(sa.update(schema_version).values(version=SCHEMA_VERSION))


# -- rows

#: The columns of a whole job, in the order of its fields, and those of its entry in a list.
JOB = [jobs.c[part.name] for part in fields(Job)]
REF = [jobs.c[name] for name in JobRef._fields]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = frozenset({"creation_time", "start_time", "end_time", "quote", "destruction", "forget_time"})
_PHASES = {phase.value: phase for phase in Phase}
_PLACE = {part.name: place for place, part in enumerate(fields(Job))}


def microseconds(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


def _time(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def encode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a :class:`Job` as the table's columns hold them."""
    row: dict[str, Any] = {}
    for name, value in values.items():
        if name in _TIMES:
            row[name] = microseconds(value)
        elif name in ("results", "uploads"):
            row[name] = json.dumps([asdict(part) for part in value])
        elif name == "error":
            row[name] = None if value is None else json.dumps(asdict(value))
        elif name in ("parameters", "info"):
            row[name] = json.dumps(value)
        else:
            row[name] = value
    return row


def decode(row: Any) -> Job:
    """A job from its row, whose columns are :data:`JOB`."""
    values = list(row)
    for name in _TIMES:
        values[_PLACE[name]] = _time(values[_PLACE[name]])
    values[_PLACE["phase"]] = Phase(values[_PLACE["phase"]])
    values[_PLACE["parameters"]] = json.loads(values[_PLACE["parameters"]])
    values[_PLACE["info"]] = json.loads(values[_PLACE["info"]])
    values[_PLACE["results"]] = tuple(Result(**part) for part in json.loads(values[_PLACE["results"]]))
    values[_PLACE["uploads"]] = tuple(Upload(**part) for part in json.loads(values[_PLACE["uploads"]] or "[]"))
    error = values[_PLACE["error"]]
    values[_PLACE["error"]] = ErrorSummary(**json.loads(error)) if error else None
    return Job(*values)


def decode_ref(row: Any) -> JobRef:
    """An entry of a job list from its row, whose columns are :data:`REF`."""
    job_id, job_type, owner, phase, run_id, creation_time = row
    return JobRef(job_id, job_type, owner, _PHASES[phase], run_id, _EPOCH + timedelta(0, 0, creation_time))
