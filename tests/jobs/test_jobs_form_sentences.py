"""The form in JupyterLab checks in the service's words: each sentence of its tests is the service's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_uws.jobs.description import JobDescription, Parameter
from jupyter_uws.jobs.validation import ParameterError, validate

TESTS = Path(__file__).resolve().parent.parent.parent / "labextension" / "test" / "jobs" / "form.test.ts"
#: The parameters of those tests.
PARAMETERS = {
    "RA": Parameter(name="RA", type="number", unit="deg", minimum=0, maximum=360, required=True),
    "DEC": Parameter(name="Dec", type="number", unit="deg"),
    "BINS": Parameter(name="bins", type="integer", minimum=1, default=10),
    "MODEL": Parameter(name="model", choices=("pl", "ecpl"), default="pl"),
    "DEEP": Parameter(name="deep", type="boolean", default=False),
    "RUNS": Parameter(name="obs_ids", multiple=True, required=True, min_items=1, max_items=3),
}
CASE = re.compile(r"""^ +\[([A-Z]+), '([^']*)', (?:null|"([^"]*)"|'([^']*)')\],?$""", re.MULTILINE)
CASES = [(name, text, one or other) for name, text, one, other in CASE.findall(TESTS.read_text())]


@pytest.mark.parametrize(("name", "text", "sentence"), CASES)
def test_the_service_says_the_same(name: str, text: str, sentence: str) -> None:
    parameter = PARAMETERS[name]
    description = JobDescription(name="form", command=("true",), parameters=(parameter,))
    try:
        validate(description, {parameter.name: [text]})
        said = ""
    except ParameterError as error:
        said = str(error)
    assert said == sentence


def test_the_cases_are_found() -> None:
    assert len(CASES) == 14
