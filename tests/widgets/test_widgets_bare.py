"""The widgets' modules on a page with nothing of Jupyter: what VS Code and other programs give them, and no more."""

from __future__ import annotations

import base64
import json
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browsers import SHOTS, run_chromium, violations
from playwright.sync_api import Page, expect
from running import RunningService

from jupyter_uws import JobService
from jupyter_uws.widgets import JobForm, JobList, JobView, SearchWidget
from jupyter_uws.widgets.base import ServiceWidget, built

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

#: A model as anywidget hands it to a module: traits, and messages to and from Python.
MODEL = """
async ([source, state]) => {
  const listeners = {};
  const decode = text => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    return new DataView(bytes.buffer);
  };
  const encode = buffer => btoa(Array.from(new Uint8Array(buffer), code => String.fromCharCode(code)).join(''));
  const model = {
    get: name => state[name],
    set: (name, value) => { state[name] = value; },
    save_changes: () => {},
    on: (name, listener) => { (listeners[name] ??= []).push(listener); },
    send: (content, _, buffers = []) => window.take(content, buffers.map(encode))
  };
  window.hear = (message, buffers) => {
    for (const listener of listeners['msg:custom'] ?? []) { listener(message, buffers.map(decode)); }
  };
  const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const module = (await import(address)).default();
  const el = document.createElement('div');
  document.body.replaceChildren(el);
  module.initialize({ model });
  module.render({ model, el });
}
"""
#: What VS Code's dark theme says of its colours, where a widget may ask.
DARK = {
    "editor-background": "#1f1f1f", "sideBar-background": "#181818", "foreground": "#cccccc",
    "descriptionForeground": "#9d9d9d", "panel-border": "#2b2b2b", "button-background": "#0078d4",
    "button-foreground": "#ffffff", "button-secondaryBackground": "#313131", "button-secondaryForeground": "#cccccc",
    "input-background": "#313131", "input-border": "#3c3c3c", "list-inactiveSelectionBackground": "#37373d",
    "textLink-foreground": "#4daafc", "errorForeground": "#f85149", "charts-green": "#89d185",
    "charts-orange": "#d18616", "debugTokenExpression-name": "#c586c0", "debugTokenExpression-string": "#ce9178",
    "debugTokenExpression-number": "#b5cea8", "editorCursor-foreground": "#aeafad", "font-size": "13px",
}  # fmt: skip


class Bare:
    """A page with one widget at a time, its messages handed to and from the widget's relay in this process."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.told: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self.widget: ServiceWidget | None = None
        self.change: Callable[[dict[str, Any]], dict[str, Any]] = lambda message: message
        page.expose_function("take", self._take)

    def _take(self, message: dict[str, Any], buffers: list[str]) -> None:
        assert self.widget is not None
        self.widget._take(None, message, [base64.b64decode(each) for each in buffers])

    def _hear(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.told.put((message, buffers))

    def show(self, widget: ServiceWidget, width: int, colours: dict[str, str]) -> None:
        self.widget, self.told = widget, queue.Queue()
        widget._reply = widget._relay.send = self._hear  # type: ignore[method-assign]
        style = "".join(f"--vscode-{name}:{value};" for name, value in colours.items())
        self.page.set_viewport_size({"width": width + 16, "height": 760})
        self.page.goto("about:blank")
        ground = "background: var(--vscode-editor-background)"
        self.page.set_content(f"<!doctype html><html style='{style}'><body style='{ground}'></body>")
        self.page.add_style_tag(content=built("widgets.css"))
        state = {name: getattr(widget, name) for name in widget.traits(sync=True) if name not in ("layout", "tabbable")}
        plain = json.loads(json.dumps({name: value for name, value in state.items() if name != "_esm"}, default=str))
        self.page.evaluate(MODEL, [built(widget._module), plain])

    def wait(self, reached: Callable[[], bool]) -> None:
        """Hand messages to the page until it shows what it shall; playwright's objects are this thread's only."""
        for _ in range(600):
            if reached():
                return
            try:
                message, buffers = self.told.get(timeout=0.1)
            except queue.Empty:
                continue
            self.page.evaluate(
                "([message, buffers]) => window.hear(message, buffers)",
                [self.change(message), [base64.b64encode(each).decode() for each in buffers]],
            )
        assert reached()


@pytest.fixture(scope="module")
def bare(chromium: str, frontend: Any) -> Iterator[Bare]:
    with run_chromium(chromium) as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
        yield Bare(page)
        assert errors == []


@pytest.mark.parametrize("colours", [{}, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("width", [340, 900])
def test_widgets_need_nothing_of_jupyters(
    bare: Bare, service: RunningService, width: int, colours: dict[str, str]
) -> None:
    where = {"url": service.url, "token": service.token}
    job = JobService(**where).submit("sleeper", duration=0.1, run_id="bare").wait(progress=False)
    shown = {
        "list": (JobList(type="sleeper", **where), ".jp-UWSJobs-job[data-phase=COMPLETED]"),
        "form": (JobForm("quicklook", position="Crab", obs_ids=["100001"], **where), "[data-field=nxpix] input"),
        "job": (JobView(job), ".jp-UWSPage[data-phase=COMPLETED]"),
        "search": (SearchWidget("Crab", **where), ".jp-UWSGrid canvas"),
    }
    page = bare.page
    for name, (widget, selector) in shown.items():
        bare.show(widget, width, colours)
        bare.wait(lambda selector=selector: page.locator(selector).first.is_visible())
        bare.wait(lambda: bare.told.empty())
        assert violations(page, ".jp-UWSWidget") == []
        # nothing is wider than its cell
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        (SHOTS / "widgets").mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / "widgets" / f"bare-{name}-{width}-{'dark' if colours else 'light'}.png")
        expect(page.locator(".jp-UWSWidget")).to_have_count(1)
        widget.close()


def test_an_answer_that_breaks_off_says_why(bare: Bare, service: RunningService) -> None:
    widget = JobList(type="sleeper", url=service.url, token=service.token)
    bare.show(widget, 600, {})
    bare.change = lambda message: (
        {"kind": "failed", "id": message["id"], "message": "The kernel lost the service."}
        if message["kind"] == "piece"
        else message
    )
    try:
        bare.wait(lambda: bare.page.get_by_text("The kernel lost the service.").is_visible())
    finally:
        bare.change = lambda message: message
    widget.close()
