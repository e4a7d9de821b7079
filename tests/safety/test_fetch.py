"""URL uploads: real servers on the loopback interface, which the operator's list must name to be reached."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jupyter_uws.uws.errors import TooBusy
from jupyter_uws.uws.fetch import Fetched, FetchError, fetch, is_public, safe_name

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
HERE = {"localhost"}


@dataclass
class Server:
    """Answers each request by ``answer(path, writer)``; ``heads`` is what it was asked."""

    port: int = 0
    answer: Answer | None = None
    heads: list[str] = field(default_factory=list)

    def url(self, path: str = "/data.fits", host: str = "localhost", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def says(self, head: str, body: bytes = b"", status: str = "200 OK") -> None:
        async def answer(_path: str, writer: asyncio.StreamWriter) -> None:
            writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body)

        self.answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            assert self.answer is not None
            await self.answer(head.split(" ")[1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    here = Server()
    listening = await asyncio.start_server(here.serve, "127.0.0.1", 0)
    here.port = listening.sockets[0].getsockname()[1]
    yield here
    listening.close()


def resolver(**known: list[str]) -> Any:
    """A name server; ``asked`` counts."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if host not in known:
            raise OSError("no such host")
        return known[host]

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


async def get(url: str, folder: Path, **more: Any) -> Fetched:
    return await fetch(url, folder / "file", **{"max_size": 1000, "timeout": 5.0, "allowed": HERE, **more})


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_comes_with_all_that_is_known_of_it(server: Server, tmp_path: Path) -> None:
    server.says("Content-Length: 5\r\nContent-Type: Application/FITS; x=y\r\n", b"hello")
    found = await get(server.url("/a/run%201.fits?sig=secret"), tmp_path)
    assert found == Fetched(5, hashlib.sha256(b"hello").hexdigest(), "application/fits", "run_1.fits")
    assert (tmp_path / "file").read_bytes() == b"hello"
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0
    assert left_in(tmp_path) == ["file"]
    head = server.heads[0].lower()
    assert head.startswith("get /a/run%201.fits?sig=secret http/1.1")
    assert f"host: localhost:{server.port}\r\n" in head
    assert "authorization" not in head
    assert "cookie" not in head


async def test_chunks_and_answers_until_the_end(server: Server, tmp_path: Path) -> None:
    server.says("Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (await get(server.url(), tmp_path)).size == 5
    server.says("", b"until the end")
    assert (await get(server.url(), tmp_path)).size == 13


async def test_what_is_compressed_stays_so(server: Server, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    server.says(f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n", bomb)
    found = await get(server.url(), tmp_path, max_size=len(bomb))
    assert found.size == len(bomb) == (tmp_path / "file").stat().st_size


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=a.fits", "a.fits"),
        ('attachment; filename="../../.ssh/authorized_keys"', "authorized_keys"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        (r'attachment; filename="C:\\Windows\\x.dll"', "x.dll"),
        ("attachment; filename*=UTF-8''%2e%2e%2f%2e%2e%2fx", "x"),
        ("attachment; filename*=utf-7''+AC8-", "file"),
        ("attachment; filename*=nosuch''x", "x"),
        ('attachment; filename=".."', "file"),
        ('attachment; filename="-rf"', "rf"),
        ('attachment; filename="a;b$(id)`id`|.fits"', "a_b__id__id__.fits"),
        ("attachment; filename=" + 300 * "a" + ".fits", 95 * "a" + ".fits"),
        ("attachment", "data.fits"),
        ("", "data.fits"),
        ('attachment; filename="\xff\xfe"', "__"),
    ],
)
async def test_a_server_names_no_place(server: Server, tmp_path: Path, header: str, name: str) -> None:
    server.says(f"Content-Disposition: {header}\r\nContent-Type: bad type\r\n")
    found = await get(server.url(), tmp_path)
    assert found.filename == name
    assert found.content_type == "application/octet-stream"


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "\0", "/", "a/", "\\", "...", "-", "é"])
def test_every_name_is_one_element(name: str) -> None:
    found = safe_name(name)
    assert found
    assert not set(found) & set("/\\\0")
    assert not found.startswith((".", "-"))


REFUSED = {
    "file:///etc/passwd": "scheme 'file'",
    "ftp://localhost/x": "scheme 'ftp'",
    "gopher://localhost:70/_x": "scheme 'gopher'",
    "jar:http://localhost!/x": "scheme 'jar'",
    "data:text/plain,x": "scheme 'data'",
    "unix:///var/run/docker.sock": "scheme 'unix'",
    "//localhost/x": "scheme ''",
    "": "scheme ''",
    "localhost": "scheme ''",
    "http://": "no valid host",
    "http:///x": "no valid host",
    "http://user@localhost/": "user name",
    "http://user:password@localhost/": "user name",
    "http://:@localhost/": "user name",
    "http://localhost:0/": "no valid host",
    "http://localhost:99999/": "not valid",
    "http://localhost:x/": "not valid",
    "http://[::1/": "not valid",
    "http://[fe80::1%25eth0]/": "valid",
    "http://local host/": "percent-encoded",
    "http://localhost/a b": "percent-encoded",
    "http://localhost/\r\nX-UWS-Secret: x": "percent-encoded",
    "http://localhost\\@example.org/": "percent-encoded",
    "http://localhost/\0": "percent-encoded",
    "http://ⓛocalhost/": "percent-encoded",
    "http://localhost%2f/": "no valid host",
}


@pytest.mark.parametrize("url", REFUSED)
async def test_a_url_that_is_refused_as_it_stands(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=REFUSED[url].replace("(", r"\(")):
        await get(url, tmp_path, resolver=resolver(localhost=["127.0.0.1"]))
    assert left_in(tmp_path) == []


def words(text: str) -> list[str]:
    return text.split()


NOT_PUBLIC = words("""127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 169.254.169.254 192.0.0.1
    192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1
    ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2001::1 2002:7f00:1:: fc00::1
    fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 2001:db8::1 100:: not-an-address""")


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_only_public_addresses_are_connected_to(address: str, tmp_path: Path) -> None:
    assert not is_public(address)
    # one of several is enough
    for addresses in ([address], ["93.184.216.34", address]):
        with pytest.raises(FetchError, match="no address on the public Internet") as caught:
            await get("http://data.example.org/", tmp_path, resolver=resolver(**{"data.example.org": addresses}))
        assert address not in str(caught.value)


def test_public_addresses() -> None:
    assert all(map(is_public, ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808"]))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
async def test_other_ways_to_write_loopback(server: Server, tmp_path: Path, host: str) -> None:
    """With the system's own resolver; the list names localhost, not these."""
    server.says("", b"secret")
    with pytest.raises(FetchError, match="no address on the public Internet"):
        await get(server.url(host=host), tmp_path)
    assert server.heads == []


async def test_without_the_list_localhost_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no address on the public Internet"):
        await get(server.url(), tmp_path, allowed=())
    assert server.heads == []


async def test_a_name_is_asked_once_and_the_address_is_kept(server: Server, tmp_path: Path) -> None:
    """Rebinding: the second answer of the name server would be loopback."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with pytest.raises(FetchError, match=r"did not send the file|cannot be connected to"):
        await get(server.url(host="evil.example.org"), tmp_path, resolver=rebinding, timeout=0.3)
    assert asked == ["evil.example.org"]
    assert server.heads == []


async def test_the_checked_address_is_the_one_connected_to(server: Server, tmp_path: Path) -> None:
    """The name exists in this resolver only: nobody else is asked for it."""
    server.says("Content-Length: 2\r\n", b"ok")
    names = resolver(**{"data.site": ["127.0.0.1"]})
    assert (await get(server.url(host="data.site"), tmp_path, allowed={"data.site"}, resolver=names)).size == 2
    assert f"Host: data.site:{server.port}\r\n" in server.heads[0]


async def test_redirects_are_followed_and_counted(server: Server, tmp_path: Path) -> None:
    async def count_down(path: str, writer: asyncio.StreamWriter) -> None:
        left = int(path.strip("/"))
        head = f"302 Found\r\nLocation: ../{left - 1}" if left else "200 OK"
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())

    server.answer = count_down
    await get(server.url("/5"), tmp_path)
    assert len(server.heads) == 6
    with pytest.raises(FetchError, match="redirected more than 5 times"):
        await get(server.url("/6"), tmp_path)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://127.0.0.1:{port}/inner", "no address on the public Internet"),
        ("//127.0.0.1:{port}/inner", "no address on the public Internet"),
        ("http://169.254.169.254/latest/meta-data/", "no address on the public Internet"),
        ("file:///etc/passwd", "redirects to has the scheme 'file'"),
        ("http://user:pw@localhost:{port}/inner", "redirects to holds a user name"),
        ("http://localhost:{port}/\x01", "redirects to has a character"),
        ("\xe9", "redirects to has a character"),
        ("http://[", "redirects to is not valid"),
    ],
)
async def test_redirects_are_checked(server: Server, tmp_path: Path, location: str, message: str) -> None:
    server.says(f"Location: {location.format(port=server.port)}\r\nContent-Length: 0\r\n", status="302 Found")
    with pytest.raises(FetchError, match=f"{message}|broke off"):
        await get(server.url(), tmp_path)
    assert len(server.heads) == 1


async def test_too_large_by_its_own_word_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.says("Content-Length: 1001\r\n", b"x")
    with pytest.raises(FetchError, match="1001 bytes, more than the limit of 1000"):
        await get(server.url(), tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("head", ["", "Transfer-Encoding: chunked\r\n"])
async def test_too_large_is_broken_off(server: Server, tmp_path: Path, head: str) -> None:
    sent = 0

    async def endless(_path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        piece = b"x" * 65536
        while sent < 2**30:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if head else piece)
            await writer.drain()
            sent += len(piece)

    server.answer = endless
    with pytest.raises(FetchError, match="larger than the limit of 1000000 bytes"):
        await get(server.url(), tmp_path, max_size=1_000_000)
    assert left_in(tmp_path) == []
    assert sent < 2**26


@pytest.mark.parametrize("start", ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"])
async def test_a_slow_drip_has_an_end(server: Server, tmp_path: Path, start: str) -> None:
    gone = asyncio.Event()

    async def drip(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(start.encode())
        try:
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        finally:
            gone.set()

    server.answer = drip
    begin = asyncio.get_running_loop().time()
    # on a machine that is busy the server must have begun by then: else there is nothing that could end
    with pytest.raises(FetchError, match="did not send the file within 2 s"):
        await get(server.url(), tmp_path, timeout=2)
    assert asyncio.get_running_loop().time() - begin < 20
    await asyncio.wait_for(gone.wait(), 30)
    assert left_in(tmp_path) == []


async def test_a_slow_name_server_has_an_end(tmp_path: Path) -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(FetchError, match="did not send the file within"):
        await get("http://data.example.org/", tmp_path, resolver=never, timeout=0.2)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 300_000 + b"\r\n\r\n",
    ],
)
async def test_broken_answers_leave_nothing(server: Server, tmp_path: Path, answer: bytes) -> None:
    async def broken(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    server.answer = broken
    with pytest.raises(FetchError, match=r"'localhost' broke off its answer"):
        await get(server.url(), tmp_path)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("status", ["404 Not Found", "500 secret-of-the-inside", "304 Not Modified", "206 Partial"])
async def test_an_error_tells_its_number_only(server: Server, tmp_path: Path, status: str) -> None:
    server.says("X: inner\r\nContent-Length: 5\r\n" if "304" not in status else "", b"inner", status=status)
    with pytest.raises(FetchError, match=rf"^the host 'localhost' answered with status {status[:3]}$"):
        await get(server.url("/x?sig=secret"), tmp_path)
    assert left_in(tmp_path) == []


async def test_no_proxy_is_taken_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, server.url("", host="127.0.0.1"))
    with pytest.raises(FetchError, match="no address on the public Internet"):
        await get("http://inner.example.org/", tmp_path, resolver=resolver(**{"inner.example.org": ["10.0.0.1"]}))
    assert server.heads == []


async def test_a_folder_that_is_gone_is_not_the_clients_fault(server: Server, tmp_path: Path) -> None:
    server.says("", b"x")
    with pytest.raises(TooBusy, match="the file cannot be stored: No such file"):
        await get(server.url(), tmp_path / "gone")


@pytest.fixture
async def tls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, Path]]:
    """A server with a certificate for data.site that nobody signed."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "data.site")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("data.site")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem + private)
    (folder / "ca.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    here = Server()
    here.says("Content-Length: 2\r\n", b"ok")
    listening = await asyncio.start_server(here.serve, "127.0.0.1", 0, ssl=context)
    here.port = listening.sockets[0].getsockname()[1]
    yield here, folder / "ca.pem"
    listening.close()


async def test_certificates_are_checked_for_the_name(
    tls: tuple[Server, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = tls
    names = resolver(**{"data.site": ["127.0.0.1"], "other.site": ["127.0.0.1"]})
    more = {"allowed": {"data.site", "other.site"}, "resolver": names}
    with pytest.raises(FetchError, match="certificate that is not trusted"):
        await get(server.url(host="data.site", scheme="https"), tmp_path, **more)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    assert (await get(server.url(host="data.site", scheme="https"), tmp_path, **more)).size == 2
    with pytest.raises(FetchError, match="certificate that is not trusted"):
        await get(server.url(host="other.site", scheme="https"), tmp_path, **more)
    assert len(server.heads) == 1
