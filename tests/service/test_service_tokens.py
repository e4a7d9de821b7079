"""Tokens of users, for sites without a Hub: made, listed and revoked by the command line while the service runs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pyvo
import requests
from running import RunningService, tapquery

from jupyter_uws.service import tokens
from jupyter_uws.service.tokens import TokenStore
from jupyter_uws.uws.database import Database
from jupyter_uws.uws.errors import UsageError
from jupyter_uws.uws.times import utcnow

QUERY = "SELECT TOP 2 obs_id FROM ivoa.obscore ORDER BY obs_id"


def command(state_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    action, *rest = arguments
    return subprocess.run(
        [sys.executable, "-m", "jupyter_uws", "token", action, f"--state-dir={state_dir}", *rest],
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(state_dir)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def create(service: RunningService, owner: str, *options: str) -> str:
    made = command(service.state_dir, "create", owner, *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def ask(service: RunningService, token: str, path: str = "uws", **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(
        more.pop("method", "GET"), service.url + path, headers=headers, timeout=60, allow_redirects=False, **more
    )


@pytest.fixture(scope="module")
def carol(service: RunningService) -> str:
    return create(service, "carol", "--note", "TOPCAT at home")


def test_a_tokens_jobs_are_its_owners(service: RunningService, carol: str) -> None:
    made = ask(service, carol, "uws/sleeper", method="POST", data={"duration": "0"})
    job = made.headers["Location"].removeprefix(service.url)
    assert ask(service, carol, job + "/owner").text == "carol"
    assert ask(service, create(service, "dave"), job).status_code == 403
    assert service.get(job).status_code == 403
    assert made.headers["X-VO-Authenticated"] == "carol"
    for path in ("cluster", "metrics", "dashboard", "uws?ALL=1"):
        assert ask(service, carol, path).status_code == 403, path


def test_revoked_is_worthless_at_once(service: RunningService) -> None:
    tokens = [create(service, "erin"), create(service, "erin")]
    listed = command(service.state_dir, "list", "erin").stdout
    assert len(listed.splitlines()) == 2
    assert not any(token in listed for token in tokens)
    assert command(service.state_dir, "revoke", listed.split()[0]).stdout == "revoked: 1\n"
    assert [ask(service, token).status_code for token in tokens] == [401, 200]
    assert command(service.state_dir, "revoke", "--owner", "erin").stdout == "revoked: 1\n"
    assert ask(service, tokens[1]).status_code == 401
    again = command(service.state_dir, "revoke", "--owner", "erin")
    assert (again.returncode, again.stderr) == (1, "jupyter uws token: there is no token of erin\n")


def test_only_digests_are_kept(service: RunningService, carol: str) -> None:
    with closing(sqlite3.connect(service.state_dir / "jobs.sqlite")) as store:
        rows = store.execute("SELECT * FROM tokens WHERE owner = 'carol'").fetchall()
    assert rows
    assert carol not in str(rows)
    assert "TOPCAT at home" in str(rows)
    for file in service.state_dir.glob("jobs.sqlite*"):
        assert carol.encode() not in file.read_bytes()
    assert carol not in service.log


def test_a_token_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")) as database:
        store = TokenStore(database)
        token, known = store.create("carol", timedelta(days=1))
        assert store.owner(token) == "carol"
        now = known.expires - timedelta(seconds=1)
        monkeypatch.setattr(tokens, "utcnow", lambda: now)
        assert store.owner(token) == "carol"
        now = known.expires
        assert store.owner(token) is None
        assert [each.token_id for each in store.all()] == [known.token_id]
        for wrong in ("", token[:-1], token + "x", token.removeprefix("uws_"), "uws_", "uws_ü"):
            assert store.owner(wrong) is None


@pytest.mark.parametrize(
    ("owner", "days", "note", "said"),
    [("", 1, "", "owner ''"), ("a\nb", 1, "", "owner"), ("a" * 201, 1, "", "owner"), ("a", 0, "", "lifetime of 0 days"),
     ("a", 9999, "", "lifetime of 9999 days"), ("a", 1, "\x1b[31m", "note")],
)  # fmt: skip
def test_what_cannot_be_is_named(tmp_path: Path, owner: str, days: float, note: str, said: str) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")) as database:
        with pytest.raises(UsageError, match=said):
            TokenStore(database).create(owner, timedelta(days=days), note)
        assert TokenStore(database).all() == []


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    made = command(tmp_path, "create", "carol", "--days=-1")
    assert (made.returncode, made.stdout) == (1, "")
    assert "lifetime of -1 days: allowed are 0 to 3650 days" in made.stderr
    assert utcnow().tzinfo is not None


def test_pyvo_searches_with_a_token(service: RunningService, carol: str) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {carol}"
        tap = pyvo.dal.TAPService(service.url + "tap", session=session)
        job = tap.submit_job(QUERY)
        job.run().wait(timeout=60)
        assert list(job.fetch_result()["obs_id"]) == ["100001", "100002"]
        assert job.owner == "carol"
        job.delete()


def test_stilts_searches_with_a_token_as_password(
    service: RunningService, carol: str, need: Callable[[str, str], str]
) -> None:
    found = tapquery(need("stilts", "stilts"), service.url, "carol", carol, QUERY)
    assert found.stdout.split() == ["obs_id", "100001", "100002"], found.stderr


def test_a_password_is_exchanged_for_a_bearer_token(service: RunningService, carol: str) -> None:
    """As the challenge of a 401 says (IVOA AuthVO)."""
    refused = requests.head(service.url + "tap/capabilities", timeout=60)
    challenge = refused.headers["WWW-Authenticate"]
    assert f'ivoa_bearer standard_id="ivo://ivoa.net/sso#BasicAA", access_url="{service.url}login"' in challenge
    answer = requests.get(service.url + "login", auth=("carol", carol), timeout=60)
    assert answer.headers["X-VO-Bearer"] == carol
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(service, answer.headers["X-VO-Bearer"]).status_code == 200
    browser = {"User-Agent": "Mozilla/5.0"}
    assert requests.get(service.url + "login", auth=("carol", carol), headers=browser, timeout=60).status_code == 401
