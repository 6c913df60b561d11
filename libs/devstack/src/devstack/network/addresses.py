"""The addresses of the simulated network: 127.64.0.0/10, which is always this machine."""

from collections.abc import Collection, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network

BLOCK = IPv4Network("127.64.0.0/10")
LAST_OCTET = range(1, 251)
"""Of a point's address: as in a network of people, neither the first nor the last are given."""
OWN = "127.127.255.254"
"""The network's own address, which answers at once, always."""


def is_simulated(address: str) -> bool:
    """Tell whether this is an address of the block."""
    try:
        return IPv4Address(address) in BLOCK
    except AddressValueError:
        return False


def free_addresses(taken: Collection[str]) -> Iterator[str]:
    """Give addresses in ascending order that nobody has: 127.64.0.1, 127.64.0.2 and so on."""
    first = int(BLOCK.network_address)
    for subnet in range(first, first + BLOCK.num_addresses - 256, 256):
        for octet in LAST_OCTET:
            address = str(IPv4Address(subnet + octet))
            if address not in taken:
                yield address
