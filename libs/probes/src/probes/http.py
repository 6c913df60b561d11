"""HTTP and HTTPS: one GET request, what it brings, and until when the certificate is valid."""

import asyncio
import ssl
import time
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import httpx
from cryptography import x509

from probes.addresses import Unresolved, resolve, sentence
from probes.outcome import Outcome
from probes.target import Target

E = TypeVar("E", bound=BaseException)
MOST_BYTES = 1 << 20
FIRST_GOOD, FIRST_BAD = 200, 400
HEADERS = {"User-Agent": "smartcity-prober", "Accept": "*/*"}


@cache
def trusted() -> ssl.SSLContext:
    """Return the context that trusts whom this machine trusts; SSL_CERT_FILE may say whom."""
    return ssl.create_default_context()


async def probe(target: Target) -> Outcome:
    """Send a request; a certificate that is not valid is a failure, whose expiry is told too."""
    try:
        await resolve(target.address, target.port_used, target.timeout_s)
    except Unresolved as error:
        return Outcome(error=sentence(error))
    begin = time.perf_counter()
    try:
        async with asyncio.timeout(target.timeout_s):
            wrong, expiry = await _get(target)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        refused = _cause(failure, ssl.SSLCertVerificationError)
        expiry = await _expiry(target) if refused else None
        why = sentence(refused or _cause(failure, OSError) or failure)
        return Outcome(success=False, certificate_expiry=expiry, error=why)
    took_ms = (time.perf_counter() - begin) * 1000
    return Outcome(success=not wrong, http_ms=took_ms, certificate_expiry=expiry, error=wrong)


async def _get(target: Target) -> tuple[str, datetime | None]:
    """Return what is wrong with the answer, and the certificate's expiry."""
    async with (
        httpx.AsyncClient(verify=trusted(), trust_env=False, timeout=None) as client,  # noqa: S113 - around all
        client.stream("GET", _url(target), headers=HEADERS) as response,
    ):
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                break
        tls = response.extensions["network_stream"].get_extra_info("ssl_object")
        return _wrong(target, response.status_code, body), _end_of(tls) if tls else None


def _url(target: Target) -> str:
    scheme = "https" if target.http.tls else "http"
    host = f"[{target.address}]" if ":" in target.address else target.address
    return f"{scheme}://{host}:{target.port_used}{target.http.path}"


def _wrong(target: Target, status: int, body: bytes) -> str:
    wanted = target.http
    if wanted.expected_status and status != wanted.expected_status:
        return f"the status is {status}, not {wanted.expected_status}"
    if not wanted.expected_status and not FIRST_GOOD <= status < FIRST_BAD:
        return f"the status is {status}"
    if wanted.expected_text.encode() not in body:
        return "the expected text is not there"
    return ""


def _end_of(tls: Any) -> datetime:
    return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).not_valid_after_utc


async def _expiry(target: Target) -> datetime | None:
    """Return until when a certificate is valid that was refused; None when it is not shown now."""
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(target.timeout_s):
            _, writer = await asyncio.open_connection(
                target.address, target.port_used, ssl=anyone, server_hostname=target.address
            )
            try:
                return _end_of(writer.get_extra_info("ssl_object"))
            finally:
                writer.close()
    except (OSError, ValueError):
        return None


def _cause(failure: BaseException, kind: type[E]) -> E | None:
    """Return what of this kind lies behind a failure; httpx hands it on as a cause."""
    cause: BaseException | None = failure
    while cause:
        if isinstance(cause, kind):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
