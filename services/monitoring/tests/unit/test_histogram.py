"""Percentiles out of histograms, beside percentiles of the values themselves."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.histogram import (
    RELATIVE_ERROR,
    Histogram,
    histogram_of,
    merged,
)
from monitoring.domain.summary import Figure, Summary, added, interval_of, spread_of
from monitoring.storage.spreads import packed, unpacked

VALUES = st.lists(st.floats(0, 1e9), min_size=1, max_size=200)
SINGLE = st.floats(0, 1e9, width=32)


def exact(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that `percent` in a hundred of all do not exceed."""
    return next(
        value
        for value in sorted(values)
        if 100 * sum(other <= value for other in values) >= percent * len(values)
    )


@given(VALUES, st.integers(0, 100))
def test_a_percentile_is_at_most_one_per_cent_away(values: list[float], percent: int) -> None:
    (found,) = histogram_of(values).percentiles([percent])
    assert math.isclose(found, exact(values, percent), rel_tol=RELATIVE_ERROR + 1e-9)


@given(VALUES, st.randoms(use_true_random=False), st.lists(st.integers(0, 200), max_size=5))
def test_any_split_in_any_order_adds_up_to_the_whole(
    values: list[float], random: object, cuts: list[int]
) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    borders = [0, *sorted(cuts), len(values)]
    parts = [shuffled[a:b] for a, b in pairwise(borders)]
    histograms = [histogram_of(part) for part in parts]
    random.shuffle(histograms)  # type: ignore[attr-defined]
    assert merged(histograms) == histogram_of(values)
    spreads = [Summary(1, spreads={Figure.LOSS: spread_of(part)}) for part in parts if part]
    whole, total = added(spreads).spreads, spread_of(values)
    assert whole is not None
    assert whole[Figure.LOSS].histogram == total.histogram
    assert (whole[Figure.LOSS].least, whole[Figure.LOSS].greatest) == (total.least, total.greatest)
    assert math.isclose(whole[Figure.LOSS].total, total.total, rel_tol=1e-12)


def test_nothing_has_no_percentile() -> None:
    assert histogram_of([]) == Histogram() == merged([])
    assert Histogram().count == 0
    with pytest.raises(ValueError, match="no values"):
        Histogram().percentiles([50])


@given(st.floats(0, 1e9), st.integers(0, 100))
def test_one_value_is_every_percentile_of_itself(value: float, percent: int) -> None:
    spread = spread_of([value])
    assert spread.percentiles([0, percent]) == [value, value]
    assert spread.mean == value


def test_zeros_are_exact() -> None:
    histogram = histogram_of([0.0] * 98 + [3.0, 5.0])
    assert (histogram.count, histogram.zeros) == (100, 98)
    assert histogram.percentiles([98, 99, 100]) == [
        0.0,
        pytest.approx(3, 0.01),
        pytest.approx(5, 0.01),
    ]


def test_the_percentile_of_hours_is_not_that_of_their_percentiles() -> None:
    """A quiet hour with ten values and a busy one with a thousand: the mean of both says 55."""
    quiet, busy = histogram_of([100.0] * 10), histogram_of([10.0] * 1000)
    assert merged([quiet, busy]).percentiles([95]) == [pytest.approx(10.0, rel=0.01)]


@given(st.lists(SINGLE, min_size=1, max_size=200))
def test_a_spread_is_read_as_it_was_written(values: list[float]) -> None:
    spread = spread_of(values)
    assert unpacked(packed(spread)) == spread


def test_the_least_and_greatest_numbers_there_are_can_be_written() -> None:
    spread = spread_of([2.0**-149, (2 - 2**-23) * 2.0**127])
    assert unpacked(packed(spread)) == spread


def test_a_bin_takes_two_bytes_or_three() -> None:
    spread = spread_of([20 + n / 10 for n in range(60)])
    bins = len(spread.histogram.bins)
    assert len(packed(spread)) <= 16 + 1 + 3 + 2 * bins


@pytest.mark.parametrize(
    ("times_s", "interval"),
    [
        ([], None),
        ([0.0], None),
        ([0.0, 60.0], None),
        ([120.0, 0.0, 60.0], 60.0),
        ([0.0, 60.0, 120.0, 1800.0, 1860.0], 60.0),
    ],
)
def test_an_interval_is_the_median_of_at_least_two(
    times_s: list[float], interval: float | None
) -> None:
    assert interval_of(times_s) == interval
