"""What a job was made from, from a notebook, on the real service."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from prov.model import ProvDocument

from jupyter_uws.client import Archive, JobService


def test_a_result_is_known_again_in_the_next_job(archive: Archive, jobs: JobService) -> None:
    first = jobs.submit("sleeper", duration=0, run_id="<b>first</b>").wait(progress=False)
    runs = archive.search("Crab")
    # what it makes of that text is of no interest here
    user = jobs.submit("gammapy", obs_ids=runs, config=first.results["report"], models=b"a: model", after=first).abort()

    found = user.provenance
    assert [(step.job.url, step.result, step.parameter) for step in found.made_from] == [
        (first.url, "report", "config")
    ]
    assert found.runs == list(runs["obs_publisher_did"])
    assert [parameter for _, parameter in found.files] == ["models"]
    assert found.used_by == []
    (step,) = first.provenance.used_by
    assert (step.job.id, step.result, step.parameter) == (user.id, "report", "config")
    assert step.job.parameters == user.parameters, "a job like any other"
    assert "gammapy" in repr(first.provenance)
    html = found._repr_html_()
    assert "&lt;b&gt;first" in html
    assert "<b>first" not in html
    HTMLParser().feed(html)
    assert ProvDocument.deserialize(content=json.dumps(found.document), format="json").get_records()


def test_a_chain_is_told_without_files(jobs: JobService) -> None:
    first = jobs.submit("sleeper", duration=0)
    second = jobs.submit("sleeper", duration=0, after=first).wait(progress=False)
    assert [(step.job.id, step.parameter) for step in second.provenance.made_from] == [(first.id, "")]
    assert [step.job.id for step in first.provenance.used_by] == [second.id]
