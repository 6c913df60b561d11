"""What the measurements of one stretch of time come to: the same for an hour, a day, a month.

Summaries of stretches add up to the summary of the whole, exactly but for the rounding of sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from monitoring.domain.histogram import Histogram, histogram_of, merged

FEWEST_FOR_INTERVAL = 3


class Figure(StrEnum):
    """What a measurement can say as a number; `LOSS` is a part of its packets, 0 to 1."""

    RTT_MEAN_MS = "rtt_mean_ms"
    LOSS = "loss"
    JITTER_MS = "jitter_ms"
    HTTP_MS = "http_ms"
    DNS_MS = "dns_ms"
    DOWNLOAD_MBPS = "download_mbps"
    UPLOAD_MBPS = "upload_mbps"


@dataclass(frozen=True, slots=True)
class Spread:
    """How the values of one figure are spread; there is at least one."""

    total: float
    least: float
    greatest: float
    histogram: Histogram

    @property
    def mean(self) -> float:
        """The mean of the values, within what was measured whatever the rounding."""
        return self._within(self.total / self.histogram.count)

    def percentiles(self, percents: Iterable[int]) -> list[float]:
        """Return percentiles as `Histogram` does, within what was measured."""
        return [self._within(value) for value in self.histogram.percentiles(percents)]

    def _within(self, value: float) -> float:
        return min(max(value, self.least), self.greatest)


@dataclass(frozen=True, slots=True)
class Summary:
    """What some measurements come to."""

    measurements: int
    packets_sent: int = 0
    packets_received: int = 0
    interval_s: float | None = None
    """The median time from one to the next; None when too few are there to tell."""
    spreads: Mapping[Figure, Spread] | None = None
    """None for no figures; figures that were not measured are left out."""


def spread_of(values: Sequence[float]) -> Spread:
    """Return how some values are spread; one at least."""
    return Spread(sum(values), min(values), max(values), histogram_of(values))


def interval_of(times_s: Iterable[float]) -> float | None:
    """Return the median time between neighbours; None when too few are there to tell."""
    ordered = sorted(times_s)
    if len(ordered) < FEWEST_FOR_INTERVAL:
        return None
    return median(later - earlier for earlier, later in pairwise(ordered)) or None


def added(summaries: Sequence[Summary]) -> Summary:
    """Return the summary of all measurements of some summaries; one at least."""
    if len(summaries) == 1:
        return summaries[0]
    found: dict[Figure, list[Spread]] = {}
    for one in summaries:
        for figure, spread in (one.spreads or {}).items():
            found.setdefault(figure, []).append(spread)
    intervals = [one.interval_s for one in summaries if one.interval_s]
    return Summary(
        sum(one.measurements for one in summaries),
        sum(one.packets_sent for one in summaries),
        sum(one.packets_received for one in summaries),
        median(intervals) if intervals else None,
        {figure: _added(spreads) for figure, spreads in found.items()},
    )


def _added(spreads: Sequence[Spread]) -> Spread:
    return Spread(
        sum(one.total for one in spreads),
        min(one.least for one in spreads),
        max(one.greatest for one in spreads),
        merged(one.histogram for one in spreads),
    )
