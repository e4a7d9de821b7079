"""What a request brings to prove who sends it, and what is answered where that is not enough."""

from __future__ import annotations

import base64
import contextlib
import re

from tornado.httputil import HTTPHeaders, HTTPServerRequest

REALM = "jupyter_uws"
#: A URL that others may be told as the service's root.
ROOT_URL = re.compile(r"https?://[^\s/?#\"<>\\]+(/[^\s?#\"<>\\]*)?")
#: How a user and a password are exchanged for a bearer token (IVOA AuthVO, "Common Challenge Parameters").
BASIC_LOGIN = "ivo://ivoa.net/sso#BasicAA"


def credential(headers: HTTPHeaders) -> str:
    """What is sent as the token; the password, from programs that know passwords only (TOPCAT, STILTS)."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "token" | "bearer":
            return token.strip()
        case "basic" if not is_browser(headers):
            with contextlib.suppress(ValueError):
                return base64.b64decode(token.strip(), validate=True).decode().partition(":")[2]
    return ""


def is_browser(headers: HTTPHeaders) -> bool:
    """Browsers keep a password and add it to what other sites make them send: there is none for them."""
    return "Mozilla" in headers.get("User-Agent", "") or "Origin" in headers or "Sec-Fetch-Mode" in headers


def wants_page(request: HTTPServerRequest) -> bool:
    """Whether a person looks at the answer, who can be sent to a page where one logs in."""
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("Accept", "")
        and "Authorization" not in request.headers
        and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    )


def challenges(headers: HTTPHeaders, root: str | None) -> list[str]:
    """The values of ``WWW-Authenticate`` in a 401 (RFC 9110, section 11.6.1; IVOA AuthVO).

    Below ``root`` there is ``login``, where a password is exchanged for a bearer token; None where there is not.
    """
    found = [f'Bearer realm="{REALM}"']
    if not is_browser(headers):
        found.append(f'Basic realm="{REALM}"')
        if root is not None and ROOT_URL.fullmatch(root):
            found.append(f'ivoa_bearer standard_id="{BASIC_LOGIN}", access_url="{root}login"')
    return found
