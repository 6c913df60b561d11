"""When a window is in force, by the rules of iCalendar in the region's own time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from common.zones import zone_of
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.recurrence import (
    MOST_OCCURRENCES,
    RuleRefused,
    Span,
    occurrences,
)

WITA = zone_of("64.01")
HOUR = timedelta(hours=1)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=WITA).astimezone(UTC)


def begins(first: str, rule: str, length: timedelta = HOUR) -> list[str]:
    """Return when the occurrences begin, in Paser's time."""
    start = local(first)
    spans = occurrences(Span(start, start + length), rule, WITA)
    assert all(one.end - one.start == length for one in spans)
    return [one.start.astimezone(WITA).isoformat(" ", "minutes")[:16] for one in spans]


@pytest.mark.parametrize(
    ("first", "rule", "found"),
    [
        ("2026-11-24 23:30", "", ["2026-11-24 23:30"]),
        # A night in Paser is the afternoon before in UTC: the day that counts is Paser's.
        (
            "2026-11-29 01:00",
            "FREQ=WEEKLY;BYDAY=SU;COUNT=3",
            ["2026-11-29 01:00", "2026-12-06 01:00", "2026-12-13 01:00"],
        ),
        (
            "2026-12-31 23:30",
            "FREQ=DAILY;COUNT=2",
            ["2026-12-31 23:30", "2027-01-01 23:30"],
        ),
        (
            "2027-01-31 02:00",
            "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=4",
            ["2027-01-31 02:00", "2027-02-28 02:00", "2027-03-31 02:00", "2027-04-30 02:00"],
        ),
        (
            "2028-01-31 02:00",
            "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2",
            ["2028-01-31 02:00", "2028-02-29 02:00"],
        ),
        (
            "2026-11-29 22:00",
            "FREQ=MONTHLY;BYDAY=-1SU;COUNT=3",
            ["2026-11-29 22:00", "2026-12-27 22:00", "2027-01-31 22:00"],
        ),
        (
            "2026-11-30 22:00",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2",
            ["2026-11-30 22:00", "2026-12-31 22:00"],
        ),
        # 17:00 UTC is 01:00 of the day after in Paser, which is the last that counts.
        (
            "2026-11-25 01:00",
            "FREQ=DAILY;UNTIL=20261126T170000Z",
            ["2026-11-25 01:00", "2026-11-26 01:00", "2026-11-27 01:00"],
        ),
        (
            "2026-11-24 01:00",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;WKST=SU;COUNT=3",
            ["2026-11-24 01:00", "2026-11-26 01:00", "2026-12-08 01:00"],
        ),
    ],
)
def test_a_rule_repeats_in_the_time_of_paser(first: str, rule: str, found: list[str]) -> None:
    assert begins(first, rule) == found


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY;COUNT=10",
        "FREQ=HOURLY;COUNT=10",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "FREQ=DAILY;COUNT=1000000000",
        "FREQ=DAILY;COUNT=1001",
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z",
        "FREQ=DAILY;UNTIL=99991231T235959Z",
        "FREQ=DAILY;UNTIL=20269999T999999Z",
        "FREQ=DAILY;UNTIL=20270101",
        "FREQ=DAILY;INTERVAL=0;COUNT=2",
        "FREQ=DAILY;INTERVAL=1000000000000;COUNT=2",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "FREQ=DAILY;BYHOUR=0,1,2,3;COUNT=4",
        "FREQ=WEEKLY;BYMONTH=2;COUNT=2",
        "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2",
        "FREQ=MONTHLY;BYDAY=5TU;COUNT=2",
        "FREQ=MONTHLY;BYDAY=4TU;BYMONTHDAY=24;COUNT=2",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=366;COUNT=2",
        "FREQ=DAILY;COUNT=2;COUNT=3",
        "FREQ=DAILY;COUNT=٣",
        "COUNT=2",
        "RRULE:FREQ=DAILY;COUNT=2",
        "FREQ=DAILY;COUNT=2\nEXDATE:20261125T010000Z",
        "FREQ=WEEKLY;COUNT=2;BYDAY=" + "TU," * 100,
        ";;;",
        "x",
        # Right as rules, but not for a window that begins on Tuesday 2026-11-24.
        "FREQ=WEEKLY;BYDAY=MO;COUNT=2",
        "FREQ=DAILY;UNTIL=20261120T000000Z",
    ],
)
def test_a_hostile_or_unfit_rule_is_refused(rule: str) -> None:
    with pytest.raises(RuleRefused, match=r"(has|must|is|begins|takes) "):
        begins("2026-11-24 01:00", rule)


def test_a_day_that_not_all_months_have_is_refused_and_tells_another_way() -> None:
    with pytest.raises(RuleRefused, match=r"day 31.*BYMONTHDAY=-1"):
        begins("2027-01-31 01:00", "FREQ=MONTHLY;COUNT=2")


def test_an_occurrence_that_begins_within_another_is_refused() -> None:
    day = timedelta(days=1)
    assert len(begins("2026-11-24 01:00", "FREQ=DAILY;COUNT=3", day)) == 3
    with pytest.raises(RuleRefused, match="2026-11-25T01:00:00"):
        begins("2026-11-24 01:00", "FREQ=DAILY;COUNT=3", day + timedelta(seconds=1))


def test_a_rule_that_leaves_the_calendar_is_refused() -> None:
    with pytest.raises(RuleRefused, match="is no rule for a calendar"):
        begins("9998-12-28 01:00", "FREQ=MONTHLY;COUNT=13", timedelta(days=20))


WEEKDAYS = st.lists(
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=7
)
PARTS = st.one_of(
    st.just("FREQ=DAILY"),
    st.builds(lambda days: f"FREQ=WEEKLY;BYDAY={','.join(days)}", WEEKDAYS),
    st.integers(-31, 31).map(lambda day: f"FREQ=MONTHLY;BYMONTHDAY={day}"),
    st.builds(
        lambda nth, days: f"FREQ=MONTHLY;BYDAY={','.join(f'{nth}{day}' for day in days)}",
        st.integers(-5, 5).map(lambda n: n or ""),
        WEEKDAYS,
    ),
    st.builds(
        lambda nth, days: f"FREQ=MONTHLY;BYDAY={','.join(days)};BYSETPOS={nth}",
        st.integers(-5, 5),
        WEEKDAYS,
    ),
)


@given(PARTS, st.integers(0, 100), st.integers(1, MOST_OCCURRENCES), st.integers(0, 800))
def test_what_is_taken_is_whole_and_in_order(
    parts: str, interval: int, count: int, day: int
) -> None:
    start = local("2026-11-24 23:00") + timedelta(days=day)
    try:
        found = occurrences(
            Span(start, start + HOUR), f"{parts};INTERVAL={interval};COUNT={count}", WITA
        )
    except RuleRefused:
        return
    assert len(found) == count
    assert found[0].start == start
    assert {one.start.astimezone(WITA).hour for one in found} == {23}
    assert all(one.end <= other.start for one, other in pairwise(found))
