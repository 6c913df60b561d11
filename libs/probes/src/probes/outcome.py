"""What a probe saw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe saw; one that could not ask at all (see `error`) has measured nothing."""

    attempts_ms: tuple[float | None, ...] = ()
    """The round trip of each packet that was sent, in their order; None: no answer in time."""
    success: bool | None = None
    """Whether an HTTP or DNS probe got what it must get."""
    http_ms: float | None = None
    """From the begin of the request to its last byte, connecting included."""
    dns_ms: float | None = None
    certificate_expiry: datetime | None = None
    """The end of validity of the certificate that the server showed, UTC."""
    error: str = ""
    """What went wrong, for people; "" for nothing."""

    @property
    def measured(self) -> bool:
        """Tell whether the network was asked: what the prober itself lacks says nothing of it."""
        return bool(self.attempts_ms) or self.success is not None

    @property
    def silent(self) -> bool:
        """Tell whether what was asked did not answer as it should."""
        return self.measured and not self.success and not self.received

    @property
    def sent(self) -> int:
        """How many packets were sent."""
        return len(self.attempts_ms)

    @property
    def round_trips_ms(self) -> Sequence[float]:
        """The round trips of those that were answered, in the order of sending."""
        return [one for one in self.attempts_ms if one is not None]

    @property
    def received(self) -> int:
        """How many packets were answered in time."""
        return len(self.round_trips_ms)

    @property
    def loss(self) -> float | None:
        """The part that was not answered, 0 to 1; None when nothing was sent."""
        return 1 - self.received / self.sent if self.sent else None

    @property
    def min_ms(self) -> float | None:
        """The shortest round trip."""
        return min(self.round_trips_ms, default=None)

    @property
    def mean_ms(self) -> float | None:
        """The mean round trip."""
        return fmean(self.round_trips_ms) if self.received else None

    @property
    def max_ms(self) -> float | None:
        """The longest round trip."""
        return max(self.round_trips_ms, default=None)

    @property
    def p95_ms(self) -> float | None:
        """The 95th percentile by nearest rank: one that was measured, never one between two."""
        ordered = sorted(self.round_trips_ms)
        return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else None

    @property
    def jitter_ms(self) -> float | None:
        """The mean absolute difference of answered round trips that follow each other."""
        differences = [abs(later - earlier) for earlier, later in pairwise(self.round_trips_ms)]
        return fmean(differences) if differences else None
