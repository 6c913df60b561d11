"""Steps on the region's clock, and what should have been measured in them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.expectation import filled, missing_share
from monitoring.domain.grid import DAY, HOUR, MINUTE, Grid, finest_step, piece_of
from monitoring.domain.history import Part, Span, buckets, expected_counts, intervals_of
from monitoring.domain.summary import Summary

MIDNIGHT = datetime(2026, 11, 23, 16, tzinfo=UTC)
"""Of Tuesday 24 November in Paser."""
TIMES = st.integers(0, 10**9).map(lambda s: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
WIB, WITA, WIT = (timedelta(hours=hours) for hours in (7, 8, 9))
STEPS = st.one_of(
    st.integers(1, 59).map(lambda n: n * MINUTE), st.integers(1, 744).map(lambda n: n * HOUR)
)


def test_a_day_begins_at_the_region_s_midnight() -> None:
    grid, least = Grid(DAY, WITA), timedelta(microseconds=1)
    assert grid.begin(MIDNIGHT) == MIDNIGHT
    assert grid.begin(MIDNIGHT - least) == MIDNIGHT - DAY
    assert grid.end(MIDNIGHT) == MIDNIGHT
    assert grid.end(MIDNIGHT + least) == MIDNIGHT + DAY


def test_a_week_begins_on_monday() -> None:
    assert Grid(7 * DAY, WITA).begin(MIDNIGHT) == MIDNIGHT - DAY


@given(TIMES, STEPS, st.sampled_from([WIB, WITA, WIT]))
def test_hours_and_minutes_are_those_of_utc(time: datetime, step: timedelta, zone: object) -> None:
    assert isinstance(zone, timedelta)
    begin = Grid(step, zone).begin(time)
    assert begin <= time < begin + step
    assert (begin.second, begin.microsecond) == (0, 0)
    assert step < HOUR or begin.minute == 0


@given(TIMES, st.integers(60, 10**8), st.integers(2, 5000))
def test_the_finest_step_is_enough_and_nearly_the_finest(
    start: datetime, seconds: int, most: int
) -> None:
    end = start + timedelta(seconds=seconds)
    step = finest_step(start, end, most)
    assert Grid(step, WITA).count(start, end) <= most
    finer = step - (MINUTE if step <= HOUR else HOUR)
    assert step == MINUTE or end - start > (most - 1) * finer


@pytest.mark.parametrize(
    ("step", "piece"),
    [
        (MINUTE, MINUTE),
        (59 * MINUTE, MINUTE),
        (HOUR, HOUR),
        (23 * HOUR, HOUR),
        (DAY, DAY),
        (36 * HOUR, HOUR),
        (7 * DAY, DAY),
    ],
)
def test_steps_are_made_of_the_largest_pieces_that_fit(step: timedelta, piece: timedelta) -> None:
    assert piece_of(step) == piece


@pytest.mark.parametrize(
    ("intervals", "full"),
    [
        ([], []),
        ([None, None], [None, None]),
        ([None, 60.0, None, 300.0, None], [60.0, 60.0, 60.0, 300.0, 300.0]),
    ],
)
def test_gaps_take_the_interval_before_or_the_first(
    intervals: list[float | None], full: list[float | None]
) -> None:
    assert filled(intervals) == full


@pytest.mark.parametrize(
    ("count", "expected", "share"),
    [
        (0, None, 1.0),
        (0, 60.0, 1.0),
        (3, None, None),
        (45, 60.0, 0.25),
        (60, 60.0, 0.0),
        (61, 60.0, 0.0),
    ],
)
def test_what_is_missing_is_never_more_than_all_nor_less_than_nothing(
    count: int, expected: float | None, share: float | None
) -> None:
    assert missing_share(count, expected) == share


def test_steps_without_measurements_are_there_and_expected() -> None:
    span = Span(Grid(2 * HOUR, WITA), MIDNIGHT, MIDNIGHT + 6 * HOUR)
    parts = [
        Part("icmp", MIDNIGHT + HOUR, Summary(60, interval_s=60)),
        Part("icmp", MIDNIGHT + 4 * HOUR, Summary(6, interval_s=600)),
        Part("http", MIDNIGHT + 4 * HOUR, Summary(2)),
    ]
    intervals = intervals_of(span, HOUR, parts, Grid(HOUR, WITA))
    expected = expected_counts(span, intervals, HOUR, MIDNIGHT + 5.5 * HOUR)
    found = [
        (one.start, one.summary.measurements, one.expected, one.missing_share)
        for one in buckets(span, parts, expected)
    ]
    assert found == [
        (MIDNIGHT, 60, 120.0, 0.5),
        (MIDNIGHT + 2 * HOUR, 0, 120.0, 1.0),
        (MIDNIGHT + 4 * HOUR, 8, 9.0, pytest.approx(1 / 9)),
    ]
