"""Job descriptions: what a job type is called, what it takes, uses and generates, and how it runs.

The vocabulary is that of the IVOA Provenance data model: *parameters* (values), *used*
(input entities) and *generated* (results).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from . import patterns, runs, values

ParameterType = Literal["boolean", "integer", "number", "string", "file"]

#: Job control parameters of UWS and DALI, in lower case: no job parameter may be called so.
RESERVED = frozenset({"phase", "runid", "destruction", "executionduration", "action", "upload", "wait", "after"})
#: Resources of the service beside the lists of jobs.
RESERVED_TYPES = frozenset({"types", "events", "capabilities", "availability"})
#: Bytes of a file parameter, unless its description says otherwise.
FILE_SIZE = 100 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_RESULT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;[ -~]*)?", re.ASCII)
_ACCEPTED_TYPE = re.compile(r"[\w.+-]+/([\w.+-]+|\*)", re.ASCII)
#: What may stand in a line of a job script: nothing that ends a word there.
RESOURCE = r"^(?:[A-Za-z0-9(\[][A-Za-z0-9_.,+@:&|*()\[\]-]*)?$"
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,126}")


class Parameter(BaseModel):
    """One parameter of a job type; names are matched without regard to case (DALI 1.1, section 2.3.1).

    ``multiple`` parameters take a list of values: repeated in the request, or in one value
    separated by blanks or commas (for numbers and identifiers). ``default`` is None where the
    parameter is required or where its absence means something of its own. ``pattern`` is a regular
    expression for the whole of a value.

    The value of a *file* is a file that the client sends, or whose URL it gives: of one of the
    ``content_types`` (``image/*``; none: any), at most ``max_size`` bytes. A command or a script
    finds it in its work folder under ``filename``, by default called as the parameter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    type: ParameterType = "string"
    title: str = ""
    description: str = ""
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    default: Any = None
    required: bool = False
    multiple: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None
    pattern: str | None = None
    min_items: int | None = Field(default=None, ge=0)
    max_items: int | None = Field(default=None, ge=1)
    content_types: tuple[str, ...] = ()
    max_size: int | None = Field(default=None, ge=1)
    filename: str | None = None

    @field_validator("default", mode="before")
    @classmethod
    def _fixed(cls, default: Any) -> Any:
        return tuple(default) if isinstance(default, list) else default

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
                patterns.check(self.pattern)
            except ValueError as error:
                raise ValueError(
                    f"{self.name}: pattern {self.pattern[:80]!r} is not a regular expression: {error}"
                ) from None
        if not self.multiple and (self.min_items, self.max_items) != (None, None):
            raise ValueError(f"{self.name}: min_items and max_items are for multiple parameters")
        if self.min_items is not None and self.max_items is not None and self.min_items > self.max_items:
            raise ValueError(f"{self.name}: min_items {self.min_items} is above max_items {self.max_items}")
        self._check_file()
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

    def _check_file(self) -> None:
        if self.type != "file":
            given = {"content_types", "max_size", "filename"} & self.model_fields_set
            if given:
                raise ValueError(f"{self.name}: {min(given)} is for files, the type is {self.type}")
            return
        if self.default is not None or self.choices is not None:
            raise ValueError(f"{self.name}: a file has no default and no choices")
        for content_type in self.content_types:
            if not _ACCEPTED_TYPE.fullmatch(content_type):
                raise ValueError(f"{self.name}: {content_type!r} is not a content type such as image/png or image/*")
        if self.filename is not None and not _FILE_NAME.fullmatch(self.filename):
            raise ValueError(f"{self.name}: filename {self.filename!r} must be letters, digits, '_', '.', '+', '-'")

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
    """A result the job may write; ``optional`` ones need not appear.

    Of a command or a script, ``path`` is the file in the work folder, by default called as the
    result; it may hold ``{parameter}`` and the wildcards ``*``, ``?``, ``[...]`` and ``**``. Where
    several files match, the first is the result ``name``, the others are ``name-2``, ``name-3`` and
    so on, in alphabetical order, up to ``max_items``. Functions declare their files themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    content_type: str = "application/octet-stream"
    description: str = ""
    optional: bool = False
    path: str | None = None
    max_items: int = Field(default=runs.MAX_FILES, ge=1, le=runs.MAX_FILES)


class JobDescription(BaseModel):
    """A job type.

    It runs one of three things, in the job's own process: ``entry_point`` is a Python callable, as
    ``module:function``; ``command`` a program with its arguments
    (:mod:`jupyter_uws.jobs.command_line`); ``script`` the text of a bash script.
    ``execution_duration`` and ``execution_duration_max`` are wall seconds, ``quote`` is how long a
    run is expected to take; ``memory_limit`` is in MiB, for all processes of the job together.
    ``partition``, ``account`` and ``constraint`` are names of the batch system's, empty for the operator's
    own. A ``restartable`` job whose worker is lost is begun again, ``max_restarts`` times at most.
    ``type``, ``subtype`` and ``doculink`` are those of the Provenance model's ActivityDescription.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    title: str = ""
    description: str = ""
    version: str = "1"
    contact: str | None = None
    doculink: str | None = None
    type: str = ""
    subtype: str = ""
    parameters: tuple[Parameter, ...] = ()
    used: tuple[Used, ...] = ()
    generated: tuple[Generated, ...] = ()
    entry_point: str = ""
    command: tuple[str | tuple[str, ...], ...] = ()
    script: str = ""
    execution_duration: int = Field(default=3600, ge=0)
    execution_duration_max: int = Field(default=86400, ge=1)
    quote: int | None = Field(default=None, ge=0)
    memory_limit: int = Field(default=4096, ge=0)
    cores: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    partition: str = Field(default="", pattern=RESOURCE)
    account: str = Field(default="", pattern=RESOURCE)
    constraint: str = Field(default="", pattern=RESOURCE)
    restartable: bool = False
    max_restarts: int = Field(default=2, ge=1, le=100)

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.name in RESERVED_TYPES:
            raise ValueError(f"a job type cannot be called {self.name!r}: the service has a resource of that name")
        for parameter in self.parameters:
            if not _NAME.fullmatch(parameter.name):
                raise ValueError(f"parameter name {parameter.name!r} must be letters, digits, '_', '.', '-'")
            if parameter.name.lower() in RESERVED:
                raise ValueError(f"parameter name {parameter.name!r} is a job control parameter of UWS")
        for result in self.generated:
            if not _RESULT_NAME.fullmatch(result.name):
                raise ValueError(f"result name {result.name!r} must be letters, digits, '_', '.', '-'")
            if not _CONTENT_TYPE.fullmatch(result.content_type):
                raise ValueError(f"result {result.name}: {result.content_type!r} is not a content type")
        _refuse_doubles("parameter", [parameter.name.lower() for parameter in self.parameters])
        _refuse_doubles("result", [result.name for result in self.generated])
        if not self.execution_duration <= self.execution_duration_max:
            raise ValueError(f"execution_duration {self.execution_duration} s is not in 0 to execution_duration_max")
        if self.doculink and not re.match(r"https?://", self.doculink):
            raise ValueError(f"doculink {self.doculink!r} is not a URL (http, https)")
        runs.check(self)
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole description, as hexadecimal digits: it changes with any part of it."""
        # without defaults: a field that a later version of the model adds changes no digest
        content = self.model_dump(mode="json", exclude_defaults=True)
        document = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()


def _refuse_doubles(what: str, names: list[str]) -> None:
    doubles = [name for name, count in Counter(names).items() if count > 1]
    if doubles:
        raise ValueError(f"{what} {doubles[0]!r} is there twice (names are matched without regard to case)")
