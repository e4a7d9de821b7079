"""The job store: the truth of what clients see, in SQLite (WAL) or PostgreSQL by URL.

One table, one row per job. Phases change by compare-and-set only (:meth:`JobStore.move`), so two
reports that cross each other cannot both win.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from .database import Database, JobExists, StoreError, StoreFull
from .model import Job, JobRef
from .phases import ACTIVE, Phase, sources
from .schema import JOB, REF, decode, decode_ref, encode, jobs, microseconds, prepare, remains

__all__ = ["JobExists", "JobStore", "StoreError", "StoreFull"]

#: The phases of a list that names none (UWS 1.1, section 2.2.2.1).
LISTED = tuple(phase for phase in Phase if phase is not Phase.ARCHIVED)
#: The phases in which an executor has a job in hand.
IN_HAND = tuple(sorted(ACTIVE - {Phase.HELD}))
#: Types, and run ids, whose jobs are counted.
TALLIED = 500
#: Jobs due for destruction that are looked at together.
BATCH = 500

#: Where a page of a list ends: creation time [microseconds since 1970] and id of its last job.
Place = tuple[int, str]


class JobStore:
    """The table of jobs. All methods are synchronous and quick: one or two indexed statements each.

    Every method raises :class:`StoreError` where the database cannot be used; nothing is changed then.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        try:
            self.database.own()
            prepare(self.database)
        except StoreError as error:
            self.database.close()
            raise StoreError(f"the job store {self.database} cannot be used: {error}") from error

    def close(self) -> None:
        self.database.close()

    # -- one job

    def create(self, job: Job) -> None:
        """Add a new job; an id that exists is an error (:class:`JobExists`), never an overwrite."""
        values = encode({part.name: getattr(job, part.name) for part in fields(Job)})
        if not job.uploads:
            with self.database.connect() as connection:
                connection.execute(_INSERT, values)
            return
        with self.database.transaction() as connection:
            connection.execute(_INSERT, values)
            connection.execute(_BURIED, {"the_job": job.job_id})

    def get(self, job_id: str) -> Job | None:
        with self.database.connect() as connection:
            row = connection.execute(_GET, {"the_job": job_id}).first()
        return None if row is None else decode(row)

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
        statement = _update(tuple(changes), tuple(sorted(phases)), run is not None)
        values = {f"new_{name}": value for name, value in encode(changes).items()}
        values["the_job"] = job_id
        if run is not None:
            values["the_run"] = run
        with self.database.connect() as connection:
            row = connection.execute(statement, values).first()
        return None if row is None else decode(row)

    # -- the end of a job

    def archive(self, job: Job, forget_time: datetime) -> Job | None:
        """Move a job that has ended to ARCHIVED, without results; its files are due for removal.

        None where its phase or its destruction time is not what ``job`` has any more.
        """
        changes = {"phase": Phase.ARCHIVED, "results": (), "disk": 0, "forget_time": forget_time}
        values = {f"new_{name}": value for name, value in encode(changes).items()}
        values |= {"the_job": job.job_id, "the_destruction": microseconds(job.destruction)}
        with self.database.transaction() as connection:
            row = connection.execute(_archive(), values).first()
            if row is None:
                return None
            connection.execute(_REMAINS, {"job_id": job.job_id, "job_type": job.job_type})
        return decode(row)

    def forget(self, job: Job) -> bool:
        """Remove a job from the table; its files are due for removal. False where it is in an executor's hands."""
        with self.database.transaction() as connection:
            if connection.execute(_FORGET, {"the_job": job.job_id}).rowcount == 0:
                return connection.execute(_GET, {"the_job": job.job_id}).first() is None
            if connection.execute(_IS_REMAINS, {"the_job": job.job_id}).first() is None:
                connection.execute(_REMAINS, {"job_id": job.job_id, "job_type": job.job_type})
        return True

    def reserve(self, job_id: str, job_type: str) -> None:
        """Files for a job that is not created yet: without :meth:`create` they are removed at the next start."""
        with self.database.connect() as connection:
            connection.execute(_REMAINS, {"job_id": job_id, "job_type": job_type})

    def remains(self) -> list[tuple[str, str]]:
        """Ids and types of jobs whose files are due for removal."""
        with self.database.connect() as connection:
            return [(row.job_id, row.job_type) for row in connection.execute(sa.select(remains).limit(BATCH))]

    def is_due(self, job_id: str) -> bool:
        """Whether the files of this job are due for removal."""
        with self.database.connect() as connection:
            return connection.execute(_IS_REMAINS, {"the_job": job_id}).first() is not None

    def buried(self, job_id: str) -> None:
        """The files of this job are removed."""
        with self.database.connect() as connection:
            connection.execute(_BURIED, {"the_job": job_id})

    # -- many jobs

    def find(self, **filters: Any) -> list[Job]:
        """Whole jobs, newest first; the filters are those of :meth:`refs`."""
        return [decode(row) for row in self._rows(tuple(JOB), **filters)]

    def refs(
        self,
        *,
        owner: str | None = None,
        job_type: str | None = None,
        phases: Sequence[Phase] = (),
        after: datetime | None = None,
        last: int | None = None,
    ) -> list[JobRef]:
        """What a list of jobs shows of each, newest first: ``after`` is exclusive, ``last`` applied after all others.

        Without ``phases`` all but the ARCHIVED ones (UWS 1.1, section 2.2.2.1).
        """
        rows = self._rows(tuple(REF), owner=owner, job_type=job_type, phases=phases, after=after, last=last)
        return [decode_ref(row) for row in rows]

    def pages(self, size: int = 1000, **filters: Any) -> Iterator[list[JobRef]]:
        """The same list in pieces of ``size``, each read when it is asked for: a million jobs in bounded memory."""
        before: Place | None = None
        left = filters.pop("last", None)
        while left is None or left > 0:
            rows = self._rows(tuple(REF), last=size if left is None else min(size, left), before=before, **filters)
            if rows:
                yield [decode_ref(row) for row in rows]
            if len(rows) < size:
                return
            left = None if left is None else left - len(rows)
            before = (rows[-1].creation_time, rows[-1].job_id)

    def page(
        self, *, last: int, place: Place | None = None, oldest_first: bool = False, **filters: Any
    ) -> tuple[list[Job], Place | None]:
        """Up to ``last`` whole jobs beyond ``place``, and the place to go on from; None where these are all.

        The filters are those of :meth:`refs`, ``until`` (exclusive), and ``text``, which is in the run id or in
        the id, in any case. A text that few have makes it look at all jobs of the owner: not for the event loop.
        """
        rows = self._rows(tuple(JOB), last=last + 1, before=place, oldest_first=oldest_first, **filters)
        jobs = [decode(row) for row in rows[:last]]
        return jobs, (rows[last - 1].creation_time, rows[last - 1].job_id) if len(rows) > last else None

    def count(self, **filters: Any) -> dict[str, int]:
        """How many jobs there are in each phase, of those that :meth:`page` lists; it looks at all of them."""
        values = _given(filters)
        statement = _counts(tuple(sorted(set(filters.get("phases") or LISTED))), frozenset(values))
        with self.database.connect() as connection:
            return {str(phase): int(count) for phase, count in connection.execute(statement, values)}

    def tally(self, **filters: Any) -> dict[str, dict[str, int]]:
        """How many jobs there are of each of the ``types`` and ``runs`` (run ids, '' without one).

        Of those that :meth:`page` lists, and of at most ``TALLIED`` names each, those with the newest jobs; it looks
        at all of them.
        """
        values = _given(filters)
        phases = tuple(sorted(set(filters.get("phases") or LISTED)))
        columns = {"types": jobs.c.job_type, "runs": jobs.c.run_id}
        with self.database.connect() as connection:
            return {
                name: {
                    str(value): int(count)
                    for value, count, _ in connection.execute(_tally(column, phases, frozenset(values)), values)
                }
                for name, column in columns.items()
            }

    def _rows(
        self,
        columns: tuple[sa.Column[Any], ...],
        *,
        last: int | None = None,
        before: Place | None = None,
        oldest_first: bool = False,
        **filters: Any,
    ) -> Sequence[sa.Row[Any]]:
        values = _given(filters)
        if last is not None:
            values["last"] = last
        if before is not None:
            values["before_time"], values["before_id"] = before
        phases = tuple(sorted(set(filters.get("phases") or LISTED)))
        statement = _select(columns, phases, frozenset(values), oldest_first)
        with self.database.connect() as connection:
            return connection.execute(statement, values).all()

    def makers(self, owner: str, digests: Collection[str], *, until: datetime) -> list[Job]:
        """Jobs of an owner with a result of one of these SHA-256, created until then, the newest first.

        Of at most :data:`BATCH`; like :meth:`users` it looks at all jobs of the owner.
        """
        made = sa.or_(*(self._has(jobs.c.results, digest) for digest in sorted(digests)))
        return self._related(owner, made, jobs.c.creation_time <= microseconds(until))

    def users(self, owner: str, digests: Collection[str], job_ids: Collection[str], *, since: datetime) -> list[Job]:
        """Jobs of an owner that may have been given a file of one of these SHA-256, or were created with AFTER and one
        of these ids, since then, the newest first.
        """
        given = [self._has(jobs.c.uploads, digest) for digest in sorted(digests)]
        after = sa.or_(*(self._has(jobs.c.info, job_id) for job_id in sorted(job_ids)))
        chained = self._has(jobs.c.info, '"after": ') & after
        return self._related(owner, sa.or_(*given, chained), jobs.c.creation_time >= microseconds(since))

    def _has(self, column: sa.Column[Any], text: str) -> sa.ColumnElement[bool]:
        """Whether a text contains another: LIKE, which looks at the case, takes six times as long."""
        place = sa.func.instr if self.database.is_sqlite else sa.func.strpos
        return place(column, text) > 0

    def _related(self, owner: str, *conditions: sa.ColumnElement[bool]) -> list[Job]:
        statement = sa.select(*JOB).where(jobs.c.owner == owner, *conditions)
        return self._all(statement.order_by(jobs.c.creation_time.desc(), jobs.c.job_id.desc()).limit(BATCH))

    def active(self) -> list[Job]:
        """The jobs an executor has in hand, oldest first."""
        return self._all(sa.select(*JOB).where(_in_phase(IN_HAND)).order_by(jobs.c.creation_time))

    def due(self, now: datetime) -> list[Job]:
        """Jobs whose destruction time has come, the first ones."""
        due = (jobs.c.destruction <= microseconds(now)) & (jobs.c.phase != sa.literal_column("'ARCHIVED'"))
        return self._all(sa.select(*JOB).where(due).order_by(jobs.c.destruction).limit(BATCH))

    def faded(self, now: datetime) -> list[Job]:
        """ARCHIVED jobs that are to be forgotten, the first ones."""
        return self._all(sa.select(*JOB).where(jobs.c.forget_time <= microseconds(now)).limit(BATCH))

    def _all(self, statement: sa.Select[Any]) -> list[Job]:
        with self.database.connect() as connection:
            return [decode(row) for row in connection.execute(statement)]

    def count_active(self, owner: str | None = None) -> int:
        """How many jobs an executor has in hand: of an owner, or of all."""
        statement = sa.select(sa.func.count()).where(_in_phase(IN_HAND))
        if owner is not None:
            statement = statement.where(jobs.c.owner == owner)
        with self.database.connect() as connection:
            return int(connection.execute(statement).scalar_one())

    def usage(self, owner: str) -> tuple[int, int]:
        """How many jobs of an owner there are, the ARCHIVED ones aside, and how many bytes their files have."""
        statement = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(jobs.c.disk), 0))
        with self.database.connect() as connection:
            row = connection.execute(statement.where(jobs.c.owner == owner, _in_phase(LISTED))).one()
        return int(row[0]), int(row[1])

    def newest(self) -> datetime | None:
        """The latest creation time there is."""
        newest = [self.refs(phases=[phase], last=1) for phase in Phase]
        return max((ref.creation_time for refs in newest for ref in refs), default=None)


# -- statements: building one costs more than running it, so each is built once


def _in_phase(phases: Iterable[Phase]) -> sa.ColumnElement[bool]:
    """A condition with the words in its text: as parameters SQLAlchemy would write the list anew at every execution."""
    return jobs.c.phase.in_([sa.literal_column(f"'{phase.value}'") for phase in phases])


_GET = sa.select(*JOB).where(jobs.c.job_id == sa.bindparam("the_job"))
_FORGET = sa.delete(jobs).where(jobs.c.job_id == sa.bindparam("the_job"), ~_in_phase(IN_HAND))
_INSERT = sa.insert(jobs)
_REMAINS = sa.insert(remains)
_IS_REMAINS = sa.select(remains.c.job_id).where(remains.c.job_id == sa.bindparam("the_job"))
_BURIED = sa.delete(remains).where(remains.c.job_id == sa.bindparam("the_job"))


@lru_cache(maxsize=64)
def _update(columns: tuple[str, ...], phases: tuple[Phase, ...], with_run: bool) -> Any:
    """The UPDATE that sets ``columns`` of one job in one of ``phases``."""
    statement = sa.update(jobs).where(jobs.c.job_id == sa.bindparam("the_job"), _in_phase(phases))
    if with_run:
        statement = statement.where(jobs.c.run == sa.bindparam("the_run"))
    return statement.values({name: sa.bindparam(f"new_{name}") for name in columns}).returning(*JOB)


@lru_cache(maxsize=1)
def _archive() -> Any:
    statement = sa.update(jobs).where(
        jobs.c.job_id == sa.bindparam("the_job"),
        _in_phase(sources(Phase.ARCHIVED)),
        jobs.c.destruction == sa.bindparam("the_destruction"),
    )
    columns = ("phase", "results", "disk", "forget_time")
    return statement.values({name: sa.bindparam(f"new_{name}") for name in columns}).returning(*JOB)


def _given(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the filters but for the phases, which stand in the statement's text."""
    text = filters.get("text")
    values = {
        "owner": filters.get("owner"),
        "job_type": filters.get("job_type"),
        "after": microseconds(filters.get("after")),
        "until": microseconds(filters.get("until")),
        "text": f"%{re.sub(_WILDCARD, _ESCAPED, text)}%" if text else None,
    }
    return {name: value for name, value in values.items() if value is not None}


_WILDCARD, _ESCAPED = re.compile(r"([%_\\])"), r"\\\1"


def _contains(column: sa.Column[str]) -> sa.ColumnElement[bool]:
    return sa.func.lower(column).like(sa.func.lower(sa.bindparam("text")), escape="\\")


def _filters(given: frozenset[str]) -> list[sa.ColumnElement[bool]]:
    """The conditions for those filters that are given; their values are parameters."""
    known: dict[str, sa.ColumnElement[bool]] = {
        "owner": jobs.c.owner == sa.bindparam("owner"),
        "job_type": jobs.c.job_type == sa.bindparam("job_type"),
        "after": jobs.c.creation_time > sa.bindparam("after"),
        "until": jobs.c.creation_time < sa.bindparam("until"),
        "text": _contains(jobs.c.run_id) | _contains(jobs.c.job_id),
    }
    return [condition for name, condition in known.items() if name in given]


@lru_cache(maxsize=256)
def _select(
    columns: tuple[sa.Column[Any], ...], phases: tuple[Phase, ...], given: frozenset[str], oldest_first: bool
) -> Any:
    """The list: of these phases, filtered by what is ``given``.

    With LAST the newest of each phase are taken from its part of an index and merged: that reads no more than LAST
    rows of each, however many jobs there are.
    """

    def in_turn(table: sa.FromClause) -> list[sa.UnaryExpression[Any]]:
        return [each.asc() if oldest_first else each.desc() for each in (table.c.creation_time, table.c.job_id)]

    def part(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
        statement = sa.select(*columns).where(condition, *_filters(given))
        if "before_id" in given:
            here = sa.tuple_(jobs.c.creation_time, jobs.c.job_id)
            place = sa.tuple_(sa.bindparam("before_time"), sa.bindparam("before_id"))
            statement = statement.where(here > place if oldest_first else here < place)
        statement = statement.order_by(*in_turn(jobs))
        return statement.limit(sa.bindparam("last")) if "last" in given else statement

    if "last" not in given or len(phases) == 1:
        return part(_in_phase(phases))
    parts = sa.union_all(*(sa.select(part(_in_phase([phase])).subquery()) for phase in phases)).subquery()
    return sa.select(parts).order_by(*in_turn(parts)).limit(sa.bindparam("last"))


@lru_cache(maxsize=64)
def _counts(phases: tuple[Phase, ...], given: frozenset[str]) -> Any:
    statement = sa.select(jobs.c.phase, sa.func.count()).where(_in_phase(phases), *_filters(given))
    return statement.group_by(jobs.c.phase)


@lru_cache(maxsize=64)
def _tally(column: sa.Column[str], phases: tuple[Phase, ...], given: frozenset[str]) -> Any:
    value, newest = sa.func.coalesce(column, "").label("value"), sa.func.max(jobs.c.creation_time).label("newest")
    statement = sa.select(value, sa.func.count(), newest).where(_in_phase(phases), *_filters(given))
    return statement.group_by(sa.literal_column("value")).order_by(sa.literal_column("newest").desc()).limit(TALLIED)
