"""When the certificate of this process ends, read at each scrape: it is renewed on the disk."""

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CERTIFICATE = "tls.crt"
NAME = "smartcity_certificate_expiry_seconds"


class CertificateExpiry(Collector):
    """The end of validity of the first certificate in the folder, in unix time.

    Nothing is shown where it cannot be read: a process that cannot read it does not serve.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CERTIFICATE

    def describe(self) -> list[Metric]:
        """Return the name, for the registry."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Yield the time."""
        family = self._family()
        try:
            found = x509.load_pem_x509_certificate(self._path.read_bytes())
        except (OSError, ValueError):
            return
        family.add_metric((), found.not_valid_after_utc.timestamp())
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(NAME, "When this process's certificate ends, in unix time.")


def show_certificate(folder: Path | None) -> None:
    """Show when the certificate in the folder ends, for a process that has one."""
    if folder is not None:
        REGISTRY.register(CertificateExpiry(folder))
