"""The side panel "Jobs" and the launcher card, in a real JupyterLab.

In the first tests the browser gets the documents that our server writes, from jobs made up by the
test: so every state of the panel can be had at will. The last one tells the story with the real service.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from jupyter_uws.uws.model import ErrorSummary, Job
from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.xml import job_document, jobs_document

pytestmark = pytest.mark.browser
SHOTS = Path(__file__).resolve().parent.parent.parent / "screenshots" / "lab"
REASON = "No run covers RA 12.5 Dec -80.0: the nearest pointing is 61.2 deg away"


def make_job(number: int, job_type: str, phase: Phase, **more: Any) -> Job:
    created = datetime(2026, 11, 21, 20, number, tzinfo=UTC)
    return Job(f"20261121-0000000{number}", job_type, "ada", phase, created, **more)


JOBS = [
    make_job(6, "quicklook", Phase.QUEUED),
    make_job(5, "spectrum", Phase.EXECUTING, info={"progress": 0.4, "message": "run 2 of 4"}),
    make_job(4, "spectrum", Phase.COMPLETED, run_id="Crab <b>"),
    make_job(3, "spectrum", Phase.ERROR, error=ErrorSummary(REASON)),
    make_job(2, "sleeper", Phase.ABORTED),
]


class Answers:
    """Answers the panel's requests as the service does, and keeps what it was asked to do."""

    def __init__(self, page: Page, url: str) -> None:
        self.jobs: list[Job] = []
        self.down = False
        self.lists = 0
        self.done: list[tuple[str, str, str | None, bool]] = []
        self.root = f"{url}jupyter-uws/"
        page.route(lambda address: address.startswith(self.root), self.answer)

    def answer(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path.removeprefix(urlsplit(self.root).path).split("/")
        if self.down:
            route.fulfill(status=503, content_type="text/plain", body="the service runs on host node7, not here\n")
        elif path == ["uws"]:
            self.lists += 1
            route.fulfill(content_type="text/xml", body=jobs_document(self.jobs, self.root))
        elif request.method == "GET":
            job = next(job for job in self.jobs if job.job_id == path[2])
            route.fulfill(content_type="text/xml", body=job_document(job, self.root))
        else:
            self.change(request.method, path[2])
            self.done.append((request.method, "/".join(path), request.post_data, "x-xsrftoken" in request.headers))
            route.fulfill(content_type="text/xml", body="")

    def change(self, method: str, job_id: str) -> None:
        if method == "DELETE":
            self.jobs = [job for job in self.jobs if job.job_id != job_id]
        else:
            self.jobs = [replace(job, phase=Phase.ABORTED) if job.job_id == job_id else job for job in self.jobs]


def open_lab(page: Page, url: str) -> None:
    page.goto(f"{url}lab?token=of-the-tests&reset")
    page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
    page.locator(".jp-Launcher").wait_for()


@pytest.fixture
def answers(browsing: Any, lab: Any) -> Iterator[Answers]:
    answers = Answers(browsing.page, lab.url)
    open_lab(browsing.page, lab.url)
    yield answers
    assert browsing.foreign == []
    errors = [text for text in browsing.errors if "503" not in text]
    assert errors == []


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def set_theme(page: Page, theme: str) -> None:
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    # JupyterLab puts its splash over a change; two at once end in an error of its own
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def test_panel_through_its_states(answers: Answers, browsing: Any) -> None:
    page = browsing.page
    assert answers.lists == 0, "the panel asked before it was seen"
    page.get_by_role("tab", name="Jobs").click()
    panel = page.locator("#jupyter-uws-jobs")
    expect(panel).to_contain_text("No jobs yet")
    shot(page, "jobs-empty")

    answers.jobs = list(JOBS)
    rows = panel.locator("tbody")
    expect(rows).to_have_count(5)
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(panel).to_contain_text("run 2 of 4")
    expect(panel).to_contain_text(REASON)
    shot(page, "jobs-light")
    set_theme(page, "JupyterLab Dark")
    shot(page, "jobs-dark")
    set_theme(page, "JupyterLab Light")

    running, failed = JOBS[1].job_id, JOBS[3].job_id
    panel.get_by_role("button", name=f"Abort spectrum {running}").click()
    expect(panel.locator(f"[data-job-id='{running}']")).to_have_attribute("data-phase", "ABORTED")
    panel.get_by_role("button", name=f"Delete spectrum {failed}").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(5)
    panel.get_by_role("button", name=f"Delete spectrum {failed}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(4)
    assert answers.done == [
        ("POST", f"uws/spectrum/{running}/phase", "PHASE=ABORT", True),
        ("DELETE", f"uws/spectrum/{failed}", None, True),
    ]

    answers.down = True
    expect(panel.get_by_role("alert")).to_contain_text("the service runs on host node7, not here")
    expect(rows).to_have_count(4)
    shot(page, "jobs-unreachable")
    answers.down = False
    panel.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("alert")).to_have_count(0)


def test_panel_is_whole_at_250_pixels_and_rests_when_hidden(answers: Answers, browsing: Any) -> None:
    page = browsing.page
    answers.jobs = list(JOBS)
    page.get_by_role("tab", name="Jobs").click()
    panel = page.locator("#jupyter-uws-jobs")
    expect(panel.locator("tbody")).to_have_count(5)
    handle = page.locator("#jp-main-split-panel > .lm-SplitPanel-handle:not(.lm-mod-hidden)").first
    box, edge = panel.bounding_box(), handle.bounding_box()
    page.mouse.move(edge["x"] + edge["width"] / 2, 400)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, 400, steps=4)
    page.mouse.up()
    assert 240 <= panel.bounding_box()["width"] <= 255
    for cell in panel.locator(".jp-UWSJobs-job > tr:first-child > td").all():
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), cell.inner_text()
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    shot(page, "jobs-250px")

    page.get_by_role("tab", name="File Browser").click()
    expect(page.locator("#jupyter-uws-jobs")).to_be_hidden()
    page.wait_for_timeout(100)  # an answer may be under way
    asked = answers.lists
    page.wait_for_timeout(2500)  # longer than the interval of the poll
    assert answers.lists == asked


def test_quickstart_card(answers: Answers, browsing: Any, lab: Any) -> None:
    page, notebook = browsing.page, lab.root / "notebooks" / "quickstart.ipynb"
    card = page.locator(".jp-LauncherCard", has_text="Observatory quickstart")
    card.click()
    # to its end: JupyterLab cuts what is longer than 140 characters
    expect(page.locator(".Toastify__toast")).to_contain_text("or run: jupyter uws demo")
    shot(page, "quickstart-missing")
    browsing.errors[:] = [text for text in browsing.errors if "404" not in text]

    notebook.parent.mkdir()
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    card.click()
    expect(page.get_by_role("tab", name="quickstart.ipynb")).to_be_visible()


def test_panel_with_the_real_service(browsing: Any, lab: Any) -> None:
    """The first look starts the service; jobs are seen running, and are aborted and deleted by their buttons."""
    page = browsing.page
    open_lab(page, lab.url)
    page.get_by_role("tab", name="Jobs").click()
    panel = page.locator("#jupyter-uws-jobs")
    expect(panel).to_contain_text("No jobs yet", timeout=30_000)

    post = {"token": "of-the-tests"}
    for duration in ("0.2", "300"):
        form = {"duration": duration, "PHASE": "RUN", "RUNID": f"{duration} s"}
        answer = page.request.post(f"{lab.url}jupyter-uws/uws/sleeper", params=post, form=form, max_redirects=0)
        assert answer.status == 303, answer.text()
    short, long = (panel.locator("tbody", has_text=f"· {run_id}") for run_id in ("0.2 s", "300 s"))
    expect(short).to_have_attribute("data-phase", "COMPLETED", timeout=60_000)
    expect(long).to_have_attribute("data-phase", "EXECUTING", timeout=60_000)
    expect(long.get_by_role("progressbar")).to_be_visible()
    shot(page, "jobs-real")
    long.get_by_role("button", name="Abort").click()
    expect(long).to_have_attribute("data-phase", "ABORTED")
    for row in (short, long):
        row.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(row).to_have_count(0)
    expect(panel).to_contain_text("No jobs yet")
    assert browsing.foreign == []
    assert browsing.errors == []
