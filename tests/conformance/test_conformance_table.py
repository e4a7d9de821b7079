"""The conformance tables name tests that exist, one at least for each requirement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = {path.stem: path.read_text() for path in sorted((ROOT / "docs" / "developers").glob("*-conformance.md"))}


def rows_of(page: str) -> list[str]:
    """The rows of its tables, without their heads."""
    lines = page.splitlines()
    is_head = [after.startswith("| ---") for after in (*lines[1:], "")]
    return [line for line, head in zip(lines, is_head, strict=True) if re.match(r"\| (?!---)", line) and not head]


ROWS = [(name, row) for name, page in PAGES.items() for row in rows_of(page)]


@pytest.mark.parametrize(("page", "row"), ROWS, ids=lambda text: text.removeprefix("| ")[:58])
def test_every_requirement_has_a_test_that_exists(page: str, row: str) -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", row.rpartition(" | ")[2])
    assert named, page
    for module, name in named:
        (path,) = (ROOT / "tests").rglob(f"{module}.py")
        assert re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE), f"{module}::{name}"


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_are_whole(name: str) -> None:
    """No line is lost by a slip in the page's form."""
    page, rows = PAGES[name], rows_of(PAGES[name])
    assert len(rows) > 10
    assert len(re.findall(r"`test_\w+::test_\w+`", page)) == sum(row.count("::") for row in rows)


def test_the_pages_are_there() -> None:
    assert {"tap-conformance", "uws-conformance"} <= set(PAGES)
