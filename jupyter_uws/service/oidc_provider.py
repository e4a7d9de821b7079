"""An OpenID Connect provider, as its client sees it: its addresses, its keys, and what its tokens say.

Tokens are JWTs (RFC 7519) that the provider signed: ID tokens (OpenID Connect Core 1.0, section 2) and access tokens
(RFC 9068). Its documents are fetched when they are needed first, and kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.web import HTTPError

from .oidc_settings import Claims, OIDCSettings, claim
from .users import Users

logger = logging.getLogger(__name__)

#: For how long [s] a document of the provider is taken as it is, and at most, while the provider does not answer.
KEEP, STALE = 3600.0, 86400.0
#: However many tokens name keys that nobody knows, the provider is asked no more often than this [s].
PAUSE = 10.0
#: For how long [s] holds what the provider tells about the user of an access token.
USERS_KEEP = 45.0
#: The provider's clock may be as much before or behind ours [s].
LEEWAY = 30
TIMEOUT = 10.0
LARGEST = 2**20
KEYS = 100
#: Only such as need the provider's own key: with a shared secret, or with none, others could sign, too.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
#: What a token may say that it is; others of the same provider (logout tokens) are for something else.
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
#: All but how keys were found (jku, x5c) is said by the algorithm and the key.
_REGISTRY = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
_T = TypeVar("_T")


class Kept(Generic[_T]):
    """Something that is fetched when it is asked for first, again when it is old, and never twice within ``pause``."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[_T]],
        keep: float = KEEP,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._keep, self._pause, self._clock = fetch, keep, pause, clock
        self._lock = asyncio.Lock()
        self._value: _T | None = None
        self._since = self._tried = -STALE

    async def get(self) -> _T:
        """What is known. Raises HTTPError 503 where nothing is, or only what is too old."""
        if self._clock() - self._since >= self._keep:
            await self.refresh()
        if self._value is None or self._clock() - self._since >= STALE:
            raise HTTPError(503, "the OpenID Connect provider does not answer; try again in a moment")
        return self._value

    async def refresh(self) -> None:
        """Fetch it anew, unless that was just tried; where it cannot be fetched the old one stays."""
        async with self._lock:
            if self._clock() - self._tried < self._pause:
                return
            self._tried = self._clock()
            try:
                self._value = await self._fetch()
                self._since = self._clock()
            except (OSError, ValueError, HTTPClientError) as error:
                logger.warning("the OpenID Connect provider: %s", error)


class Provider:
    """The provider of the settings."""

    def __init__(self, settings: OIDCSettings, pause: float = PAUSE) -> None:
        self._settings = settings
        self._client = AsyncHTTPClient(force_instance=True, max_body_size=LARGEST)
        self._metadata = Kept(self._fetch_metadata, pause=pause)
        self._keys = Kept(self._fetch_keys, pause=pause)
        self._users = Users(self._told, USERS_KEEP, "the OpenID Connect provider")

    async def endpoint(self, name: str) -> str | None:
        """One of its addresses, by its name in OpenID Connect Discovery 1.0, section 3. Raises HTTPError 503."""
        found = (await self._metadata.get()).get(name)
        return found if isinstance(found, str) else None

    async def verify(self, token: str, audiences: Collection[str]) -> Claims:
        """The claims of a token for one of ``audiences``.

        Raises HTTPError 401 that says why it does not hold; 503 where the provider's keys are not known.
        """
        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=_REGISTRY)
            header = signed.headers()
            algorithm, kind = header.get("alg"), header.get("typ")
            if algorithm not in ALGORITHMS:
                raise _refused(f"it is signed by {str(algorithm)[:20]!r}, allowed are {', '.join(ALGORITHMS)}")
            if kind is not None and str(kind).lower() not in _TYPES:
                raise _refused(f"it is of the type {str(kind)[:40]!r}")
            key = await self._key(header.get("kid"), str(algorithm))
            claims = jwt.decode(token, key, registry=_REGISTRY).claims
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": self._settings.issuer},
                sub={"essential": True},
                aud={"essential": True, "values": sorted(audiences)},
                exp={"essential": True},
            ).validate(claims)
        except ExpiredTokenError:
            raise _refused("it has expired") from None
        except ClaimError as error:
            raise _refused(f"its claim '{error.claim}' is missing, or not what it must be") from None
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError):  # the last ones: JSON, but no object
            raise _refused("it is no JWT that the provider signed") from None
        return claims

    async def complete(self, claims: Claims, access_token: str) -> Claims:
        """The claims with those that only the provider's userinfo endpoint tells, where such are needed."""
        if all(claim(claims, name) is not None for name in self._settings.needed):
            return claims
        if await self.endpoint("userinfo_endpoint") is None:
            return claims
        told = await self._users.find(access_token) or {}
        # Core, section 5.3.2: what is told of somebody else must not be used
        return {**told, **claims} if told.get("sub") == claims["sub"] else claims

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Claims:
        """The tokens for a code (Core, section 3.1.3). Raises HTTPError 403 where it is refused, else 503."""
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        more: dict[str, Any] = {}
        methods = (await self._metadata.get()).get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if settings.client_secret is None:
            form["client_id"] = settings.client_id
        elif "client_secret_basic" in methods:  # RFC 6749, section 2.3.1
            more["auth_username"] = quote(settings.client_id, safe="")
            more["auth_password"] = quote(settings.client_secret, safe="")
        else:
            form |= {"client_id": settings.client_id, "client_secret": settings.client_secret}
        url = await self.endpoint("token_endpoint")
        try:
            status, answer = await self._ask(str(url), method="POST", body=urlencode(form), **more)
        except (OSError, ValueError, HTTPClientError) as error:
            logger.warning("the OpenID Connect provider: %s", error)
            raise HTTPError(503, "the OpenID Connect provider does not answer; try again in a moment") from None
        if status != 200:
            logger.warning("the OpenID Connect provider refuses a code: %s", str(answer.get("error"))[:100])
            raise HTTPError(403, "the OpenID Connect provider refuses this log-in; begin again")
        return answer

    async def _key(self, kid: Any, algorithm: str) -> Key:
        """The key of that id. Of one that is not known the provider is asked: it may have new ones."""
        for attempt in range(2):
            try:
                found = (await self._keys.get()).get_by_kid(kid, {"alg": algorithm, "use": "sig"})
            except InvalidKeyIdError:
                if not attempt:
                    await self._keys.refresh()
            else:
                return found
        raise _refused("it is signed with a key that the provider does not have")

    async def _fetch_metadata(self) -> Claims:
        issuer = self._settings.issuer
        status, found = await self._ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or found.get("issuer") != issuer:
            raise ValueError(f"{issuer} is not what it calls itself: {found.get('issuer')!r} ({status})")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str):
                raise ValueError(f"{issuer} tells no {name}")
        return found

    async def _fetch_keys(self) -> KeySet:
        status, found = await self._ask(str(await self.endpoint("jwks_uri")))
        listed = found.get("keys")
        if status != 200 or not isinstance(listed, list):
            raise ValueError(f"no keys at its jwks_uri ({status})")
        keys = []
        for each in listed[:KEYS]:
            try:
                keys.append(JWKRegistry.import_key(each))
            except (JoseError, ValueError, TypeError, KeyError):  # of a kind that is not known here
                continue
        return KeySet(keys)

    async def _told(self, access_token: str) -> Claims | None:
        """What the userinfo endpoint tells; None where it does not take the token. Raises HTTPError 503."""
        headers = {"Authorization": f"Bearer {access_token}"}
        try:
            status, found = await self._ask(str(await self.endpoint("userinfo_endpoint")), headers=headers)
        except (OSError, ValueError, HTTPClientError) as error:
            raise HTTPError(503, str(error)) from None
        return found if status == 200 else None

    async def _ask(self, url: str, **more: Any) -> tuple[int, Claims]:
        """Status and JSON object of an answer. Raises OSError, HTTPClientError, ValueError."""
        request = HTTPRequest(url, follow_redirects=False, connect_timeout=TIMEOUT, request_timeout=TIMEOUT, **more)
        answer = await self._client.fetch(request, raise_error=False)
        if answer.code == 599:
            raise OSError(f"no answer: {answer.error}")
        if answer.code != 200 and "json" not in answer.headers.get("Content-Type", ""):
            return answer.code, {}
        found = json.loads(answer.body)
        if not isinstance(found, dict):
            raise ValueError("its answer is no JSON object")
        return answer.code, found


def _refused(reason: str) -> HTTPError:
    return HTTPError(401, f"this token does not hold: {reason}")
