"""The shared service under a real Hub: who comes in, as whom, and for how long."""

from __future__ import annotations

import pytest
from hub.hubs import RunningHub


def test_owners_are_the_hubs_users(hub: RunningHub) -> None:
    for user in ("alice", "bob"):
        answer = hub.ask(user, "POST", "uws/sleeper", data={"duration": "0"})
        assert answer.status_code == 303, answer.text
        assert answer.headers["Location"].startswith(hub.service + "uws/sleeper/")
        path = answer.headers["Location"].removeprefix(hub.service)
        assert hub.ask(user, "GET", path + "/owner").text == user
        assert answer.headers["X-VO-Authenticated"] == user


@pytest.mark.parametrize("scheme", ["token", "Bearer"])
def test_nobody_else_comes_in(hub: RunningHub, scheme: str) -> None:
    for headers in ({}, {"Authorization": f"{scheme} wrong"}, {"X-UWS-Owner": "alice", "X-UWS-Secret": "wrong"}):
        answer = hub.ask(None, "GET", "uws", headers=headers)
        assert answer.status_code == 401, answer.text
