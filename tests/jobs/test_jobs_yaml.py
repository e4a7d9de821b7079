"""Descriptions in YAML: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uws.jobs.command_line import expand, leading, variable
from jupyter_uws.jobs.describe import DescriptionError
from jupyter_uws.jobs.description import JobDescription
from jupyter_uws.jobs.validation import ParameterError, typed, validate
from jupyter_uws.jobs.yaml_file import read_yaml

FILE = Path("count.yaml")
GOOD = """\
name: count-lines
title: Count lines
version: "2"
parameters:
  text: {type: file, required: true, content_types: [text/plain], max_size: 1000}
  least: {type: integer, minimum: 0, default: 0, unit: lines}
  night: {pattern: "[0-9]{4}-[0-9]{2}-[0-9]{2}", default: 2026-01-01}
command: [wc, [--least, "{least}"], "{text}"]
generated:
  count: {path: count.json, content_type: application/json}
"""


def read(text: str) -> JobDescription:
    return read_yaml(FILE, text)


def test_the_fields_are_those_of_the_model() -> None:
    description = read(GOOD)
    assert (description.name, description.version) == ("count-lines", "2")
    assert [parameter.name for parameter in description.parameters] == ["text", "least", "night"]
    assert description.parameters[0].max_size == 1000
    assert description.parameters[2].default == "2026-01-01"
    assert description.command == ("wc", ("--least", "{least}"), "{text}")
    assert description.generated[0].path == "count.json"


def test_the_digest_changes_with_every_part_and_with_nothing_else() -> None:
    digest = read(GOOD).digest
    assert len(digest) == 64
    assert read(GOOD + "# a comment\ncores: 1\n").digest == digest
    for old, new in (('"2"', '"3"'), ("minimum: 0", "minimum: -1"), ("wc,", "cat,"), ("count.json", "c.json")):
        assert read(GOOD.replace(old, new)).digest != digest


def test_a_program_with_a_slash_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "count.sh").touch()
    description = read_yaml(tmp_path / "count.yaml", GOOD.replace("wc,", "./count.sh,"))
    assert description.command[0] == str(tmp_path / "count.sh")


WRONG = [
    ("minimum: 0", "minimum: high", 6, "parameters.least.minimum: Input should be a valid number"),
    ("default: 0", "default: -1", 6, "its default is -1, allowed is at least 0 lines"),
    ("{least}", "{most}", 8, "'{most}' names 'most'; the parameters are: text, least, night"),
    ('"{least}"', '"{least"', 8, "a placeholder is {name}"),
    ("[wc,", '["{text}",', 8, "'{text}' cannot be the program"),
    ("[wc,", "[./no-such,", 8, "there is no program ./no-such beside the file"),
    ("type: integer", "type: int", 6, "parameters.least.type"),
    ("max_size: 1000", "maximum: 7", 5, "minimum and maximum are for numbers, the type is file"),
    ("required: true", "default: x", 5, "a file has no default and no choices"),
    ("content_types: [text/plain]", "content_types: [text]", 5, "'text' is not a content type"),
    ("content_types: [text/plain]", "filename: ../x", 5, "filename '../x' must be letters"),
    ("path: count.json", "path: ../count.json", 10, "must be a file in the work folder"),
    ("path: count.json", "path: /count.json", 10, "must be a file in the work folder"),
    ("path: count.json", "path: '{text}'", 10, "needs one value"),
    ("path: count.json", "path: text", 1, "two of its files would be called 'text'"),
    ("path: count.json", "pth: count.json", 10, "generated.count.pth: Extra inputs are not permitted"),
    ("application/json", '"a/b\\r\\nX: y"', 10, "'a/b\\r\\nX: y' is not a content type"),
    ("  least:", "  phase:", 6, "'phase' is a job control parameter of UWS"),
    ("  least:", "  te.xt: {}\n  te-xt: {}\n  least:", 6, "another one has the environment variable UWS_PARAM_TE_XT"),
    ("[0-9]{4}", "(?=a)", 7, "look-around"),
    ("[0-9]{4}", "(a)\\\\1", 7, "backreferences are not supported"),
    ("name: count-lines", "name: types", 1, "the service has a resource of that name"),
    ("name: count-lines", "name: Count", 1, "name: String should match pattern"),
    ("name: count-lines", "", 2, "name: Field required"),
    ("title: Count lines", "name: again", 2, "'name' is there twice"),
    ("title: Count lines", "title: [", 4, "expected"),
    ("title: Count lines", "title: !!python/name:os.system x", 2, "could not determine a constructor"),
    ("title: Count lines", "script: echo", 1, "it must have one of entry_point, command, script; it has command and"),
    ("title: Count lines", "quote: -1", 2, "quote: Input should be greater than or equal to 0"),
    ('"2"', "2", 3, "version: Input should be a valid string"),
    ("  least: {", "  least: [", 6, "expected"),
    ("parameters:", "parameters: []\nused:", 4, "parameters must be a mapping of names"),
]


@pytest.mark.parametrize(("old", "new", "line", "reason"), WRONG)
def test_a_wrong_file_is_refused_with_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(DescriptionError) as error:
        read(GOOD.replace(old, new, 1))
    assert str(error.value).startswith(f"{FILE}, line {line}: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("text", ["", "- 1", "a", "[" * 5000, "? {a: b}\n: 1", "a: &a [*a]\n", "\x00", "name: \x07"])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError, match=r"count\.yaml"):
        read(text)


SCRIPT = "name: s\nparameters: {NAME: {}}\nscript: 'true'\n"


@pytest.mark.parametrize("name", ["PATH", "IFS", "LD_PRELOAD", "BASH_ENV", "PS4", "HOME", "UWS_JOB_DIR", "a-b", "a.b"])
def test_a_script_s_parameter_must_not_be_a_variable_of_the_shell(name: str) -> None:
    with pytest.raises(DescriptionError, match="variable"):
        read(SCRIPT.replace("NAME", name))
    assert read(SCRIPT.replace("NAME", "RA")).parameters[0].name == "RA"


def test_no_pattern_can_hang_the_service() -> None:
    slow = JobDescription.model_validate(
        {"name": "x", "script": "true", "parameters": [{"name": "p", "pattern": "(a+)+b|(a|a)*c|(.*)(.*)(.*)d"}]}
    )
    import time

    start = time.process_time()
    with pytest.raises(ParameterError, match="allowed is what matches"):
        validate(slow, {"p": ["a" * 100_000]})
    assert time.process_time() - start < 1


def test_patterns_match_the_whole_value() -> None:
    description = read(GOOD)
    night = {"text": ["uploads/0123-a.txt"], "night": ["2026-11-22"]}
    assert typed(description, night)["night"] == "2026-11-22"
    for bad in ("2026-11-22\n", "x2026-11-22", "2026-11-223"):
        with pytest.raises(ParameterError):
            validate(description, {**night, "night": [bad]})


def test_a_file_is_what_the_service_has_of_it() -> None:
    description = read(GOOD)
    assert typed(description, {"text": ["uploads/0123-a b.txt"]})["text"] == "uploads/0123-a b.txt"
    for bad in ("hello", "/etc/passwd", "uploads/../request.json", "uploads/.x", "uploads/a/b", "../uploads/a"):
        with pytest.raises(ParameterError, match="allowed is a file"):
            validate(description, {"text": [bad]})


def test_command_lines() -> None:
    command = ("prog", "--a={a}", ("--b", "{b}"), "{{x}}", "{c}{c}", "--", "{a}")
    values = {"a": ["1 2"], "b": ["x", "y"]}
    assert expand(command, values) == ["prog", "--a=1 2", "--b", "x", "--b", "y", "{x}", "--", "1 2"]
    assert expand(command, {"c": ["{a}"]}) == ["prog", "{x}", "{a}{a}", "--"]
    assert leading(command) == {"b", "c"}
    assert variable("obs-ids.x") == "UWS_PARAM_OBS_IDS_X"
