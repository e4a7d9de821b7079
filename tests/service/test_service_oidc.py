"""What is said of an OpenID Connect provider, and what is kept of its answers; a real one is in tests/oidc."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import HTTPError

from jupyter_uws.service.callers import Caller
from jupyter_uws.service.config import ServeApp
from jupyter_uws.service.oidc import OIDC, Sessions
from jupyter_uws.service.oidc_provider import STALE, Kept
from jupyter_uws.service.oidc_settings import OIDCError, OIDCSettings, OIDCTraits, claim

GOOD: dict[str, Any] = {
    "oidc_issuer": "https://iam.example.org/",
    "oidc_client_id": "uws",
    "oidc_allowed_groups": {"observers"},
    "oidc_admin_groups": {"operators"},
}


def settings(**changed: Any) -> OIDCSettings:
    found = OIDCTraits(**{**GOOD, **changed}).oidc_settings()
    assert found
    return found


def secret_file(folder: Path, text: str, mode: int) -> str:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_public_client_is_its_own_audience() -> None:
    found = settings()
    assert (found.audiences, found.client_secret, found.user_claim) == ({"uws"}, None, "sub")
    assert OIDCTraits().oidc_settings() is None


def test_the_secret_is_read_and_not_shown(tmp_path: Path) -> None:
    found = settings(oidc_client_secret_file=secret_file(tmp_path, "a secret\n", 0o600))
    assert found.client_secret == "a secret"
    assert "a secret" not in repr(found)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"oidc_issuer": "http://iam.example.org/"}, "allowed is https; http to this host only"),
        ({"oidc_issuer": "iam.example.org"}, "allowed is a URL"),
        ({"oidc_issuer": "https://a:b@iam.example.org"}, "allowed is a URL"),
        ({"oidc_issuer": "https://iam.example.org/?x=1"}, "allowed is a URL"),
        ({"oidc_client_id": ""}, "needs oidc_client_id"),
        ({"oidc_scopes": ["profile"]}, "without 'openid'"),
        ({"oidc_allowed_groups": set()}, "nobody may use the service: set oidc_allowed_groups"),
        ({"oidc_client_secret_file": "nowhere"}, "oidc_client_secret_file: nowhere cannot be read"),
    ],
)
def test_what_cannot_be_is_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(OIDCError, match=words):
        settings(**changed)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("a secret", 0o640, "is open to others: chmod 600"), ("", 0o600, "holds no secret"), ("a\nb", 0o600, "one line")],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, text: str, mode: int, words: str) -> None:
    with pytest.raises(OIDCError, match=words):
        settings(oidc_client_secret_file=secret_file(tmp_path, text, mode))


@pytest.mark.parametrize(
    ("more", "words"),
    [({"hub": True}, "without --hub"), ({"socket": "x"}, "with a port"), ({"python_jobs": True}, "not")],
)
def test_it_is_for_a_service_with_a_port_whose_users_bring_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], words: str
) -> None:
    for name in ("NAME", "PREFIX"):
        monkeypatch.setenv(f"JUPYTERHUB_SERVICE_{name}", "uws")
    for name in ("API_URL", "API_TOKEN"):
        monkeypatch.setenv(f"JUPYTERHUB_{name}", "x")
    with pytest.raises(OIDCError, match=words):
        ServeApp(state_dir=str(tmp_path / "state"), **GOOD, **more).settings("token")
    assert ServeApp(state_dir=str(tmp_path / "state"), **GOOD).settings("token").oidc == settings()


def test_a_claim_may_be_inside_another() -> None:
    claims = {"realm_access": {"roles": ["a"]}, "wlcg.groups": ["/cta"], "groups": "one"}
    assert claim(claims, "realm_access.roles") == ["a"]
    assert claim(claims, "wlcg.groups") == ["/cta"]
    assert claim(claims, "realm_access.nosuch") is claim(claims, "groups.x") is None


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        (["observers"], Caller("7")),
        ("observers", Caller("7")),
        (["operators"], Caller("7", is_admin=True)),
        (["Observers"], None),
        (["observers "], None),
        ([["observers"]], None),
        ({"observers": True}, None),
        (None, None),
    ],
)
def test_groups_say_who_may(groups: Any, found: Caller | None) -> None:
    claims = {"sub": "7", "groups": groups}
    if found is None:
        with pytest.raises(HTTPError, match="may not use the service"):
            settings().caller(claims)
    else:
        assert settings().caller(claims) == found
    assert settings(oidc_allowed_users={"7"}).caller(claims).owner == "7"
    assert settings(oidc_allow_all=True).caller(claims).owner == "7"


def test_an_address_is_a_name_only_where_it_was_verified() -> None:
    by_address = settings(oidc_user_claim="email", oidc_allow_all=True)
    assert by_address.caller({"sub": "7", "email": "a@b", "email_verified": True}).owner == "a@b"
    for verified in ({}, {"email_verified": False}, {"email_verified": "true"}):
        with pytest.raises(HTTPError, match="not verified"):
            by_address.caller({"sub": "7", "email": "a@b", **verified})
    for name in ("", " ", 7, None):
        with pytest.raises(HTTPError, match="tells no 'email'"):
            by_address.caller({"sub": "7", "email": name, "email_verified": True})


def test_sessions_end_and_are_not_without_number() -> None:
    now = 0.0
    sessions = Sessions(60, size=3, clock=lambda: now)
    cookies = [sessions.begin(Caller(name)) for name in "abcd"]
    assert [sessions.find(cookie) for cookie in cookies] == [None, Caller("b"), Caller("c"), Caller("d")]
    sessions.end(cookies[1])
    assert sessions.find(cookies[1]) is None
    now = 60.0
    assert sessions.find(cookies[2]) is None
    assert len(sessions) == 1


async def test_what_is_kept_is_fetched_seldom_and_survives_an_outage() -> None:
    now, fetched, broken = 0.0, 0, False

    async def fetch() -> int:
        nonlocal fetched
        fetched += 1
        if broken:
            raise OSError("away")
        return fetched

    kept = Kept(fetch, keep=100, pause=10, clock=lambda: now)
    for _ in range(3):
        await kept.refresh()
    assert (await kept.get(), fetched) == (1, 1)
    now = 10
    await kept.refresh()
    assert (await kept.get(), fetched) == (2, 2)
    now, broken = 110, True
    for _ in range(3):
        assert await kept.get() == 2
    assert fetched == 3
    now = 10 + STALE
    with pytest.raises(HTTPError, match="503"):
        await kept.get()


async def test_the_cookie_of_a_page_is_not_for_others() -> None:
    """Whatever a browser says of where a request comes from, changing takes the page's own word."""
    oidc = OIDC(settings(), b"x" * 32, None)
    cookie = oidc.sessions.begin(Caller("alice"))

    def status(method: str, **headers: str) -> int:
        sent = HTTPHeaders({"Host": "uws.example.org", "Cookie": f"uws-session={cookie}", **headers})
        try:
            line = RequestStartLine(method, "/uws", "HTTP/1.1")
            assert oidc.of_cookie(HTTPServerRequest(headers=sent, start_line=line)) == Caller("alice")
        except HTTPError as error:
            return error.status_code
        return 200

    for method in ("POST", "PUT", "PATCH", "DELETE", "BREW"):
        assert status(method) == status(method, **{"X-XSRFToken": "é"}) == 403
        assert status(method, **{"X-XSRFToken": oidc.xsrf(cookie)}) == 200
        assert status(method, **{"X-XSRFToken": oidc.xsrf("another")}) == 403
