"""Percentiles that stay true when they are added up: a histogram with logarithmic bins.

Masson, Rim and Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
Guarantees", PVLDB 12 (2019). With e the relative error and g = (1 + e) / (1 - e), bin i counts the
values above g^(i-1) up to g^i; what stands for them, 2 g^i / (g + 1), is at most e away from each,
as a part of it. No bin is ever joined with another, so that the bound holds for all values, and the
sum of histograms is the histogram of all their values, exactly and in whatever order.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

RELATIVE_ERROR = 0.01
"""How far a percentile may be from the true one, as a part of it: e above."""
GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
BINS_PER_E = 1 / math.log(GROWTH)
HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each bin; bins without any are left out."""

    zeros: int = 0
    bins: Mapping[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.zeros + sum(self.bins.values())

    def percentiles(self, percents: Iterable[int]) -> list[float]:
        """Return nearest-rank percentiles, each at most `RELATIVE_ERROR` of it away.

        That is the smallest of the values which at least so many in a hundred do not exceed
        (Hyndman and Fan 1996, definition 1); always near one that was measured, never between two.

        Raises:
            ValueError: There are no values.
        """
        ordered = sorted(self.bins)
        reached = list(accumulate((self.bins[index] for index in ordered), initial=self.zeros))
        if not reached[-1]:
            raise ValueError("no values have no percentile")
        ranks = (max(1, -(-percent * reached[-1] // HUNDRED)) for percent in percents)
        places = (bisect_left(reached, rank) for rank in ranks)
        return [value_of(ordered[place - 1]) if place else 0.0 for place in places]


def histogram_of(values: Iterable[float]) -> Histogram:
    """Return the histogram of some finite values, none below zero."""
    bins = Counter(math.ceil(math.log(value) * BINS_PER_E) if value else None for value in values)
    zeros = bins.pop(None, 0)
    return Histogram(zeros, {index: bins[index] for index in bins if index is not None})


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """Return the histogram of all values of some histograms."""
    zeros, bins = 0, Counter[int]()
    for one in histograms:
        zeros += one.zeros
        bins.update(one.bins)
    return Histogram(zeros, dict(bins))


def value_of(index: int) -> float:
    """Return the value that stands for all values of a bin."""
    return 2 * math.exp(index / BINS_PER_E) / (GROWTH + 1)
