"""Job descriptions: what a job type is called, what it takes, uses and generates.

The vocabulary is that of the IVOA Provenance data model: *parameters* (values), *used*
(input entities) and *generated* (results).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ParameterType = Literal["boolean", "integer", "number", "string"]


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
