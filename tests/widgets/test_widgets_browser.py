"""The widgets in cells of real notebooks, in JupyterLab and in Notebook 7, with the real service and a real kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab.test_jobs_panel import AXE, PATIENCE, TOKEN, set_theme, submit, violations
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
SHOTS = Path(__file__).resolve().parent.parent.parent / "screenshots" / "widgets"
#: Where a notebook is opened.
PROGRAMS = {"lab": "lab/tree/{}?token=of-the-tests&reset", "notebook": "notebooks/{}?token=of-the-tests"}

Open = Callable[..., Locator]


@pytest.fixture(params=list(PROGRAMS))
def program(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def run(browsing: Any, lab: Any, program: str) -> Iterator[Open]:
    """``run(code, name)``: a notebook with this one cell, run; the widget in its output."""

    def open_and_run(code: str, name: str) -> Locator:
        page: Page = browsing.page
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = f"{name}-{program}.ipynb"
        nbformat.write(notebook, lab.root / path)
        page.goto(lab.url + PROGRAMS[program].format(path))
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=PATIENCE, state="attached")
        page.locator(".jp-Cell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        widget = page.locator(".jp-UWSWidget")
        widget.wait_for(timeout=PATIENCE)
        return widget

    yield open_and_run
    assert browsing.foreign == []
    assert [text for text in browsing.errors if not re.search("favicon|404", text)] == []


def shot(page: Page, name: str, program: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{program}.png")


def restart_and_run(page: Page) -> None:
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Restart Kernel and Run All Cells…").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()


def test_job_list_lives(run: Open, browsing: Any, lab: Any, program: str) -> None:
    """New jobs come, their phases change, they can be stopped; and so after the kernel was restarted."""
    page = browsing.page
    widget = run("from jupyter_uws.widgets import JobList\njobs = JobList(type='sleeper')\njobs", "list")
    expect(widget.locator(".jp-UWSJobs-head")).to_be_visible(timeout=PATIENCE)
    submit(page, lab.url, duration="300", RUNID=f"seen-{program}", PHASE="RUN")
    row = widget.locator(".jp-UWSJobs-job", has_text=f"seen-{program}")
    expect(row).to_have_attribute("data-phase", "EXECUTING", timeout=PATIENCE)
    shot(page, "list", program)

    widget.get_by_role("button", name="Show code").click()
    expect(widget.get_by_label("Code", exact=True)).to_contain_text("uws.query(type=\"sleeper\")")
    restart_and_run(page)
    widget = page.locator(".jp-UWSWidget:has(.jp-UWSJobs-job)")
    row = widget.locator(".jp-UWSJobs-job", has_text=f"seen-{program}")
    expect(row).to_have_attribute("data-phase", "EXECUTING", timeout=PATIENCE)
    expect(widget.get_by_role("button", name="Show code")).to_be_visible()  # a new one, not that of before
    row.get_by_role("button", name=f"Abort sleeper seen-{program}").click()
    dialog = widget.get_by_role("alertdialog")
    dialog.get_by_role("button", name="Abort").click()
    expect(row).to_have_attribute("data-phase", "ABORTED", timeout=PATIENCE)
