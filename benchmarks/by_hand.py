"""Lines and keystrokes of one task, by pyvo, dask-jobqueue and gammapy by hand, and by jupyter_uws.

``python benchmarks/by_hand.py`` counts the code below the two headings of by_hand.ipynb: lines that are neither blank
nor comments, and the characters of these without their indentation, which editors type.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

NOTEBOOK = Path(__file__).with_suffix(".ipynb")


@dataclass(frozen=True)
class Effort:
    lines: int
    keystrokes: int


def effort(notebook: Path = NOTEBOOK) -> dict[str, Effort]:
    """By the heading that the code stands below; setup above the first heading does not count."""
    code: dict[str, list[str]] = {}
    heading = ""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and text.startswith("## "):
            heading = text.splitlines()[0].removeprefix("## ").lower()
        elif cell["cell_type"] == "code" and heading:
            code.setdefault(heading, []).extend(text.splitlines())
    return {heading: _count(lines) for heading, lines in code.items()}


def _count(lines: list[str]) -> Effort:
    typed = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    # each line ends with a keystroke
    return Effort(len(typed), sum(len(line) + 1 for line in typed))


if __name__ == "__main__":
    for heading, found in effort().items():
        print(f"{heading}: {found.lines} lines, {found.keystrokes} keystrokes")
