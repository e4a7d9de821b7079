"""The launcher card of the quickstart."""

from __future__ import annotations

from typing import Any

import pytest
from browsers import open_lab, shot
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_quickstart_card(browsing: Any, lab: Any) -> None:
    page, notebook = browsing.page, lab.root / "notebooks" / "quickstart.ipynb"
    open_lab(page, lab.url)
    card = page.locator(".jp-LauncherCard", has_text="Observatory quickstart")
    card.click()
    # to its end: JupyterLab cuts what is longer than 140 characters
    expect(page.locator(".Toastify__toast")).to_contain_text("or run: jupyter uws demo")
    shot(page, "lab/quickstart-missing")
    browsing.errors[:] = [text for text in browsing.errors if "404" not in text]

    notebook.parent.mkdir()
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    card.click()
    expect(page.get_by_role("tab", name="quickstart.ipynb")).to_be_visible()
    assert browsing.foreign == []
    assert browsing.errors == []
