"""Jobs that go wrong in every way, run by test_jobs_main in processes of their own."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from jupyter_uws.jobs.context import JobContext, JobError


def write_two(job: JobContext, *, text: str) -> None:
    job.progress(0.25, "writing")
    (job.work / "a.txt").write_text(text)
    job.result("first", "a.txt", description="The text")
    (job.work / "sub").mkdir()
    (job.work / "sub/b.fits.gz").write_bytes(b"x")
    job.result("second", job.work / "sub/b.fits.gz")
    print("to stdout")
    warnings.warn("to stderr", stacklevel=1)
    job.progress(1.0)


def refuse(job: JobContext) -> None:
    raise JobError("no run is left", type="transient")


def bug(job: JobContext) -> None:
    raise ValueError("first line\nsecond line")


def memory(job: JobContext) -> None:
    bytearray(2**40)


def leave(job: JobContext, *, code: int) -> None:
    sys.exit(code)


def climb(job: JobContext) -> None:
    job.result("secret", "../request.json")


def read_files(job: JobContext, *, first: Path, others: list[Path], none: Path | None = None) -> None:
    assert first.is_absolute()
    assert none is None
    print(first.read_text(), *(path.read_text() for path in others))
