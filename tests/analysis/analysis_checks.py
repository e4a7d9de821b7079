"""What every job's outcome is checked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_uws.jobs.context import JobContext
from jupyter_uws.jobs.describe import describe
from jupyter_uws.jobs.validation import typed


@dataclass
class Outcome:
    """A job that ran: its work folder and its summary."""

    work: Path
    summary: dict[str, Any]


def run_job(function: Callable[..., None], folder: Path, archive: Path, **values: Any) -> Outcome:
    """Run a job as the service does: texts, validated, typed; check that it keeps its description's word."""
    texts = {
        name: [str(v) for v in value] if isinstance(value, list) else [str(value)] for name, value in values.items()
    }
    job = JobContext.local(folder, archive)
    description = describe(function)
    function(job, **typed(description, texts))
    declared = {result["name"]: result for result in json.loads((folder / "results.json").read_text())}
    promised = {result.name: result.content_type for result in description.generated}
    assert {name: result["content_type"] for name, result in declared.items()} == promised
    assert {result["path"] for result in declared.values()} == {path.name for path in job.work.iterdir()}
    summary = json.loads((job.work / "summary.json").read_text(), parse_constant=_refuse)
    return Outcome(job.work, summary)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in the summary")
