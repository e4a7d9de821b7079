"""The service with the users of a real OpenID Connect provider: who comes in, as whom, and for how long."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from browsers import run_chromium
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hub.hubs import free_ports
from oidc.conftest import IDS, PERSON, RESOURCE, SECRET, Site, configuration, new_key, run_provider
from playwright.sync_api import Page
from running import own_tracebacks, run_service
from tornado.web import HTTPError

from jupyter_uws.service.oidc import OIDC
from jupyter_uws.service.oidc_provider import Provider
from jupyter_uws.service.oidc_settings import OIDCSettings, OIDCTraits

USERS = ["alice", "bob"]


def cookie_of(session: requests.Session, name: str) -> Cookie:
    return next(each for each in session.cookies if each.name == name)


def submit(site: Site, token: str, **parameters: str) -> str:
    answer = site.ask(token, "POST", "uws/sleeper", data={"duration": "0", **parameters})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix(site.url)


# -- programs


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("kind", ["access", "id"])
def test_a_token_of_the_provider_says_who_calls(oidc: Site, user: str, kind: str) -> None:
    # the program's ID token is for the program, so that one is made as the provider would for the service
    token = oidc.token_of(user)
    if kind == "id":
        token = oidc.sign(header={"typ": "JWT"}, aud=["uws", "another"], sub=IDS[user], preferred_username=user)
    answer = oidc.ask(token, "GET", submit(oidc, token) + "/owner")
    assert (answer.text, answer.headers["X-VO-Authenticated"]) == (user, user)


def test_the_token_is_a_password_for_programs_that_know_those_only(oidc: Site) -> None:
    token = oidc.token_of("alice")
    answer = requests.get(oidc.url + "login", auth=("anybody", token), timeout=60)
    assert (answer.headers["X-VO-Bearer"], answer.headers["X-VO-Authenticated"]) == (token, "alice")


NOW = time.time()
#: What is changed in a good token, and what the answer says.
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "of another audience": ({"aud": "program"}, "'aud'"),
    "of no audience": ({"aud": None}, "'aud'"),
    "of another issuer": ({"iss": "http://127.0.0.1:1"}, "'iss'"),
    "of no issuer": ({"iss": None}, "'iss'"),
    "expired": ({"exp": int(NOW) - 120}, "expired"),
    "without an end": ({"exp": None}, "'exp'"),
    "whose end is no number": ({"exp": "never"}, "'exp'"),
    "not yet valid": ({"nbf": int(NOW) + 3600}, "'nbf'"),
    "of the future": ({"iat": int(NOW) + 3600}, "'iat'"),
    "of nobody": ({"sub": None}, "'sub'"),
    "for a log-out": ({"header": {"typ": "logout+jwt"}}, "'logout+jwt'"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_is(oidc: Site, what: str) -> None:
    changed, words = BAD[what]
    assert oidc.ask(oidc.sign(), "GET", "uws").status_code == 200
    answer = oidc.ask(oidc.sign(**changed), "GET", "uws")
    assert (answer.status_code, words in answer.text) == (401, True), answer.text
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="jupyter_uws", Basic realm="jupyter_uws"')


def by_hand(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """A token that no library makes."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    signed = b".".join(part(json.dumps(each).encode()) for each in (header, claims))
    return (signed + b"." + part(sign(signed))).decode()


def by_hmac(site: Site, key: bytes) -> str:
    header = {"alg": "HS256", "typ": "JWT", "kid": site.key.kid}
    return by_hand(header, site.claims(), lambda text: hmac.digest(key, text, "sha256"))


def by_the_provider(site: Site, **header: Any) -> str:
    """Signed with the provider's own key, whatever the header says."""
    key = site.key.get_op_key("sign")
    head = {"alg": "RS256", "kid": site.key.kid, **header}
    return by_hand(head, site.claims(), lambda text: key.sign(text, PKCS1v15(), SHA256()))


def deep() -> Any:
    found: Any = "RS256"
    for _ in range(80):
        found = [found]
    return found


def forged(site: Site) -> dict[str, str]:
    head, _, signature = site.token_of("alice").split(".")
    payload = base64.urlsafe_b64encode(json.dumps(site.claims(groups=["operators"])).encode()).decode().rstrip("=")
    return {
        "unsigned": by_hand({"alg": "none"}, site.claims(), lambda text: b""),
        "signed and called unsigned": by_the_provider(site, alg="none"),
        "signed and called signed by another": by_the_provider(site, alg="PS256"),
        "with an extension that must be understood": by_the_provider(site, crit=["x"], x=1),
        "by the client's secret": by_hmac(site, SECRET.encode()),
        "by the public key as a secret": by_hmac(site, site.key.as_pem(private=False)),
        "by a key of the same name": site.sign(new_key(str(site.key.kid))),
        "changed": f"{head}.{payload}.{signature}",
        "without a signature": f"{head}.{payload}.",
        "with a key of its own": site.sign(
            rogue := new_key("mine"), {"kid": None, "jwk": rogue.as_dict(private=False)}
        ),
        "no JWT": "a.b.c",
        "of no header": by_hand(["alg"], site.claims(), lambda text: b"x"),
        "of a number": by_hand(7, site.claims(), lambda text: b"x"),
        "whose algorithm is a list": by_the_provider(site, alg=["RS256"]),
        "whose key is an object": by_the_provider(site, kid={"a": 1}),
        "whose header is deep": by_the_provider(site, alg=deep()),
        "no text": "é.ü.ö",
        "opaque": site.new_tokens("alice", resource=None)["access_token"],
    }


def test_a_forged_token_opens_nothing(oidc: Site) -> None:
    assert oidc.ask(by_the_provider(oidc), "GET", "uws").status_code == 200
    for what, token in forged(oidc).items():
        answer = requests.get(oidc.url + "uws", headers={"Authorization": f"Bearer {token}".encode()}, timeout=60)
        assert (answer.status_code, "this token does not hold" in answer.text or what == "opaque") == (401, True), what


def test_keys_that_nobody_knows_do_not_make_us_ask_again_and_again(oidc: Site) -> None:
    oidc.ask(oidc.sign(), "GET", "uws")
    before = oidc.provider.log.count("GET /jwks")
    rogue = new_key("unknown")
    for number in range(20):
        answer = oidc.ask(oidc.sign(rogue, {"kid": f"unknown-{number}"}), "GET", "uws")
        assert (answer.status_code, "a key that the provider does not have" in answer.text) == (401, True)
    assert oidc.provider.log.count("GET /jwks") - before <= 2
    assert oidc.ask(oidc.sign(), "GET", "uws").status_code == 200


def oidc_settings(issuer: str) -> OIDCSettings:
    found = OIDCTraits(oidc_issuer=issuer, oidc_client_id="uws", oidc_allow_all=True).oidc_settings()
    assert found
    return found


async def test_new_keys_of_the_provider_are_found(tmp_path: Path, oidc: Site) -> None:
    (port,) = free_ports(1)
    old, new = new_key("old"), new_key("new")
    issuer = f"http://127.0.0.1:{port}"
    provider = Provider(oidc_settings(issuer), pause=0)
    tokens = [oidc.sign(key, {"kid": key.kid}, iss=issuer, aud="uws") for key in (old, new)]
    with pytest.raises(HTTPError, match="503.*does not answer"):
        await provider.verify(tokens[0], {"uws"})
    with run_provider(tmp_path, port, oidc.url, [old]):
        assert (await provider.verify(tokens[0], {"uws"}))["sub"] == "7001"
        with pytest.raises(HTTPError, match="a key that the provider does not have"):
            await provider.verify(tokens[1], {"uws"})
    assert await provider.verify(tokens[0], {"uws"})  # though it is away
    with run_provider(tmp_path, port, oidc.url, [new]):
        assert await provider.verify(tokens[1], {"uws"})
        with pytest.raises(HTTPError, match="a key that the provider does not have"):
            await provider.verify(tokens[0], {"uws"})


def test_who_is_in_no_allowed_group_is_known_but_may_not(oidc: Site) -> None:
    for token in (oidc.token_of("eve"), oidc.sign(groups=None), oidc.sign(groups={"observers": 1})):
        answer = oidc.ask(token, "GET", "uws")
        assert (answer.status_code, "may not use the service" in answer.text) == (403, True), answer.text
    answer = oidc.ask(oidc.token_of("nameless"), "GET", "uws")
    assert (answer.status_code, "'preferred_username'" in answer.text) == (403, True)


def test_who_leaves_a_group_is_out_with_the_next_token_and_log_in(oidc: Site) -> None:
    assert oidc.ask(oidc.new_tokens("bob")["access_token"], "GET", "uws").status_code == 200
    oidc.provider.set_account(IDS["bob"], groups=["gamma"])
    try:
        assert oidc.ask(oidc.new_tokens("bob")["access_token"], "GET", "uws").status_code == 403
        session = oidc.browser("bob")
        assert (oidc.back.status_code, "may not use the service" in oidc.back.text) == (403, True)
        assert "uws-session" not in {cookie.name for cookie in session.cookies}
    finally:
        oidc.provider.set_account(IDS["bob"])


def test_tokens_of_the_service_itself_are_taken_as_before(oidc: Site) -> None:
    assert oidc.ask(oidc.service.token, "GET", "uws").status_code == 200
    for token in ("wrong", "uws_wrong"):
        assert oidc.ask(token, "GET", "uws").status_code == 401


def test_nobody_gets_the_challenges(oidc: Site) -> None:
    answer = oidc.ask(None, "GET", "uws")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="jupyter_uws", Basic realm="jupyter_uws", '
        f'ivoa_bearer standard_id="ivo://ivoa.net/sso#BasicAA", access_url="{oidc.url}login"'
    )
    # a script of a page is told so, and not sent to a page
    script = oidc.ask(None, "GET", "uws", headers={**PERSON, "Sec-Fetch-Mode": "cors"})
    assert (script.status_code, script.headers["WWW-Authenticate"]) == (401, 'Bearer realm="jupyter_uws"')
    # and the relay, whose browsers Jupyter knows, is not sent away either
    assert oidc.ask(None, "GET", "uws", headers={**PERSON, "X-UWS-Secret": "wrong"}).status_code == 401


# -- browsers


@pytest.fixture(scope="module")
def browser(oidc: Site) -> requests.Session:
    return oidc.browser("alice", "uws/types?what=1")


def test_a_browser_logs_in_and_is_back_where_it_was_going(oidc: Site, browser: requests.Session) -> None:
    answer = browser.get(oidc.url + "uws", timeout=60)
    assert answer.headers["X-VO-Authenticated"] == "alice"
    log_in = oidc.browser("boss", "uws/types?what=1")
    assert oidc.back.url == oidc.url + "uws/types?what=1"
    assert log_in.get(oidc.url + "uws?ALL=1", timeout=60).status_code == 200
    for name, script in (("uws-session", False), ("uws-xsrf", True)):
        cookie = cookie_of(log_in, name)
        assert cookie.has_nonstandard_attr("HttpOnly") is not script
        assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert not [each for each in log_in.cookies if each.name.startswith("uws-login-")]


def test_what_the_provider_is_asked(oidc: Site) -> None:
    away = oidc.ask(None, "GET", "uws", headers=PERSON)
    assert away.status_code == 302
    query = parse_qs(urlsplit(away.headers["Location"]).query)
    assert query["client_id"] == ["uws"]
    assert query["redirect_uri"] == [oidc.url + "oauth_callback"]
    assert query["scope"] == ["openid profile"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert min(len(query["state"][0]), len(query["nonce"][0])) >= 22
    other = parse_qs(urlsplit(oidc.ask(None, "GET", "uws", headers=PERSON).headers["Location"]).query)
    assert not {query[name][0] for name in ("state", "nonce", "code_challenge")} & {each[0] for each in other.values()}


def test_cookies_need_xsrf_and_tokens_do_not(oidc: Site, browser: requests.Session) -> None:
    form = {"duration": "0"}

    def post(**headers: str) -> int:
        answer = browser.post(oidc.url + "uws/sleeper", form, headers=headers, allow_redirects=False, timeout=60)
        return answer.status_code

    own, others = cookie_of(browser, "uws-xsrf").value, cookie_of(oidc.browser("bob"), "uws-xsrf").value
    assert post() == 403
    assert post(**{"X-XSRFToken": str(others)}) == 403
    assert post(**{"X-XSRFToken": str(own)}) == 303
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
        fetch = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": site}
        assert browser.get(oidc.url + "uws", headers=fetch, timeout=60).status_code == status
    elsewhere = {"Origin": "https://elsewhere.org"}
    assert oidc.ask(oidc.token_of("bob"), "POST", "uws/sleeper", data=form, headers=elsewhere).status_code == 303


def begun(oidc: Site, user: str) -> tuple[requests.Session, str]:
    """A browser that has logged in at the provider, and the address where it is to come back."""
    session = requests.Session()
    session.headers.update(PERSON)
    page = session.get(oidc.url, timeout=60)
    return session, oidc.provider.log_in(session, page, user).headers["Location"]


def test_a_log_in_belongs_to_the_browser_that_began_it(oidc: Site) -> None:
    session, back = begun(oidc, "alice")
    stranger = requests.get(back, headers=PERSON, timeout=60, allow_redirects=False)
    assert (stranger.status_code, "began no such log-in" in stranger.text) == (403, True)
    # another log-in of the same browser: what was said then is not for this code
    other, others = begun(oidc, "bob")
    code = parse_qs(urlsplit(others).query)["code"][0]
    mixed = re.sub(r"code=[^&]+", f"code={code}", back)
    refused = session.get(mixed, timeout=60, allow_redirects=False)
    assert (refused.status_code, "refuses this log-in" in refused.text) == (403, True)
    assert "uws-session" not in {cookie.name for cookie in (*session.cookies, *other.cookies)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("iss=[^&]+", "iss=https%3A%2F%2Felsewhere"), "another provider"),
        (("code=[^&]+", "error=access_denied"), "'access_denied'"),
        (("code=[^&]+", "code=guessed"), "refuses this log-in"),
        (("state=[^&]+", "state=" + "x" * 22), "began no such log-in"),
        (("state=[^&]+", "state=%0d%0aSet-Cookie"), "began no such log-in"),
    ],
)
def test_an_answer_that_is_not_the_providers(oidc: Site, change: tuple[str, str], words: str) -> None:
    session, back = begun(oidc, "alice")
    answer = session.get(re.sub(*change, back), timeout=60, allow_redirects=False)
    assert (answer.status_code, words in answer.text) == (403, True), answer.text
    assert "uws-session" not in {cookie.name for cookie in session.cookies}


def test_a_code_is_good_once(oidc: Site) -> None:
    session, back = begun(oidc, "alice")
    assert session.get(back, timeout=60).status_code == 200
    assert session.get(back, timeout=60, allow_redirects=False).status_code == 403


def test_who_logs_out_is_out_with_every_copy_of_the_cookie(oidc: Site) -> None:
    session = oidc.browser("alice")
    copy = {"uws-session": str(cookie_of(session, "uws-session").value)}
    page = session.get(oidc.url + "logout", timeout=60)
    assert "logged in as alice" in page.text
    xsrf = re.search(r'name="_xsrf" value="([0-9a-f]+)"', page.text)
    assert xsrf
    assert session.post(oidc.url + "logout", {"_xsrf": "x"}, timeout=60).status_code == 403
    assert requests.get(oidc.url + "uws", cookies=copy, timeout=60).status_code == 200
    away = session.post(oidc.url + "logout", {"_xsrf": xsrf[1]}, timeout=60, allow_redirects=False)
    assert (away.status_code, away.headers["Location"]) == (
        303,
        f"{oidc.provider.issuer}/session/end?client_id=uws",
    )
    assert requests.get(oidc.url + "uws", cookies=copy, timeout=60).status_code == 401
    assert not [each.name for each in session.cookies if each.name.startswith("uws-")]
    assert "Nobody is logged in" in session.get(oidc.url + "logout", timeout=60).text


def test_a_guessed_cookie_is_nobodys(oidc: Site) -> None:
    for value in ("", "x", "%ff", oidc.token_of("alice")):
        assert requests.get(oidc.url + "uws", cookies={"uws-session": value}, timeout=60).status_code == 401


#: The addresses that the log-in adds to those of tests/safety/test_route_table.py, for who has nothing to show.
PAGES = {
    r"/oauth_callback": {"GET": 403},
    r"/logout": {"GET": 200, "POST": 403},
}


async def test_every_page_of_the_log_in_is_in_the_table(oidc: Site) -> None:
    own = OIDC(oidc_settings(oidc.provider.issuer), b"", None)
    found = {rule.matcher.regex.pattern.removesuffix("$") for rule in own.pages.wildcard_router.rules}
    assert found == {*PAGES, ".*"}


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_of_the_log_in_give_nothing_to_nobody(oidc: Site, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = oidc.ask(None, method, path[1:], headers=PERSON)
        assert answer.status_code == PAGES[path].get(method, 405), method
        assert "uws-session" not in answer.headers.get("Set-Cookie", "")
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.fixture
def page(oidc: Site, chromium: str) -> Iterator[Page]:
    with run_chromium(chromium) as page:
        yield page


POST = """async ([url, xsrf]) => {
    const headers = xsrf ? { "X-XSRFToken": document.cookie.match(/uws-xsrf=([^;]+)/)[1] } : {};
    const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ duration: "0" }), headers });
    return answer.status;
}"""


@pytest.mark.browser
def test_a_person_logs_in_acts_and_logs_out(oidc: Site, page: Page) -> None:
    page.goto(oidc.url)
    page.fill("[name=login]", IDS["bob"])
    page.fill("[name=password]", "any")
    page.click("[type=submit]")
    page.wait_for_url(oidc.url)
    assert "an observatory in a notebook" in page.inner_text("body")
    assert page.evaluate(POST, ["uws/sleeper", False]) == 403
    assert page.evaluate(POST, ["uws/sleeper", True]) == 200
    assert "uws-session" not in page.evaluate("document.cookie")
    page.goto(oidc.url + "logout")
    assert "You are logged in as bob." in page.inner_text("body")
    page.click("button")
    page.wait_for_url(f"{oidc.provider.issuer}/session/end?client_id=uws")
    # as long as the provider knows the browser, nothing is asked; then it is
    page.goto(oidc.url)
    assert page.url == oidc.url
    page.goto(f"{oidc.provider.issuer}/session/end?client_id=uws")
    page.click("button[name=logout]")
    page.wait_for_url("**/session/end/success**")
    page.context.clear_cookies(name="uws-session")
    page.goto(oidc.url)
    assert page.url.startswith(f"{oidc.provider.issuer}/interaction/")


def test_behind_a_proxy_cookies_are_its_paths_and_need_tls(oidc: Site, sim_archive: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    config = tmp_path / "jupyter_uws_config.py"
    config.write_text(configuration(oidc.provider.issuer, secret, "https://vo.example.org/uws/"))
    with run_service(tmp_path, sim_archive, f"--config={config}") as service:
        away = requests.get(service.url + "uws/types", headers=PERSON, timeout=60, allow_redirects=False)
    query = parse_qs(urlsplit(away.headers["Location"]).query)
    assert query["redirect_uri"] == ["https://vo.example.org/uws/oauth_callback"]
    cookie = away.headers["Set-Cookie"]
    assert cookie.startswith(f"uws-login-{query['state'][0]}=")
    assert {"HttpOnly", "Secure", "Path=/uws/", "SameSite=Lax", "Max-Age=600"} <= set(cookie.split("; "))
    assert SECRET not in cookie


# -- at the end


def test_no_secret_is_told(oidc: Site, browser: requests.Session) -> None:
    _, back = begun(oidc, "alice")
    code = parse_qs(urlsplit(back).query)["code"][0]
    browser.get(back, timeout=60)
    log = oidc.service.log
    assert own_tracebacks(log) == []
    health = oidc.ask(oidc.service.token, "GET", "health").text
    cookie = str(cookie_of(browser, "uws-session").value)
    for secret in (SECRET, oidc.token_of("alice"), code, cookie, str(cookie_of(browser, "uws-xsrf").value)):
        assert secret not in log
        assert secret not in health
    assert RESOURCE not in log
    assert "code=" not in log
    assert "state=" not in log
