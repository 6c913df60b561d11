"""A stream of reports: acknowledged in order, only what is stored, never more than can be held."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from google.protobuf.timestamp_pb2 import Timestamp
from monitoring.operations.stream_measurements import IN_FLIGHT, stream_measurements
from monitoring.testing import POINTS, REGION, Monitoring, measured
from smartcity.monitoring.v1.measurement_pb2 import (
    Measurement,
    ReportMeasurementsRequest,
    StreamMeasurementsResponse,
)


def batch(second: int, *more: Measurement) -> ReportMeasurementsRequest:
    some = [*(measured(number, -second) for number in range(POINTS)), *more]
    return ReportMeasurementsRequest(parent=REGION, measurements=some)


async def sent(
    requests: Sequence[ReportMeasurementsRequest],
) -> AsyncIterator[ReportMeasurementsRequest]:
    for request in requests:
        yield request


async def comes_to(monitoring: Monitoring, count: int) -> bool:
    async def so() -> bool:
        return await monitoring.stored() == count

    return await until(so, within_s=60)


async def answers_until_the_end(
    monitoring: Monitoring, requests: Sequence[ReportMeasurementsRequest]
) -> tuple[list[StreamMeasurementsResponse], grpc.aio.AioRpcError | None]:
    answers = []
    try:
        async for answer in monitoring.stub.StreamMeasurements(sent(requests)):
            answers += [answer]
    except grpc.aio.AioRpcError as error:
        return answers, error
    return answers, None


async def test_every_request_is_acknowledged_in_order_and_stored_once(
    monitoring: Monitoring,
) -> None:
    monitoring.write()
    odd = Measurement(point=f"{REGION}/points/X", source="icmp", time=measured(0, 0).time)
    odd.success = True
    requests = [batch(second, odd) for second in range(12)]
    answers, error = await answers_until_the_end(monitoring, [*requests, *requests])
    assert error is None
    assert [answer.index for answer in answers] == list(range(24))
    assert {answer.accepted_count for answer in answers} == {POINTS}
    rejected = {(one.index, one.reason) for answer in answers for one in answer.rejections}
    assert rejected == {(POINTS, "POINT_UNKNOWN")}
    assert await comes_to(monitoring, 12 * POINTS)


async def test_a_request_that_is_none_ends_the_stream_after_the_acknowledgements_before_it(
    monitoring: Monitoring,
) -> None:
    requests = [batch(1), batch(2), ReportMeasurementsRequest(parent=REGION), batch(3)]
    answers, error = await answers_until_the_end(monitoring, requests)
    assert [answer.index for answer in answers] == [0, 1]
    assert error
    assert list(refusal_of(error).fields) == ["measurements"]


async def test_another_region_ends_the_stream_after_the_acknowledgements_before_it(
    monitoring: Monitoring,
) -> None:
    other = ReportMeasurementsRequest(parent="regions/64.09", measurements=[measured(0, 0)])
    answers, error = await answers_until_the_end(monitoring, [batch(1), other])
    assert [answer.index for answer in answers] == [0]
    assert error
    assert refusal_of(error).reason == "REGION_CHANGED"


async def test_of_a_dropped_connection_all_that_was_acknowledged_is_kept(
    monitoring: Monitoring,
) -> None:
    call = monitoring.stub.StreamMeasurements(sent([batch(second) for second in range(40)]))
    answers = aiter(call)
    acknowledged = [await anext(answers) for _ in range(5)]
    call.cancel()
    assert [answer.index for answer in acknowledged] == list(range(5))
    monitoring.write()

    async def all_are_there() -> bool:
        return await monitoring.stored() >= 5 * POINTS

    assert await until(all_are_there, within_s=30)


async def test_a_bus_that_dies_under_way_loses_and_doubles_nothing(monitoring: Monitoring) -> None:
    monitoring.write()
    left = [batch(second) for second in range(60)]

    async def break_the_bus() -> None:
        await monitoring.nats.stop()
        await monitoring.nats.start()

    call = monitoring.stub.StreamMeasurements(sent(left))
    breaking = None
    done = 0
    try:
        async for answer in call:
            assert answer.index == done
            done += 1
            breaking = breaking or asyncio.create_task(break_the_bus())
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            raise
    assert breaking
    await breaking

    async def the_rest_is_taken() -> bool:
        nonlocal done
        answers, error = await answers_until_the_end(monitoring, left[done:])
        done += len(answers)
        return error is None

    assert await until(the_rest_is_taken, within_s=60)
    assert await comes_to(monitoring, 60 * POINTS)


async def test_no_more_requests_are_read_than_may_be_under_way(monitoring: Monitoring) -> None:
    taken = acknowledged = most = 0

    async def counted() -> AsyncIterator[ReportMeasurementsRequest]:
        nonlocal taken, most
        for second in range(50):
            taken += 1
            most = max(most, taken - acknowledged)
            yield batch(second)

    async for _ in stream_measurements(monitoring.needs, counted()):
        acknowledged += 1
    assert acknowledged == 50
    assert 1 < most <= IN_FLIGHT


@pytest.mark.parametrize("seconds", [-(10**12), 10**12, 2**62])
async def test_a_time_that_no_calendar_has_is_told_and_the_others_kept(
    monitoring: Monitoring, seconds: int
) -> None:
    odd = measured(1, 0)
    odd.time.CopyFrom(Timestamp(seconds=seconds))
    answer = await monitoring.report([measured(0, 0), odd])
    assert answer.accepted_count == 1
    assert [(one.index, one.reason) for one in answer.rejections] == [(1, "INVALID")]
