"""STAMP (RFC 8762): packets to a reflector, whose own time is subtracted."""

import socket

from probes import stamp_packets
from probes.addresses import Unresolved, resolve, sentence
from probes.burst import Answer, burst
from probes.outcome import Outcome
from probes.target import Target


async def probe(target: Target) -> Outcome:
    """Send a burst of packets to a reflector."""
    try:
        endpoint = await resolve(target.address, target.port_used, target.timeout_s)
        with socket.socket(endpoint.family, socket.SOCK_DGRAM) as line:
            line.connect(endpoint.address)
            return await burst(line, _Packets(), target)
    except (Unresolved, OSError) as error:
        return Outcome(error=sentence(error))


class _Packets:
    def __init__(self) -> None:
        self._sent_at: list[int] = []

    def request(self, sequence: int) -> bytes:
        self._sent_at.append(stamp_packets.now())
        return stamp_packets.request(sequence, self._sent_at[-1])

    def answer(self, packet: bytes) -> Answer | None:
        """Return what it answers; the time that it brings back tells it from another burst's."""
        said = stamp_packets.read_reflection(packet)
        if said is None or said.sequence >= len(self._sent_at):
            return None
        if said.sent_at != self._sent_at[said.sequence]:
            return None
        return Answer(said.sequence, said.stayed_s)
