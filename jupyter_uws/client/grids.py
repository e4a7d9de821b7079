"""Many jobs at once: a grid of parameters or a table of targets, with one progress bar and one table of results."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from .durations import seconds
from .errors import BadValue, ClientError, Interrupted, JobFailed, JobTimeout
from .events import Watch
from .job import Job
from .parallel import in_parallel
from .progress import progress_bar
from .show import html_table, seconds_taken
from .uws import FINISHED

if TYPE_CHECKING:
    from astropy.table import Table

    from .jobs import JobService

#: Most jobs that are started by one call.
MOST = 5000
#: Lines of a group that are shown.
SHOWN = 20
#: The columns of a group's table beside those that vary.
_OWN = ("job_id", "phase", "took", "error")


def expand(grid: Mapping[str, Iterable[Any]] | None, rows: Any, known: Iterable[str]) -> list[dict[str, Any]]:
    """The points of a grid, for each of the rows where there are such, as dicts.

    Raises
    ------
    ValueError
        There is nothing to run, or too much, or a name of the grid is none of the ``known`` ones (lower case).
    """
    axes = {
        name: [values] if isinstance(values, (str, bytes)) else list(values) for name, values in (grid or {}).items()
    }
    if unknown := [name for name in axes if name.lower() not in known]:
        raise BadValue(f"grid: {unknown[0]!r} is no parameter; the parameters are: {', '.join(sorted(known))}")
    if empty := [name for name, values in axes.items() if not values]:
        raise BadValue(f"grid: {empty[0]!r} has no values")
    table = [{}] if rows is None else [_row(row) for row in rows]
    count = len(table)
    for values in axes.values():
        count *= len(values)
    if not count or (rows is None and not axes):
        raise BadValue("there is nothing to run: give a grid of parameters, or rows")
    if count > MOST:
        raise BadValue(f"these are {count} jobs; at most {MOST} are started by one call")
    points = itertools.product(*axes.values())
    return [{**row, **dict(zip(axes, point, strict=True))} for row, point in itertools.product(table, list(points))]


def _row(row: Any) -> dict[str, Any]:
    names = getattr(row, "colnames", None)
    return dict(row) if names is None else {name: row[name] for name in names}


class JobGroup(Sequence[Job]):
    """Jobs of one type that were started together; ``group[3]`` is one of them, in the order of the rows."""

    def __init__(self, service: JobService, type: str) -> None:
        self.service = service
        self.type = type
        self._jobs: list[Job] = []
        self._rows: list[dict[str, Any]] = []

    def append(self, job: Job, row: Mapping[str, Any]) -> None:
        """Add a job, with what is its own among the jobs of the group."""
        self._jobs.append(job)
        self._rows.append(dict(row))

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        return self._jobs[index]

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def phases(self) -> Counter[str]:
        """How many jobs are in which phase, as they were last seen."""
        return Counter(job.document.phase for job in self)

    def refresh(self) -> JobGroup:
        """Ask for the present state of those that have not ended."""
        in_parallel(Job.refresh, [job for job in self if not _is_over(job)])
        return self

    def abort(self) -> JobGroup:
        """Stop those that have not ended; what they have written so far is kept."""
        in_parallel(Job.abort, [job for job in self.refresh() if not _is_over(job)])
        return self

    def delete(self) -> None:
        """Delete all, with their results."""
        in_parallel(Job.delete, self)
        self._jobs.clear()
        self._rows.clear()

    def wait(self, timeout: Any = None, progress: bool = True, raise_on_error: bool = False) -> JobGroup:
        """Wait until all have ended, with one progress bar; Ctrl-C ends the waiting, not the jobs.

        Raises
        ------
        JobTimeout
            The time (seconds, a Quantity, or a text with a unit) is up; the jobs go on.
        JobFailed
            With ``raise_on_error``: some did not complete; the text has the first one's reason.
        """
        end = None if timeout is None else time.monotonic() + seconds("timeout", timeout)
        bar = progress_bar(f"{len(self)} jobs of type {self.type}") if progress else None
        try:
            with Watch(self.service.connection, self.type) as watch:
                self._follow(watch, end, bar)
        except KeyboardInterrupt:
            raise Interrupted(
                f"{self._state()}: they go on. group.wait() waits again, group.abort() stops them."
            ) from None
        finally:
            if bar is not None:
                bar.close()
        failed = [job for job in self if job.document.phase != "COMPLETED"]
        if raise_on_error and failed:
            raise JobFailed(f"{len(failed)} of {len(self)} jobs did not complete; the first one: {failed[0].why()}")
        return self

    def _follow(self, watch: Watch, end: float | None, bar: Any) -> None:
        """Take the events of the service's jobs until all of these have ended."""
        running: dict[str, float] = {}
        told: set[str] = set()
        open_ones = {job.id: job for job in self if not _is_over(job)}
        while True:
            for event in watch.events(0.5):
                if event["kind"] == "reset":
                    told.clear()
                elif event["kind"] == "ready":  # those that were not among the active ones have ended before
                    in_parallel(Job.refresh, [job for job in open_ones.values() if job.id not in told])
                elif job := open_ones.get(event["job_id"]):
                    if event["kind"] == "deleted":
                        raise ClientError(f"Job {job.id} was deleted while it was waited for.")
                    told.add(job.id)
                    running[job.id] = float(event.get("progress") or 0.0)
                    if event["phase"] in FINISHED:
                        job.refresh()
            for job_id in [job_id for job_id, job in open_ones.items() if _is_over(job)]:
                running.pop(job_id, None)
                del open_ones[job_id]
            if bar is not None:
                done = (len(self) - len(open_ones) + sum(running.values())) / max(len(self), 1)
                bar.show("EXECUTING" if open_ones else "COMPLETED", done, self._state())
            if not open_ones:
                return
            if end is not None and time.monotonic() >= end:
                raise JobTimeout(f"{self._state()}; they go on, group.wait() waits again.")

    def _state(self) -> str:
        phases = self.phases
        over = sum(count for phase, count in phases.items() if phase in FINISHED)
        failed = "".join(f", {phases[phase]} {phase}" for phase in ("ERROR", "ABORTED") if phases[phase])
        return f"{over} of {len(self)} jobs have ended{failed}"

    @property
    def table(self) -> Table:
        """One row for each job: what is its own, ``job_id``, ``phase``, ``took`` [s], ``error``."""
        return self._table(list(range(len(self))))

    def results(self, name: str = "summary") -> Table:
        """The results of that name of all completed jobs in one table, with what is each job's own.

        Of a JSON document its numbers and texts are columns (``fit.index`` for a number within another object), one
        that is a number or a text itself is a column;
        of a table its rows are appended, with ``job_id`` in front.
        """
        done = [number for number, job in enumerate(self.refresh()) if job.document.phase == "COMPLETED"]
        if not done:
            raise ClientError(f"{self._state()}; none has results.")
        found = in_parallel(lambda number: self._jobs[number].results[name], done)
        in_parallel(lambda result: result.bytes, found)
        if "json" not in found[0].content_type:
            return self._stacked(done, [result.table for result in found])
        table = self._table(done)
        table.remove_columns([column for column in ("phase", "error") if column in table.colnames])
        documents = [result.json for result in found]
        # a document that is one number or text is a column of the result's name
        flat = [dict(_scalars(each if isinstance(each, Mapping) else {name: each})) for each in documents]
        for column in dict.fromkeys(name for row in flat for name in row):
            shown = column if column not in table.colnames else f"{column}_result"
            table[shown] = _column([row.get(column) for row in flat])
        return table

    def _stacked(self, done: list[int], tables: list[Table]) -> Table:
        from astropy.table import vstack

        for number, table in zip(done, tables, strict=True):
            own = {"job_id": self._jobs[number].id, **self._rows[number]}
            for position, (name, value) in enumerate(own.items()):
                if name not in table.colnames:
                    table.add_column(value if _is_scalar(value) else str(value), name=name, index=position)
            table.meta.clear()
        return vstack(tables)

    def _table(self, numbers: list[int]) -> Table:
        from astropy.table import Table

        table = Table()
        jobs, rows = [self._jobs[number] for number in numbers], [self._rows[number] for number in numbers]
        for name in dict.fromkeys(name for row in rows for name in row):
            table[name if name not in _OWN else f"{name}_parameter"] = _column([row.get(name) for row in rows])
        table["job_id"] = Table.Column([job.id for job in jobs], dtype=str)
        table["phase"] = Table.Column([job.document.phase for job in jobs], dtype=str)
        taken = [seconds_taken(job.document) for job in jobs]
        table["took"] = Table.Column([seconds or 0.0 for seconds in taken], unit="s", format=".1f", dtype=float)
        table["error"] = Table.Column([job.document.error or "" for job in jobs], dtype=str)
        return table

    def _lines(self) -> Iterator[list[str]]:
        for job, row in zip(self._jobs[:SHOWN], self._rows, strict=False):
            own = ", ".join(f"{name}={str(value)[:40]}" for name, value in row.items())
            yield [job.id, own, job.document.phase, job.document.error or ""]

    def _more(self) -> str:
        return f"and {len(self) - SHOWN} more: .table has them all" if len(self) > SHOWN else ""

    def __repr__(self) -> str:
        lines = [f"{self.type}: {self._state()}", *("  ".join(filter(None, line)) for line in self._lines())]
        return "\n".join(filter(None, [*lines, self._more()]))

    def _repr_html_(self) -> str:
        table = html_table(("job", "its own", "phase", "error"), self._lines())
        return f"<p>{self.type}: {self._state()}</p>{table}<p>{self._more()}</p>"


def _is_over(job: Job) -> bool:
    return job.document.phase in FINISHED


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool)) or hasattr(value, "unit") or hasattr(value, "dtype")


def _column(values: list[Any]) -> Any:
    """A column of numbers, of quantities or of texts; what is missing is masked."""
    import numpy as np
    from astropy import units as u
    from astropy.table import MaskedColumn

    missing = [value is None for value in values]
    there = [value for value in values if value is not None]
    if there and all(isinstance(value, u.Quantity) and value.isscalar for value in there):
        unit = there[0].unit
        numbers = [np.nan if value is None else value.to_value(unit) for value in values]
        return MaskedColumn(numbers, mask=missing, unit=unit)
    if there and all(isinstance(value, (bool, np.bool_)) for value in there):
        return MaskedColumn([bool(value) for value in values], mask=missing)
    if there and all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in there):
        whole = all(isinstance(value, (int, np.integer)) for value in there)
        return MaskedColumn([(0 if whole else np.nan) if value is None else value for value in values], mask=missing)
    texts = [
        "" if value is None else f"{len(value)} rows" if hasattr(value, "colnames") else str(value) for value in values
    ]
    return MaskedColumn(texts, mask=missing, dtype=str)


def _scalars(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The numbers and texts in a JSON document, by their path."""
    if isinstance(document, Mapping):
        for name, value in document.items():
            if isinstance(value, Mapping):
                yield from _scalars(value, f"{prefix}{name}.")
            elif isinstance(value, (str, int, float, bool)):
                yield f"{prefix}{name}", value
