"""How a line of each technology behaves: delay, loss, and how often it fails.

The figures are the simulation's own. They keep the order of things in a rural regency: fibre is
quick and fails least, a shared 4G modem fails most, a geostationary satellite is slow by physics.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineKind:
    """A technology on a good day."""

    shortest_ms: float
    """No round trip is shorter."""
    longest_ms: float
    """None is longer while the line is not strained."""
    jitter_ms: float
    """The mean of what comes on top of the line's own delay."""
    loss: float
    """The part of the packets that is lost."""
    hours_between_outages: float
    hours_between_strains: float
    """A strained line is slow and loses packets, and is not down."""


FO = LineKind(5, 20, 0.8, 0.0002, 120, 96)
KINDS: Mapping[str, LineKind] = {
    "FO": FO,
    "RADIO": LineKind(10, 40, 3, 0.002, 80, 60),
    "VSAT": LineKind(560, 650, 12, 0.005, 60, 40),
    "LEO": LineKind(25, 60, 6, 0.003, 90, 48),
    "MODEM_4G": LineKind(40, 120, 15, 0.006, 40, 24),
}

SHARES: Mapping[str, int] = {"FO": 45, "MODEM_4G": 25, "RADIO": 15, "VSAT": 8, "LEO": 7}
"""In percent: what the demonstration's points get whose technology nobody knows."""


def kind_of(technology: str) -> LineKind:
    """Return how a line of this technology behaves; any other one behaves as fibre."""
    return KINDS.get(technology, FO)
