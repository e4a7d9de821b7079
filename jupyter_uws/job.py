"""For the code of jobs, functions and programs alike: ``from jupyter_uws import job``.

``@job`` on a function makes it one that can be submitted; ``job.progress(0.5, "half")`` tells how far the job is;
``with job.client() as dask:`` fans out to more workers.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .execution.fanout import client, workers_there
from .jobs.context import JobContext

if TYPE_CHECKING:
    from .jobs.own import Cell, OwnJob

__all__ = ["client", "define", "of_cell", "progress", "workers_there"]


def define(function: Callable[..., Any] | None = None, *, python: str | None = None) -> OwnJob | Callable[..., OwnJob]:
    """A function as a job: ``@job``, ``@job(python="/path/to/python")``; it can be called as before.

    ``JobService().submit(function, name=value)`` sends its source, with what it uses of the notebook. Its parameters
    are those of the signature (``Annotated[float, job.Parameter(unit="TeV", minimum=0.1)]``); what it returns, and the
    files it writes, are results. The job runs in the Python it is submitted from, or in ``python``.

    Raises
    ------
    DescriptionError
        The signature does not describe a job; says which part and why.
    """
    from .jobs.own import OwnJob

    return (lambda function: OwnJob(function, python)) if function is None else OwnJob(function, python)


def of_cell(
    cell: str, inputs: list[str], outputs: list[str], namespace: Mapping[str, Any], python: str | None = None
) -> Cell:
    """The code of a notebook's cell as a job. Raises DescriptionError for an input that cannot be sent."""
    from .jobs.own import Cell

    return Cell(cell, inputs, outputs, namespace, python)


def progress(fraction: float, message: str = "") -> None:
    """Tell how far the job is (0..1) and what it does now. Never blocks and never fails; nothing outside of a job."""
    if job := _job():
        job.progress(fraction, message)


@functools.cache
def _job() -> JobContext | None:
    return JobContext.from_environment() if "UWS_JOB_ID" in os.environ else None


class _Callable(types.ModuleType):
    """The module is what is imported as ``job``, so it is the decorator, too."""

    def __call__(self, function: Callable[..., Any] | None = None, *, python: str | None = None) -> Any:
        return define(function, python=python)

    def __getattr__(self, name: str) -> Any:
        if name == "Parameter":  # not before it is asked for: pydantic is half of the import's time
            from .jobs.description import Parameter

            return Parameter
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


sys.modules[__name__].__class__ = _Callable
