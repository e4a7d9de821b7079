"""Get a file from a URL that a client named, without lending the client our place in the network.

The service may stand where it can see what its users cannot: databases of the site, a cloud's
metadata address, its own port. So every address of the host must be a public one, the connection
goes to the very address that was checked (a name may lead elsewhere when it is asked again), and
each redirect is looked at as if the client had sent it. Only an operator's list opens other hosts.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from email.message import Message
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urljoin, urlsplit

import httpcore

from .errors import TooBusy, UsageError

# at debug level it writes URLs down, and the query of a signed one is a secret
logging.getLogger("httpcore").setLevel(logging.INFO)

#: A server may send us on so many times.
MAX_REDIRECTS = 5

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NAT64 = IPv6Network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}
_HEADERS = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "jupyter_uws"), ("Connection", "close")]

#: For one address of a host to answer [s]; the others are tried then.
CONNECT_TIMEOUT = 10.0

_BOUNDS = {"timeout": {"connect": CONNECT_TIMEOUT}}

#: The addresses of a host, as text. Raises OSError where it has none.
Resolver = Callable[[str, int], Awaitable[Iterable[str]]]


class FetchError(UsageError):
    """The URL cannot or may not be fetched; one sentence, with nothing of what an inner server said."""


@dataclass(frozen=True)
class Fetched:
    """A file that is there: ``size`` in bytes, ``sha256`` a hex digest, ``filename`` a plain, safe name."""

    size: int
    sha256: str
    content_type: str
    filename: str


@dataclass(frozen=True)
class _Address:
    """A URL taken apart once, so that what is checked is what is asked for."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet, also where it carries an IPv4 address inside.

    >>> [is_public(text) for text in ("93.184.216.34", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False, False]
    """
    try:
        ip = ip_address(address)
    except ValueError:  # such as one with a zone: of a link, then
        return False
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None or ip.is_site_local or ip.teredo or ip.sixtofour:
            return False
        if ip in _NAT64:
            return is_public(str(IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def fetch(
    url: str,
    target: Path,
    *,
    max_size: int,
    timeout: float,
    allowed: Collection[str] = (),
    resolver: Resolver = resolve,
) -> Fetched:
    """Store what is at ``url`` as the file ``target``, which appears when it is complete.

    At most ``max_size`` bytes within ``timeout`` seconds, redirects included. ``allowed`` are hosts
    (``data.site.org``, lower case) whose addresses are not looked at. Raises :class:`FetchError` for
    a URL that is refused or fails, :class:`~jupyter_uws.uws.errors.TooBusy` where the disk is full.
    """
    backend = _Pinned(frozenset(allowed), resolver)
    address = _take_apart(url)
    try:
        async with (
            asyncio.timeout(timeout),
            httpcore.AsyncConnectionPool(ssl_context=ssl.create_default_context(), network_backend=backend) as pool,
        ):
            for _ in range(MAX_REDIRECTS + 1):
                request = [("Host", address.authority), *_HEADERS]
                async with pool.stream("GET", _url(address), headers=request, extensions=_BOUNDS) as answer:
                    headers = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
                    if answer.status not in _REDIRECTS or b"location" not in headers:
                        return await _store(answer, headers, address, target, max_size)
                here = f"{address.scheme}://{address.authority}{address.target}"
                address = _take_apart(headers[b"location"], redirected_by=here)
            raise FetchError(f"the URL is redirected more than {MAX_REDIRECTS} times")
    except TimeoutError:
        raise FetchError(f"the host '{address.host}' did not send the file within {timeout:g} s") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise FetchError(f"the host '{address.host}' {_reason(error)}") from None


def _take_apart(url: str, redirected_by: str = "") -> _Address:
    what = "the URL it redirects to" if redirected_by else "the URL"
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\<>\"]", url):
        raise FetchError(f"{what} has a character that must be percent-encoded")
    try:
        parts = urlsplit(urljoin(redirected_by, url))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FetchError(f"{what} is not valid") from None
    if parts.scheme not in _PORTS:
        raise FetchError(f"{what} has the scheme '{parts.scheme[:20]}': only http and https are fetched")
    if "@" in parts.netloc:
        raise FetchError(f"{what} holds a user name or password, which are not sent from here")
    if not re.fullmatch(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", host) or port == 0:
        raise FetchError(f"{what} names no valid host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Address(parts.scheme, host, port or _PORTS[parts.scheme], target)


def _url(address: _Address) -> httpcore.URL:
    return httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connections to addresses that were checked, and to nothing else."""

    def __init__(self, allowed: frozenset[str], resolver: Resolver) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        try:
            addresses = list(await self._resolver(host, port))
        except (OSError, UnicodeError):
            addresses = []
        # one bad address is enough: which one is taken would be the choice of whoever rules the name
        if not addresses or (host not in self._allowed and not all(map(is_public, addresses))):
            # the same words for both: names inside the site are not told apart from those that do not exist
            raise FetchError(f"the host '{host}' has no address on the public Internet")
        for address in addresses[:4]:
            try:
                return await self._backend.connect_tcp(address, port, *args, **more)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise httpcore.ConnectError

    async def connect_unix_socket(self, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError  # nobody asks for one


async def _store(
    answer: httpcore.Response, headers: dict[bytes, str], address: _Address, target: Path, max_size: int
) -> Fetched:
    if answer.status != 200:
        raise FetchError(f"the host '{address.host}' answered with status {answer.status}")
    length = headers.get(b"content-length", "")
    if length.isdigit() and int(length) > max_size:
        raise FetchError(f"the file has {length} bytes, more than the limit of {max_size}")
    size, digest = 0, hashlib.sha256()

    def keep(file: BinaryIO, chunk: bytes) -> None:
        file.write(chunk)
        digest.update(chunk)

    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".fetched-")
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in answer.aiter_stream():
                    size += len(chunk)
                    if size > max_size:
                        raise FetchError(f"the file is larger than the limit of {max_size} bytes")
                    await asyncio.to_thread(keep, file, chunk)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise TooBusy(f"the file cannot be stored: {error.strerror}") from error
    content_type = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    if not re.fullmatch(r"[\w.+-]{1,60}/[\w.+-]{1,60}", content_type, re.ASCII):
        content_type = "application/octet-stream"
    return Fetched(size, digest.hexdigest(), content_type, _filename(headers, address))


def _filename(headers: dict[bytes, str], address: _Address) -> str:
    """The name that the server gives, else the URL's; never more than one plain path element."""
    message = Message()
    message["Content-Disposition"] = headers.get(b"content-disposition", "").replace("\r", "").replace("\n", "")
    try:
        given = message.get_filename()
    except (ValueError, LookupError, UnicodeError):
        given = None
    return safe_name(given or unquote(PurePosixPath(urlsplit(address.target).path).name))


def safe_name(name: str) -> str:
    """A file's name as one plain element of a path: letters, digits, ``. _ + -``; at most 100 characters.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\a b.fits"), safe_name("..")
    ('passwd', 'a_b.fits', 'file')
    """
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", last).lstrip(".-")
    return plain[-100:].lstrip(".-") or "file"


def _reason(error: Exception) -> str:
    if isinstance(error.__context__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
        return "has a certificate that is not trusted"
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return "cannot be connected to"
    return "broke off its answer"
