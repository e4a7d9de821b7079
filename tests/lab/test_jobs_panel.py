"""The jobs in a real JupyterLab with the real service: panel, form, page, comparison, notifications, status bar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from browsers import open_lab, shot, shot_dark, violations, wait_for_lab
from defusedxml import ElementTree
from playwright.sync_api import Locator, Page, Response, expect

pytestmark = pytest.mark.browser
TOKEN = {"token": "of-the-tests"}
HREF = "{http://www.w3.org/1999/xlink}href"


@pytest.fixture
def page(browsing: Any, lab: Any) -> Iterator[Page]:
    """JupyterLab with nothing open, and no job; nothing foreign is asked for, and nothing is an error."""
    delete_jobs(browsing.page, lab.url)
    open_lab(browsing.page, lab.url)
    yield browsing.page
    assert browsing.foreign == []
    expected = re.compile("50[23]|403|net::ERR_FAILED")
    assert [text for text in browsing.errors if not expected.search(text)] == []


def show_panel(page: Page) -> Locator:
    page.get_by_role("tab", name="Jobs", exact=True).click()
    return page.locator("#jupyter-uws-jobs")


def tab(page: Page, kind: str) -> Locator:
    """The page in sight of the main area whose id begins so."""
    return page.locator(f"[id^='jupyter-uws-{kind}']:visible")


def submit(page: Page, url: str, **form: str) -> str:
    """The address of a new job."""
    answer = page.request.post(f"{url}jupyter-uws/uws/sleeper", params=TOKEN, form=form, max_redirects=0)
    assert answer.status == 303, answer.text()
    return str(answer.headers["location"])


COUNT_LINES = """
name: count-lines
parameters:
  text: {type: file, required: true, content_types: ["text/*"]}
  more: {type: file, content_types: ["text/*"]}
command: [wc, --lines, "{text}", "{more}"]
generated: {}
execution_duration: 60
"""


def describe_count_lines(lab: Any) -> None:
    """A job type that takes files, and one for it, texts/three.txt, in the folder that Jupyter shows."""
    described = lab.root.parent / "data" / "jupyter-uws" / "jobs" / "count-lines.yaml"
    described.parent.mkdir(parents=True, exist_ok=True)
    described.write_text(COUNT_LINES)
    (lab.root / "texts").mkdir(exist_ok=True)
    (lab.root / "texts" / "three.txt").write_text("1\n2\n3\n")


def delete_jobs(page: Page, url: str) -> None:
    """What a test before, that failed, left there."""
    for job in ElementTree.fromstring(page.request.get(f"{url}jupyter-uws/uws", params=TOKEN).text()):
        page.request.delete(job.get(HREF, ""), params=TOKEN, max_redirects=0)


def keeps(response: Response, *tabs: str) -> bool:
    """Whether JupyterLab has written down that tabs are open whose ids begin so."""
    request = response.request
    kept = request.post_data or ""
    return request.method == "PUT" and "/workspaces/" in request.url and all(tab in kept for tab in tabs)


def test_a_file_of_jupyterlab(page: Page, lab: Any) -> None:
    """A file is chosen among those that JupyterLab shows, and is the job's."""
    describe_count_lines(lab)
    page.evaluate("jupyterapp.commands.execute('jupyter-uws:new-job', {type: 'count-lines'})")
    field = tab(page, "form").locator("[data-field=text]")
    field.get_by_role("button", name="From JupyterLab").click()
    dialog = page.locator(".jp-Dialog")
    dialog.get_by_role("option", name="texts").click()
    dialog.get_by_role("option", name="three.txt").click()
    dialog.get_by_role("button", name="Choose").click()
    expect(field.get_by_role("textbox")).to_have_value("texts/three.txt")
    tab(page, "form").get_by_role("button", name="Run now").click()
    expect(tab(page, "job").get_by_label("stdout", exact=True)).to_contain_text("3 ")


def test_provenance(page: Page, lab: Any) -> None:
    """From a job to the one whose result it was given, under another name, and back."""
    describe_count_lines(lab)
    maker = submit(page, lab.url, RUNID="maker", duration="0.1", PHASE="RUN")
    panel = show_panel(page)
    expect(panel.locator(".jp-UWSJobs-job")).to_have_attribute("data-phase", "COMPLETED")
    report = page.request.get(f"{maker}/results/report", params=TOKEN).body()
    file = {"name": "other name.txt", "mimeType": "text/plain", "buffer": report}
    answer = page.request.post(
        f"{lab.url}jupyter-uws/uws/count-lines",
        params=TOKEN,
        multipart={"text": file, "RUNID": "user", "PHASE": "RUN"},
        max_redirects=0,
    )
    assert answer.status == 303, answer.text()
    panel.get_by_role("button", name=re.compile("^count-lines")).first.click()
    job = tab(page, "job-")
    job.locator("summary", has_text="Provenance").click()
    graph = job.get_by_role("group", name=re.compile("^From left to right"))
    before = graph.get_by_role("button", name="Open sleeper maker, report → text, COMPLETED")
    expect(before).to_be_visible()
    expect(graph.locator("path")).to_have_count(1)
    assert violations(page, ".jp-UWSProv") == []
    shot_dark(page, "lab/job-provenance")
    before.focus()
    page.keyboard.press("Enter")
    expect(job).to_contain_text("maker")
    job.locator("summary", has_text="Provenance").click()
    expect(graph.get_by_role("button", name=re.compile("^Open count-lines user, report → text"))).to_be_visible()
    shot(page, "lab/job-provenance-forth")


def test_story(page: Page, lab: Any) -> None:
    """From the form to the result, again with a change, compared, deleted."""
    panel = show_panel(page)
    expect(panel).to_contain_text("No jobs yet")
    assert violations(page, "#jupyter-uws-jobs") == []
    shot(page, "lab/jobs-empty")
    status = page.locator(".jp-UWSJobs-status")
    expect(status).to_have_text("0 | 0")

    panel.get_by_role("button", name="New job").last.click()
    form = tab(page, "form")
    form.get_by_label("Job type").select_option("sleeper")
    duration = form.get_by_label("duration: Duration [s]")
    expect(duration).to_have_value("5")
    duration.fill("long")
    form.get_by_role("button", name="Run now").click()
    problem = form.get_by_role("alert")
    expect(problem).to_have_text("duration is 'long', allowed is a number, 0 to 86400 s (without its unit)")
    refused = page.request.post(f"{lab.url}jupyter-uws/uws/sleeper", params=TOKEN, form={"duration": "long"})
    assert refused.text().strip() == problem.inner_text()
    form.get_by_text("Cores, memory, time").click()
    assert violations(page, ".jp-UWSForm") == []
    shot_dark(page, "lab/job-form")
    duration.fill("300")
    form.get_by_label("Run id").fill("night <b>1</b>")
    form.get_by_role("button", name="Run now").click()
    expect(form).to_have_count(0)

    job = tab(page, "job-")
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("EXECUTING")
    expect(job.get_by_role("progressbar")).to_be_visible()
    expect(job.get_by_label("stdout", exact=True)).to_contain_text("sleeping for 300 s")
    expect(status).to_have_text("1 | 0")
    row = panel.locator(".jp-UWSJobs-job")
    expect(row.get_by_role("progressbar")).to_be_visible()
    assert violations(page, ".jp-UWSPage") == []
    shot_dark(page, "lab/job-running")
    job.get_by_role("button", name="Abort").click()
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("ABORTED")
    expect(status).to_have_text("0 | 0")

    job.get_by_role("button", name="Run again …").click()
    expect(duration).to_have_value("300")
    expect(form.get_by_label("Run id")).to_have_value("night <b>1</b>")
    duration.fill("0.2")
    form.get_by_role("button", name="Run now").click()
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("COMPLETED")
    expect(job.locator("[data-result='report'] pre")).to_have_text("slept for 0.2 s\n")
    expect(job.get_by_role("row", name="fail")).to_contain_text("default")
    toast = page.locator(".Toastify__toast")
    expect(toast).to_contain_text("sleeper night <b>1</b> is done")
    expect(toast.get_by_role("button", name="Open")).to_be_visible()
    shot_dark(page, "lab/job-done")
    expect(job.locator("[data-result='report']")).to_contain_text("SHA-256 ")
    job.get_by_role("button", name="Open", exact=True).click()
    expect(tab(page, "result")).to_contain_text("slept for 0.2 s")

    expect(row).to_have_count(2)
    for box in panel.get_by_role("checkbox").all():
        box.check()
    panel.get_by_role("button", name="Compare").click()
    differs = tab(page, "compare").locator("tr[data-differs='true']")
    expect(differs).to_have_count(1)
    expect(differs).to_contain_text("duration")
    expect(differs.locator("td")).to_have_text(["0.2", "300"])
    assert violations(page, ".jp-UWSPage-comparison") == []
    shot_dark(page, "lab/job-compare")
    with page.expect_response(lambda response: keeps(response, "jupyter-uws-compare-", "jupyter-uws-result-")):
        page.get_by_role("tab", name="report").click()
    page.reload()
    wait_for_lab(page)
    expect(tab(page, "result")).to_contain_text("slept for 0.2 s")
    page.get_by_role("tab", name="Comparison").click()
    expect(differs.locator("td")).to_have_text(["0.2", "300"])
    expect(row).to_have_count(2)

    panel.get_by_role("button", name="Group by run id").click()
    expect(panel.locator(".jp-UWSJobs-group")).to_have_count(1)
    panel.get_by_role("button", name="night <b>1</b> 2").click()
    expect(row).to_have_count(0)
    panel.get_by_role("button", name="Group by run id").click()
    for box in panel.get_by_role("checkbox").all():
        box.check()

    panel.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 jobs and all results will be deleted")
    dialog.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(2)
    panel.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_role("button", name="Delete").click()
    expect(panel).to_contain_text("No jobs yet")


def test_failed_pending_and_deleted_elsewhere(page: Page, browsing: Any, lab: Any) -> None:
    """Jobs that others start and delete are seen; what is pending can be run; a page comes back after a reload."""
    panel = show_panel(page)
    failing = submit(page, lab.url, duration="0.1", fail="true", RUNID="bad", PHASE="RUN")
    bad = panel.locator(".jp-UWSJobs-job", has_text="bad")
    expect(bad).to_have_attribute("data-phase", "ERROR")
    expect(bad).to_contain_text("the sleeper was asked to fail after 0.1 s")
    toast = page.locator(".Toastify__toast")
    expect(toast).to_contain_text("sleeper bad has failed: the sleeper was asked to fail")
    with page.expect_response(lambda response: keeps(response, "jupyter-uws-job-")):
        # the notification leaves after ten seconds, and no mouse hits what still moves: no wait for its rest
        toast.get_by_role("button", name="Open").dispatch_event("click")
    job = tab(page, "job-")
    expect(job.get_by_label("Error")).to_contain_text("the sleeper was asked to fail after 0.1 s")
    shot_dark(page, "lab/job-failed")

    with page.expect_response(lambda response: "/stderr" in response.url):
        page.reload()
        wait_for_lab(page)
        expect(job.get_by_label("Error")).to_contain_text("the sleeper was asked to fail")
    expect(job.get_by_label("stdout", exact=True)).to_contain_text("sleeping for 0.1 s")
    assert page.request.delete(failing, params=TOKEN, max_redirects=0).status == 303
    expect(job.get_by_role("alert")).to_contain_text("This job was deleted.")
    shot(page, "lab/job-deleted")

    page.evaluate("jupyterapp.commands.execute('jupyter-uws:new-job', {type: 'sleeper', parameters: {duration: 0.3}})")
    form = tab(page, "form")
    expect(form.get_by_label("duration: Duration [s]")).to_have_value("0.3")
    form.get_by_label("Run id").fill("later " + "x" * 300)
    form.get_by_role("button", name="Save as pending").click()
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("PENDING")
    later = job.get_by_label("Longest run [s]")
    later.fill("77")
    later.blur()
    expect(job.get_by_label("Longest run [s]")).to_have_value("77")
    job.get_by_role("button", name="Run", exact=True).click()
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("COMPLETED")
    shot(page, "lab/job-long-name")

    page.evaluate("jupyterapp.commands.execute('jupyter-uws:open-cluster')")
    cluster = tab(page, "cluster")
    expect(cluster).to_contain_text("local: ")
    expect(cluster.get_by_role("row")).not_to_have_count(0)
    status = page.locator(".jp-UWSJobs-status")
    status.hover()
    expect(status).to_have_attribute("title", re.compile("0 running, 0 queued\nlocal: [0-9] of at most"))
    assert violations(page, "#jupyter-uws-cluster") == []
    shot_dark(page, "lab/cluster")

    job_tab = page.get_by_role("tab", name=re.compile("^sleeper later"))
    job_tab.click()
    job.get_by_role("button", name="Open in notebook").click()
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    expect(cell).to_contain_text("uws.job(")
    job_tab.click()
    job.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(panel).to_contain_text("No jobs yet")
    page.evaluate("jupyterapp.commands.execute('application:close-all')")
    # a page that is new asks again when its event stream begins: the job may have gone in that moment, once
    gone = [text for text in browsing.errors if "404" in text and failing.rsplit("/", 1)[1] in text]
    assert len(gone) <= 1
    browsing.errors[:] = [text for text in browsing.errors if text not in gone]


def test_filters_a_narrow_panel_and_no_service(page: Page, lab: Any) -> None:
    lists: list[str] = []
    page.on("request", lambda request: lists.append(request.url) if "/uws?" in request.url else None)
    jobs = [submit(page, lab.url, RUNID=f"run {number} " + "y" * 60) for number in range(3)]
    expect(page.locator(".jp-UWSJobs-status")).to_have_text("0 | 0")
    assert lists == [], "the panel asked before it was seen"
    panel = show_panel(page)
    rows = panel.locator(".jp-UWSJobs-job")
    expect(rows).to_have_count(3)
    rows.nth(0).locator(".jp-UWSJobs-open").focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1).locator(".jp-UWSJobs-open")).to_be_focused()
    panel.get_by_role("button", name="Filter the list").click()
    panel.get_by_label("Run id or job id").fill("RUN 1")
    expect(rows).to_have_count(1)
    panel.get_by_label("Phase").select_option("ERROR")
    expect(panel).to_contain_text("No job matches these filters.")
    shot(page, "lab/jobs-filtered")
    panel.get_by_role("button", name="Show all jobs").click()
    expect(rows).to_have_count(3)

    handle = page.locator("#jp-main-split-panel > .lm-SplitPanel-handle:not(.lm-mod-hidden)").first
    box, edge = panel.bounding_box(), handle.bounding_box()
    page.mouse.move(edge["x"] + edge["width"] / 2, 400)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, 400, steps=4)
    page.mouse.up()
    assert 240 <= panel.bounding_box()["width"] <= 255
    for element in (panel, rows.first, panel.locator(".jp-UWSJobs-head"), panel.locator(".jp-UWSJobs-filters")):
        if element.count():
            assert element.evaluate("each => each.scrollWidth <= each.clientWidth"), element
    shot(page, "lab/jobs-250px")

    page.get_by_role("tab", name="File Browser").click()
    expect(panel).to_be_hidden()
    asked = len(lists)
    for job in jobs[1:]:
        assert page.request.delete(job, params=TOKEN, max_redirects=0).status == 303
    show_panel(page)
    expect(rows).to_have_count(1)
    assert len(lists) == asked, "the list was read anew though the stream told of every change"

    down = re.compile("/jupyter-uws/")
    page.route(down, lambda route: route.fulfill(status=503, content_type="text/plain", body="it runs on host node7\n"))
    panel.get_by_role("button", name="Refresh the list").click()
    expect(panel.get_by_role("alert")).to_contain_text("it runs on host node7")
    expect(rows).to_have_count(1)
    shot(page, "lab/jobs-unreachable")
    # what is between page and service has words of its own
    page.unroute(down)
    page.route(down, lambda route: route.fulfill(status=502, content_type="text/plain", body="has ended\n"))
    panel.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("alert")).to_contain_text("The service is starting again. The list is old.")
    shot(page, "lab/jobs-restarting")
    page.unroute(down)
    page.route(down, lambda route: route.fulfill(status=403, content_type="application/json", body="{}"))
    panel.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("alert")).to_contain_text("You are logged out.")
    shot(page, "lab/jobs-logged-out")
    page.unroute(down)
    page.route(down, lambda route: route.abort())
    panel.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("alert")).to_contain_text("There is no connection.")
    shot(page, "lab/jobs-offline")
    page.unroute(down)
    panel.get_by_role("button", name="Retry").click()
    expect(panel.get_by_role("alert")).to_have_count(0)
    rows.first.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(panel).to_contain_text("No jobs yet")
