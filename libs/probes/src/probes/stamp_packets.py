"""The packets of STAMP, unauthenticated mode (RFC 8762, 4.2.1 and 4.3.1): 44 bytes both ways.

What a sender appends behind the 44 bytes (RFC 8972) a reflector sends back unread.
"""

import struct
import time
from dataclasses import dataclass

SIZE = 44
SENT = struct.Struct("!IQH30x")
REFLECTED = struct.Struct("!IQHxxQIQHxxB3x")
NTP_EPOCH_S = 2_208_988_800
"""1970 in seconds after 1900."""
NS = 1_000_000_000
UNSYNCHRONISED = 32 << 8 | 1
"""The error estimate (RFC 4656, 4.1.2) of a clock that nobody vouches for: within a second."""
TTL_UNKNOWN = 255


@dataclass(frozen=True, slots=True)
class Reflected:
    """What a reflector's packet says."""

    sequence: int
    """The sender's."""
    sent_at: int
    """The sender's timestamp, as it stood in its packet."""
    stayed_s: float
    """How long the packet was with the reflector, by the reflector's clock."""


def now() -> int:
    """Return the time as an NTP timestamp: seconds since 1900 in units of 2^-32."""
    seconds, rest = divmod(time.time_ns(), NS)
    return (seconds + NTP_EPOCH_S) % 2**32 << 32 | (rest << 32) // NS


def request(sequence: int, sent_at: int) -> bytes:
    """Return a sender's packet."""
    return SENT.pack(sequence, sent_at, UNSYNCHRONISED)


def reflection(packet: bytes, received_at: int) -> bytes | None:
    """Return the answer to a sender's packet; None to what is none.

    A stateless reflector's: its own sequence number is the sender's.
    """
    if len(packet) < SIZE:
        return None
    sequence, sent_at, error = SENT.unpack_from(packet)
    answer = REFLECTED.pack(
        sequence, now(), UNSYNCHRONISED, received_at, sequence, sent_at, error, TTL_UNKNOWN
    )
    return answer + packet[SIZE:]


def read_reflection(packet: bytes) -> Reflected | None:
    """Return what a reflector's packet says; None of what is none."""
    if len(packet) < SIZE:
        return None
    _, left_at, _, received_at, sequence, sent_at, _, _ = REFLECTED.unpack_from(packet)
    return Reflected(sequence, sent_at, (left_at - received_at) / 2**32)
