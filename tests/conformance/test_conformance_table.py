"""The conformance table names tests that exist, one at least for each requirement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "developers" / "uws-conformance.md").read_text()
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not re.match(r"\| (---|section|standard|client) ", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_every_requirement_has_a_test_that_exists(row: str) -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", row.rpartition(" | ")[2])
    assert named
    for module, name in named:
        (path,) = (ROOT / "tests").rglob(f"{module}.py")
        assert re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE), f"{module}::{name}"


def test_the_table_is_whole() -> None:
    """No line is lost by a slip in the page's form."""
    assert len(ROWS) > 35
    assert len(re.findall(r"`test_\w+::test_\w+`", PAGE)) == sum(row.count("::") for row in ROWS)
