"""The job that docs/authors/first-job.md makes, as it stands there."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from jupyter_uws.jobs.context import JobContext
from jupyter_uws.jobs.describe import describe
from jupyter_uws.jobs.validation import typed

PAGE = Path(__file__).parents[2] / "docs/authors/first-job.md"

pytest.importorskip("gammapy")


@pytest.mark.gamma
def test_the_documented_job_runs(sim_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "documented_job.py").write_text(blocks[0])
    monkeypatch.syspath_prepend(tmp_path)
    count_events = importlib.import_module("documented_job").count_events
    values = typed(describe(count_events, name="count-events"), {"OBS_IDS": ["100001 100002"], "energy_min": ["2"]})
    job = JobContext.local(tmp_path / "job", sim_archive)
    count_events(job, **values)
    header, *rows = (job.work / "counts.csv").read_text().split()
    assert header == "obs_id,events"
    assert [row.split(",")[0] for row in rows] == ["100001", "100002"]
    assert all(int(row.split(",")[1]) > 100 for row in rows)
    assert [result["name"] for result in json.loads((job.folder / "results.json").read_text())] == ["counts"]
