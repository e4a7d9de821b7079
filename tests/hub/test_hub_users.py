"""A service for each user of the Hub, behind single-user servers that come and go."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
import requests
from hub.hubs import ACTIVE_JOBS, RunningHub
from running import wait_until

QUERY = "SELECT TOP 2 obs_id FROM ivoa.obscore ORDER BY obs_id"


@dataclass
class Server:
    """A user's server, and the service behind it."""

    hub: RunningHub
    user: str
    token: str
    url: str

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"token {self.token}", **more.pop("headers", {})}
        url = f"{self.url}jupyter-uws/{path}"
        return requests.request(method, url, headers=headers, timeout=60, allow_redirects=False, **more)

    def submit(self, **parameters: str) -> str:
        answer = self.ask("POST", "uws/sleeper", data={"duration": "0", "PHASE": "RUN", **parameters})
        assert answer.status_code == 303, answer.text
        assert answer.headers["Location"].startswith(f"{self.url}jupyter-uws/uws/sleeper/")
        return answer.headers["Location"].removeprefix(f"{self.url}jupyter-uws/")

    def until(self, job: str, phase: str) -> None:
        wait_until(lambda: self.ask("GET", job + "/phase").text == phase, 60)


@pytest.fixture(scope="module")
def alice(hub: RunningHub) -> Iterator[Server]:
    token = hub.new_token("alice", "access:servers!user=alice")["token"]
    server = Server(hub, "alice", token, hub.start_server("alice"))
    yield server
    if "" in hub.api("GET", "users/alice").json()["servers"]:
        hub.stop_server("alice")


@pytest.fixture(scope="module")
def shared(hub: RunningHub) -> Iterator[Server]:
    """A named server of bob's that relays to the shared service."""
    token = hub.new_token("bob", "access:servers!user=bob")["token"]
    yield Server(hub, "bob", token, hub.start_server("bob", "shared"))
    hub.stop_server("bob", "shared")


def test_a_service_below_the_hubs_base_url(alice: Server) -> None:
    health = alice.ask("GET", "health").json()
    assert str(alice.hub.folder / "home" / "alice") in health["state_dir"]
    # idle, before Dask and the archive are loaded
    assert psutil.Process(health["pid"]).memory_info().rss < 120e6
    job = alice.submit()
    alice.until(job, "COMPLETED")
    assert alice.ask("GET", job + "/owner").text == "alice"


def test_it_is_alices_alone(alice: Server, hub: RunningHub) -> None:
    for token in (hub.new_token("bob", "access:servers!user=bob")["token"], hub.token_of("alice"), "wrong"):
        answer = alice.ask("GET", "uws", headers={"Authorization": f"token {token}"})
        # whom the Hub knows, but who may not come here, is a 403
        assert answer.status_code in (401, 403), answer.text
    assert alice.ask("GET", "uws", headers={"Authorization": ""}).headers["WWW-Authenticate"].startswith("Bearer")


def test_stilts_searches_with_a_token_of_the_server(alice: Server, need: Callable[[str, str], str]) -> None:
    password = ["-Dstar.basicauth.user=alice", f"-Dstar.basicauth.password={alice.token}"]
    found = subprocess.run(
        [need("stilts", "stilts"), *password, "tapquery", f"tapurl={alice.url}jupyter-uws/tap", "sync=true",
         "ofmt=csv", f"adql={QUERY}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert found.stdout.split() == ["obs_id", "100001", "100002"], found.stderr


def test_the_sites_limits_hold_for_each_user_in_both_kinds_of_services(
    alice: Server, shared: Server, hub: RunningHub
) -> None:
    """One file in the site's configuration folder is read by the shared service and by those of users."""

    def refused(server: Server) -> str:
        jobs = [server.submit(duration="600") for _ in range(ACTIVE_JOBS)]
        answer = server.ask("POST", "uws/sleeper", data={"duration": "0", "PHASE": "RUN"})
        try:
            # waiting ones count, too, and another user's do not
            assert answer.status_code == 503, answer.text
            other = hub.ask("boss", "POST", "uws/sleeper", data={"duration": "0", "PHASE": "RUN"})
            assert other.status_code == 303, other.text
        finally:
            for job in jobs:
                server.ask("DELETE", job)
        assert server.ask("POST", "uws/sleeper", data={"duration": "0", "PHASE": "RUN"}).status_code == 303
        return answer.text

    assert f"'bob' has {ACTIVE_JOBS} jobs queued or running and may have {ACTIVE_JOBS}" in refused(shared)
    # a service of her own, which was started by her server
    assert str(hub.folder / "home" / "alice") in alice.ask("GET", "health").json()["state_dir"]
    assert f"'alice' has {ACTIVE_JOBS} jobs queued or running and may have {ACTIVE_JOBS}" in refused(alice)


def test_it_outlives_the_culling_of_the_server_and_is_found_again(alice: Server, hub: RunningHub) -> None:
    pid = alice.ask("GET", "health").json()["pid"]
    job = alice.submit(duration="600")
    alice.until(job, "EXECUTING")
    hub.stop_server("alice")
    assert psutil.pid_exists(pid)
    # a named server has the same home folder, so the same service
    named = Server(hub, "alice", alice.token, hub.start_server("alice", "second"))
    try:
        assert named.url.endswith("/user/alice/second/")
        assert named.ask("GET", "health").json()["pid"] == pid
        assert named.ask("GET", job + "/phase").text == "EXECUTING"
        assert named.ask("POST", job + "/phase", data={"PHASE": "ABORT"}).headers["Location"].startswith(named.url)
        named.until(job, "ABORTED")
    finally:
        hub.stop_server("alice", "second")


def test_a_server_relays_to_the_shared_service(shared: Server, hub: RunningHub) -> None:
    assert shared.ask("GET", "health").json()["state_dir"] == str(hub.state_dir)
    job = shared.submit()
    shared.until(job, "COMPLETED")
    assert hub.ask("bob", "GET", job + "/owner").text == "bob"
    assert hub.ask("alice", "GET", job).status_code == 403
    # links lead where the caller is, in both
    for root, text in (
        (f"{shared.url}jupyter-uws/", shared.ask("GET", job).text),
        (hub.service, hub.ask("bob", "GET", job).text),
    ):
        assert f'"{root}{job}/results/' in text


def test_nobody_states_the_root_without_a_token(hub: RunningHub) -> None:
    stated = {"X-UWS-Root": "https://evil.org/"}
    assert "evil.org" not in hub.ask(None, "GET", "uws", headers=stated).text
    assert "evil.org" not in hub.ask("bob", "GET", "", headers={"X-UWS-Root": 'https://evil.org/"><x'}).text


def test_no_service_of_bobs_own_was_started(shared: Server, hub: RunningHub) -> None:
    assert shared.ask("GET", "uws").status_code == 200
    assert not (hub.folder / "home" / "bob" / ".local" / "state").exists()
