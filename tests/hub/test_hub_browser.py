"""A person with Chromium: logs in at the Hub, sees the own jobs, and no page of others acts in that name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsers import run_chromium
from hub.hubs import PASSWORD, RunningHub
from playwright.sync_api import Page
from running import wait_until

pytestmark = pytest.mark.browser

POST = """async ([url, xsrf]) => {
    const headers = xsrf ? { "X-XSRFToken": document.cookie.match(/_xsrf=([^;]+)/)[1] } : {};
    const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ duration: "0" }), headers });
    return answer.status;
}"""


@pytest.fixture
def page(hub: RunningHub, chromium: str) -> Iterator[Page]:
    with run_chromium(chromium) as page:
        yield page


def test_log_in_look_and_act(hub: RunningHub, page: Page) -> None:
    page.goto(hub.service)
    page.fill("#username_input", "bob")
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    page.wait_for_url(hub.service)
    assert "an observatory in a notebook" in page.inner_text("body")
    # the page's own script may act if it sends the token of the cookie, and else not
    assert page.evaluate(POST, ["uws/sleeper", False]) == 403
    assert page.evaluate(POST, ["uws/sleeper", True]) == 200
    page.goto(hub.service + "uws")
    assert "sleeper" in page.inner_text("body")
    # who logs out at the Hub is asked again
    page.goto(hub.url + "hub/logout")

    def is_asked() -> bool:
        page.goto(hub.service + "uws")
        return "/hub/login" in page.url

    wait_until(is_asked)  # the Hub's answers are kept for a second
