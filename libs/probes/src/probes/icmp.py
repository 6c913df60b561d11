"""ICMP echo: over an unprivileged datagram socket or, where that is not allowed, a raw one.

Linux allows the first to the groups of `net.ipv4.ping_group_range`, the second to CAP_NET_RAW.
"""

import secrets
import socket
import struct

from probes.addresses import Endpoint, Unresolved, resolve, sentence
from probes.burst import Answer, burst
from probes.outcome import Outcome
from probes.target import Target

HEADER = struct.Struct("!BBHHH")
MARK_BYTES = 16
REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
NOT_ALLOWED = (
    "this process may send no ICMP: let its group into net.ipv4.ping_group_range, or give it "
    "CAP_NET_RAW"
)


class IcmpNotAllowed(Exception):
    """Neither kind of socket is allowed to this process."""


async def probe(target: Target) -> Outcome:
    """Send a burst of echo requests."""
    try:
        endpoint = await resolve(target.address, 0, target.timeout_s)
        with _open(endpoint.family) as line:
            line.connect(endpoint.address)
            return await burst(line, _Echoes(line, endpoint), target)
    except (IcmpNotAllowed, Unresolved, OSError) as error:
        return Outcome(error=sentence(error))


def _open(family: int) -> socket.socket:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, PROTOCOL[socket.AddressFamily(family)])
        except PermissionError:
            continue
    raise IcmpNotAllowed(NOT_ALLOWED)


class _Echoes:
    def __init__(self, line: socket.socket, endpoint: Endpoint) -> None:
        self._family = socket.AddressFamily(endpoint.family)
        self._has_ip_header = line.type is socket.SOCK_RAW and self._family is socket.AF_INET
        self._identifier = secrets.randbits(16)
        self._mark = secrets.token_bytes(MARK_BYTES)

    def request(self, sequence: int) -> bytes:
        """Return a request; the kernel sets the sum of ICMPv6, and all of a datagram socket's."""
        header = (REQUEST[self._family], 0, 0, self._identifier, sequence)
        summed = checksum(HEADER.pack(*header) + self._mark)
        return HEADER.pack(*header[:2], summed, *header[3:]) + self._mark

    def answer(self, packet: bytes) -> Answer | None:
        """Return what it answers; a raw socket sees the echoes of others too."""
        if self._has_ip_header:
            packet = packet[(packet[0] & 0x0F) * 4 :]
        if len(packet) < HEADER.size or packet[HEADER.size :] != self._mark:
            return None
        kind, _, _, _, sequence = HEADER.unpack_from(packet)
        return Answer(sequence) if kind == REPLY[self._family] else None


def checksum(packet: bytes) -> int:
    """Return the internet checksum (RFC 1071) of a packet whose length is even."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
