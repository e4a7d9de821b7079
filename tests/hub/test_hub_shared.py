"""The shared service under a real Hub: who comes in, as whom, and for how long."""

from __future__ import annotations

import re
from collections.abc import Callable

import psutil
import pytest
import pyvo
import requests
from hub.hubs import PASSWORD, SERVICE, RunningHub
from running import tapquery, wait_until
from tornado.web import HTTPError

from jupyter_uws.service.users import Users

QUERY = "SELECT TOP 2 obs_id FROM ivoa.obscore ORDER BY obs_id"


def submit(hub: RunningHub, user: str, **parameters: str) -> str:
    answer = hub.ask(user, "POST", "uws/sleeper", data={"duration": "0", **parameters})
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith(hub.service + "uws/sleeper/")
    return answer.headers["Location"].removeprefix(hub.service)


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_owners_are_the_hubs_users(hub: RunningHub, user: str) -> None:
    answer = hub.ask(user, "GET", submit(hub, user) + "/owner")
    assert answer.text == user
    assert answer.headers["X-VO-Authenticated"] == user


@pytest.mark.parametrize("scheme", ["token", "Bearer", "Basic"])
def test_nobody_else_comes_in(hub: RunningHub, scheme: str) -> None:
    for headers in ({}, {"Authorization": f"{scheme} wrong"}, {"X-UWS-Owner": "alice", "X-UWS-Secret": "wrong"}):
        answer = hub.ask(None, "GET", "uws", headers={**headers, "Accept": "text/xml"})
        assert answer.status_code == 401, answer.text
        assert answer.headers["WWW-Authenticate"] == (
            'Bearer realm="jupyter_uws", Basic realm="jupyter_uws", '
            f'ivoa_bearer standard_id="ivo://ivoa.net/sso#BasicAA", access_url="{hub.service}login"'
        )
        assert "X-VO-Authenticated" not in answer.headers


def test_without_the_prefix_the_port_is_as_closed(hub: RunningHub) -> None:
    """Its own port, past the proxy: no token of the Hub is asked for there, so that none opens it."""
    url = f"http://127.0.0.1:{hub.service_port}/"
    headers = {"Authorization": f"token {hub.token_of('alice')}"}
    assert requests.get(url + "uws", headers=headers, timeout=60).status_code == 401
    below = url + "observatory/services/"
    assert requests.get(below + "uws/uws", headers=headers, timeout=60).status_code == 200
    for sly in ("uws/../../uws", "uws//uws", "/uws/uws", "uws%2Fuws", "uwsuws", "uws/%2e%2e/uws", "uws"):
        assert requests.get(below + sly, timeout=60).status_code == 401, sly


def test_a_token_needs_the_scope_of_the_service(hub: RunningHub) -> None:
    other = hub.new_token("alice", "access:servers!user=alice")["token"]
    answer = hub.ask(None, "GET", "uws", headers={"Authorization": f"token {other}"})
    assert (answer.status_code, SERVICE in answer.text) == (403, True)
    # whose user may, and who has no jobs
    answer = hub.ask(None, "GET", "uws", headers={"Authorization": f"token {hub.stranger}"})
    assert (answer.status_code, "belong to users" in answer.text) == (403, True)


def test_a_token_that_is_revoked_opens_nothing(hub: RunningHub) -> None:
    made = hub.new_token("alice")
    headers = {"Authorization": f"token {made['token']}"}
    assert hub.ask(None, "GET", "uws", headers=headers).status_code == 200
    assert hub.api("DELETE", f"users/alice/tokens/{made['id']}").status_code == 204
    wait_until(lambda: hub.ask(None, "GET", "uws", headers=headers).status_code == 401, 60)


def test_administrators_are_those_of_the_group(hub: RunningHub) -> None:
    token = hub.new_token("bob")["token"]
    headers = {"Authorization": f"token {token}"}

    def status() -> int:
        return hub.ask(None, "GET", "uws?ALL=1", headers=headers).status_code

    assert status() == 403
    assert hub.api("POST", "groups/observatory-operators/users", json={"users": ["bob"]}).ok
    try:
        wait_until(lambda: status() == 200, 60)
    finally:
        assert hub.api("DELETE", "groups/observatory-operators/users", json={"users": ["bob"]}).ok
    wait_until(lambda: status() == 403, 60)


async def test_answers_of_the_hub_are_kept_for_their_time_and_in_their_number() -> None:
    asked: list[str] = []
    now = 0.0

    async def ask(token: str) -> dict[str, str] | None:
        asked.append(token)
        if token == "broken":
            raise HTTPError(500)
        return {"name": token} if token != "wrong" else None

    users = Users(ask, keep=45, whom="the Hub", size=3, clock=lambda: now)
    for token in ("a", "a", "wrong", "wrong"):
        await users.find(token)
    assert asked == ["a", "wrong"]
    now = 45
    assert await users.find("a") == {"name": "a"}
    assert asked == ["a", "wrong", "a"]
    for token in "bcdef":
        await users.find(token)
    assert len(users) == 3
    for _ in range(2):
        with pytest.raises(HTTPError, match="503.*cannot be asked"):
            await users.find("broken")
    assert asked.count("broken") == 2


# -- browsers


def log_in(hub: RunningHub, user: str) -> requests.Session:
    """A browser that came to the service, was sent to the Hub, logged in, and is back."""
    session = requests.Session()
    session.headers.update({"Accept": "text/html,*/*;q=0.8", "User-Agent": "Mozilla/5.0 (X11)"})
    page = session.get(hub.service, timeout=60)
    assert "/hub/login" in page.url
    form = {"username": user, "password": PASSWORD, "_xsrf": session.cookies.get("_xsrf", path="/observatory/hub/")}
    page = session.post(page.url, form, timeout=60)
    assert page.url == hub.service, page.text
    return session


@pytest.fixture(scope="module")
def browser(hub: RunningHub) -> requests.Session:
    return log_in(hub, "alice")


def test_a_browser_logs_in_at_the_hub_and_is_its_user(hub: RunningHub, browser: requests.Session) -> None:
    page = browser.get(hub.service, timeout=60)
    assert page.headers["X-VO-Authenticated"] == "alice"
    assert f"{hub.service}uws" in page.text
    # a script is told so, and not sent to a page
    headers = {"Accept": "*/*", "Sec-Fetch-Mode": "cors"}
    answer = requests.get(hub.service, headers=headers, timeout=60, allow_redirects=False)
    assert (answer.status_code, "Basic" in answer.headers["WWW-Authenticate"]) == (401, False)


def test_cookies_need_xsrf_and_tokens_do_not(hub: RunningHub, browser: requests.Session) -> None:
    xsrf = browser.cookies.get("_xsrf", path="/observatory/services/uws/")
    form = {"duration": "0"}

    def post(**headers: str) -> int:
        answer = browser.post(hub.service + "uws/sleeper", form, headers=headers, allow_redirects=False, timeout=60)
        return answer.status_code

    assert post() == 403
    assert post(**{"X-XSRFToken": "wrong"}) == 403
    assert post(**{"X-XSRFToken": str(xsrf)}) == 303
    foreign = browser.get(
        hub.service + "uws", headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"}, timeout=60
    )
    assert foreign.status_code == 403
    token = {"Authorization": f"token {hub.token_of('bob')}", "Origin": "https://elsewhere.org"}
    answer = requests.post(hub.service + "uws/sleeper", form, headers=token, allow_redirects=False, timeout=60)
    assert answer.status_code == 303
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_forged_cookie_is_nobodys(hub: RunningHub, browser: requests.Session) -> None:
    cookie = next(each for each in browser.cookies if each.name == "service-uws")
    for value in ("x", f"{cookie.value}x", hub.token_of("bob")):
        answer = requests.get(hub.service + "uws", cookies={"service-uws": value}, timeout=60)
        assert answer.status_code == 401


# -- programs of the Virtual Observatory


def test_pyvo_searches_with_a_token(hub: RunningHub) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {hub.token_of('alice')}"
        service = pyvo.dal.TAPService(hub.service + "tap", session=session)
        assert len(service.search(QUERY)) == 2
        job = service.submit_job(QUERY)
        assert job.url.startswith(hub.service)
        job.run().wait(timeout=60)
        assert list(job.fetch_result()["obs_id"]) == ["100001", "100002"]
        assert job.owner == "alice"
        job.delete()


def test_stilts_searches_with_a_token(hub: RunningHub, need: Callable[[str, str], str]) -> None:
    found = tapquery(need("stilts", "stilts"), hub.service, "alice", hub.token_of("alice"), QUERY)
    assert found.stdout.split() == ["obs_id", "100001", "100002"], found.stderr


def test_a_password_is_exchanged_for_a_bearer_token(hub: RunningHub) -> None:
    token = hub.token_of("bob")
    answer = requests.get(hub.service + "login", auth=("bob", token), timeout=60)
    assert (answer.status_code, answer.headers["X-VO-Bearer"], answer.headers["X-VO-Authenticated"]) == (
        200,
        token,
        "bob",
    )
    assert requests.get(hub.service + "login", auth=("bob", "wrong"), timeout=60).status_code == 401


# -- the process


def test_the_hubs_token_is_not_the_jobs(hub: RunningHub) -> None:
    wait_until(lambda: hub.ask("boss", "GET", submit(hub, "alice", PHASE="RUN") + "?WAIT=30").ok)
    service = next(p for p in psutil.Process(hub.process.pid).children() if "jupyter_uws" in p.cmdline())
    children = service.children(recursive=True)
    assert children
    for child in children:
        assert "JUPYTERHUB_API_TOKEN" not in child.environ()


def test_a_service_that_is_killed_comes_back_and_settles_its_jobs(hub: RunningHub) -> None:
    running = submit(hub, "alice", duration="600", PHASE="RUN")
    wait_until(lambda: hub.ask("alice", "GET", running + "/phase").text == "EXECUTING", 60)
    pid = hub.ask("alice", "GET", "health").json()["pid"]
    psutil.Process(pid).kill()
    wait_until(lambda: hub.ask(None, "GET", "health/live").status_code == 200, 60)
    assert hub.ask("alice", "GET", "health").json()["pid"] != pid
    wait_until(lambda: hub.ask("alice", "GET", running + "/phase").text == "ERROR", 90)
    assert re.search("the service ended|was killed|lost", hub.ask("alice", "GET", running).text)
