"""An observer's whole way, on simulated and on real data: from a name to a map, a second one, and a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import PATIENCE, open_lab, open_search, shot, shot_dark
from lab.conftest import Browsing, Lab, run_lab
from playwright.sync_api import Page, expect
from test_jobs_panel import tab

pytestmark = [pytest.mark.browser, pytest.mark.gamma, pytest.mark.timeout(600)]
#: By the archive of a story: the collection, and the number of runs within two degrees of the Crab nebula.
ARCHIVES = {"sim": ("SIM-DR1", 4), "hess": ("HESS-DL3-DR1", 4)}


@pytest.fixture(scope="module", params=["sim", pytest.param("hess", marks=pytest.mark.hess)])
def archive(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def lab(archive: str, frontend: Path, request: Any, tmp_path_factory: Any) -> Iterator[Lab]:
    file = request.getfixturevalue(f"{archive}_archive")
    with run_lab(tmp_path_factory.mktemp(archive), frontend, file) as running:
        yield running


def test_from_a_name_to_a_map(browsing: Browsing, lab: Lab, archive: str) -> None:
    page, (collection, count) = browsing.page, ARCHIVES[archive]
    open_lab(page, lab.url)
    page.get_by_role("tab", name="Jobs", exact=True).click()
    search = open_search(page)
    search.get_by_label("Target", exact=True).press_sequentially("crab")
    search.get_by_role("option", name="Crab Nebula").click()
    search.get_by_role("button", name="Search", exact=True).click()
    expect(search.locator(".jp-UWSSearch-total")).to_have_text(f"{count} rows, all there are")
    lasso_all(page)
    expect(search.get_by_text(f"{count} selected")).to_be_visible()
    shot(page, f"lab/story-{archive}-search")

    search.get_by_role("toolbar", name="Selection").get_by_role("button", name="New job").click()
    form = tab(page, "form")
    form.get_by_label("Job type").select_option("quicklook")
    runs = form.get_by_label("obs_ids: Runs")
    assert len(runs.input_value().split()) == count
    assert collection in runs.input_value()
    for pixels in ("nxpix: Pixels in x", "nypix: Pixels in y"):
        form.get_by_label(pixels).fill("60")
    form.get_by_label("Run id").fill("first")
    shot(page, f"lab/story-{archive}-form")
    form.get_by_role("button", name="Run now").click()
    job = tab(page, "job-")
    expect(job.get_by_role("progressbar")).to_be_visible()
    expect(job.get_by_label("stdout", exact=True)).not_to_be_empty()
    shot(page, f"lab/story-{archive}-running")
    phase = job.locator(".jp-UWSJobs-phase")
    expect(phase).to_have_text("COMPLETED", timeout=2 * PATIENCE)
    expect(job.locator("[data-result='image'] img")).to_be_visible()
    job.get_by_role("button", name="significance", exact=True).click()
    view = job.locator("[data-result='significance'] .jp-UWSPage-view")
    canvas = view.locator("canvas").first
    expect(canvas).to_be_visible()
    canvas.hover()
    expect(view).to_contain_text("83.6")  # where the mouse points to, in the middle of the map
    shot_dark(page, f"lab/story-{archive}-map")

    job.get_by_role("button", name="Run again …").click()
    expect(form.get_by_label("nxpix: Pixels in x")).to_have_value("60")
    form.get_by_label("Run id").fill("second")
    form.get_by_label("nxpix: Pixels in x").fill("40")
    form.get_by_role("button", name="Run now").click()
    expect(job).to_contain_text("second")
    expect(phase).to_have_text("COMPLETED", timeout=2 * PATIENCE)
    rows = page.locator("#jupyter-uws-jobs .jp-UWSJobs-job")
    expect(rows).to_have_count(2)
    job.get_by_role("button", name="Open in notebook").click()
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    expect(cell).to_contain_text("uws.job(")
    shot(page, f"lab/story-{archive}-notebook")
    assert browsing.foreign == []
    assert browsing.errors == []


def lasso_all(page: Page) -> None:
    """Draw around all of the sky view."""
    page.locator(".jp-UWSSearch").get_by_role("button", name="Lasso").click()
    box = page.locator(".jp-UWSSky canvas").bounding_box()
    assert box
    left, top = box["x"] + 4, box["y"] + 4
    right, bottom = box["x"] + box["width"] - 4, box["y"] + box["height"] - 4
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 4)):
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
