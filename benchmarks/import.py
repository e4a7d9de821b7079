"""What importing the notebook side costs a kernel: wall time and resident memory above a bare ipykernel.

``python benchmarks/import.py``: each line is the median of five new processes, after one that warms the disk's cache.
Heavy libraries that came along are named.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

CASES = {
    "import jupyter_uws": "import jupyter_uws",
    "%load_ext jupyter_uws": "import jupyter_uws.magics",
    "from jupyter_uws import JobService": "from jupyter_uws import JobService",
    "from jupyter_uws import Archive": "from jupyter_uws import Archive",
    "from jupyter_uws import job": "from jupyter_uws import job",
}
HEAVY = ("astropy", "matplotlib", "pyvo", "pydantic", "gammapy", "dask", "distributed", "pandas", "duckdb")
TRIAL = """
import json, os, sys, time
import ipykernel.ipkernel
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
before, begun = resident(), time.perf_counter()
{statement}
taken = time.perf_counter() - begun
print(json.dumps([taken, resident() - before, [name for name in {heavy} if name in sys.modules]]))
"""


def trial(statement: str) -> tuple[float, float, list[str]]:
    """Seconds, MB, and what came along, in a new process."""
    code = TRIAL.format(statement=statement, heavy=HEAVY)
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    taken, memory, heavy = json.loads(output)
    return taken, memory, heavy


def main() -> None:
    print(f"{'':38} {'s':>6} {'MB':>6}")
    for name, statement in CASES.items():
        trial(statement)
        trials = [trial(statement) for _ in range(5)]
        taken, memory = (statistics.median(one[index] for one in trials) for index in (0, 1))
        print(f"{name:38} {taken:6.3f} {memory:6.1f}  {' '.join(trials[0][2])}")


if __name__ == "__main__":
    main()
