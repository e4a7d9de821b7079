"""One HTTP connection to one service: its URL, its token, timeouts, and errors of one sentence."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from .._version import __version__
from .discovery import discover
from .errors import ServiceError, ServiceUnreachable

#: Seconds to connect and seconds between two bytes of an answer.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 60.0
#: The largest error body that is read.
ERROR_BODY = 64 * 1024
#: Connections that are remembered.
KNOWN = 16
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL: what a token may be sent to."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme)


class TokenAuth(requests.auth.AuthBase):
    """Sends ``Authorization: token T`` to one origin and to no other; its repr hides the token."""

    def __init__(self, token: str, root: str) -> None:
        self._token = token
        self._origin = origin(root)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token and origin(request.url or "") == self._origin:
            request.headers["Authorization"] = f"token {self._token}"
        return request

    def __repr__(self) -> str:
        return "TokenAuth(***)"


class ServiceSession(requests.Session):
    """A session in which every call has a timeout and GETs alone are tried again."""

    def __init__(self, root: str, token: str) -> None:
        super().__init__()
        self.auth = TokenAuth(token, root)
        self.headers["User-Agent"] = f"jupyter-uws/{__version__}"
        # Only GET and HEAD may be sent twice: a POST that was lost on the way back has made its job.
        retry = Retry(
            total=3,
            connect=2,
            read=1,
            backoff_factor=0.2,
            status_forcelist=(502, 504),
            allowed_methods=("GET", "HEAD"),
            raise_on_status=False,
            redirect=0,
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=retry))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_TIMEOUT, READ_TIMEOUT)
        return super().request(method, url, *args, **kwargs)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """After a redirect: the token goes to its own origin, and no .netrc entry takes its place."""
        prepared_request.headers.pop("Authorization", None)
        if isinstance(self.auth, TokenAuth):
            self.auth(prepared_request)


class Connection:
    """A service, reached. Made by :func:`connect`; shared by :class:`Archive` and :class:`JobService`.

    ``url`` is the service's root and ends with a slash.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"url={without_secrets(url)!r} is not a service's URL: it must begin with http:// or https://"
            )
        token = token.strip()
        if not token.isascii() or not token.isprintable():
            raise ValueError("token contains characters that no token has")
        self.url = without_secrets(url).rstrip("/") + "/"
        self.session = ServiceSession(self.url, token)
        _known.pop(self.url, None)
        _known[self.url] = self
        if len(_known) > KNOWN:
            del _known[next(iter(_known))]

    def __repr__(self) -> str:
        return f"<Connection {self.url}>"

    def resolve(self, path: str) -> str:
        """An absolute URL from a path below the root, or from a URL as it is."""
        return urljoin(self.url, path)

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Send a request; the answer's status is below 400.

        Raises
        ------
        ServiceUnreachable
            Nothing answered, or not within the timeout.
        ServiceError
            The service answered with an error; the text is its own sentence.
        """
        url = self.resolve(path)
        with reachable(url):
            response = self.session.request(method, url, **kwargs)
            if response.status_code >= 400:
                raise service_error(response)
            if response.history and urlsplit(response.url).path.endswith("/login"):
                # Jupyter sends those it does not know to its login page
                server = without_secrets(url)
                raise ServiceError(
                    f"The service at {server} did not accept the token; check token= or JUPYTER_UWS_TOKEN.", 403
                )
        return response

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        """GET; see :meth:`request`."""
        return self.request("GET", path, **kwargs)

    def post(self, path: str, data: Any = None, **kwargs: Any) -> requests.Response:
        """POST a form; see :meth:`request`."""
        return self.request("POST", path, data=data, **kwargs)


#: The services that were reached last: a table knows its own by URL, for what is written with it must hold no token.
_known: dict[str, Connection] = {}


def known_connection(url: str) -> Connection:
    """The connection to a service by its URL: the one there was, or a new one as :func:`connect` makes it."""
    return _known.get(url) or connect(url)


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what requests raises into one sentence that names the service."""
    server = without_secrets(url)
    try:
        yield
    except requests.exceptions.Timeout:
        raise ServiceUnreachable(f"The service at {server} did not answer in time.") from None
    except requests.exceptions.SSLError as error:
        raise ServiceUnreachable(f"The certificate of {server} cannot be trusted: {_root_cause(error)}.") from None
    except requests.exceptions.TooManyRedirects:
        raise ServiceUnreachable(f"The service at {server} redirects in circles.") from None
    except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise ServiceUnreachable(f"The service at {server} cannot be reached: {_root_cause(error)}.") from None
    except requests.exceptions.RequestException as error:
        raise ServiceUnreachable(f"The request to {server} failed: {type(error).__name__}.") from None


def without_secrets(url: str) -> str:
    """The URL without user, query and fragment: what may be shown in a message."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _root_cause(error: BaseException) -> str:
    text = str(error)
    for pattern, words in (
        (r"Connection refused", "the connection was refused; it does not run, or on another port"),
        (r"NameResolutionError|Name or service not known|getaddrinfo", "its name is not known"),
        (r"Remote end closed|Connection reset|IncompleteRead|Connection aborted", "it closed the connection"),
        (r"CERTIFICATE_VERIFY_FAILED[^']*", "its certificate could not be verified"),
        (r"unreachable", "there is no route to it"),
    ):
        if re.search(pattern, text):
            return words
    return type(error).__name__


def service_error(response: requests.Response) -> ServiceError:
    """The error a response carries: its text, or the message of its DALI error document."""
    status = response.status_code
    message = "" if status == 401 else error_text(response)
    if not message:
        server = without_secrets(response.url)
        refused = f"The service at {server} refused the token (HTTP {status}); check token= or JUPYTER_UWS_TOKEN"
        answered = f"The service at {server} answered {status} {response.reason or ''}".rstrip()
        if status == 404:
            answered += ": the URL of a service within JupyterLab ends with /jupyter-uws/"
        message = refused if status in (401, 403) else answered
    return ServiceError(message if message.endswith((".", "!", "?", "…")) else message + ".", status)


def error_text(response: requests.Response) -> str:
    """The error message of a response's body in one line; empty where it has none, or is a page for people."""
    with reachable(response.url):
        body = next(response.iter_content(ERROR_BODY), b"")
    content_type = response.headers.get("Content-Type", "").lower()
    if "html" in content_type:
        return ""
    if "xml" in content_type or body.lstrip().startswith(b"<?xml"):
        return dali_error(body) or ""
    if "json" in content_type:
        try:
            document = json.loads(body)
        except ValueError:
            return ""
        return _one_line(str(document.get("message") or "")) if isinstance(document, dict) else ""
    return _one_line(body.decode("utf-8", "replace"))


def dali_error(body: bytes) -> str | None:
    """The text of ``INFO name="QUERY_STATUS" value="ERROR"`` (DALI 1.1, section 4.4), or None."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name == "INFO" and element.get("name") == "QUERY_STATUS" and (element.get("value") or "").upper() == "ERROR":
            return _one_line(element.text or "") or "The service reported an error without saying which"
    return None


def _one_line(text: str, limit: int = 1000) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def connect(url: str | None = None, token: str | None = None) -> Connection:
    """Reach a service: the one named, or the one this kernel belongs to.

    Parameters
    ----------
    url
        The service's root, as ``http://localhost:8888/jupyter-uws/``. Without it, in this order:
        ``JUPYTER_UWS_URL``; the single-user server of JupyterHub; the Jupyter server that started
        this kernel.
    token
        The token to send; without it ``JUPYTER_UWS_TOKEN``, or the found server's own.

    Raises
    ------
    NotConfigured
        No service was named and none was found.
    """
    if url is not None:
        return Connection(url, token if token is not None else os.environ.get("JUPYTER_UWS_TOKEN", ""))
    found_url, found_token = discover()
    return Connection(found_url, token if token is not None else found_token)
