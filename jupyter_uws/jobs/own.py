"""A function of a notebook or a module as a job: described by its signature, sent as source."""

from __future__ import annotations

import functools
import inspect
import io
import json
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import capture
from .context import JobContext
from .describe import DescriptionError, parameter, reasons
from .description import JobDescription
from .python import NAME, environment, versions
from .validation import typed, validate


class OwnJob:
    """A function that can be called as before, and submitted: ``JobService().submit(function, ...)``.

    ``function`` is the function itself; with ``python`` the job runs in that Python instead of the one it was
    submitted from.
    """

    #: The type of the service's that runs it.
    job_type = NAME

    def __init__(self, function: Callable[..., Any], python: str | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.python = python
        self._description, self._takes_job = _describe(function)

    def __call__(self, *arguments: Any, **values: Any) -> Any:
        return self.function(*arguments, **values)

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def description(self) -> dict[str, Any]:
        """What it takes, as a service lists a job type."""
        return {**self._description.model_dump(mode="json"), "name": self.name}

    def __repr__(self) -> str:
        parts = [part.name + (f" [{part.unit}]" if part.unit else "") for part in self._description.parameters]
        return f"<job {self.name}({', '.join(parts)})>"

    def order(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """The form of a job of the type ``python``, from the form that the description asks for.

        Raises
        ------
        ValueError
            A value is not as the signature wants it; or the source cannot be sent.
        """
        inputs: list[Any] = []
        values: dict[str, Any] = {}
        texts: dict[str, list[str]] = {}
        for name, given in form.items():
            items = given if isinstance(given, list) else [given]
            if self._kind(name) == "file":
                numbers = [*range(len(inputs), len(inputs) + len(items))]
                inputs += items
                several = isinstance(given, list)
                values[name] = (
                    {"kind": "files", "inputs": numbers} if several else {"kind": "file", "input": numbers[0]}
                )
                texts[name] = ["uploads/file"] * len(items)
            else:
                texts[name] = [str(item) for item in items]
        known = typed(self._description, validate(self._description, texts))
        for name, value in known.items():
            if name not in values:
                values[name] = {"kind": "json", "value": value}
        order = _order(capture.of_function(self.function), values, self.python)
        order |= {"call": self.name, "takes_job": self._takes_job, "outputs": []}
        return _form(order, inputs)

    def _kind(self, name: str) -> str:
        return next(part.type for part in self._description.parameters if part.name == name)


class Cell:
    """The code of a notebook's cell as a job: names of its inputs and outputs, and their values in ``namespace``."""

    job_type, name = NAME, "remote"
    description: Mapping[str, Any] = {"name": "remote", "parameters": []}

    def __init__(
        self, cell: str, inputs: list[str], outputs: list[str], namespace: Mapping[str, Any], python: str | None = None
    ) -> None:
        files: list[Any] = []
        values = {name: _packed(name, namespace, files) for name in inputs}
        order = _order(capture.of_cell(cell, namespace, set(inputs)), values, python)
        order |= {"call": None, "takes_job": False, "outputs": outputs}
        self._form = _form(order, files)

    def order(self, form: Mapping[str, Any]) -> dict[str, Any]:
        return self._form


def _describe(function: Callable[..., Any]) -> tuple[JobDescription, bool]:
    """The description of a function, and whether its first parameter is the job's context."""
    if not inspect.isfunction(function):
        raise DescriptionError(f"{function!r} is not a function written with def")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise DescriptionError(f"{function.__name__}: its type hints cannot be read: {error}") from error
    parts = list(inspect.signature(function).parameters.values())
    takes_job = bool(parts) and hints.get(parts[0].name) is JobContext
    metadata: dict[str, Any] = getattr(function, "__job_type__", {})
    fields: dict[str, Any] = {
        "name": "own",
        "title": function.__name__,
        "description": inspect.getdoc(function) or "",
        **metadata,
        "entry_point": "jupyter_uws.jobs.python:python",
    }
    try:
        parameters = [parameter(part, hints) for part in parts[1 if takes_job else 0 :]]
        return JobDescription.model_validate({**fields, "parameters": parameters}), takes_job
    except ValidationError as error:
        raise DescriptionError(f"{function.__name__}: {reasons(error)}") from None
    except ValueError as error:
        raise DescriptionError(f"{function.__name__}: {error}") from None


def _order(source: str, values: Mapping[str, Any], python: str | None) -> dict[str, Any]:
    chosen = environment() if python is None else {**environment(), "executable": python}
    return {"source": source, "values": values, "python": chosen, "packages": versions(source)}


def _form(order: Mapping[str, Any], inputs: list[Any]) -> dict[str, Any]:
    code = json.dumps(order, indent=1, allow_nan=False).encode()
    return {"code": code, **({"inputs": inputs} if inputs else {})}


def _packed(name: str, namespace: Mapping[str, Any], files: list[Any]) -> dict[str, Any]:
    """A value of the notebook as an order names it; what is not JSON is added to the files."""
    if name not in namespace:
        raise DescriptionError(f"the input {name} is not defined")
    value = namespace[name]
    if isinstance(value, Path):
        if not value.expanduser().is_file():
            raise DescriptionError(f"the input {name}: there is no file {str(value)!r}")
        files.append(value.expanduser())
        return {"kind": "file", "input": len(files) - 1}
    if hasattr(value, "colnames"):
        from astropy.table import Table

        text = io.StringIO()
        plain = Table(value, copy=False)
        plain.meta = {}
        plain.write(text, format="ascii.ecsv")
        files.append(text.getvalue().encode())
        return {"kind": "table", "input": len(files) - 1}
    if hasattr(value, "dtype") and getattr(value, "ndim", None) and not hasattr(value, "unit"):
        import numpy as np

        buffer = io.BytesIO()
        try:
            np.save(buffer, np.asarray(value), allow_pickle=False)
        except ValueError:
            raise DescriptionError(f"the input {name} is an array of objects, which cannot be sent") from None
        files.append(buffer.getvalue())
        return {"kind": "array", "input": len(files) - 1}
    value = value.item() if hasattr(value, "dtype") and not hasattr(value, "unit") else value
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise DescriptionError(
            f"the input {name} is a {kind}: sent are numbers, texts, lists, dicts, tables, arrays and files (Path)"
        ) from None
    return {"kind": "json", "value": value}
