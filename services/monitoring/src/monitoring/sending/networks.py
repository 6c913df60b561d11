"""Which machines a message may go to: those of the internet, and networks that a setting allows."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Tell whether an address is public, or within one of the networks."""
    inner = _within(address)
    if any(one in network for network in allowed for one in (address, inner)):
        return True
    return inner.is_global and not inner.is_multicast


def literal(host: str) -> Address | None:
    """Return the address that a host is written as; None for a name, which only resolving tells."""
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _within(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, as `::ffff:127.0.0.1` does."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address
