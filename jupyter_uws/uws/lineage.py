"""From which jobs a job took results, and which took its own.

Nothing of this is written down when a job is made. A file that was given to a job is the result of another where both
have the same SHA-256, wherever it was in between; and a job that was created with AFTER names the jobs before it. So
what was done by hand, in a notebook or in another program is found, too, as long as the jobs, with their results, are
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .chains import AFTER
from .model import Job, Result, Upload
from .store import JobStore

#: Steps that are followed, back and forth, and jobs that are told of.
DEPTH, MOST = 3, 100
#: Files of one step that are looked for: SQLite takes no longer condition.
FILES = 400


@dataclass(frozen=True)
class Used:
    """A file of ``job``, given for one of its parameters, that is a result of ``maker``."""

    job: Job
    upload: Upload
    maker: Job
    result: Result


@dataclass
class Lineage:
    """A job with those before and after it: ``jobs`` by id, ``used`` files, ``after`` as pairs (later, earlier) of ids.

    ``is_cut`` tells that there are more than :data:`MOST`, or that they go on after :data:`DEPTH` steps.
    """

    jobs: dict[str, Job]
    used: list[Used] = field(default_factory=list)
    after: set[tuple[str, str]] = field(default_factory=set)
    is_cut: bool = False


#: Another job, and what it has to do with one of a level.
_Found = Iterator[tuple[Job, Used | tuple[str, str]]]


def trace(store: JobStore, job: Job) -> Lineage:
    """What ``job`` came from, and what came of it, among the jobs of its owner.

    It looks at all of these where files were given: not for the event loop.
    """
    lineage = Lineage({job.job_id: job})
    _follow(lineage, job, lambda level: _before(store, level))
    _follow(lineage, job, lambda level: _behind(store, level))
    return lineage


def _follow(lineage: Lineage, job: Job, step: Callable[[list[Job]], _Found]) -> None:
    """Add what ``step`` finds from a job on, level by level."""
    level, seen = [job], {job.job_id}
    for depth in range(DEPTH + 1):
        following: list[Job] = []
        for other, edge in step(level) if level else ():
            if depth == DEPTH or (other.job_id not in lineage.jobs and len(lineage.jobs) >= MOST):
                lineage.is_cut = True
                continue
            lineage.jobs.setdefault(other.job_id, other)
            if isinstance(edge, tuple):
                lineage.after.add(edge)
            elif edge not in lineage.used:
                lineage.used.append(edge)
            if other.job_id not in seen:
                seen.add(other.job_id)
                following.append(other)
        level = following


def _before(store: JobStore, level: list[Job]) -> _Found:
    """The jobs whose results were given to those of the level, and those that had to complete before them."""
    makers = _makers(store, level)
    for job in level:
        for upload in job.uploads:
            if found := _maker(makers, job, upload):
                yield found.maker, found
        for job_id in _after(job):
            earlier = store.get(job_id)
            if earlier is not None and earlier.owner == job.owner:
                yield earlier, (job.job_id, job_id)


def _behind(store: JobStore, level: list[Job]) -> _Found:
    """The jobs that were given results of those of the level, and those that ran after them."""
    ids = {job.job_id for job in level}
    digests = {result.sha256 for job in level for result in job.results if result.sha256 and result.size}
    later = store.users(level[0].owner, sorted(digests)[:FILES], ids, since=min(job.creation_time for job in level))
    makers = _makers(store, later)
    for job in later:
        for upload in job.uploads:
            found = _maker(makers, job, upload)
            if found and found.maker.job_id in ids:
                yield job, found
        for job_id in ids.intersection(_after(job)):
            yield job, (job.job_id, job_id)


def _after(job: Job) -> list[str]:
    return str(job.info.get(AFTER, "")).split()


def _makers(store: JobStore, jobs: Iterable[Job]) -> list[Job]:
    """The jobs with a result that one of these was given, the newest first."""
    given = [job for job in jobs if job.uploads]
    digests = {upload.sha256 for job in given for upload in job.uploads if upload.size}
    if not digests:
        return []
    return store.makers(given[0].owner, sorted(digests)[:FILES], until=max(job.creation_time for job in given))


def _maker(makers: Iterable[Job], job: Job, upload: Upload) -> Used | None:
    """The last of the earlier jobs that made this file; an empty one may be anybody's."""
    for maker in makers if upload.size else ():
        if maker.job_id != job.job_id and maker.creation_time < job.creation_time:
            for result in maker.results:
                if result.sha256 == upload.sha256:
                    return Used(job, upload, maker, result)
    return None
