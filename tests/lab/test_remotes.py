"""Services of others in the panels: here a second service of our own, spoken to in TAP and UWS XML only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import open_lab, open_search, shot
from lab.conftest import Lab, run_lab
from playwright.sync_api import expect
from running import RunningService, run_service

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def far(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("far"), sim_archive) as service:
        yield service


@pytest.fixture(scope="module")
def lab(far: RunningService, frontend: Path, sim_archive: Path, tmp_path_factory: Any) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("near")
    token = home / "token"
    token.write_text(far.token)
    token.chmod(0o600)
    services = {
        "far": {"tap": f"{far.url}tap", "title": "Far archive", "token_file": str(token)},
        "cluster": {"uws": f"{far.url}uws", "title": "Far cluster", "token_file": str(token)},
    }
    with run_lab(home, frontend, sim_archive, f"c.ServeApp.remote_services = {services!r}\n") as running:
        yield running


def test_search_another_archive(browsing: Any, lab: Lab, far: RunningService) -> None:
    """The same form, tables and rows, and all of it asked of the other service."""
    page = browsing.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/sync") else None)
    open_lab(page, lab.url)
    search = open_search(page)
    search.get_by_label("Archive", exact=True).select_option("Far archive")
    editor = search.locator(".cm-content")
    expect(editor).to_contain_text("access_url")
    search.get_by_label("Collection").fill("SIM-DR1")
    asked.clear()
    search.get_by_role("button", name="Search", exact=True).click()
    expect(search.locator(".jp-UWSSearch-total")).to_contain_text("all there are")
    assert asked == [f"{lab.url}jupyter-uws/remote/far/sync"]
    cells = search.locator(".jp-UWSGrid canvas").last
    cells.click(position={"x": 60, "y": 35})
    page.keyboard.press("Enter")
    links = search.get_by_role("complementary")
    expect(links.get_by_role("link")).to_have_attribute("href", re.compile(f"^{far.url}datalink/"))
    search.get_by_role("button", name="Tables").click()
    expect(search.locator(".jp-UWSSearch-schema")).to_contain_text("ivoa.obscore")
    shot(page, "lab/search-elsewhere")
    assert (browsing.foreign, browsing.errors) == ([], [])


def test_jobs_of_another_service(browsing: Any, lab: Lab, far: RunningService) -> None:
    """They are in the list, are followed, show logs and results, run again, and end; asked only when seen."""
    page = browsing.page
    made = far.post("uws/sleeper", {"duration": "300", "RUNID": "night", "PHASE": "RUN"})
    assert made.status_code == 303
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "jupyter-uws/remote" in request.url else None)
    open_lab(page, lab.url)
    expect(page.locator(".jp-UWSJobs-status")).to_have_text("0 | 0")
    assert asked == [], "other services were asked before anybody looked"
    page.get_by_role("tab", name="Jobs", exact=True).click()
    panel = page.locator("#jupyter-uws-jobs")
    row = panel.locator(".jp-UWSJobs-job")
    expect(row).to_contain_text("cluster · sleeper")
    expect(row).to_have_attribute("data-phase", "EXECUTING")
    expect(panel.locator(".jp-UWSJobs-total")).to_have_text("1")
    row.locator(".jp-UWSJobs-open").click()
    job = page.locator("[id^='jupyter-uws-job-cluster']:visible")
    expect(job.get_by_label("stdout", exact=True)).to_contain_text("sleeping for 300 s")
    expect(job.get_by_role("row", name="duration")).to_contain_text("300")
    shot(page, "lab/job-elsewhere")
    job.get_by_role("button", name="Abort").click()
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("ABORTED")
    panel.get_by_role("button", name="Refresh the list").click()
    expect(row).to_have_attribute("data-phase", "ABORTED")

    # one more there, seen without a word from its service, and once more the same
    far.post("uws/sleeper", {"duration": "0.2", "RUNID": "short", "PHASE": "RUN"})
    panel.get_by_role("button", name="Refresh the list").click()
    short = panel.locator(".jp-UWSJobs-job", has_text="short")
    expect(short).to_have_attribute("data-phase", "COMPLETED")
    short.locator(".jp-UWSJobs-open").click()
    expect(job.locator("[data-result='report'] pre")).to_have_text("slept for 0.2 s\n")
    before = job.get_attribute("id")
    job.get_by_role("button", name="Run again").click()
    expect(job).not_to_have_id(before)  # the page of the new job, which is there now
    expect(job.locator("[data-result='report'] pre")).to_have_text("slept for 0.2 s\n")
    panel.get_by_role("button", name="Refresh the list").click()
    expect(row).to_have_count(3)
    for box in panel.get_by_role("checkbox").all():
        box.check()
    panel.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(panel).to_contain_text("No jobs yet")
    assert "jobref" not in far.get("uws").text.replace("uws:jobs", "")
    assert (browsing.foreign, browsing.errors) == ([], [])
