"""The route table once more, for users of an OpenID Connect provider: they never meet each other's jobs and files."""

from __future__ import annotations

from typing import Any

import oidc.conftest
import pytest
import requests
from running import own_tracebacks
from safety.conftest import ADMIN, OTHER, OWNER, Site
from safety.isolation import check_events, check_lists, places_of_users, wrong_answers_to_users
from safety.test_route_table import TABLE


class Programs(Site):
    """The service as programs see it, which show a token of the provider."""

    def __init__(self, oidc: oidc.conftest.Site) -> None:
        self.oidc = oidc

    def ask(self, caller: str, method: str, path: str, **more: Any) -> requests.Response:
        return self.oidc.ask(None if caller == "anonymous" else self.oidc.token_of(caller), method, path, **more)


class Browsers(Site):
    """The service as pages in browsers see it, where users have logged in; pages know the value against forgery."""

    def __init__(self, oidc: oidc.conftest.Site) -> None:
        self.oidc = oidc
        self.logged_in = {user: cookies(oidc.browser(user)) for user in (OWNER, OTHER, ADMIN)}

    def ask(self, caller: str, method: str, path: str, **more: Any) -> requests.Response:
        own = self.logged_in.get(caller, {})
        headers = {"X-XSRFToken": own["uws-xsrf"]} if own else {}
        return self.oidc.ask(None, method, path, cookies=own, headers={**headers, **more.pop("headers", {})}, **more)


def cookies(session: requests.Session) -> dict[str, str]:
    return {cookie.name: str(cookie.value) for cookie in session.cookies if cookie.name.startswith("uws-")}


@pytest.fixture(scope="module", params=[Programs, Browsers])
def users(request: pytest.FixtureRequest, oidc: oidc.conftest.Site) -> Site:
    site: Site = request.param(oidc)
    return site


@pytest.fixture(scope="module")
def places(users: Site) -> dict[str, str]:
    return places_of_users(users)


@pytest.mark.parametrize("pattern", TABLE)
def test_the_table_holds_for_users_of_the_provider(users: Site, places: dict[str, str], pattern: str) -> None:
    wrong = wrong_answers_to_users(users, places, pattern)
    assert not wrong, "\n".join(wrong)


def test_lists_baskets_and_uploads_are_the_callers_own(users: Site, places: dict[str, str]) -> None:
    check_lists(users, places)


def test_events_are_the_callers_own(users: Site) -> None:
    check_events(users)


def test_the_service_kept_its_peace(oidc: oidc.conftest.Site, users: Site) -> None:
    assert own_tracebacks(oidc.service.log) == []
