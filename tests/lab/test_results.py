"""What a job made, shown in its page: the map and the table of a real quicklook."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsers import PATIENCE, open_lab, shot_dark
from lab.conftest import Browsing, Lab
from playwright.sync_api import expect
from test_jobs_panel import TOKEN, tab

pytestmark = [pytest.mark.browser, pytest.mark.gamma]


def test_a_map_and_its_sky_coordinates_are_in_the_page(browsing: Browsing, lab: Lab) -> None:
    page = browsing.page
    open_lab(page, lab.url)
    form = {
        "obs_ids": "100001 100002",
        "RA": "83.633",
        "Dec": "22.014",
        "nxpix": "60",
        "nypix": "60",
        "binsz": "0.05",
        "PHASE": "RUN",
    }
    made = page.request.post(f"{lab.url}jupyter-uws/uws/quicklook", params=TOKEN, form=form, max_redirects=0)
    assert made.status == 303, made.text()
    job = Path(made.headers["location"]).name
    page.evaluate(f"jupyterapp.commands.execute('jupyter-uws:open-job', {{type: 'quicklook', id: '{job}'}})")
    expect(tab(page, "job").get_by_text("COMPLETED", exact=True)).to_be_visible(timeout=2 * PATIENCE)
    shown = tab(page, "job")
    expect(shown.locator("[data-result='image'] img")).to_be_visible()
    shown.get_by_role("button", name="significance", exact=True).click()
    view = shown.locator("[data-result='significance'] .jp-UWSPage-view")
    expect(view.locator("canvas").first).to_be_visible()
    view.locator("canvas").first.hover()
    expect(view).to_contain_text("83.6")  # where the mouse points to, in the middle of the map
    shot_dark(page, "lab/job-map")
    assert browsing.errors == []
