"""The route table once more, over the real Hub and its proxy: users never meet each other's jobs and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hub.hubs import RunningHub
from safety.conftest import ADMIN, OTHER, OWNER, Site
from safety.test_route_table import TABLE, made_places, wrong_answers

#: Under a Hub nobody is the user who runs the service: what is his is administrators' only.
OF_HUB = {
    r"/shutdown": {"POST": "403"},
    r"/cluster": {"GET": "403 403 200", "HEAD": "403 403 200"},
    r"/metrics": {"GET": "403 403 200", "HEAD": "403 403 200"},
}


class HubSite(Site):
    """The shared service as users of the Hub see it, with tokens for it."""

    def __init__(self, hub: RunningHub) -> None:
        self.hub = hub

    def ask(self, caller: str, method: str, path: str, **more: Any) -> requests.Response:
        return self.hub.ask(None if caller == "anonymous" else caller, method, path, **more)


@pytest.fixture(scope="module")
def hub_site(hub: RunningHub) -> HubSite:
    return HubSite(hub)


@pytest.fixture(scope="module")
def hub_places(hub_site: HubSite) -> dict[str, str]:
    path = hub_site.job(PHASE="RUN")
    hub_site.until(path, "COMPLETED")
    return made_places(hub_site, path, OWNER)


@pytest.mark.parametrize("pattern", TABLE)
def test_the_table_holds_over_the_hub(hub_site: HubSite, hub_places: dict[str, str], pattern: str) -> None:
    allowed = OF_HUB.get(pattern, TABLE[pattern][1])
    wrong = wrong_answers(hub_site, hub_places, pattern, allowed, {OWNER, OTHER, ADMIN, "anonymous"})
    assert not wrong, "\n".join(wrong)


def test_the_service_kept_its_peace(hub: RunningHub, hub_places: dict[str, str]) -> None:
    log = hub.log
    assert "Traceback" not in log, log[max(log.index("Traceback") - 500, 0) :][:3000]
    for secret in (hub.token_of(OWNER), hub.token_of(ADMIN), (hub.state_dir / "secret").read_text().strip()):
        assert secret not in log


def test_lists_baskets_and_uploads_are_the_callers_own(hub_site: HubSite, hub_places: dict[str, str]) -> None:
    job = hub_places["DONE"].rpartition("/")[2]
    assert job in hub_site.ask(OWNER, "GET", "uws?LAST=1000").text
    assert job not in hub_site.ask(OTHER, "GET", "uws?LAST=1000").text
    assert job not in hub_site.ask(ADMIN, "GET", "uws?LAST=1000").text
    assert hub_site.ask(OTHER, "GET", "uws?ALL=1").status_code == 403
    assert job in hub_site.ask(ADMIN, "GET", "uws?ALL=1&LAST=1000").text
    assert [basket["name"] for basket in hub_site.ask(OTHER, "GET", "baskets").json()["baskets"]] == []
    votable = (
        '<VOTABLE version="1.4"><RESOURCE><TABLE><FIELD name="n" datatype="int"/>'
        "<DATA><TABLEDATA><TR><TD>7</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    form = {"LANG": "ADQL", "QUERY": "SELECT n FROM TAP_UPLOAD.mine", "UPLOAD": "mine,param:t", "FORMAT": "csv"}
    answer = hub_site.ask(OWNER, "POST", "tap/sync", data=form, files={"t": ("t.xml", votable)})
    assert answer.text.split() == ["n", "7"]
    del form["UPLOAD"]
    assert hub_site.ask(OTHER, "POST", "tap/sync", data=form).status_code == 400


def test_events_are_the_callers_own_through_the_proxy(hub_site: HubSite) -> None:
    with hub_site.ask(OTHER, "GET", "uws/events", stream=True, timeout=60) as answer:
        lines: Iterator[bytes] = answer.iter_lines(1)
        assert next(line for line in lines if line.startswith(b"event: ready"))
        foreign, own = hub_site.job(OWNER), hub_site.job(OTHER)
        told = []
        while not told or told[-1]["job_id"] != own.rpartition("/")[2]:
            line = next(line for line in lines if line.startswith(b"data:"))
            if "job_id" in (event := json.loads(line[5:])):
                told.append(event)
        assert foreign.rpartition("/")[2] not in {event["job_id"] for event in told}
