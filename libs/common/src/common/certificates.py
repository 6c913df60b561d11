"""A process's certificate, its key and whom it trusts, in a folder as cert-manager writes it.

They are read anew when the files change, so that a rotated certificate needs no restart.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from common.telemetry.logs import logger
from common.telemetry.metrics import CERTIFICATE_ENDS

CHAIN, KEY, TRUSTED = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the three files held at one moment, as PEM."""

    chain: bytes
    key: bytes
    trusted: bytes

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the folder.

        Raises:
            OSError: A file is missing or cannot be read.
            ValueError: A file is not PEM, or the key is encrypted or not that of the certificate.
        """
        read = cls(*((folder / name).read_bytes() for name in (CHAIN, KEY, TRUSTED)))
        read._require_pair()
        return read

    def _require_pair(self) -> None:
        x509.load_pem_x509_certificates(self.trusted)
        try:
            mine = load_pem_private_key(self.key, password=None).public_key()
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"{KEY} is encrypted, or of a kind that is not known") from error
        if mine != self._leaf().public_key():
            raise ValueError(f"{KEY} is not the key of {CHAIN}")

    @property
    def ends(self) -> datetime:
        """When the own certificate ceases to be valid."""
        return self._leaf().not_valid_after_utc

    def _leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.chain)[0]


class CertificateFolder:
    """The certificates of a folder, read anew when a file there is another one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._stamp()
        self.current = self._read()
        """What was last found whole."""

    def changed(self) -> bool:
        """Look at the folder; tell whether `current` has become another.

        What is half written or wrong changes nothing and is said; the old one is kept.
        """
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self.current = self._read()
        except (OSError, ValueError) as error:
            logger().warning("certificates not read", folder=str(self._folder), error=repr(error))
            return False
        self._seen = stamp
        logger().info("certificates read anew", ends=self.current.ends.isoformat())
        return True

    def _read(self) -> Certificates:
        read = Certificates.read(self._folder)
        CERTIFICATE_ENDS.set(read.ends.timestamp())
        return read

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return what differs when a file was written, or replaced through a symbolic link."""
        found = [(self._folder / name).stat() for name in (CHAIN, KEY, TRUSTED)]
        return tuple((file.st_mtime_ns, file.st_ino, file.st_size) for file in found)
