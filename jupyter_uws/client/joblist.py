"""Lists of jobs, as a notebook shows them and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .job import Job
from .parallel import in_parallel
from .show import html_table, seconds_taken, utc

if TYPE_CHECKING:
    from astropy.table import Table

#: Lines of a list of jobs that are shown.
SHOWN = 50


class JobList(list[Job]):
    """Jobs as the service listed them, the newest first; it shows no more than the first fifty."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        oldest = datetime.min.replace(tzinfo=UTC)
        super().__init__(sorted(jobs, key=lambda job: job.document.creation_time or oldest, reverse=True))

    @property
    def table(self) -> Table:
        """What the list tells, as an astropy Table: ``job_id``, ``type``, ``phase``, ``created`` (UTC), ``run_id``."""
        from astropy.table import Table

        names = ("job_id", "type", "phase", "created", "run_id")
        return Table(rows=list(self._rows(self)) or None, names=names, dtype=[str] * len(names))

    def details(self) -> Table:
        """The same with each job's parameters, ``took`` [s], ``error`` and ``results``: one request for each job."""
        from astropy.table import Table

        in_parallel(lambda job: job.document.complete or job.refresh(), self)
        table = self.table
        documents = [job.document for job in self]
        took = [seconds_taken(document) for document in documents]
        columns: dict[str, list[str]] = {
            "error": [document.error or "" for document in documents],
            "results": [" ".join(document.results) for document in documents],
        }
        for name in dict.fromkeys(name for document in documents for name in document.parameters):
            shown = name if name not in (*table.colnames, "took", *columns) else f"{name}_parameter"
            columns[shown] = [" ".join(document.parameters.get(name, [])) for document in documents]
        table["took"] = Table.Column([seconds or 0.0 for seconds in took], unit="s", format=".1f", dtype=float)
        for name, values in columns.items():
            table[name] = Table.Column(values, dtype=str)
        return table

    def __repr__(self) -> str:
        return "\n".join(["  ".join(row) for row in self._rows(self[:SHOWN])] + self._more()) or "No jobs"

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No jobs</p>"
        more = "".join(f"<p>{line}</p>" for line in self._more())
        return html_table(("job", "type", "phase", "created", "run id"), self._rows(self[:SHOWN])) + more

    def _more(self) -> list[str]:
        return [f"and {len(self) - SHOWN} older ones"] if len(self) > SHOWN else []

    @staticmethod
    def _rows(jobs: list[Job]) -> Iterator[tuple[str, ...]]:
        for job in jobs:
            known = job.document
            yield job.id, job.type, known.phase, utc(known.creation_time), known.run_id or ""
