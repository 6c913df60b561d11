"""What samples of well-known exporters say of a point."""

import re
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.samples import Key, Measured, Series, mapping, measured, source_of
from smartcity.monitoring.v1.measurement_pb2 import Measurement

STALE = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))[0]
TARGET = {"point": "PSR-1", "job": "icmp", "instance": "10.0.0.1"}
AT = 1_000
PHASES = tuple(enumerate(("resolve", "connect", "tls", "processing", "transfer"), start=1))


def series(name: str, value: float, labels: Mapping[str, str] = TARGET, **more: str) -> Series:
    return Series({"__name__": name, **labels, **more}, [(AT, value)])


def blackbox_icmp(success: float, rtt_s: float) -> list[Series]:
    return [
        series("probe_success", success),
        series("probe_icmp_duration_seconds", 0.001, phase="setup"),
        series("probe_icmp_duration_seconds", rtt_s, phase="rtt"),
        series("probe_dns_lookup_time_seconds", 0.0),
        series("probe_duration_seconds", 0.03),
        series("up", 1),
    ]


def telegraf(sent: float, received: float) -> list[Series]:
    return [
        series("ping_packets_transmitted", sent),
        series("ping_packets_received", received),
        series("ping_percent_packet_loss", 0),
    ]


def http() -> list[Series]:
    return [
        series("probe_success", 1, TARGET | {"job": "http"}),
        *(
            series("probe_http_duration_seconds", 0.1 / n, TARGET | {"job": "http"}, phase=phase)
            for n, phase in PHASES
        ),
    ]


def only(found: list[Measured]) -> Mapping[str, float]:
    (one,) = found
    return one.figures


def test_a_ping_of_the_blackbox_exporter_is_success_and_round_trip() -> None:
    (one,) = measured(blackbox_icmp(1, 0.0205))
    assert one.key == Key("PSR-1", "icmp_10.0.0.1", AT)
    assert one.figures == {"success": 1, "rtt_mean_ms": 20.5}
    assert one.method == "icmp"


def test_a_ping_without_an_answer_has_no_round_trip_of_zero() -> None:
    assert only(measured(blackbox_icmp(0, 0))) == {"success": 0}


def test_the_phases_of_an_http_request_are_added_up_when_all_are_there() -> None:
    total_ms = sum(100 / n for n, _ in PHASES)
    assert only(measured(http())) == {"success": 1, "http_ms": pytest.approx(total_ms)}
    assert only(measured(http()[:-1])) == {"success": 1}


def test_telegraf_s_ping_is_packets_and_round_trips() -> None:
    times = [
        series("ping_minimum_response_ms", 1),
        series("ping_average_response_ms", 2),
        series("ping_maximum_response_ms", 3),
    ]
    assert only(measured([*telegraf(5, 4), *times])) == {
        "packets_sent": 5,
        "packets_received": 4,
        "rtt_min_ms": 1,
        "rtt_mean_ms": 2,
        "rtt_max_ms": 3,
    }


@given(st.permutations([*blackbox_icmp(1, 0.02), *telegraf(5, 4), *http()]))
def test_the_order_of_series_decides_nothing(several: list[Series]) -> None:
    ordered = measured([*blackbox_icmp(1, 0.02), *telegraf(5, 4), *http()])
    assert sorted(measured(several), key=lambda one: one.key) == sorted(
        ordered, key=lambda one: one.key
    )


@pytest.mark.parametrize("part", [0, 1])
def test_half_of_the_packets_is_not_taken_for_all_of_them_lost(part: int) -> None:
    assert measured([telegraf(5, 5)[part]]) == []


def test_what_does_not_say_whether_the_line_works_is_left_for_the_part_that_does() -> None:
    assert measured([series("probe_dns_lookup_time_seconds", 0.5)]) == []


def test_the_mark_of_a_series_end_and_other_nan_are_no_measurement() -> None:
    assert measured([series("probe_success", STALE), series("probe_success", float("nan"))]) == []


def test_series_without_a_point_are_left_aside() -> None:
    assert measured([series("probe_success", 1, {"job": "icmp"})]) == []
    assert measured([series("probe_success", 1, {"point": "", "job": "icmp"})]) == []


def test_samples_of_other_times_points_and_sources_are_other_measurements() -> None:
    success = series("probe_success", 1)
    several = Series(success.labels, [(1, 1.0), (2, 0.0)])
    elsewhere = series("probe_success", 1, TARGET | {"point": "PSR-2"})
    another = series("probe_success", 1, TARGET | {"job": "http"})
    assert len(measured([several, elsewhere, another])) == 4


def test_every_metric_fills_a_field_of_a_measurement() -> None:
    fields = Measurement.DESCRIPTOR.fields_by_name
    assert {metric.field for metric in mapping().metrics.values()} <= set(fields)


@pytest.mark.parametrize(
    ("labels", "source"),
    [
        ({"job": "icmp", "instance": "10.0.0.1:9115"}, "icmp_10.0.0.1-9115"),
        ({"url": "puskesmas.example", "host": "router-1"}, "puskesmas.example_router-1"),
        ({}, "prometheus"),
        ({"job": "///"}, "prometheus"),
    ],
)
def test_a_source_is_made_of_the_labels_that_are_there(labels: dict[str, str], source: str) -> None:
    assert source_of(labels) == source


@given(st.dictionaries(st.sampled_from(["job", "instance", "url", "host"]), st.text()))
def test_a_source_is_always_one_that_a_measurement_may_have(labels: dict[str, str]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", source_of(labels))


def test_long_sources_that_differ_at_their_end_stay_apart() -> None:
    first, second = ({"job": "x" * 100 + end} for end in "ab")
    assert source_of(first) != source_of(second)
