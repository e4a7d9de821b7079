"""The tree as pages for a browser; XML for everybody else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from jupyter_uws.uws import html
from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.model import ErrorSummary, Job, Result, Upload
from jupyter_uws.uws.phases import Phase

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
EVIL = "<script>alert(1)</script>\"'&"
T0 = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


class Page(HTMLParser):
    """The tags of a page, its links, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("accept", [FIREFOX, CHROMIUM, "text/html", "TEXT/HTML;q=0.5", "text/xml;q=0.4, text/html"])
def test_browsers_get_pages(accept: str) -> None:
    assert html.preferred(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/*",
        "application/xml,text/plain",
        "text/xml, text/html",
        "text/html;q=0.9, application/xml",
        "text/html;q=0",
        "application/json",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",  # Java's own
        "text/html;q=x;" + "," * 5000,
    ],
)
def test_all_others_get_xml(accept: str) -> None:
    expected = accept.startswith("text/html;q=x")
    assert html.preferred(accept) is expected


async def test_the_tree_in_a_browser(site: Any, manager: JobManager, executor: Any) -> None:
    browser = {"Accept": CHROMIUM}
    answer = await site("uws/quicklook", "POST", "RA=83.6&RUNID=night+1")
    url = answer.headers["Location"].removeprefix(site.root)
    job = manager.get("alice", "quicklook", url.rpartition("/")[2])
    executor.complete(await manager.run(job))
    answer = await site("uws", headers=browser)
    assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = Page(answer.body.decode())
    assert f"{site.root}{url}" in page.links
    assert "night 1" in page.text
    page = Page((await site(url, headers=browser)).body.decode())
    assert f"{site.root}{url}/results/map" in page.links
    # every link leads somewhere, and a browser without JavaScript can walk the tree
    for link in page.links:
        assert (await site(link.removeprefix(site.root), headers=browser)).code == 200, link
    answer = await site(url)
    assert answer.headers["Content-Type"] == "text/xml; charset=UTF-8"
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("phase", Phase)
def test_pages_are_self_contained_and_escaped(phase: Phase) -> None:
    upload = Upload("TABLE", "uploads/x", EVIL, "text/html", 5, "0a", EVIL)
    job = Job(
        "20261122-abc",
        "quicklook",
        EVIL,
        phase,
        T0,
        run_id=EVIL,
        start_time=T0,
        quote=T0,
        destruction=T0,
        parameters={EVIL: [EVIL], "TABLE": ["uploads/x"]},
        results=(Result(EVIL, "x", EVIL, 10, description=EVIL),),
        error=ErrorSummary(EVIL, "fatal", EVIL),
        info={"message": EVIL, "progress": 0.5},
        uploads=(upload,),
    )
    for text in (
        html.job_page(job, "https://h/a%20b/"),
        html.jobs_page([job], "https://h/a%20b/", None, ["quicklook"], shown_all=True),
    ):
        page = Page(text)
        assert not page.tags & {"script", "img", "iframe", "form", "link", "object", "base"}
        assert not {name for name in page.attributes if name.startswith("on")}
        assert EVIL in page.text
        assert all(link.startswith("https://h/a%20b/uws") for link in page.links), page.links
        assert not re.search(r"url\(|@import|javascript:", text)


def test_a_page_of_a_large_list_says_that_there_is_more() -> None:
    job = Job("20261122-abc", "quicklook", "alice", Phase.PENDING, T0)
    page = html.jobs_page([job] * html.PAGE, "https://h/", "quicklook", ["quicklook"], shown_all=False)
    assert "?LAST=" in page
    assert "There are no such jobs" in html.jobs_page([], "https://h/", None, [], shown_all=False)


def test_a_link_is_one_of_the_web() -> None:
    job = Job("20261122-abc", "quicklook", "alice", Phase.PENDING, T0)
    assert "javascript:" not in html.job_page(replace(job), "javascript:alert(1)//")
