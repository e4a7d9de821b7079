"""Run one of the benchmarks, or name those there are: ``make bench ARGS="NAME OPTION..."``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def main(arguments: list[str]) -> int:
    names = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
    if not arguments or arguments[0] not in names:
        print(f"benchmarks: {', '.join(names) or 'none yet'}\nusage: make bench ARGS='NAME OPTION...'")
        return 2 if arguments else 0
    sys.argv = arguments
    sys.path.insert(0, str(FOLDER))  # as Python does for a script: they import each other
    runpy.run_path(str(FOLDER / f"{arguments[0]}.py"), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
