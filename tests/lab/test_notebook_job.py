"""A notebook of JupyterLab as a job: from the file browser and from the notebook, its report, and once more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browsers import open_lab, shot, shot_dark, violations
from lab.conftest import Browsing, Lab, run_lab
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(frontend: Path, sim_archive: Path, tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab of a user who lets their service run notebooks, and a notebook in it that is not all friendly."""
    with run_lab(tmp_path, frontend, sim_archive, "c.ServeApp.python_jobs = True\n") as running:
        html = '<img src="https://tracker.invalid/x.png"><script>document.title = 1</script><b>bold</b>'
        cells = [
            new_markdown_cell("# Hard events"),
            new_code_cell('target = "Crab"\nlimit = 1.0', metadata={"tags": ["parameters"]}),
            new_code_cell("from IPython.display import HTML\nprint(target, 2 * limit)"),
            new_code_cell(f"HTML({html!r})"),
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), running.root / "hard events.ipynb")
        yield running


def tab(page: Page, kind: str) -> Locator:
    return page.locator(f"[id^='jupyter-uws-{kind}']:visible")


def test_a_notebook_of_the_file_browser(browsing: Browsing, lab: Lab) -> None:
    page = browsing.page
    reached: list[str] = []
    page.route("https://tracker.invalid/**", lambda route: (reached.append(route.request.url), route.abort()))
    open_lab(page, lab.url)
    page.locator(".jp-DirListing-item", has_text="hard events.ipynb").click(button="right")
    page.get_by_role("menuitem", name="Run Notebook as a Job…").click()
    form = tab(page, "form")
    expect(form.get_by_label("notebook: Notebook (.ipynb)")).to_have_value("hard events.ipynb")
    expect(form.get_by_label("Run id")).to_have_value("hard events")
    form.get_by_label("parameters: ").fill("limit: 2.5")
    shot(page, "lab/notebook-form")
    form.get_by_role("button", name="Run now").click()
    job = tab(page, "job-")
    expect(job.locator(".jp-UWSJobs-phase")).to_have_text("COMPLETED")
    report = job.locator("[data-result=report] iframe").content_frame
    expect(report.get_by_text("Crab 5.0")).to_be_visible()
    expect(report.locator("b")).to_have_text("bold")
    assert violations(page, "[id^='jupyter-uws-job-']") == []
    shot_dark(page, "lab/notebook-job")

    job.get_by_role("button", name="Run again …").click()
    again = tab(page, "form")
    # as the service keeps it
    expect(again.get_by_label("notebook: Notebook (.ipynb)")).to_have_value("hard_events.ipynb")
    again.get_by_label("parameters: ").fill('target: "M 87"')
    again.get_by_role("button", name="Run now").click()
    expect(job.locator("[data-result=report] iframe").content_frame.get_by_text("M 87 2.0")).to_be_visible()

    # Chromium may tell of a request before it stops it; none comes to where the page could be answered
    assert set(browsing.foreign) <= {"https://tracker.invalid/x.png"}
    assert reached == []
    assert [text for text in browsing.errors if not re.search("Content Security Policy|sandboxed", text)] == []
    # as it ran, beside the one that it was made from
    for _ in range(2):
        job.get_by_role("button", name="Open as notebook").click()
        expect(page.locator(".jp-NotebookPanel:visible .jp-Notebook")).to_contain_text("M 87 2.0")
        page.get_by_role("tab", name=re.compile("^notebook hard")).last.click()
    executed = [path.name for path in lab.root.glob("*.ipynb") if path.name != "hard events.ipynb"]
    assert len(executed) == 1
    assert re.fullmatch(r"hard_events-\d{8}-\w+\.ipynb", executed[0])
    page.evaluate("jupyterapp.commands.execute('docmanager:save-all')")
    page.evaluate("jupyterapp.commands.execute('application:close-all')")
    page.locator(".jp-DirListing-item", has_text="hard events.ipynb").dblclick()
    expect(page.locator(".jp-NotebookPanel .jp-CodeCell").first).to_contain_text("Crab")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run Notebook as a Job…").click()
    expect(tab(page, "form").get_by_label("notebook: Notebook (.ipynb)")).to_have_value("hard events.ipynb")
