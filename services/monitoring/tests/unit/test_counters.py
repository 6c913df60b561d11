"""What counters say between two readings."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.counters import LONGEST_MS, Counted, Reading, Target, count, readings
from monitoring.domain.samples import Key, Series

TARGET = Target("PSR-1", "smokeping_prober-9374_router-1")
LABELS = {
    "point": "PSR-1",
    "job": "smokeping",
    "instance": "prober:9374",
    "host": "router-1",
    "ip": "10.0.0.1",
}
MINUTE_MS = 60_000


def smokeping(*read: tuple[int, float, float, float], **labels: str) -> list[Series]:
    """Return the series of an exporter: time, sent, answered, seconds of each reading."""
    names = ("requests_total", "response_duration_seconds_count", "response_duration_seconds_sum")
    return [
        Series(
            {"__name__": f"smokeping_{name}"} | LABELS | labels,
            [(one[0], one[place]) for one in read],
        )
        for place, name in enumerate(names, start=1)
    ]


def figures(several: Sequence[Reading], before: Counted | None = None) -> list[dict[str, float]]:
    return [dict(one.figures) for one in count(TARGET, before, several)[1]]


def minutes(*counted: tuple[float, float]) -> list[Reading]:
    """Return readings a minute apart; each answer took 20 ms."""
    return [
        Reading(place * MINUTE_MS, sent, answered, answered * 0.02, "icmp")
        for place, (sent, answered) in enumerate(counted)
    ]


def test_the_series_of_smokeping_are_readings_and_those_in_between_left_aside() -> None:
    series = smokeping((2000, 20, 19, 0.4), (1000, 10, 10, 0.2))
    other = Series({"__name__": "smokeping_response_ttl"} | LABELS, [(1000, 64)])
    pointless = smokeping((1000, 1, 1, 1), point="")
    source = "smokeping_prober-9374_router-1"
    assert readings([*series, other, *pointless]) == {
        Target("PSR-1", source): [
            Reading(1000, 10, 10, 0.2, "icmp"),
            Reading(2000, 20, 19, 0.4, "icmp"),
        ]
    }


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_reading_of_which_a_counter_is_not_there_is_left_to_the_next(missing: int) -> None:
    first = smokeping((1000, 10, 10, 0.2))
    del first[missing]
    assert readings(first) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, -1e308, 1e308])
def test_what_no_counter_can_say_is_no_reading(value: float) -> None:
    rubbish = smokeping((1000, 10, value, 0.2), (1500, value, 10, 0.2), (2000, 20, 20, 0.4))
    assert [one.time_ms for several in readings(rubbish).values() for one in several] == [2000]


def test_what_was_sent_and_answered_between_two_readings_is_a_measurement_of_its_begin() -> None:
    known, (one,) = count(TARGET, None, minutes((1000, 1000), (1064, 1050)))
    figures = {"packets_sent": 64, "packets_received": 51, "rtt_mean_ms": pytest.approx(20)}
    assert (one.key, one.method) == (Key("PSR-1", TARGET.source, 0), "icmp")
    assert one.figures == figures
    assert known.reading.time_ms == MINUTE_MS


def test_a_packet_on_its_way_is_neither_lost_nor_found_again() -> None:
    found = figures(minutes((100, 100), (160, 159), (220, 220), (280, 279)))
    assert [(one["packets_sent"], one["packets_received"]) for one in found] == [(60, 60)] * 3


def test_no_answer_at_all_is_none_received_and_no_round_trip() -> None:
    found = figures(minutes((100, 99), (160, 99), (220, 99)))
    assert found == [{"packets_sent": 60, "packets_received": 0}] * 2


def test_counters_that_begin_anew_or_were_not_read_for_long_are_begun_with() -> None:
    restarted = minutes((1000, 1000), (30, 30), (90, 90))
    assert [one["packets_sent"] for one in figures(restarted)] == [60]
    late = Reading(LONGEST_MS + 1, 2000, 2000, 40)
    assert figures([*minutes((1000, 1000)), late]) == []
    assert len(figures([*minutes((1000, 1000)), Reading(LONGEST_MS, 2000, 2000, 40)])) == 1


def test_what_is_not_later_changes_nothing_and_a_pause_is_no_measurement() -> None:
    several = minutes((100, 100), (160, 160))
    known, found = count(TARGET, None, several)
    assert len(found) == 1
    assert count(TARGET, known, several) == (known, [])
    assert count(TARGET, known, [Reading(2 * MINUTE_MS, 160, 160, 3.2)]) == (known, [])
    resumed = [Reading(3 * MINUTE_MS, 165, 165, 3.3)]
    assert [one.figures["packets_sent"] for one in count(TARGET, known, resumed)[1]] == [5]


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 300), st.booleans()), min_size=2),
    st.data(),
)
def test_no_packet_is_lost_that_was_answered_and_two_at_most_are_not_missed(
    spans: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    """Whatever is lost in a span, and whether one is on its way at its end."""
    sent = lost = 0
    read = []
    for place, (more, gone, on_its_way) in enumerate(spans):
        sent, lost = sent + more, lost + min(gone, more - 1)
        answered = sent - lost - on_its_way
        read.append(Reading(place * MINUTE_MS, sent, answered, answered * 0.02))
    cut = data.draw(st.integers(1, len(read)))
    known, found = count(TARGET, None, read[:cut])
    if read[cut:]:
        found += count(TARGET, known, read[cut:])[1]
    whole = figures(read)
    assert [one.figures for one in found] == whole  # wherever the requests are cut
    assert sum(one["packets_sent"] for one in whole) == sent - read[0].sent
    assert all(0 <= one["packets_received"] <= one["packets_sent"] for one in whole)
    true_loss = lost - min(spans[0][1], spans[0][0] - 1)
    told = sum(one["packets_sent"] - one["packets_received"] for one in whole)
    none_came = sum(
        after.sent - first.sent
        for first, after in pairwise(read)
        if after.answered == first.answered
    )
    assert true_loss - 2 <= told <= true_loss + none_came
