"""Samples as Prometheus sends them, from the body to the status, and what it is told."""

import os
import signal
import struct
from collections.abc import Sequence

import cramjam
import grpc
import pytest
from common.rpc.refusals import Refusal, refusal_of
from devstack.waiting import until
from google.api.httpbody_pb2 import HttpBody
from monitoring.formats import remote_write
from monitoring.testing import NOON, REGION, Monitoring
from smartcity.monitoring.v1.measurement_transfer_pb2 import RemoteWriteMeasurementsRequest
from smartcity.monitoring.v1.status_pb2 import State
from smartcity.prometheus.v1.remote_write_pb2 import Label, Sample, TimeSeries, WriteRequest

PROTOBUF = "application/x-protobuf"
STALE = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))[0]


def series(name: str, point: str, values: Sequence[tuple[float, float]], **more: str) -> TimeSeries:
    """Return a series of values by their seconds after noon."""
    labels = {"__name__": name, "instance": "10.0.0.1", "job": "icmp", "point": point, **more}
    return TimeSeries(
        labels=[Label(name=key, value=value) for key, value in labels.items()],
        samples=[
            Sample(timestamp=int(NOON.timestamp() * 1000 + second * 1000), value=value)
            for second, value in values
        ],
    )


def body(*several: TimeSeries) -> bytes:
    packed = WriteRequest(timeseries=several).SerializeToString()
    return bytes(cramjam.snappy.compress_raw(packed))


async def write(monitoring: Monitoring, data: bytes, content_type: str = PROTOBUF) -> None:
    request = RemoteWriteMeasurementsRequest(
        parent=REGION, body=HttpBody(content_type=content_type, data=data)
    )
    await monitoring.stub.RemoteWriteMeasurements(request)


async def refused(monitoring: Monitoring, data: bytes, content_type: str = PROTOBUF) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await write(monitoring, data, content_type)
    return refusal_of(failed.value)


async def taken(monitoring: Monitoring, data: bytes) -> bool:
    """Tell whether it is taken now; what is refused for ever raises."""
    try:
        await write(monitoring, data)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def comes_to(monitoring: Monitoring, count: int) -> bool:
    async def so() -> bool:
        return await monitoring.stored() == count

    return await until(so, within_s=30)


async def test_samples_become_measurements_and_the_status_of_their_point(
    monitoring: Monitoring,
) -> None:
    monitoring.write()
    times = [(-60.0 * n, 1.0) for n in range(3)]
    rtt = [(second, 0.02) for second, _ in times]
    silent = [(second, 0.0) for second, _ in times]
    data = body(
        series("probe_success", "P-0", times),
        series("probe_icmp_duration_seconds", "P-0", rtt, phase="rtt"),
        series("probe_success", "P-1", silent),
        series("probe_icmp_duration_seconds", "P-1", silent, phase="rtt"),
        series("go_goroutines", "P-1", times),
    )
    for _ in range(2):  # Prometheus sends again what it had no answer for
        await write(monitoring, data)
    assert await comes_to(monitoring, 6)
    assert (await monitoring.status(0)).state == State.UP
    assert (await monitoring.status(1)).state == State.DOWN
    async with monitoring.database.read() as connection:
        rows = await connection.fetch(
            "SELECT source, method, success, rtt_mean_ms FROM measurements WHERE point_id = 'P-0'"
        )
    assert {tuple(row) for row in rows} == {("icmp_10.0.0.1", "icmp", True, 20.0)}


async def test_what_can_never_be_taken_is_told_and_the_others_are_stored(
    monitoring: Monitoring,
) -> None:
    monitoring.write()
    refusal = await refused(
        monitoring,
        body(
            series("probe_success", "P-0", [(0, 1)]),
            series("probe_success", "NO-SUCH", [(0, 1)]),
            series("probe_success", "not an id", [(0, 1)]),
            series("probe_success", "P-1", [(3600, 1)]),
            series("probe_success", "P-2", [(-40 * 86400, 1)]),
            series("ping_average_response_ms", "P-3", [(0, float("inf"))]),
            series("ping_packets_transmitted", "P-4", [(0, 1e30)]),
            series("ping_packets_received", "P-4", [(0, -1e30)]),
            series("probe_success", "P-5", [(2**52, 1), (-(2**52), 1)]),
        ),
    )
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "SAMPLES_REJECTED",
    )
    assert "there is no regions/64.01/points/NO-SUCH" in refusal.message
    assert "measurements stored: 1, rejected: 8" in refusal.message
    reasons = {
        violation.field.split(" ")[0][-3:]: violation.reason for violation in refusal.violations
    }
    assert reasons == {
        "UCH": "POINT_UNKNOWN",
        "not": "INVALID",
        "P-1": "IN_THE_FUTURE",
        "P-2": "TOO_OLD",
        "P-3": "INVALID",
        "P-4": "INVALID",
        "P-5": "INVALID",
    }
    assert await comes_to(monitoring, 1)


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("turned", [False, True])
async def test_a_failed_probe_is_noticed_wherever_its_scrape_is_cut_in_two(
    monitoring: Monitoring, cut: int, *, turned: bool
) -> None:
    """Of one measurement the part that comes first is kept, so it must be one that says enough."""
    monitoring.write()
    times = [(-60.0 * n, 0.0) for n in range(3)]
    looked_up = [(second, 0.01) for second, _ in times]
    scraped = [
        series("probe_dns_lookup_time_seconds", "P-0", looked_up),
        series("probe_icmp_duration_seconds", "P-0", looked_up, phase="setup"),
        series("probe_icmp_duration_seconds", "P-0", times, phase="rtt"),
        series("probe_success", "P-0", times),
    ]
    halves = [scraped[:cut], scraped[cut:]]
    for half in reversed(halves) if turned else halves:
        await write(monitoring, body(*half))
    assert await comes_to(monitoring, 3)
    assert (await monitoring.status(0)).state == State.DOWN


async def test_a_request_without_anything_of_ours_is_taken(monitoring: Monitoring) -> None:
    await write(monitoring, body())
    await write(monitoring, body(series("probe_success", "P-0", [(0, STALE)])))


async def test_a_body_that_is_none_is_refused_for_ever(monitoring: Monitoring) -> None:
    good = body(series("probe_success", "P-0", [(0, 1)]))
    for data in (
        b"",
        b"hello",
        good[:-1],
        bytes(cramjam.snappy.compress_raw(b"\xff\xff")),
        b"\xff" * 20,
    ):
        refusal = await refused(monitoring, data)
        assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
        assert list(refusal.fields) == ["body"]
    second = await refused(monitoring, good, f"{PROTOBUF};proto=io.prometheus.write.v2.Request")
    assert "2.0" in second.fields["body"]


async def test_a_body_that_would_unpack_to_too_much_is_not_unpacked(
    monitoring: Monitoring,
) -> None:
    says = 0xFFFFFFFF
    bomb = bytes([0xFF, 0xFF, 0xFF, 0xFF, 0x0F]) + b"\x00a" * 10
    refusal = await refused(monitoring, bomb)
    assert str(says) in refusal.fields["body"]
    large = bytes(cramjam.snappy.compress_raw(bytes(remote_write.MOST_BYTES + 1)))
    assert len(large) < remote_write.MOST_BYTES / 10
    assert "max_samples_per_send" in (await refused(monitoring, large)).fields["body"]


async def test_too_many_series_are_refused(monitoring: Monitoring) -> None:
    several = [TimeSeries()] * (remote_write.MOST_SERIES + 1)
    assert "series" in (await refused(monitoring, body(*several))).fields["body"]


async def test_a_dead_bus_makes_prometheus_come_again(monitoring: Monitoring) -> None:
    monitoring.write()
    data = body(series("probe_success", "P-0", [(0, 1)]))
    os.kill(monitoring.nats.child.pid, signal.SIGKILL)  # type: ignore[arg-type]
    assert await until(lambda: taken(monitoring, data), within_s=60)
    assert await comes_to(monitoring, 1)


def smokeping(point: str, *read: tuple[float, float, float]) -> list[TimeSeries]:
    """Return counters of smokeping_prober: seconds after noon, sent, answered in 20 ms each."""
    prefix, target = "smokeping_response_duration_seconds", {"host": "router", "ip": "10.0.0.1"}
    return [
        series("smokeping_requests_total", point, [one[:2] for one in read], **target),
        series(f"{prefix}_count", point, [(one[0], one[2]) for one in read], **target),
        series(f"{prefix}_sum", point, [(one[0], one[2] * 0.02) for one in read], **target),
    ]


async def packets(monitoring: Monitoring, point: str) -> list[tuple[object, ...]]:
    async with monitoring.database.read() as connection:
        rows = await connection.fetch(
            "SELECT source, method, packets_sent, packets_received, rtt_mean_ms FROM measurements "
            "WHERE point_id = $1 ORDER BY measure_time",
            point,
        )
    return [tuple(row) for row in rows]


async def test_counters_are_measurements_from_one_request_to_the_next(
    monitoring: Monitoring,
) -> None:
    monitoring.write()
    first = body(*smokeping("P-0", (-180, 1000, 999)), *smokeping("P-1", (-180, 50, 50)))
    rest = body(
        *smokeping("P-0", (-120, 1060, 1060), (-60, 1120, 1060), (0, 1180, 1060)),
        *smokeping("P-1", (-120, 110, 110), (-60, 170, 150), (0, 230, 210)),
    )
    for data in (first, first, rest, rest, first):  # some come again, and one late
        await write(monitoring, data)
    assert await comes_to(monitoring, 6)
    source = "icmp_10.0.0.1_router"
    assert await packets(monitoring, "P-0") == [
        (source, "icmp", 60, 60, pytest.approx(20)),
        (source, "icmp", 60, 0, None),
        (source, "icmp", 60, 0, None),
    ]
    assert [row[2:4] for row in await packets(monitoring, "P-1")] == [(60, 60), (60, 41), (60, 60)]


async def test_counters_that_cannot_be_taken_are_told_and_spoil_no_others(
    monitoring: Monitoring,
) -> None:
    monitoring.write()
    await write(monitoring, body(*smokeping("P-0", (-120, 100, 100))))
    refusal = await refused(
        monitoring,
        body(
            *smokeping("P-0", (-60, 160, 160), (3600, 220, 220)),
            *smokeping("NO-SUCH", (-60, 1, 1)),
            *smokeping("P-1", (-60, 1, 1), (2**42, 2, 2)),
            *smokeping("P-3", (-120, 1e308, -1e308), (-60, 1.5e308, -1e308)),
            series("probe_success", "P-2", [(0, 1)]),
        ),
    )
    assert refusal.reason == "SAMPLES_REJECTED"
    assert "measurements stored: 2, rejected: 3" in refusal.message
    assert "there is no regions/64.01/points/NO-SUCH" in refusal.message
    await write(monitoring, body(*smokeping("P-0", (0, 220, 220))))
    assert await comes_to(monitoring, 3)
    assert [row[2] for row in await packets(monitoring, "P-0")] == [60, 60]


async def test_a_request_of_refused_counters_alone_is_told(monitoring: Monitoring) -> None:
    refusal = await refused(monitoring, body(*smokeping("NO-SUCH", (0, 1, 1))))
    assert "measurements stored: 0, rejected: 1" in refusal.message


async def test_counters_go_on_after_the_bus_was_away(monitoring: Monitoring) -> None:
    """A request that failed half way says the same when it comes again."""
    monitoring.write()
    await write(monitoring, body(*smokeping("P-0", (-60, 100, 100))))
    os.kill(monitoring.nats.child.pid, signal.SIGKILL)  # type: ignore[arg-type]
    data = body(*smokeping("P-0", (0, 160, 150)))
    assert await until(lambda: taken(monitoring, data), within_s=60)
    assert await comes_to(monitoring, 1)
    assert [row[2:4] for row in await packets(monitoring, "P-0")] == [(60, 51)]
