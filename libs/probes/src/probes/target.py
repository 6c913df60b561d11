"""What is probed, and how."""

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a line is asked whether it works."""

    ICMP = "ICMP"
    """Echo requests (RFC 792, RFC 4443)."""
    STAMP = "STAMP"
    """Packets to a STAMP reflector (RFC 8762)."""
    TCP = "TCP"
    """Connections, closed as soon as they stand."""
    HTTP = "HTTP"
    """A GET request."""
    DNS = "DNS"
    """A question to a name server."""


PORTS = {Kind.STAMP: 862, Kind.DNS: 53}
"""The ports that the kinds' standards name; HTTP's depends on TLS, TCP has none."""
HTTP_PORT = 80
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What an HTTP probe asks for, and what it must get."""

    path: str = "/"
    tls: bool = False
    expected_status: int = 0
    """0: any from 200 to 399; redirects are not followed."""
    expected_text: str = ""
    """Must stand in the first MiB of the body."""


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """What a DNS probe asks for."""

    name: str = "."
    record_type: str = "A"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to probe."""

    kind: Kind
    address: str
    """An IP address or a host name."""
    port: int = 0
    """0: the kind's own; ICMP has none."""
    packets: int = 5
    """Packets, or attempts to connect; HTTP and DNS ask once."""
    spacing_s: float = 0.1
    """From one packet to the next."""
    timeout_s: float = 2.0
    """How long each packet, attempt, or request may take."""
    http: HttpRequest = field(default_factory=HttpRequest)
    dns: DnsQuestion = field(default_factory=DnsQuestion)

    @property
    def port_used(self) -> int:
        """The port that is asked."""
        if self.kind is Kind.HTTP:
            return self.port or (HTTPS_PORT if self.http.tls else HTTP_PORT)
        return self.port or PORTS.get(self.kind, 0)
