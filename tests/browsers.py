"""A real Chromium for tests, JupyterLab in it, and what a person would look at: pictures, and axe-core's findings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "screenshots"
AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
#: Milliseconds for what takes seconds on a quiet machine: only a test that fails waits so long.
PATIENCE = 90_000
expect.set_options(timeout=PATIENCE)


@contextlib.contextmanager
def run_chromium(path: str, webgl: bool = False, **options: Any) -> Iterator[Page]:
    """A page of a Chromium of its own; without its sandbox, for the tests of CI run as root. The CPU draws WebGL."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        arguments += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"] if webgl else ["--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            page = browser.new_page(**options)
            page.set_default_timeout(PATIENCE)
            yield page
        finally:
            browser.close()


def open_lab(page: Page, url: str, path: str = "", reset: str = "&reset") -> None:
    """Go to JupyterLab with nothing open, but for the file of ``path``; without ``reset`` as it was left."""
    page.goto(f"{url}lab{path}?token=of-the-tests{reset}")
    wait_for_lab(page)


def open_search(page: Page) -> Locator:
    """The archive search, opened by its card in the launcher."""
    page.locator(".jp-LauncherCard", has_text="Archive search").click()
    return page.locator(".jp-UWSSearch")


def wait_for_lab(page: Page) -> None:
    """Return when JupyterLab is there, or there again."""
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.locator("#jp-main-dock-panel").wait_for()


def set_theme(page: Page, theme: str) -> None:
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    # JupyterLab puts its splash over a change; two at once end in an error of its own
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def shot(page: Page, name: str) -> None:
    """A picture for people: ``name`` has its folder before it."""
    (SHOTS / name).parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def shot_dark(page: Page, name: str) -> None:
    """The same in both themes."""
    shot(page, name)
    set_theme(page, "JupyterLab Dark")
    shot(page, f"{name}-dark")
    set_theme(page, "JupyterLab Light")


def violations(page: Page, selector: str) -> list[str]:
    """What axe-core finds serious in a part of the page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("where => axe.run(where, {resultTypes: ['violations']})", selector)
    return [
        f"{each['id']}: {each['help']} {[node['html'][:200] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
