"""What a request brings to prove who sends it, and what is answered where that is not enough."""

from __future__ import annotations

import base64
import contextlib
import re
import stat
from pathlib import Path

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
        and not {"Authorization", "X-UWS-Secret"} & request.headers.keys()
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


def secret_of_file(path: Path) -> str:
    """The one line of a file that only its owner can read. Raises ValueError that says what is wrong with the file."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ValueError("is open to others: chmod 600")
        secret = path.read_text().strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is no text") from None
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("holds no secret: allowed are printable ASCII characters, on one line")
    return secret
