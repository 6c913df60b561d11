"""Percentiles that stay true when they are added up: a histogram with logarithmic bins.

Masson, Rim and Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
Guarantees", PVLDB 12 (2019). With e the relative error and g = (1 + e) / (1 - e), bin i counts the
values above g^(i-1) up to g^i; what stands for them, 2 g^i / (g + 1), is at most e away from each,
as a part of it. No bin is ever joined with another, so that the bound holds for all values, and the
sum of histograms is the histogram of all their values, exactly and in whatever order.
"""

import math
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

    def percentile(self, percent: int) -> float:
        """Return the nearest-rank percentile, at most `RELATIVE_ERROR` of it away.

        That is the smallest of the values which at least `percent` in a hundred do not exceed
        (Hyndman and Fan 1996, definition 1); always near one that was measured, never between two.

        Raises:
            ValueError: There are no values.
        """
        rank = max(1, -(-percent * self.count // HUNDRED))
        if rank <= self.zeros:
            return 0.0
        ordered = sorted(self.bins)
        upto = accumulate((self.bins[index] for index in ordered), initial=self.zeros)
        next(upto)
        for index, reached in zip(ordered, upto, strict=True):
            if reached >= rank:
                return value_of(index)
        raise ValueError("no values have no percentile")


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
