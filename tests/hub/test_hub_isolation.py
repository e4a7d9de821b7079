"""The route table once more, over the real Hub and its proxy: users never meet each other's jobs and files."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from hub.hubs import RunningHub
from running import own_tracebacks
from safety.conftest import ADMIN, OWNER, Site
from safety.isolation import check_events, check_lists, places_of_users, wrong_answers_to_users
from safety.test_route_table import TABLE


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
    return places_of_users(hub_site)


@pytest.mark.parametrize("pattern", TABLE)
def test_the_table_holds_over_the_hub(hub_site: HubSite, hub_places: dict[str, str], pattern: str) -> None:
    wrong = wrong_answers_to_users(hub_site, hub_places, pattern)
    assert not wrong, "\n".join(wrong)


def test_the_service_kept_its_peace(hub: RunningHub, hub_places: dict[str, str]) -> None:
    log = hub.log
    assert own_tracebacks(log) == []
    for secret in (hub.token_of(OWNER), hub.token_of(ADMIN), (hub.state_dir / "secret").read_text().strip()):
        assert secret not in log


def test_lists_baskets_and_uploads_are_the_callers_own(hub_site: HubSite, hub_places: dict[str, str]) -> None:
    check_lists(hub_site, hub_places)


def test_events_are_the_callers_own_through_the_proxy(hub_site: HubSite) -> None:
    check_events(hub_site)
