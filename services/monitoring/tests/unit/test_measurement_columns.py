"""Measurements as columns: the same as one by one, in whatever they are like."""

import math
import struct
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from common.validation import violations
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.columns import NEVER_US, NO_ANSWER, REALS, Columns, joined
from monitoring.domain.observation import Observation
from monitoring.domain.progress import advance
from monitoring.domain.rules import rules_of
from monitoring.domain.series import Series, observation, series_in, time_of
from monitoring.domain.timeline import Boundary, Memory, boundaries, observe
from monitoring.formats.measurement_batches import from_bytes, in_bytes
from monitoring.formats.measurement_columns import read
from smartcity.monitoring.v1.measurement_columns_pb2 import MeasurementColumns
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest

REGION = "regions/64.01"
RULES = rules_of("FO")
ODD_REALS = [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf, 600_000.0, 600_000.1, 1e300, 5e-324]
reals = st.sampled_from(ODD_REALS) | st.floats(0, 1000)
packets = st.sampled_from([0, 1, 2, 10, -1, 10_000, 10_001, 2**31 - 1, -(2**31)])
times = st.builds(
    Timestamp,
    seconds=st.sampled_from([0, 1, 1_795_000_000, -1, 2**62, -(2**62), 253_402_300_800]),
    nanos=st.sampled_from([0, 1, 999, 1000, 999_999_999, 1_000_000_000, -1]),
)
attempts = st.lists(st.sampled_from([1.5, 0.0, -1.0, -0.5, math.nan, 600_001.0]), max_size=3)
points = st.sampled_from(
    [f"{REGION}/points/P-1", f"{REGION}/points/Q", "P-1", "", f"{REGION}/points/é"]
)
texts = st.sampled_from(["icmp", "a", "", "-a", "a" * 40, "a" * 41, "a" * 64, "a\x07b", "a\n"])


def optional(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


anything = st.builds(
    Measurement,
    point=points,
    source=texts,
    method=texts,
    time=optional(times),
    packets_sent=optional(packets),
    packets_received=optional(packets),
    success=optional(st.booleans()),
    attempts_ms=st.just([]) | attempts | st.just([1.0] * 101),
    certificate_expiry_time=optional(times),
    **{name: optional(reals) for name in REALS},
)


@st.composite
def rights(draw: st.DrawFn) -> Measurement:
    """Draw a measurement that breaks no rule; times are few, so that some are the same."""
    sent = draw(st.none() | st.integers(0, 5))
    received = None if sent is None else draw(st.none() | st.integers(0, sent))
    answer = st.sampled_from([0.0, 1.5, 599_999.9, -1.0])
    tried = st.lists(answer, min_size=sent or 0, max_size=sent)
    within = st.none() | st.sampled_from([0.0, 0.1, 900.1, 600_000.0, 5e-324]) | st.floats(0, 1000)
    time = st.builds(Timestamp, seconds=st.integers(0, 3), nanos=st.sampled_from([0, 999, 1000]))
    later = st.builds(Timestamp, seconds=st.integers(-(10**10), 10**10))
    return Measurement(
        point=f"{REGION}/points/{draw(st.sampled_from('PQ'))}",
        source=draw(st.sampled_from(["a", "B", "a-1"])),
        method=draw(st.sampled_from(["", "icmp", "é" * 40])),
        time=draw(time),
        packets_sent=sent,
        packets_received=received,
        success=draw(st.booleans() if sent is None else st.none() | st.booleans()),
        attempts_ms=draw(tried | st.just([])) if sent else [],
        certificate_expiry_time=draw(st.none() | later),
        **{name: draw(within) for name in REALS},
    )


right = rights()


def _has_a_time(one: Measurement) -> bool:
    try:
        one.time.ToDatetime()
        one.certificate_expiry_time.ToDatetime()
    except (ValueError, OverflowError):
        return False
    return True


@given(st.lists(anything | right, max_size=8))
def test_what_a_rule_refuses_is_doubted_and_nothing_else(found: list[Measurement]) -> None:
    doubtful = read(found).doubtful.tolist()
    assert doubtful == [bool(violations(one)) or not _has_a_time(one) for one in found]


def rounded(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def one_by_one(columns: Columns) -> list[tuple[object, ...]]:
    """Return each measurement's values, None for what was not measured."""
    numbers = [
        [None if not value >= 0 else value for value in columns.figures[name].tolist()]
        for name in columns.figures
    ]
    expiries = [None if us == NEVER_US else us for us in columns.expiry_us.tolist()]
    tried = [[value for value in row if not math.isnan(value)] for row in columns.attempts.tolist()]
    names = [
        [texts.values[place] for place in texts.of]
        for texts in (columns.point, columns.source, columns.method)
    ]
    return list(zip(*names, columns.time_us.tolist(), *numbers, expiries, tried, strict=True))


def expected(one: Measurement, figures: Sequence[str]) -> tuple[object, ...]:
    """Return what stands in the message."""
    numbers = [
        (rounded(value) if name in REALS else value) if one.HasField(name) else None  # type: ignore[arg-type]
        for name in figures
        for value in [getattr(one, name)]
    ]
    expiry = one.certificate_expiry_time
    expiry_us = expiry.ToMicroseconds() if one.HasField("certificate_expiry_time") else None
    tried = [rounded(value) for value in one.attempts_ms]
    time_us = one.time.ToMicroseconds()
    return (one.point, one.source, one.method, time_us, *numbers, expiry_us, tried)


@given(st.lists(right, min_size=1, max_size=6), st.lists(right, min_size=1, max_size=6))
def test_columns_hold_what_the_messages_held_also_after_a_way_through_the_stream(
    some: list[Measurement], others: list[Measurement]
) -> None:
    both = joined([from_bytes(in_bytes(read(part).columns)) for part in (some, others)])
    assert one_by_one(both) == [expected(one, list(both.figures)) for one in some + others]


@given(st.lists(right, min_size=1, max_size=12))
def test_of_those_that_are_the_same_the_first_is_kept_in_order(found: list[Measurement]) -> None:
    kept: dict[tuple[str, int, str], Measurement] = {}
    for one in found:
        kept.setdefault((one.point, one.time.ToMicroseconds(), one.source), one)
    distinct = read(found).columns.distinct()
    figures = list(distinct.figures)
    assert one_by_one(distinct) == [expected(kept[key], figures) for key in sorted(kept)]


def observed(one: Measurement) -> Observation:
    """Return a measurement as it is read from the database."""
    return Observation(
        time_of(one.time.ToMicroseconds()),
        one.source,
        one.packets_sent if one.HasField("packets_sent") else None,
        one.packets_received if one.HasField("packets_received") else None,
        rounded(one.rtt_mean_ms) if one.HasField("rtt_mean_ms") else None,
        one.success if one.HasField("success") else None,
    )


@given(st.lists(right, min_size=1, max_size=8))
def test_a_measurement_says_in_columns_what_it_says_alone(found: list[Measurement]) -> None:
    columns = read(found).columns.distinct()
    rules = {
        name: rules_of("VSAT" if name.endswith("Q") else "FO") for name in columns.point.values
    }
    by_point = series_in(columns, rules)
    for name, rows in columns.spans().items():
        seen = [observation(columns, row) for row in range(rows.start, rows.stop)]
        alone = Series.of_observations(seen, rules[name])
        series = by_point[name]
        assert series.verdicts.tolist() == alone.verdicts.tolist()
        assert series.times_us.tolist() == alone.times_us.tolist()
        assert [series.seen(n) for n in range(len(series))] == [
            alone.seen(n) for n in range(len(alone))
        ]
    firsts = {(one.point, one.time.ToMicroseconds(), one.source): one for one in reversed(found)}
    assert [observation(columns, row) for row in range(len(columns))] == [
        observed(firsts[key]) for key in sorted(firsts)
    ]


LETTERS = {"g": (10, 10, 20.0), "p": (10, 9, 20.0), "s": (10, 0, None), "n": (None, None, None)}
stretches = st.lists(
    st.tuples(
        st.sampled_from("gpsn"), st.integers(1, 30), st.sampled_from([1, 60, 300, 301, 4000])
    ),
    min_size=1,
    max_size=12,
)


def seen_in(found: list[tuple[str, int, int]]) -> list[Observation]:
    """Return stretches of the same letter, so many, so many seconds apart."""
    time, seen = datetime.fromisoformat("2026-11-24T08:00:00+00:00"), []
    for letter, count, step_s in found:
        for _ in range(count):
            time += timedelta(seconds=step_s)
            seen.append(Observation(time, "icmp", *LETTERS[letter]))
    return seen


@given(stretches, st.integers(0, 60))
def test_many_at_once_come_to_the_same_as_one_by_one(
    found: list[tuple[str, int, int]], cut: int
) -> None:
    seen = seen_in(found)
    memory, checkpoints = Memory(), []
    for one in seen:
        before = memory
        memory, _ = observe(before, one, RULES)
        if memory is not before and before.last and _is_another_hour(before, one.time):
            checkpoints.append(before)
    first = advance(Memory(), Series.of_observations(seen[:cut], RULES), RULES)
    second = advance(first.memory, Series.of_observations(seen[cut:], RULES), RULES)
    assert second.memory == memory
    assert first.checkpoints + second.checkpoints == checkpoints
    assert _put_together(first.begun, second.begun) == boundaries(seen, RULES)


def _is_another_hour(memory: Memory, time: datetime) -> bool:
    last, current = memory.last, memory.current
    if last is None or current is None or current.start > last:
        return False
    return last.hour != time.hour or time - last >= timedelta(hours=1)


def _put_together(first: list[Boundary], second: list[Boundary]) -> list[Boundary]:
    if first and second and first[-1].start == second[0].start:
        return first[:-1] + second
    return first + second


def message() -> MeasurementColumns:
    one = Measurement(point=f"{REGION}/points/P-1", source="a", packets_sent=1, attempts_ms=[1.0])
    return MeasurementColumns.FromString(in_bytes(read([one, one]).columns))


def test_a_column_that_is_not_there_was_not_measured() -> None:
    packed = message()
    assert not packed.http_ms
    found = from_bytes(packed.SerializeToString())
    assert np.isnan(found.figures["http_ms"]).all()
    assert found.attempts.tolist() == [[1.0], [1.0]]
    assert NO_ANSWER not in found.attempts


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 3),
        ("packets_sent", bytes(6)),
        ("http_ms", bytes(7)),
        ("time_us", b""),
        ("attempts_ms", bytes(12)),
        ("point_places", b"\1\0\0\0"),
        ("source_places", b""),
        ("methods", ["b", "a"]),
        ("methods", ["a", "a"]),
    ],
)
def test_a_message_with_too_much_or_too_little_is_none(field: str, value: object) -> None:
    packed = message()
    packed.ClearField(field)  # type: ignore[arg-type]
    packed.MergeFrom(MeasurementColumns(**{field: value}))  # type: ignore[arg-type]
    with pytest.raises(DecodeError):
        from_bytes(packed.SerializeToString())


def test_a_report_of_a_release_before_is_no_columns() -> None:
    report = ReportMeasurementsRequest(
        parent=REGION, measurements=[Measurement(point=f"{REGION}/points/P-1")]
    )
    with pytest.raises(DecodeError):
        from_bytes(report.SerializeToString())
