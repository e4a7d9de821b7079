"""Names of results are found by the address that the documents give for them, whatever they hold."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from jupyter_uws.uws.manager import Control, JobManager
from jupyter_uws.uws.model import Result


@pytest.mark.parametrize("name", ["a b", "a%41", "100%", "%2e%2e", "a/b", "..", "é", "a+b", "a?b#c", "%252f", "<x>"])
async def test_a_result_is_where_its_name_says(site: Any, manager: JobManager, executor: Any, name: str) -> None:
    job = manager.create(site.owner, "quicklook", {"RA": ["1"]}, Control())
    await manager.run(job)
    work = executor.folder / job.job_id
    work.mkdir(parents=True)
    (work / "file").write_text("right")
    executor.say(job, "started")
    executor.say(job, "completed", results=(Result(name, "file"),))
    # the client takes dots out of an address, where they are not encoded
    answer = await site(f"uws/quicklook/{job.job_id}/results/{quote(name, safe='').replace('.', '%2e')}")
    assert (answer.code, answer.body) == (200, b"right")
