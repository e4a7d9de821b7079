"""Job descriptions from Python callables: the signature is the description.

::

    @job_type(title="Quick look", generated=[Generated(name="image", content_type="image/png")])
    def quicklook(
        job: JobContext,
        *,
        obs_ids: Annotated[list[str], Parameter(title="Runs", max_items=100)],
        binsz: Annotated[float, Parameter(unit="deg", minimum=0.001, maximum=1)] = 0.02,
    ) -> None: ...

Name, type, multiplicity, default and whether a parameter is required come from the signature;
:class:`~jupyter_uws.jobs.description.Parameter` adds unit, bounds and words.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, TypeVar, Union, Unpack

from pydantic import ValidationError

from ..sentences import OneSentence
from .description import Generated, JobDescription, Parameter, ParameterType, Used

F = TypeVar("F", bound=Callable[..., Any])

_TYPES: dict[type, ParameterType] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    Path: "file",
}
_FROM_SIGNATURE = frozenset({"name", "type", "default", "required", "multiple", "choices"})


class DescriptionError(OneSentence, ValueError):
    """A callable or file that does not describe a job type; the message says why."""


class Metadata(TypedDict, total=False):
    """What :func:`job_type` takes: fields of :class:`JobDescription` that a signature cannot say."""

    name: str
    title: str
    description: str
    version: str
    contact: str
    doculink: str
    type: str
    subtype: str
    used: Sequence[Used]
    generated: Sequence[Generated]
    execution_duration: int
    execution_duration_max: int
    quote: int
    memory_limit: int
    cores: int
    gpus: int
    partition: str
    account: str
    constraint: str
    restartable: bool
    max_restarts: int


def job_type(**metadata: Unpack[Metadata]) -> Callable[[F], F]:
    """Attach metadata to a job's function. The function itself stays as it is and can be called."""

    def attach(func: F) -> F:
        func.__job_type__ = metadata  # type: ignore[attr-defined]
        return func

    return attach


def describe(func: Callable[..., Any], name: str | None = None) -> JobDescription:
    """The description of the job type whose work ``func`` does.

    Parameters
    ----------
    func
        A function of a module, with a :class:`~jupyter_uws.jobs.context.JobContext` as its
        first parameter; the others are the job's, with type hints ``bool``, ``int``,
        ``float``, ``str``, ``Path`` (a file), ``Literal[...]``, ``list`` of these, or one of them
        ``| None``.
    name
        The name of the job type, if not the decorator's or the function's own.

    Raises
    ------
    DescriptionError
        Where the signature does not describe a job; says which part and why.
    """
    where = f"{getattr(func, '__module__', '?')}:{getattr(func, '__qualname__', func)}"
    if not inspect.isfunction(func) or "<" in func.__qualname__:
        raise DescriptionError(f"{where} is not a function of a module: a job's process could not import it")
    metadata: dict[str, Any] = getattr(func, "__job_type__", {})
    try:
        hints = typing.get_type_hints(func, include_extras=True)
    except Exception as error:
        raise DescriptionError(f"{where}: its type hints cannot be read: {error}") from error
    signature = list(inspect.signature(func).parameters.values())
    if not signature or signature[0].kind not in (signature[0].POSITIONAL_ONLY, signature[0].POSITIONAL_OR_KEYWORD):
        raise DescriptionError(f"{where}: its first parameter must be the job's context")
    try:
        fields: dict[str, Any] = {
            "name": func.__name__,
            "description": inspect.getdoc(func) or "",
            **metadata,
            "parameters": [parameter(part, hints) for part in signature[1:]],
            "entry_point": where,
        }
        if name is not None:
            fields["name"] = name
        return JobDescription.model_validate(fields)
    except ValidationError as error:
        raise DescriptionError(f"{where}: {reasons(error)}") from None
    except ValueError as error:
        raise DescriptionError(f"{where}: {error}") from None


def parameter(part: inspect.Parameter, hints: dict[str, Any]) -> Parameter:
    """A job's parameter from one of a signature. Raises ValueError with what is wrong with it."""
    name = part.name
    if part.kind in (part.VAR_POSITIONAL, part.VAR_KEYWORD, part.POSITIONAL_ONLY):
        raise ValueError(f"parameter {name!r} must be an ordinary keyword parameter")
    if name not in hints:
        raise ValueError(f"parameter {name!r} has no type hint")
    hint, extra = hints[name], Parameter()
    if typing.get_origin(hint) is Annotated:
        hint, *notes = typing.get_args(hint)
        given = [note for note in notes if isinstance(note, Parameter)]
        if len(given) > 1:
            raise ValueError(f"parameter {name!r} has more than one Parameter in its Annotated hint")
        extra = given[0] if given else extra
    if doubled := extra.model_fields_set & _FROM_SIGNATURE:
        raise ValueError(f"parameter {name!r}: {sorted(doubled)[0]} is said by the signature, not by Parameter(...)")
    fields = {key: getattr(extra, key) for key in extra.model_fields_set}
    fields |= _of_hint(name, hint)
    required = part.default is part.empty
    try:
        return Parameter(name=name, required=required, default=None if required else part.default, **fields)
    except ValidationError as error:
        raise ValueError(reasons(error)) from None


def _of_hint(name: str, hint: Any) -> dict[str, Any]:
    """Type, multiplicity and choices from a type hint."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) == 1:
            return _of_hint(name, inner[0])
    elif origin is list and len(args) == 1:
        item = _of_hint(name, args[0])
        if not item["multiple"]:
            return item | {"multiple": True}
    elif origin is Literal:
        kinds = {type(arg) for arg in args}
        if len(kinds) == 1 and (kind := kinds.pop()) in _TYPES:
            return {"type": _TYPES[kind], "multiple": False, "choices": args}
    elif hint in _TYPES:
        return {"type": _TYPES[hint], "multiple": False}
    written = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else hint
    raise ValueError(
        f"parameter {name!r}: the type {written} is not one of bool, int, float, str, Path, Literal, list of these"
    )


def reasons(error: ValidationError) -> str:
    """What is wrong with a description, in one line."""
    return "; ".join(
        ": ".join([*(str(part) for part in problem["loc"]), problem["msg"].removeprefix("Value error, ")])
        for problem in error.errors()
    )


def culprit(reason: str) -> tuple[str, ...]:
    """The part of a description that a rule for the whole of it complains of, as in ``parameters, RA``.

    These rules name it first: ``parameter 'RA' ...``, ``result map: ...``, ``command: ...``.
    """
    groups = {"parameter": "parameters", "result": "generated"}
    if found := re.match(r"(parameter|result)(?: name)? (?:'([^']*)'|([^\s:]+))", reason):
        return groups[found.group(1)], found.group(2) or found.group(3)
    found = re.match(r"(\w+)\b", reason)
    return (found.group(1),) if found else ()
