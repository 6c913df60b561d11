"""Metrics of files and queries: a certificate's end, a look that fails."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.telemetry.certificate import NAME, CertificateExpiry, show_certificate
from common.telemetry.refresh import keep_fresh
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from devstack.waiting import until
from prometheus_client import REGISTRY, CollectorRegistry

END = datetime(2027, 1, 31, 12, tzinfo=UTC)


def certificate(end: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "inventory")])
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


async def test_the_end_of_the_own_certificate_shows_and_follows_its_renewal(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(CertificateExpiry(tmp_path))
    assert registry.get_sample_value(NAME) is None
    (tmp_path / "tls.crt").write_bytes(certificate(END))
    assert registry.get_sample_value(NAME) == END.timestamp()
    (tmp_path / "tls.crt").write_bytes(certificate(END + timedelta(days=60)))
    assert registry.get_sample_value(NAME) == (END + timedelta(days=60)).timestamp()
    (tmp_path / "tls.crt").write_bytes(b"-----BEGIN")
    assert registry.get_sample_value(NAME) is None


async def test_a_certificate_shows_only_where_there_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(certificate(END))
    show_certificate(None)
    assert REGISTRY.get_sample_value(NAME) is None
    show_certificate(tmp_path)
    assert REGISTRY.get_sample_value(NAME) == END.timestamp()
    (tmp_path / "tls.crt").unlink()  # the registry of the process is left showing nothing


async def test_a_look_that_fails_is_repeated_and_the_time_of_the_last_good_one_stays() -> None:
    looks: list[float | None] = []

    def shown() -> float | None:
        return REGISTRY.get_sample_value(
            "smartcity_metrics_refreshed_time_seconds", {"metrics": "test"}
        )

    async def look() -> None:
        looks.append(shown())
        if len(looks) > 1:
            raise OSError("away")

    async def looked_often() -> bool:
        return len(looks) >= 4

    task = asyncio.create_task(keep_fresh("test", look, every_s=0))
    try:
        assert await until(looked_often, within_s=10)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert looks[0] is not None
    assert len(set(looks[1:])) == 1
    assert (looks[1] or 0) > looks[0]
