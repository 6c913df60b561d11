"""What one measurement says of a line: it does as it should, it is slow or loses, it is silent."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from monitoring.domain.rules import Rules


class Verdict(IntEnum):
    """How bad a measurement is; a worse one is greater."""

    GOOD = 0
    POOR = 1
    SILENT = 2


@dataclass(frozen=True, slots=True)
class Observation:
    """The part of a measurement that decides about the state."""

    time: datetime
    source: str
    sent: int | None = None
    received: int | None = None
    rtt_ms: float | None = None
    success: bool | None = None

    def verdict(self, rules: Rules) -> Verdict | None:
        """Return what it says; None when it says nothing about the line (throughput alone)."""
        if self.success is False or (self.sent and not self.received):
            return Verdict.SILENT
        if not self.sent and self.success is None and self.rtt_ms is None:
            return None
        lost = 1 - (self.received or 0) / self.sent if self.sent else 0
        slow = self.rtt_ms is not None and self.rtt_ms > rules.slow_ms
        return Verdict.POOR if lost > rules.loss or slow else Verdict.GOOD


def in_order(seen: Observation) -> tuple[datetime, str]:
    """Return what a point's measurements are ordered by, and known by."""
    return seen.time, seen.source
