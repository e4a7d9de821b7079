"""A service for the users of a real OpenID Connect provider, and what they come with."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import npm
import pytest
import requests
from hub.hubs import free_ports
from joserfc import jwt
from joserfc.jwk import Key, RSAKey
from running import RunningService, end, run_service, wait_until

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "operators" / "hub.md"
RESOURCE = "https://api.example.org/"
SECRET = "the secret of the service: +/%"
#: By what the provider calls them; here they are called by 'preferred_username'.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "7001": {"preferred_username": "alice", "groups": ["observers"]},
    "7002": {"preferred_username": "bob", "groups": ["observers", "gamma"]},
    "7003": {"preferred_username": "boss", "groups": ["operators"]},
    "7004": {"preferred_username": "eve", "groups": []},
    "7005": {"groups": ["observers"]},
}
IDS = {str(account.get("preferred_username", "nameless")): each for each, account in ACCOUNTS.items()}
PERSON = {"Accept": "text/html,*/*;q=0.8", "User-Agent": "Mozilla/5.0 (X11)"}


@dataclass
class RunningProvider:
    """npm's oidc-provider. ``log`` has a line for each request."""

    issuer: str
    log_file: Path
    accounts: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def set_account(self, sub: str, **claims: Any) -> None:
        """From now on, the provider tells this of a user."""
        accounts = json.loads(self.accounts.read_text())
        accounts[sub] = {**ACCOUNTS[sub], **claims}
        new = self.accounts.with_suffix(".new")
        new.write_text(json.dumps(accounts))
        new.replace(self.accounts)

    def log_in(self, session: requests.Session, page: requests.Response, user: str) -> requests.Response:
        """Fill in the page of the provider that asks who one is; no redirect is followed but its own."""
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        form = {"prompt": "login", "login": IDS[user], "password": "any"}
        answer = session.post(action[1], form, timeout=60, allow_redirects=False)
        while answer.is_redirect and (where := answer.headers["Location"]).startswith(self.issuer):
            answer = session.get(where, timeout=60, allow_redirects=False)
        return answer


@contextlib.contextmanager
def run_provider(folder: Path, port: int, service: str, keys: list[Key]) -> Iterator[RunningProvider]:
    node = npm.install(HERE)
    provider = RunningProvider(f"http://127.0.0.1:{port}", folder / "provider.log", folder / "accounts.json")
    provider.accounts.write_text(json.dumps(ACCOUNTS))
    test = {
        **{"issuer": provider.issuer, "port": port, "service": service, "secret": SECRET, "resource": RESOURCE},
        **{"accounts": str(provider.accounts), "keys": [key.as_dict(private=True) for key in keys]},
    }
    with provider.log_file.open("w") as log:
        process = subprocess.Popen(
            [node, str(HERE / "provider.mjs")],
            env={**os.environ, "OIDC_TEST": json.dumps(test)},
            stdout=log,
            stderr=log,
        )
    try:

        def is_up() -> bool:
            assert process.poll() is None, provider.log
            return "ready\n" in provider.log

        wait_until(is_up, 60)
        yield provider
    finally:
        end(process)


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class Site:
    """The service and the provider. ``key`` is the provider's own."""

    service: RunningService
    provider: RunningProvider
    key: RSAKey
    _tokens: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.service.url

    def browser(self, user: str, path: str = "") -> requests.Session:
        """Somebody who came to the service, was sent to the provider, logged in, and is back."""
        session = requests.Session()
        session.headers.update(PERSON)
        page = session.get(self.url + path, timeout=60)
        assert page.url.startswith(f"{self.provider.issuer}/interaction/"), page.url
        back = self.provider.log_in(session, page, user)
        assert back.headers["Location"].startswith(f"{self.url}oauth_callback?")
        self.back = session.get(back.headers["Location"], timeout=60)
        return session

    def new_tokens(self, user: str, resource: str | None = RESOURCE) -> dict[str, str]:
        """What the provider gives to a program of the user's: ``access_token``, ``id_token``."""
        session = requests.Session()
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        more = {"resource": resource} if resource else {}
        client = {"client_id": "program", "redirect_uri": "https://program.example.org/callback"}
        asked = {
            **{"response_type": "code", "scope": "openid profile", "state": "s", "nonce": "n"},
            **{"code_challenge": challenge, "code_challenge_method": "S256"},
        }
        page = session.get(f"{self.provider.issuer}/auth", params={**client, **asked, **more}, timeout=60)
        back = self.provider.log_in(session, page, user).headers["Location"]
        assert "code=" in back, back
        code = parse_qs(urlsplit(back).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        answer = session.post(f"{self.provider.issuer}/token", {**client, **form, **more}, timeout=60)
        assert answer.ok, answer.text
        return dict(answer.json())

    def token_of(self, user: str) -> str:
        """An access token for the service, as the provider made it."""
        if user not in self._tokens:
            self._tokens[user] = self.new_tokens(user)
        return self._tokens[user]["access_token"]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Such as are alice's; None takes one away."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        whole = {"iss": self.provider.issuer, "aud": RESOURCE, "sub": "7001", **ACCOUNTS["7001"], **times, **changed}
        return {name: value for name, value in whole.items() if value is not None}

    def sign(self, key: Any = None, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token of these claims, by the provider's own key unless another is given."""
        head = {"alg": "RS256", "kid": self.key.kid, "typ": "at+jwt", **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, self.claims(**changed), key or self.key, algorithms=[head["alg"]])

    def ask(self, token: str | None, method: str, path: str, **more: Any) -> requests.Response:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        timeout = more.pop("timeout", 30)
        return requests.request(
            method, self.url + path, headers=headers, allow_redirects=False, timeout=timeout, **more
        )


def configuration(issuer: str, secret: Path, public_url: str = "") -> str:
    """That of docs/operators/hub.md, with what is here instead of its addresses and the name of its file."""
    found = re.search(r"```python\n(c = get_config\(\)\n\nc.ServeApp.public_url.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    text = found[1]
    for theirs, ours in (
        ("https://uws.example.org/", public_url),
        ("https://iam.example.org", issuer),
        ("/etc/jupyter-uws/client-secret", str(secret)),
    ):
        assert f'"{theirs}"' in text
        text = text.replace(f'"{theirs}"', f'"{ours}"')
    assert RESOURCE in text
    return text


@pytest.fixture(scope="session")
def oidc(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("oidc")
    secret = folder / "client-secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    (port,) = free_ports(1)
    key = new_key("of-the-provider")
    config = folder / "jupyter_uws_config.py"
    config.write_text(configuration(f"http://127.0.0.1:{port}", secret))
    options = [f"--config={config}", "--workers=1", "--ServeApp.verbose=True"]
    # the service asks the provider when somebody comes, so it may be there first
    with (
        run_service(folder, sim_archive, *options) as service,
        run_provider(folder, port, service.url, [key]) as provider,
    ):
        yield Site(service, provider, key)
