"""The panels in a real JupyterLab and a real Chromium: the first paint, 10^6 rows, and what they cost when hidden.

``make bench ARGS="panel --rows 1e6"``. A line for each thing that an observer does: how long until the page shows
it [s], and how long the longest frame was meanwhile [ms], in which the page answered nothing. No kernel is started.
Chromium draws without a GPU here, where a repaint of Lumino's grid takes a third of a second at any number of rows:
``--rows 2000`` tells what of the figures is that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import simulated_archive
from playwright.sync_api import CDPSession, Locator, Page

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "jupyter_uws" / "labextension"
sys.path.insert(0, str(ROOT / "tests"))

from browsers import open_lab, run_chromium  # noqa: E402
from lab.conftest import Lab, run_lab  # noqa: E402

from jupyter_uws import rendezvous  # noqa: E402

#: A frame that took so many ms is seen to be late.
LATE = 50
#: Seconds in which a hidden panel is watched.
HIDDEN = 10
#: The times between frames [ms]; a frame may not be drawn while nothing changes, but the page is always asked.
RECORD = """() => {
  const record = window.record = {gaps: [], on: true};
  let last = performance.now();
  const tick = now => {
    record.gaps.push(now - last);
    last = now;
    if (record.on) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
STOP = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  window.record.on = false;
  done(window.record.gaps);
})))"""

#: A turn of the wheel for each frame: Playwright's own waits long after each.
WHEEL = """async grid => {
  const {left: clientX, top: clientY} = grid.getBoundingClientRect();
  for (let turn = 0; turn < 60; turn++) {
    const how = {deltaY: 900, clientX: clientX + 200, clientY: clientY + 100, bubbles: true, cancelable: true};
    grid.dispatchEvent(new WheelEvent('wheel', how));
    await new Promise(requestAnimationFrame);
  }
}"""
#: Until what was asked for is on the screen [ms].
PAINT = """async () => {
  const began = performance.now();
  await SHOW;
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - began;
}"""


class Watch:
    """Prints what things took, and which frames they had."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @contextmanager
    def over(self, name: str) -> Iterator[None]:
        self.page.evaluate(RECORD)
        began = time.perf_counter()
        yield
        gaps = sorted(self.page.evaluate(STOP))
        took = time.perf_counter() - began
        late = sum(gap > LATE for gap in gaps)
        print(f"{name:34} {took:7.2f} s   {len(gaps):5} frames, {late:3} late; longest {gaps[-1]:6.0f} ms", flush=True)


def heap(cdp: CDPSession) -> str:
    """What the page holds: its objects, and with them the buffers of the columns [MB]."""
    cdp.send("HeapProfiler.collectGarbage")
    usage: dict[str, float] = cdp.send("Runtime.getHeapUsage")
    objects, buffers = usage["usedSize"], usage.get("backingStorageSize", 0.0)
    return f"{objects / 1e6:.0f} MB of objects, {buffers / 1e6:.0f} MB of buffers"


def service_memory(lab: Lab) -> float:
    """The resident memory of the service [MB]."""
    info = rendezvous.read_info(lab.state_dir)
    assert info is not None, "the service is not running"
    return float(psutil.Process(info.pid).memory_info().rss / 1e6)


def drag(page: Page, canvas: Locator, path: list[tuple[float, float]]) -> None:
    """Along a line of parts of a canvas' width and height."""
    box = canvas.bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def first_paint(page: Page) -> Locator:
    """Both panels, in a JupyterLab that has just come up; returns the search."""
    for name, show in (
        ("jobs panel", "jupyterapp.shell.activateById('jupyter-uws-jobs')"),
        ("search panel", "jupyterapp.commands.execute('jupyter-uws:search')"),
    ):
        took = page.evaluate(PAINT.replace("SHOW", show))
        print(f"{name:34} {took / 1000:7.2f} s to its first paint")
    search = page.locator(".jp-UWSSearch")
    search.wait_for()
    return search


def use(page: Page, search: Locator, lab: Lab) -> None:
    """Search, get all rows, and do with them what one does."""
    watch, cdp = Watch(page), page.context.new_cdp_session(page)
    total = search.locator(".jp-UWSSearch-total")
    # every archive is searched for all it has
    search.get_by_label("Target", exact=True).click()
    with watch.over("search: first rows"):
        search.get_by_role("button", name="Search", exact=True).click()
        total.wait_for()
    print(f"  {total.inner_text()!r}; {heap(cdp)}; service {service_memory(lab):.0f} MB")
    more = total.get_by_role("button")
    if more.count():
        with watch.over("get all"):
            more.click()
            search.get_by_text("all there are").wait_for()
        print(f"  {total.inner_text()!r}; {heap(cdp)}; service {service_memory(lab):.0f} MB")
    grid = search.locator(".jp-UWSGrid canvas").last
    box = grid.bounding_box()
    assert box

    def wheel() -> None:
        search.locator(".jp-UWSGrid .lm-DataGrid").evaluate(WHEEL)

    def sort(column: int) -> Callable[[], None]:
        return lambda: page.mouse.click(box["x"] + 28 + column, box["y"] + 12)

    sky = search.locator(".jp-UWSSky canvas")
    chart = search.locator(".jp-UWSChart canvas").first
    half = [(0.5, 0.05), (0.95, 0.3), (0.95, 0.9), (0.5, 0.95), (0.5, 0.1)]
    words = search.get_by_label("Filter the rows")

    def lasso() -> None:
        search.get_by_role("button", name="Lasso").click()
        drag(page, sky, half)
        search.get_by_role("button", name="clear", exact=True).wait_for()

    def toggled() -> None:
        search.get_by_role("button", name="Lasso").click()
        drag(page, sky, [(0.5, 0.5), (0.6, 0.6), (0.4, 0.6)])

    deeds: dict[str, Callable[[], None]] = {
        "scroll, 60 turns of the wheel": wheel,
        "sort by obs_id (text)": sort(20),
        "sort by target_name (text)": sort(100),
        "filter 'sim 12', by the letter": lambda: words.press_sequentially("sim 12"),
        "filter 't_exptime > 1000'": lambda: words.fill("t_exptime > 1000"),
        "no filter": lambda: words.fill(""),
        "lasso of half the sky": lasso,
        "mark one row": lambda: page.mouse.click(box["x"] + 14, box["y"] + 80),
        "move the sky, selection": toggled,
        "brush over half the time": lambda: drag(page, chart, [(0.3, 0.4), (0.7, 0.5)]),
        "clear the selection": lambda: search.get_by_role("button", name="clear", exact=True).click(),
    }
    for name, deed in deeds.items():
        with watch.over(name):
            deed()
    print(f"  {heap(cdp)}; service {service_memory(lab):.0f} MB")


def hidden(page: Page) -> None:
    """What the panels do while another tab is in front."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable")
    page.evaluate("() => void jupyterapp.commands.execute('launcher:create')")
    page.evaluate("() => void jupyterapp.commands.execute('filebrowser:activate')")
    page.wait_for_timeout(2000)  # for the launcher's own work
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "jupyter-uws" in request.url else None)

    def work() -> float:
        metrics = {each["name"]: each["value"] for each in cdp.send("Performance.getMetrics")["metrics"]}
        return float(metrics["ScriptDuration"])

    before = work()
    page.wait_for_timeout(1000 * HIDDEN)
    took = 1000 * (work() - before)
    print(f"hidden for {HIDDEN} s: {took:.0f} ms of script in all of JupyterLab, {len(asked)} requests of ours")


def bundle(asked: list[str]) -> None:
    """What of the front end came with JupyterLab, and how much comes when it is needed."""
    sizes = {path.name: path.stat().st_size / 1e3 for path in FRONTEND.glob("static/*.js")}
    names = {url.split("?")[0].rsplit("/", 1)[1] for url in asked if "/jupyter-uws/static/" in url}
    print(f"bundle: {sum(sizes[name] for name in names):.0f} kB with JupyterLab, {sum(sizes.values()):.0f} kB in all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--archive", type=Path, help="one that is there, in place of a new one of so many rows")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--picture", type=Path, help="where to put one of how it ended")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "lab")
        home.mkdir()
        archive = arguments.archive or Path(folder, "archive.duckdb")
        if arguments.archive is None:
            simulated_archive.make(archive, int(arguments.rows))
        with run_lab(home, FRONTEND, archive) as lab:
            measure(lab, arguments.chromium, arguments.picture)


def measure(lab: Lab, chromium: str, picture: Path | None) -> None:
    errors: list[str] = []
    asked: list[str] = []
    with run_chromium(chromium, viewport={"width": 1600, "height": 1000}) as page:
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        open_lab(page, lab.url)
        bundle(asked)
        try:
            use(page, first_paint(page), lab)
            hidden(page)
        finally:
            if picture is not None:
                page.screenshot(path=picture)
    print(f"errors of the console: {errors or 'none'}")


if __name__ == "__main__":
    main()
