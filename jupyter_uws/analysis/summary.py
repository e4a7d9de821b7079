"""What a job says of itself at its end: the summary, and how much was observed."""

from __future__ import annotations

import json
from typing import Any

from jupyter_uws.jobs.context import JobContext


def write_summary(job: JobContext, summary: dict[str, Any], description: str) -> None:
    """Write the result ``summary``, as JSON."""
    (job.work / "summary.json").write_text(json.dumps(summary, indent=1))
    job.result("summary", "summary.json", description=description)


def observed(runs: int, summary: dict[str, Any]) -> str:
    """Number and live time of the runs, for the title of a picture: ``4 runs, 1.87 h``."""
    return f"{runs} run{'s' if runs != 1 else ''}, {summary['livetime']['value']:.2f} h"
