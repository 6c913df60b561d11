"""HTTP, its certificates, and DNS against real servers on loopback."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from probes import http
from probes.probe import probe
from probes.target import DnsQuestion, HttpRequest, Kind, Target

HOST = "127.64.1.4"
TODAY = datetime.now(UTC).replace(microsecond=0)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(status: str, body: str = "Selamat datang", wait_s: float = 0) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(wait_s)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    return serve


@asynccontextmanager
async def web(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Target]:
    """Give the target of a server that runs meanwhile."""
    server = await asyncio.start_server(serve, HOST, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Target(Kind.HTTP, HOST, port, timeout_s=10, http=HttpRequest(tls=tls is not None))


async def test_http_tells_the_time_of_a_good_answer() -> None:
    async with web(saying("200 OK", wait_s=0.03)) as target:
        seen = await probe(target)
    assert (seen.success, seen.error, seen.certificate_expiry) == (True, "", None)
    assert seen.http_ms is not None
    assert seen.http_ms >= 30


@pytest.mark.parametrize(
    ("status", "wanted", "error"),
    [
        ("500 Oh", HttpRequest(), "the status is 500"),
        ("200 OK", HttpRequest(expected_status=204), "the status is 200, not 204"),
        ("404 No", HttpRequest(expected_status=404), ""),
        ("302 Go", HttpRequest(), ""),
        ("200 OK", HttpRequest(expected_text="datang"), ""),
        ("200 OK", HttpRequest(expected_text="pulang"), "the expected text is not there"),
    ],
)
async def test_http_compares_with_what_is_expected(
    status: str, wanted: HttpRequest, error: str
) -> None:
    async with web(saying(status)) as target:
        seen = await probe(replace(target, http=wanted))
    assert (seen.success, seen.error) == (not error, error)


async def test_http_that_is_refused_or_silent_fails_with_a_sentence() -> None:
    async with web(saying("200 OK", wait_s=5)) as target:
        seen = await probe(replace(target, timeout_s=0.2))
        assert (seen.success, seen.error) == (False, "no answer in time")
    seen = await probe(target)
    assert (seen.success, seen.silent) == (False, True)
    assert seen.error


def certificate(folder: Path, ends: datetime) -> ssl.SSLContext:
    """Make a certificate of HOST that signs itself, and the context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - timedelta(days=30))
        .not_valid_after(ends)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this machine trust the certificate that a test makes in its folder."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    http.trusted.cache_clear()
    yield
    http.trusted.cache_clear()


@pytest.mark.usefixtures("trusting")
async def test_https_tells_until_when_the_certificate_is_valid(tmp_path: Path) -> None:
    ends = TODAY + timedelta(days=20)
    tls = certificate(tmp_path, ends)
    async with web(saying("200 OK"), tls) as target:
        seen = await probe(target)
    assert (seen.success, seen.certificate_expiry, seen.error) == (True, ends, "")


@pytest.mark.usefixtures("trusting")
async def test_https_with_an_expired_certificate_fails_and_tells_its_end(
    tmp_path: Path,
) -> None:
    ends = TODAY - timedelta(days=2)
    tls = certificate(tmp_path, ends)
    async with web(saying("200 OK"), tls) as target:
        seen = await probe(target)
    assert (seen.success, seen.certificate_expiry) == (False, ends)
    assert "certificate has expired" in seen.error


async def test_https_that_nobody_vouches_for_fails(tmp_path: Path) -> None:
    async with web(saying("200 OK"), certificate(tmp_path, TODAY + timedelta(days=9))) as target:
        seen = await probe(target)
    assert (seen.success, seen.silent) == (False, True)
    assert "self-signed" in seen.error


class NameServer(asyncio.DatagramProtocol):
    """Knows one name."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        name = question.question[0].name
        if name.to_text() == "silent.go.id.":
            return
        if name.to_text() == "paserkab.go.id.":
            if question.question[0].rdtype == dns.rdatatype.A:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "10.0.0.1"))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), address)


@pytest.mark.parametrize(
    ("name", "record_type", "error"),
    [
        ("paserkab.go.id", "A", ""),
        ("paserkab.go.id", "AAAA", "paserkab.go.id has no AAAA"),
        ("nobody.go.id", "A", "the server answers NXDOMAIN"),
        ("silent.go.id", "A", "no answer in time"),
    ],
)
async def test_dns_asks_one_server_for_one_name(name: str, record_type: str, error: str) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=(HOST, 0))
    port = transport.get_extra_info("sockname")[1]
    question = DnsQuestion(name, record_type)
    seen = await probe(Target(Kind.DNS, HOST, port, timeout_s=0.5, dns=question))
    transport.close()
    assert (seen.success, seen.error) == (not error, error)
    assert (seen.dns_ms is not None) == (error != "no answer in time")


async def test_dns_where_nobody_listens_fails() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=(HOST, 0))
    port = transport.get_extra_info("sockname")[1]
    transport.close()
    seen = await probe(Target(Kind.DNS, HOST, port, timeout_s=0.5))
    assert (seen.success, seen.silent) == (False, True)
