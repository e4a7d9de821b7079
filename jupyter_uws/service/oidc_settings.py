"""What an operator says of the OpenID Connect provider whose users the service is for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.web import HTTPError
from traitlets import Bool, Float, HasTraits, List, Set, Unicode

from ..credentials import secret_of_file
from .callers import Caller

Claims = dict[str, Any]


class OIDCError(Exception):
    """No provider can be used so; the text says what is wrong."""


@dataclass(frozen=True)
class OIDCSettings:
    """The provider, what it calls this service (``client_id``), and which of its users may do what.

    Tokens of programs are for one of ``audiences``. A log-in of a browser holds for ``session`` seconds.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    audiences: frozenset[str]
    user_claim: str
    groups_claim: str
    admin_groups: frozenset[str]
    allowed_users: frozenset[str]
    allowed_groups: frozenset[str]
    allow_all: bool
    session: float

    @property
    def needed(self) -> list[str]:
        """The claims without which nothing can be said of a user."""
        return [self.user_claim, *([self.groups_claim] if self.admin_groups or self.allowed_groups else [])]

    def caller(self, claims: Claims, root: str | None = None) -> Caller:
        """Whose claims these are. Raises HTTPError 403 where that is nobody, or nobody who may use the service."""
        owner = claim(claims, self.user_claim)
        if not isinstance(owner, str) or not owner.strip():
            raise HTTPError(
                403, f"the provider tells no '{self.user_claim}' of this user, which would be the name here"
            )
        if self.user_claim == "email" and claims.get("email_verified") is not True:
            raise HTTPError(
                403, "the provider has not verified this user's email address, which would be the name here"
            )
        found = claim(claims, self.groups_claim)
        groups = {found} if isinstance(found, str) else {each for each in _listed(found) if isinstance(each, str)}
        is_admin = not self.admin_groups.isdisjoint(groups)
        if is_admin or self.allow_all or owner in self.allowed_users or not self.allowed_groups.isdisjoint(groups):
            return Caller(owner, root, is_admin=is_admin)
        raise HTTPError(403, f"the provider knows {owner!r}, but this user may not use the service")


def claim(claims: Claims, name: str) -> Any:
    """The claim of that name; else, with dots, one inside another: ``realm_access.roles``. None where there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


class OIDCTraits(HasTraits):
    """The part of ``ServeApp`` that is about the provider."""

    oidc_issuer = Unicode(
        help="Issuer of an OpenID Connect provider, whose users the service is for: https://iam.example.org/. What "
        "else it needs is in docs/operators/hub.md."
    ).tag(config=True)
    oidc_client_id = Unicode(help="What the provider calls this service.").tag(config=True)
    oidc_client_secret_file = Unicode(
        help="File (chmod 600) with the secret that the provider gave this service; none for a public client."
    ).tag(config=True)
    oidc_scopes = List(Unicode(), ["openid", "profile"], help="What is asked of the provider at a log-in.").tag(
        config=True
    )
    oidc_audiences = Set(
        Unicode(), help="The 'aud' of tokens that programs may send, one of these; by default the client's id."
    ).tag(config=True)
    oidc_user_claim = Unicode(
        "sub", help="The claim that is the user's name here. It must be unique, and no user may choose it."
    ).tag(config=True)
    oidc_groups_claim = Unicode(
        "groups", help="The claim that lists the user's groups; with dots one inside another: realm_access.roles."
    ).tag(config=True)
    oidc_admin_groups = Set(Unicode(), help="Groups whose members are administrators, beside 'admins'.").tag(
        config=True
    )
    oidc_allowed_users = Set(Unicode(), help="Users who may use the service.").tag(config=True)
    oidc_allowed_groups = Set(Unicode(), help="Groups whose members may use the service.").tag(config=True)
    oidc_allow_all = Bool(False, help="Whether all whom the provider knows may use the service.").tag(config=True)
    oidc_session_seconds = Float(
        3600.0,
        min=1,
        max=7 * 86400,
        help="For how long a browser's log-in holds; then the provider is asked again, and tells the groups anew.",
    ).tag(config=True)

    def oidc_settings(self) -> OIDCSettings | None:
        """None where there is no provider. Raises OIDCError that names what is missing."""
        if not self.oidc_issuer:
            return None
        if not self.oidc_client_id:
            raise OIDCError("oidc_issuer needs oidc_client_id, what the provider calls this service")
        if "openid" not in self.oidc_scopes:
            raise OIDCError(f"oidc_scopes is {self.oidc_scopes!r}, without 'openid'")
        settings = OIDCSettings(
            issuer=checked_issuer(self.oidc_issuer),
            client_id=self.oidc_client_id,
            client_secret=_secret(self.oidc_client_secret_file),
            scopes=tuple(self.oidc_scopes),
            audiences=frozenset(self.oidc_audiences) or frozenset({self.oidc_client_id}),
            user_claim=self.oidc_user_claim,
            groups_claim=self.oidc_groups_claim,
            admin_groups=frozenset(self.oidc_admin_groups),
            allowed_users=frozenset(self.oidc_allowed_users),
            allowed_groups=frozenset(self.oidc_allowed_groups),
            allow_all=self.oidc_allow_all,
            session=self.oidc_session_seconds,
        )
        if not (settings.allow_all or settings.allowed_users or settings.allowed_groups):
            raise OIDCError("nobody may use the service: set oidc_allowed_groups, oidc_allowed_users or oidc_allow_all")
        return settings


def checked_issuer(issuer: str) -> str:
    """The issuer as it is. Raises OIDCError where it is not a URL with https; http is for a provider on this host."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    if parts.query or parts.fragment or "@" in parts.netloc or not host:
        raise OIDCError(f"oidc_issuer is {issuer!r}, allowed is a URL such as https://iam.example.org/")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise OIDCError(f"oidc_issuer is {issuer!r}, allowed is https; http to this host only")
    return issuer


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(path: str) -> str | None:
    try:
        return secret_of_file(Path(path).expanduser()) if path else None
    except ValueError as error:
        raise OIDCError(f"oidc_client_secret_file: {path} {error}") from None
