"""Descriptions from signatures: what is read, and what is refused with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import ValidationError

from jupyter_uws.jobs.context import JobContext
from jupyter_uws.jobs.describe import DescriptionError, describe, job_type
from jupyter_uws.jobs.description import Generated, JobDescription, Parameter


@job_type(title="Everything", version="3", generated=[Generated(name="image")], execution_duration=60)
def everything(
    job: JobContext,
    *,
    obs_ids: Annotated[list[str], Parameter(title="Runs", max_items=3)],
    RA: Annotated[float, Parameter(unit="deg", ucd="pos.eq.ra", minimum=0, maximum=360)],
    nxpix: int = 200,
    energy: float | None = None,
    model: Literal["pl", "ecpl"] = "pl",
    deep: bool = False,
    edges: list[float] = (0.3, 10.0),  # type: ignore[assignment]
) -> None:
    """Take one of each."""


def parameters(description: JobDescription) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in description.parameters}


def test_the_signature_is_the_description() -> None:
    description = describe(everything)
    assert description.name == "everything"
    assert (description.title, description.version, description.execution_duration) == ("Everything", "3", 60)
    assert description.description == "Take one of each."
    assert description.entry_point == f"{__name__}:everything"
    assert [result.name for result in description.generated] == ["image"]

    known = parameters(description)
    assert list(known) == ["obs_ids", "RA", "nxpix", "energy", "model", "deep", "edges"]
    assert [p.type for p in known.values()] == ["string", "number", "integer", "number", "string", "boolean", "number"]
    assert [p.name for p in known.values() if p.required] == ["obs_ids", "RA"]
    assert [p.name for p in known.values() if p.multiple] == ["obs_ids", "edges"]
    assert known["obs_ids"].max_items == 3
    assert known["obs_ids"].title == "Runs"
    assert (known["RA"].unit, known["RA"].ucd, known["RA"].maximum) == ("deg", "pos.eq.ra", 360)
    assert known["energy"].default is None
    assert not known["energy"].required
    assert known["model"].choices == ("pl", "ecpl")
    assert known["edges"].default == (0.3, 10.0)


def with_files(
    job: JobContext, events: Annotated[Path, Parameter(max_size=5)], more: list[Path] | None = None
) -> None: ...


def test_a_path_is_a_file() -> None:
    known = parameters(describe(with_files))
    assert [(p.type, p.multiple, p.required) for p in known.values()] == [("file", False, True), ("file", True, False)]
    assert known["events"].max_size == 5


def test_the_function_stays_a_function() -> None:
    assert everything.__name__ == "everything"
    assert everything(None, obs_ids=[], RA=0.0) is None  # type: ignore[arg-type, func-returns-value]


def test_the_entry_point_can_name_it() -> None:
    assert describe(everything, name="all-of-it").name == "all-of-it"


def no_context() -> None: ...
def no_hint(job, x=1) -> None: ...  # type: ignore[no-untyped-def]
def bad_type(job: JobContext, x: dict[str, int]) -> None: ...
def list_of_lists(job: JobContext, x: list[list[int]]) -> None: ...
def two_types(job: JobContext, x: int | str) -> None: ...
def mixed_choices(job: JobContext, x: Literal["a", 1]) -> None: ...
def star(job: JobContext, *x: int) -> None: ...
def unknown_name(job: JobContext, x: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def default_out(job: JobContext, x: Annotated[float, Parameter(maximum=1)] = 2) -> None: ...
def default_type(job: JobContext, x: int = "four") -> None: ...  # type: ignore[assignment]
def upside_down(job: JobContext, x: Annotated[float, Parameter(minimum=2, maximum=1)]) -> None: ...
def doubled(job: JobContext, x: Annotated[int, Parameter(type="string")]) -> None: ...
def reserved(job: JobContext, phase: str) -> None: ...
def same_name(job: JobContext, RA: float, ra: float) -> None: ...
def bad_pattern(job: JobContext, x: Annotated[str, Parameter(pattern="(")]) -> None: ...
def bounded_text(job: JobContext, x: Annotated[str, Parameter(minimum=0)]) -> None: ...
def counted_scalar(job: JobContext, x: Annotated[int, Parameter(max_items=2)]) -> None: ...
def blank_choice(job: JobContext, x: list[Literal["a b"]]) -> None: ...
@job_type(execution_duration=10, execution_duration_max=5)
def too_long(job: JobContext) -> None: ...
@job_type(generated=[Generated(name="../evil")])
def climbing_result(job: JobContext) -> None: ...
def Camel(job: JobContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (no_context, "first parameter must be the job's context"),
        (no_hint, "'x' has no type hint"),
        (bad_type, "is not one of bool, int"),
        (list_of_lists, "is not one of bool, int"),
        (two_types, "is not one of bool, int"),
        (mixed_choices, "is not one of bool, int"),
        (star, "ordinary keyword parameter"),
        (unknown_name, "NoSuchType"),
        (default_out, "x: its default is 2, allowed is at most 1"),
        (default_type, "x: its default is 'four', allowed is an integer"),
        (upside_down, "minimum 2.0 is above maximum 1.0"),
        (doubled, "type is said by the signature"),
        (reserved, "'phase' is a job control parameter of UWS"),
        (same_name, "'ra' is there twice"),
        (bad_pattern, "is not a regular expression"),
        (bounded_text, "minimum and maximum are for numbers"),
        (counted_scalar, "for multiple parameters"),
        (blank_choice, "no blanks"),
        (too_long, "execution_duration 10 s"),
        (climbing_result, "result name '../evil'"),
        (Camel, "name"),
        (lambda job: None, "not a function of a module"),
        (print, "not a function of a module"),
    ],
)
def test_a_bad_description_is_refused_with_its_reason(function: object, reason: str) -> None:
    with pytest.raises(DescriptionError) as error:
        describe(function)  # type: ignore[arg-type]
    assert reason in str(error.value)
    assert getattr(function, "__name__", "") in str(error.value)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Parameter(name="x", colour="red")  # type: ignore[call-arg]
