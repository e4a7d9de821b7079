"""The launcher card of the quickstart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
SHOTS = Path(__file__).resolve().parent.parent.parent / "screenshots" / "lab"


def test_quickstart_card(browsing: Any, lab: Any) -> None:
    page, notebook = browsing.page, lab.root / "notebooks" / "quickstart.ipynb"
    page.goto(f"{lab.url}lab?token=of-the-tests&reset")
    page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
    card = page.locator(".jp-LauncherCard", has_text="Observatory quickstart")
    card.click()
    # to its end: JupyterLab cuts what is longer than 140 characters
    expect(page.locator(".Toastify__toast")).to_contain_text("or run: jupyter uws demo")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "quickstart-missing.png")
    browsing.errors[:] = [text for text in browsing.errors if "404" not in text]

    notebook.parent.mkdir()
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    card.click()
    expect(page.get_by_role("tab", name="quickstart.ipynb")).to_be_visible()
    assert browsing.foreign == []
    assert browsing.errors == []
