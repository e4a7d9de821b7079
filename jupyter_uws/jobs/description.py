"""Job descriptions: what a job type is called, what it takes, uses and generates.

The vocabulary is that of the IVOA Provenance data model: *parameters* (values), *used*
(input entities) and *generated* (results).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from . import values

ParameterType = Literal["boolean", "integer", "number", "string"]

#: Job control parameters of UWS and DALI, in lower case: no job parameter may be called so.
RESERVED = frozenset({"phase", "runid", "destruction", "executionduration", "action", "upload", "wait"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_RESULT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Parameter(BaseModel):
    """One parameter of a job type; names are matched without regard to case (DALI 1.1, section 2.3.1).

    ``multiple`` parameters take a list of values: repeated in the request, or in one value
    separated by blanks or commas (for numbers and identifiers). ``default`` is None where the
    parameter is required or where its absence means something of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    type: ParameterType = "string"
    title: str = ""
    description: str = ""
    unit: str | None = None
    ucd: str | None = None
    default: Any = None
    required: bool = False
    multiple: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None
    pattern: str | None = None
    min_items: int | None = None
    max_items: int | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        """Refuse a description that no value could satisfy, or whose default is not allowed."""
        if not self.name:  # the part in an Annotated hint: describe() makes it whole and checks it then
            return self
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"{self.name}: minimum {self.minimum} is above maximum {self.maximum}")
        if self.type not in ("integer", "number") and (self.minimum, self.maximum) != (None, None):
            raise ValueError(f"{self.name}: minimum and maximum are for numbers, the type is {self.type}")
        if self.pattern is not None:
            if self.type != "string":
                raise ValueError(f"{self.name}: pattern is for strings, the type is {self.type}")
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(
                    f"{self.name}: pattern {self.pattern!r} is not a regular expression: {error}"
                ) from None
        if not self.multiple and (self.min_items, self.max_items) != (None, None):
            raise ValueError(f"{self.name}: min_items and max_items are for multiple parameters")
        self._check_allowed("choice", self.choices or ())
        if self.multiple and any(re.search(r"[\s,]", str(choice)) for choice in self.choices or ()):
            raise ValueError(f"{self.name}: choices of a multiple parameter must have no blanks and no commas")
        if self.default is not None:
            if self.required:
                raise ValueError(f"{self.name}: a required parameter has no default")
            if self.multiple and not isinstance(self.default, list | tuple):
                raise ValueError(f"{self.name}: the default of a multiple parameter is a list")
            self._check_allowed("default", self.default if self.multiple else (self.default,))
        return self

    def _check_allowed(self, what: str, candidates: Iterable[Any]) -> None:
        for candidate in candidates:
            try:
                values.check(self, candidate)
            except ValueError as error:
                raise ValueError(f"{self.name}: its {what} {error}") from None


class Used(BaseModel):
    """An input the job reads beside its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    content_type: str = "application/octet-stream"
    description: str = ""


class Generated(BaseModel):
    """A result the job may write; ``optional`` ones need not appear."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    content_type: str = "application/octet-stream"
    description: str = ""
    optional: bool = False


class JobDescription(BaseModel):
    """A job type.

    ``entry_point`` is the callable that does the work, as ``module:function``; it is imported
    in the job's own process. ``execution_duration`` and ``execution_duration_max`` are wall
    seconds; ``memory_limit`` is in MiB, for all processes of the job together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str = ""
    description: str = ""
    version: str = "1"
    contact: str | None = None
    parameters: tuple[Parameter, ...] = ()
    used: tuple[Used, ...] = ()
    generated: tuple[Generated, ...] = ()
    entry_point: str
    execution_duration: int = 3600
    execution_duration_max: int = 86400
    memory_limit: int = 4096
    cores: int = 1
    restartable: bool = False

    @model_validator(mode="after")
    def _names(self) -> Self:
        for parameter in self.parameters:
            if not _NAME.fullmatch(parameter.name):
                raise ValueError(f"parameter name {parameter.name!r} must be letters, digits, '_', '.', '-'")
            if parameter.name.lower() in RESERVED:
                raise ValueError(f"parameter name {parameter.name!r} is a job control parameter of UWS")
        for result in self.generated:
            if not _RESULT_NAME.fullmatch(result.name):
                raise ValueError(f"result name {result.name!r} must be letters, digits, '_', '.', '-'")
        _refuse_doubles("parameter", [parameter.name.lower() for parameter in self.parameters])
        _refuse_doubles("result", [result.name for result in self.generated])
        if not 0 <= self.execution_duration <= self.execution_duration_max:
            raise ValueError(f"execution_duration {self.execution_duration} s is not in 0 to execution_duration_max")
        return self


def _refuse_doubles(what: str, names: list[str]) -> None:
    doubles = [name for name, count in Counter(names).items() if count > 1]
    if doubles:
        raise ValueError(f"{what} {doubles[0]!r} is there twice (names are matched without regard to case)")
