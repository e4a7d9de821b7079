"""Dask's dashboard through Jupyter, in a browser: its plots move, and nothing comes from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from browsers import shot
from playwright.sync_api import Page, WebSocket, expect
from running import wait_until
from test_jobs_panel import TOKEN, submit

pytestmark = pytest.mark.browser
PLOTS = ("Workers", "Tasks", "System", "Profile", "Graph", "Groups")
MODELS = "Bokeh.documents[0].roots().flatMap(root => [...root.references()])"


def wait_for(page: Page, job: str, phase: str) -> None:
    wait_until(lambda: page.request.get(f"{job}/phase", params=TOKEN).text() == phase, 60)


def test_the_dashboard_through_jupyter(browsing: Any, lab: Any) -> None:
    page, root = browsing.page, f"{lab.url}jupyter-uws/"
    anonymous = page.request.get(f"{root}dashboard/status", max_redirects=0, headers={"Accept": "*/*"})
    assert anonymous.status == 401
    short, long = (submit(page, lab.url, duration=duration, PHASE="RUN") for duration in ("0.2", "600"))
    wait_for(page, short, "COMPLETED")
    wait_for(page, long, "EXECUTING")

    sockets: list[WebSocket] = []
    frames: list[str | bytes] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))
    page.goto(f"{root}dashboard/?token=of-the-tests")
    expect(page).to_have_url(f"{root}dashboard/status")
    plots = page.locator("#status-fluid canvas")
    expect(plots.first).to_be_visible()
    page.wait_for_function("Bokeh.documents.length == 1 && Bokeh.documents[0].is_idle")
    # what is drawn, on a canvas, cannot be read: look at the data of the plots
    page.wait_for_function(f"{MODELS}.some(model => (model.text ?? '').includes('processing: 1'))")
    another = submit(page, lab.url, duration="0.2", PHASE="RUN")
    wait_for(page, another, "COMPLETED")
    page.wait_for_function(f"{MODELS}.some(model => model.get_column?.('worker_thread')?.length >= 1)")
    url = root.replace("http", "ws", 1) + "dashboard/status/ws"
    assert [socket.url.partition("?")[0] for socket in sockets] == [url]
    assert not sockets[0].is_closed()
    seen = len(frames)
    assert seen
    while len(frames) == seen:  # the plots are sent several times a second
        page.wait_for_timeout(100)
    shot(page, "lab/dashboard-status")

    for name in PLOTS:
        page.get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_url(f"{root}dashboard/{name.lower()}")
        expect(page.locator("canvas").first).to_be_visible()
        shot(page, f"lab/dashboard-{name.lower()}")
    page.get_by_role("link", name="Info", exact=True).click()
    expect(page).to_have_url(f"{root}dashboard/info/main/workers.html")
    shot(page, "lab/dashboard-info")
    page.get_by_role("link", name="logs", exact=True).first.click()
    expect(page.locator("body")).to_contain_text("distributed.worker")
    for job in (short, another, long):  # the tests after this one find none
        assert page.request.delete(job, params=TOKEN, max_redirects=0).status == 303
    assert browsing.foreign == []
    assert browsing.errors == []
