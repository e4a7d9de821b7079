"""The quickstart in JupyterLab as a newcomer meets it: run from the menu, results inline, the jobs beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsers import open_lab, set_theme, shot
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.gamma, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parent.parent.parent
KERNEL_IS_IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
#: The whole notebook, imports of gammapy and two fits included, on a loaded machine.
LONG = 240_000


def test_quickstart_in_jupyterlab(browsing: Any, lab: Any) -> None:
    notebooks = lab.root / "story"
    notebooks.mkdir()
    quickstart: Any = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    for cell in quickstart.cells:  # what is seen below must be new
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(quickstart, notebooks / "quickstart.ipynb")  # type: ignore[no-untyped-call]
    page = browsing.page
    page.set_viewport_size({"width": 1500, "height": 1000})
    open_lab(page, lab.url, "/tree/story/quickstart.ipynb")
    notebook = page.locator(".jp-NotebookPanel:visible")
    indicator = notebook.locator(".jp-Notebook-ExecutionIndicator")
    # the indicator shows idle before there is a kernel, and a cell that is run then is not run at all
    page.wait_for_function(KERNEL_IS_IDLE)
    page.get_by_role("tab", name="Jobs").click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    panel = page.locator("#jupyter-uws-jobs")
    expect(panel.locator("li[data-phase='EXECUTING']").first).to_be_visible(timeout=LONG)
    shot(page, "lab/quickstart-running")
    expect(panel.locator("li[data-phase='COMPLETED']")).to_have_count(2, timeout=LONG)
    last = notebook.locator(".jp-CodeCell").last
    expect(last.locator(".jp-InputPrompt")).to_have_text("[12]:", timeout=LONG)
    expect(indicator).to_have_attribute("data-status", "idle", timeout=LONG)
    assert notebook.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0

    pictures = notebook.locator(".jp-OutputArea-output img")
    expect(pictures).to_have_count(3)
    for number, name in enumerate(("pointings", "significance", "spectrum")):
        pictures.nth(number).scroll_into_view_if_needed()
        assert pictures.nth(number).evaluate("image => image.naturalWidth") > 300
        shot(page, f"lab/quickstart-{name}")
    expect(last).to_contain_text("quicklook")
    expect(last).to_contain_text("COMPLETED")
    last.scroll_into_view_if_needed()
    shot(page, "lab/quickstart-end")
    set_theme(page, "JupyterLab Dark")
    shot(page, "lab/quickstart-end-dark")
    for number, name in enumerate(("pointings", "significance", "spectrum")):
        pictures.nth(number).scroll_into_view_if_needed()
        shot(page, f"lab/quickstart-{name}-dark")
    assert browsing.foreign == []
    assert browsing.errors == []
