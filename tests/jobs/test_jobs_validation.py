"""Validation of requests: normalised strings, typed values, errors that say what is allowed."""

from __future__ import annotations

from typing import Annotated, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uws.jobs import validation
from jupyter_uws.jobs.context import JobContext
from jupyter_uws.jobs.describe import describe
from jupyter_uws.jobs.description import JobDescription, Parameter
from jupyter_uws.jobs.schema import json_schema
from jupyter_uws.jobs.validation import ParameterError, typed, validate


def look(
    job: JobContext,
    *,
    obs_ids: Annotated[list[str], Parameter(title="Runs", max_items=4)],
    RA: Annotated[float | None, Parameter(unit="deg", minimum=0, maximum=360)] = None,
    nxpix: Annotated[int, Parameter(minimum=10, maximum=2000)] = 200,
    factor: float = 1,
    model: Literal["pl", "ecpl"] = "pl",
    deep: bool = False,
    label: Annotated[str, Parameter(pattern="[a-z ]+")] = "no name",
    note: str = "",
    edges: Annotated[list[float] | None, Parameter(min_items=2)] = None,
) -> None: ...


LOOK = describe(look)


def test_defaults_and_canonical_names_are_filled_in() -> None:
    values = validate(LOOK, {"OBS_IDS": ["1, 2"], "obs_ids": ["3"], "ra": [" 83.630 "]})
    assert values == {
        "obs_ids": ["1", "2", "3"],
        "RA": ["83.63"],
        "nxpix": ["200"],
        "factor": ["1"],
        "model": ["pl"],
        "deep": ["false"],
        "label": ["no name"],
    } | {"note": [""]}
    assert typed(LOOK, values) == {
        "obs_ids": ["1", "2", "3"],
        "RA": 83.63,
        "nxpix": 200,
        "factor": 1.0,
        "model": "pl",
        "deep": False,
        "label": "no name",
        "note": "",
    }
    assert type(typed(LOOK, values)["factor"]) is float


@pytest.mark.parametrize("text", ["4", "4.0", "+4", "4e0", "0.4e1", "  4 "])
def test_an_integer_may_be_written_as_a_number_without_fraction(text: str) -> None:
    description = one(Parameter(name="n", type="integer"))
    assert typed(description, {"n": [text]}) == {"n": 4}
    assert validate(description, {"n": [text]}) == {"n": ["4"]}


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("0", False), ("Yes", True), ("off", False)])
def test_booleans(text: str, value: bool) -> None:
    assert typed(LOOK, {"obs_ids": ["1"], "deep": [text]})["deep"] is value


def test_lists_are_repeated_or_separated_by_blanks_or_commas() -> None:
    for texts in (["0.1", "1e1"], ["0.1 10"], ["0.1,10.0"], [" 0.1 ,\n10, "]):
        assert typed(LOOK, {"obs_ids": ["1"], "edges": texts})["edges"] == [0.1, 10.0]


def test_an_empty_value_counts_as_not_given() -> None:
    assert "RA" not in validate(LOOK, {"obs_ids": ["1"], "RA": [""]})
    with pytest.raises(ParameterError, match=r"obs_ids is required \(Runs\)"):
        validate(LOOK, {"obs_ids": [" , "]})


def test_a_pending_job_may_lack_what_is_required_but_not_be_wrong() -> None:
    assert "obs_ids" not in validate(LOOK, {"nxpix": ["100"]}, complete=False)
    with pytest.raises(ParameterError, match="nxpix is 5"):
        validate(LOOK, {"nxpix": ["5"]}, complete=False)


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("RA", ["nan"], "RA is 'nan', allowed is a number, 0 to 360 deg"),
        ("RA", ["inf"], "RA is 'inf', allowed is a number"),
        ("RA", ["1e999"], "RA is '1e999', allowed is a number"),
        ("RA", ["1e99999999"], "allowed is a number"),
        ("RA", ["-0.1"], "RA is -0.1, allowed is 0 to 360 deg"),
        ("RA", ["5h34m"], "allowed is a number, 0 to 360 deg (without its unit)"),
        ("RA", ["83.63 deg"], "RA is '83.63 deg', allowed is a number, 0 to 360 deg (without its unit)"),
        ("RA", ["1_0"], "allowed is a number"),
        ("RA", ["٣"], "allowed is a number"),
        ("RA", ["0x10"], "allowed is a number"),
        ("RA", ["1", "2"], "RA is given 2 times, allowed is one value"),
        ("nxpix", ["20.5"], "nxpix is '20.5', allowed is an integer, 10 to 2000"),
        ("nxpix", ["1" * 5000], "allowed is an integer"),
        ("nxpix", ["1e400"], "allowed is an integer"),
        ("nxpix", ["5"], "nxpix is 5, allowed is 10 to 2000"),
        ("model", ["PL"], "model is 'PL', allowed is one of: pl, ecpl"),
        ("deep", ["maybe"], "deep is 'maybe', allowed is true or false"),
        ("label", ["$(touch x)"], "label is '$(touch x)', allowed is what matches [a-z ]+"),
        ("note", ["a\x00b"], r"the character '\x00' is not allowed"),
        ("note", ["\ud800"], "is not allowed"),
        ("note", ["x" * 200_000], "note is longer than 100000 characters"),
        ("obs_ids", ["1 2 3 4 5"], "obs_ids has 5 values, allowed are at most 4"),
        ("edges", ["1"], "edges has 1 values, allowed are at least 2"),
        ("edges", ["1 x"], "edges is 'x', allowed is a number"),
    ],
)
def test_bad_values_are_named_with_what_is_allowed(name: str, texts: list[str], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        validate(LOOK, {"obs_ids": ["1"]} | {name: texts})
    assert error.value.name == name
    assert message in str(error.value)
    assert str(error.value).startswith(f"{name} ")
    assert len(str(error.value)) < 300


def test_control_characters_of_a_value_do_not_reach_the_message() -> None:
    with pytest.raises(ParameterError) as error:
        validate(LOOK, {"obs_ids": ["1"], "RA": ["1\r\nSet-Cookie: x"], "evil\r\nname": ["x"]})
    assert "\r" not in str(error.value)
    assert len(str(error.value).splitlines()) == 2


def test_an_unknown_parameter_names_the_nearest_known() -> None:
    with pytest.raises(ParameterError, match="look has no parameter 'nxpxi'; did you mean nxpix"):
        validate(LOOK, {"obs_ids": ["1"], "nxpxi": ["1"]})
    with pytest.raises(ParameterError, match=r"no parameter 'zzz'; it has: obs_ids, RA"):
        validate(LOOK, {"obs_ids": ["1"], "zzz": ["1"]})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ParameterError) as error:
        validate(LOOK, {"RA": ["x"], "nxpix": ["y"], "what": ["z"]})
    assert [problem.name for problem in error.value.problems] == ["obs_ids", "RA", "nxpix", "what"]
    assert len(str(error.value).splitlines()) == 4


def test_ten_thousand_unknown_parameters_give_a_short_answer() -> None:
    with pytest.raises(ParameterError) as error:
        validate(LOOK, {"obs_ids": ["1"]} | {f"x{i}" * 50: ["1"] for i in range(10_000)})
    assert "and 9980 more problems" in str(error.value)
    assert len(str(error.value)) < 5000


def test_the_number_of_values_is_bounded_without_max_items() -> None:
    description = one(Parameter(name="n", type="integer", multiple=True))
    with pytest.raises(ParameterError, match=f"allowed are at most {validation.MAX_ITEMS}"):
        validate(description, {"n": ["1 " * (validation.MAX_ITEMS + 1)]})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_survives_the_way_through_text(number: float) -> None:
    description = one(Parameter(name="x", type="number"))
    texts = validate(description, {"x": [repr(number)]})
    assert typed(description, texts) == {"x": number}
    assert validate(description, texts) == texts


@given(
    st.dictionaries(st.text(max_size=12) | st.sampled_from(["obs_ids", "ra", "NXPIX", "edges"]), st.lists(st.text()))
)
def test_anything_is_either_a_fixed_point_or_a_parameter_error(values: dict[str, list[str]]) -> None:
    try:
        texts = validate(LOOK, values)
    except ParameterError:  # anything else fails the test
        return
    assert validate(LOOK, texts) == texts
    jsonschema.validate(typed(LOOK, texts), json_schema(LOOK), jsonschema.Draft202012Validator)


def test_the_schema_says_the_same_as_the_validation() -> None:
    schema = json_schema(LOOK)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["obs_ids"]
    assert schema["properties"]["RA"] == {"type": "number", "minimum": 0, "maximum": 360, "x-unit": "deg"}
    assert schema["properties"]["obs_ids"] == {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": 4,
        "title": "Runs",
    }
    for bad in ({"RA": -1.0}, {"nxpix": 5}, {"model": "PL"}, {"label": "9"}, {"obs_ids": ["1"] * 5}, {"what": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"obs_ids": ["1"]} | bad, schema, jsonschema.Draft202012Validator)


def one(parameter: Parameter) -> JobDescription:
    return JobDescription(name="one", entry_point="x:y", parameters=(parameter,))
