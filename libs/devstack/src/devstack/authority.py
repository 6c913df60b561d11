"""A certificate authority for tests and trials, and folders as cert-manager writes them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=1)


class Authority:
    """Signs certificates that are valid for a day, for servers and clients alike."""

    def __init__(self, name: str = "trial authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.certificate = _signed(
            _builder(self._name, self._name, self._key.public_key()).add_extension(
                x509.BasicConstraints(ca=True, path_length=0), critical=True
            ),
            self._key,
        )
        """Its own, as PEM."""

    def issue(self, folder: Path, hosts: Sequence[str] = ("localhost", "127.0.0.1")) -> Path:
        """Write `tls.crt`, `tls.key` and `ca.crt` for the hosts; return the folder.

        Each file is replaced as a whole, as a mounted secret is.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(hosts[0]), self._name, key.public_key())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = _signed(
            builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            ).add_extension(x509.ExtendedKeyUsage(usages), critical=False),
            self._key,
        )
        folder.mkdir(parents=True, exist_ok=True)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files = {"tls.key": plain, "tls.crt": certificate, "ca.crt": self.certificate}
        for name, content in files.items():
            _replace(folder / name, content)
        return folder


def _replace(file: Path, content: bytes) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.touch(mode=0o600)
    beside.write_bytes(content)
    beside.replace(file)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(minutes=1),
        not_valid_after=now + VALID,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
