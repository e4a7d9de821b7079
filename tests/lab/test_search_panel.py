"""The archive search in a real JupyterLab, with the real service and the simulated archive.

The first test is the story of an observer; the second shows the states that a service in order is never in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from browsers import open_lab, open_search, set_theme, shot, violations
from playwright.sync_api import Locator, Page, Route, expect

pytestmark = pytest.mark.browser


def drawn(place: Locator, change: Callable[[], Any]) -> bool:
    """Whether a canvas is drawn anew after a change."""
    before = place.screenshot()
    change()
    place.page.wait_for_function("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return place.screenshot() != before


def test_from_a_name_to_a_notebook(browsing: Any, lab: Any) -> None:
    page = browsing.page
    open_lab(page, lab.url)
    search = open_search(page)
    target = search.get_by_label("Target", exact=True)
    target.click()
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")

    # by name, with a suggestion, and no host but our own
    target.press_sequentially("crab")
    suggestion = search.get_by_role("option", name="Crab Nebula")
    expect(suggestion).to_be_visible()
    suggestion.click()
    expect(target).to_have_value("Crab Nebula")
    expect(search.locator(".cm-content")).to_contain_text("CIRCLE(83.633")
    search.get_by_role("button", name="Search", exact=True).click()
    expect(search.locator(".jp-UWSSearch-total")).to_have_text("4 rows, all there are")

    # a lasso around the western half of the sky: grid and charts follow
    sky, grid = search.locator(".jp-UWSSky canvas"), search.locator(".jp-UWSGrid")
    time = search.locator(".jp-UWSChart canvas").first
    search.get_by_role("button", name="Lasso").click()
    box = sky.bounding_box()
    assert box
    centre, middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = sky.screenshot()

    def lasso() -> None:
        page.mouse.move(centre + 8, middle - 100)
        page.mouse.down()
        for x, y in ((120, -100), (120, 100), (8, 100), (8, -90)):
            page.mouse.move(centre + x, middle + y, steps=3)
        page.mouse.up()
        expect(search.get_by_text("1 selected")).to_be_visible()

    assert drawn(grid, lambda: drawn(time, lasso))
    assert sky.screenshot() != before
    # a brush over all of the time axis: all are selected
    box = time.bounding_box()
    assert box
    page.mouse.move(box["x"] + 36, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 11, box["y"] + 25, steps=4)
    page.mouse.up()
    expect(search.get_by_text("4 selected")).to_be_visible()

    # the sky stays where it was put, whatever is selected
    search.get_by_role("button", name="Zoom in").click()
    cells = grid.locator("canvas").last  # on top of the cells
    assert drawn(sky, lambda: cells.click(position={"x": 60, "y": 57}))
    expect(search.get_by_text("1 selected")).to_be_visible()
    seen = sky.screenshot()
    assert drawn(sky, lambda: cells.click(position={"x": 60, "y": 35}))
    assert drawn(sky, lambda: cells.click(position={"x": 60, "y": 57}))
    assert sky.screenshot() == seen

    # the grid: a row, a range, marks by the keyboard; Enter opens the DataLink
    cells.click(position={"x": 60, "y": 35})
    expect(search.get_by_text("1 selected")).to_be_visible()
    cells.click(position={"x": 60, "y": 57}, modifiers=["Shift"])
    expect(search.get_by_text("2 selected")).to_be_visible()
    page.keyboard.press("Enter")
    links = search.get_by_role("complementary")
    expect(links).to_contain_text("Events of run 100002 (SIM-DR1)")
    expect(links).to_contain_text("aeff · application/fits")
    picture = links.get_by_role("img", name="Events on the sky")
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
    shot(page, "lab/search-story")
    assert violations(page, ".jp-UWSSearch") == []

    # a file of the run in a viewer, at the HDU that the link means, and back
    links.get_by_role("button", name="View: Effective area of run 100002").click()
    view = page.locator(".jp-UWSDocument:visible")
    expect(view.get_by_label("HDU", exact=True).locator("option:checked")).to_contain_text("AEFF")
    view.get_by_role("tab", name="Header").click()
    view.get_by_role("searchbox").fill("HDUCLAS4")
    expect(view.locator("tbody tr")).to_contain_text("AEFF_2D")
    shot(page, "lab/search-link-viewed")
    page.get_by_role("tab", name="Archive search").click()
    links.get_by_role("button", name="Close").click()

    # into a basket, which is the service's
    search.get_by_role("button", name="Baskets").click()
    search.get_by_label("Name of the basket").fill("Crab, two runs")
    search.get_by_role("button", name="Add 2 runs").click()
    expect(search.locator(".jp-UWSBaskets li")).to_contain_text("2 runs")
    answer = page.request.get(f"{lab.url}jupyter-uws/baskets/Crab%2C%20two%20runs", params={"token": "of-the-tests"})
    runs = answer.json()["obs_publisher_dids"]
    assert [run[-6:] for run in runs] == ["100001", "100002"]

    # what is in sight of the rows, on a laptop
    visible = grid.evaluate("grid => grid.clientHeight") // 22
    assert visible >= 8, visible

    # and on in Python
    search.get_by_role("button", name="Open in notebook").click()
    output = page.locator(".jp-Notebook .jp-OutputArea-output").first
    expect(output).to_contain_text("100002")
    expect(output).not_to_contain_text("100003")
    assert browsing.foreign == []
    assert browsing.errors == []

    # after a reload it is there as it was
    page.wait_for_function("() => window.jupyterapp.restored.then(() => true)")
    page.get_by_role("tab", name="Archive search").click()
    page.wait_for_timeout(1500)  # JupyterLab keeps its layout a second after a change, and tells nobody when
    open_lab(page, lab.url, reset="")
    expect(search.get_by_label("Target", exact=True)).to_have_value("Crab Nebula")


class Archive:
    """Stands between page and service, and answers queries on demand as a service in trouble does."""

    def __init__(self, page: Page, url: str) -> None:
        self.trouble = ""
        self.root = f"{url}jupyter-uws/tap/sync"
        page.route(lambda address: address.startswith(self.root), self.answer)

    def answer(self, route: Route) -> None:
        query = parse_qs(route.request.post_data or "")["QUERY"][0]
        if self.trouble == "away":
            route.fulfill(status=503, content_type="text/plain", body="the service runs on host node7, not here\n")
        elif self.trouble == "empty" and "TAP_SCHEMA" not in query:
            head, _, tail = route.fetch().text().partition('<STREAM encoding="base64">')
            route.fulfill(body=f'{head}<STREAM encoding="base64"></STREAM>{tail.partition("</STREAM>")[2]}')
        elif self.trouble == "overflow" and "SELECT obs_id, target_name" in query:
            text = route.fetch().text()
            info = '<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>'
            route.fulfill(body=info.join(text.rsplit("</RESOURCE>", 1)))
        else:
            route.continue_()


def test_several_targets_pasted_from_a_table(browsing: Any, lab: Any) -> None:
    page = browsing.page
    open_lab(page, lab.url)
    search = open_search(page)
    target = search.get_by_label("Target", exact=True)
    expect(search.locator(".cm-content")).to_contain_text("ivoa.obscore")
    target.fill("Sgr A*; ")
    target.evaluate(
        """input => {
            const data = new DataTransfer();
            data.setData('text', 'M 1\\r\\n86 21\\n');
            input.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect(target).to_have_value("Sgr A*; M 1; 86 21")
    expect(search.locator(".jp-UWSSearch-position")).to_contain_text("3 targets")
    search.get_by_role("button", name="gal", exact=True).click()
    expect(target).to_have_value(
        "359.94424 -0.04613 galactic; 184.55746 -5.78435 galactic; 186.58896 -4.44862 galactic"
    )
    target.press("End")
    target.press_sequentially("; mkn 42")
    search.get_by_role("option", name="Mrk 421").click()
    expect(search.locator(".jp-UWSSearch-position")).to_contain_text("4 targets")
    search.get_by_label("Radius").fill("4")
    search.get_by_role("button", name="Search", exact=True).click()
    expect(search.locator(".jp-UWSSearch-total")).to_contain_text("all there are")
    shot(page, "lab/search-targets")
    assert (browsing.foreign, browsing.errors) == ([], [])


def test_every_state_has_its_words(browsing: Any, lab: Any) -> None:
    page = browsing.page
    archive = Archive(page, lab.url)
    archive.trouble = "away"
    open_lab(page, lab.url)
    search = open_search(page)
    expect(search).to_contain_text("the service runs on host node7, not here")
    shot(page, "lab/search-away")

    archive.trouble = "empty"
    search.get_by_role("button", name="Try again").click()
    run = search.get_by_role("button", name="Search", exact=True)
    run.click()
    expect(search).to_contain_text("This archive is empty")
    expect(search).not_to_contain_text("node7")
    shot(page, "lab/search-empty")

    archive.trouble = "overflow"
    run.click()
    total = search.locator(".jp-UWSSearch-total")
    expect(total).to_contain_text("rows")
    expect(total.get_by_role("button", name="Get all")).to_be_visible()
    assert total.inner_text().split(" of ")[1].split()[0].isdigit()
    archive.trouble = ""
    total.get_by_role("button", name="Get all").click()
    expect(total).to_contain_text("all there are")

    # what a field needs is said at the field
    radius = search.get_by_label("Radius")
    search.get_by_label("Target", exact=True).fill("83.63 22.01")
    radius.fill("200")
    expect(search.get_by_role("alert")).to_have_text("radius: '200' is not a number above 0 and at most 180 deg")
    expect(run).to_be_disabled()
    radius.fill("0.01")
    run.click()
    expect(search).to_contain_text("No rows. Try a larger radius")

    # MET counts in TT: at 0 s it is the beginning of 2001 in UTC
    search.get_by_role("button", name="TT, MJD, MET").first.click()
    search.get_by_label("From, MET").fill("0")
    expect(search.get_by_label("From", exact=False).first).to_have_value("2001-01-01T00:00:00")
    expect(search.get_by_label("From, TT")).to_have_value("2001-01-01T00:01:04.184")

    # the tables with their rows, and queries to begin with
    search.get_by_role("button", name="Tables", exact=True).click()
    tables = search.locator(".jp-UWSSearch-schema")
    count = {"QUERY": "SELECT COUNT(*) FROM ivoa.obscore", "LANG": "ADQL", "FORMAT": "csv"}
    rows = page.request.post(archive.root, params={"token": "of-the-tests"}, form=count).text().split()[1]
    expect(tables.locator("summary", has_text="ivoa.obscore").first).to_contain_text(f"{rows} rows · ")
    shot(page, "lab/search-tables")
    search.get_by_role("button", name="Queries", exact=True).click()
    search.get_by_role("button", name="Time on each target", exact=True).click()
    editor = search.locator(".cm-content")
    expect(editor).to_contain_text("SUM(t_exptime)")
    shot(page, "lab/search-queries")
    search.get_by_label("Name of the query").fill("hours")
    search.get_by_role("button", name="Save", exact=True).click()
    search.get_by_role("button", name='Forget "hours"').click()
    expect(search.get_by_role("button", name="hours", exact=True)).to_have_count(0)
    search.get_by_role("button", name="Undo").click()
    expect(search.get_by_role("button", name="hours", exact=True)).to_have_attribute("title", re.compile("SUM"))
    search.get_by_role("button", name="Queries", exact=True).click()

    # a query by hand is looked at while it is written, and mended by a click
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("SELECT obs_idd FROM ivoa.obscore")
    page.keyboard.press("Escape")
    expect(search.get_by_text("edited by hand")).to_be_visible()
    mark = search.locator(".cm-lintRange-error")
    expect(mark).to_have_text("obs_idd")
    mark.hover()
    shot(page, "lab/search-fix")
    page.get_by_role("button", name="Write obs_id").click()
    expect(editor).to_have_text("SELECT obs_id FROM ivoa.obscore")
    expect(mark).to_have_count(0)

    # a query by hand, wrong at a place
    page.keyboard.press("Control+a")
    page.keyboard.type("SELECT nothing_such FROM ivoa.obscore")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect(search.get_by_role("alert")).to_contain_text("line 1, column 8")
    expect(search.locator(".cm-lintRange-error")).to_have_text("nothing_such")
    expect(search).not_to_contain_text("No rows.")
    shot(page, "lab/search-wrong")
    set_theme(page, "JupyterLab Dark")
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.set_viewport_size({"width": 400, "height": 900})  # 320 px for the panel
    panes = search.locator(".jp-UWSSearch-panes")
    assert panes.evaluate("panes => panes.scrollWidth <= panes.clientWidth")
    assert violations(page, ".jp-UWSSearch") == []
    shot(page, "lab/search-narrow-dark")
    search.get_by_role("button", name="Back to the form").click()
    expect(editor).to_contain_text("CIRCLE(83.63")
    set_theme(page, "JupyterLab Light")
    assert browsing.foreign == []
    browsing.errors[:] = [text for text in browsing.errors if "503" not in text and "400" not in text]
    assert browsing.errors == []
