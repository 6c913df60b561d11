"""Methods that stream their requests, behind the chassis' interceptor and a real channel."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from common.auth.keys import IssuerKeys
from common.auth.tokens import Verifier
from common.rpc.interceptor import CallInterceptor, Checks
from common.rpc.refusals import Refusal, refusal_of
from devstack.waiting import until
from smartcity.monitoring.v1.measurement_pb2 import (
    Measurement,
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
    StreamMeasurementsResponse,
)
from structlog.testing import capture_logs

SERVICE = "smartcity.monitoring.v1.MonitoringService"
SUM, ACKNOWLEDGE = "ReportMeasurements", "StreamMeasurements"
PATHS = {name: f"/{SERVICE}/{name}" for name in (SUM, ACKNOWLEDGE)}


async def total(requests: Any, _: Any) -> ReportMeasurementsResponse:
    count = 0
    async for request in requests:
        count += len(request.measurements)
    return ReportMeasurementsResponse(accepted_count=count)


async def acknowledgements(requests: Any, _: Any) -> AsyncIterator[StreamMeasurementsResponse]:
    index = 0
    async for request in requests:
        yield StreamMeasurementsResponse(index=index, accepted_count=len(request.measurements))
        index += 1


class Caller:
    """Calls the two methods of a served chassis."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._channel = channel
        self.metadata = [("authorization", f"Bearer {token}")]

    def call(self, method: str, requests: Any = None) -> Any:
        """Begin a call; requests may be bytes that are none."""
        unary = method == SUM
        kind = self._channel.stream_unary if unary else self._channel.stream_stream
        answer = ReportMeasurementsResponse if unary else StreamMeasurementsResponse
        path = PATHS[method]
        opened: Any = kind(
            path, request_serializer=_packed, response_deserializer=answer.FromString
        )
        return opened(requests, metadata=self.metadata)

    async def answers(self, method: str, requests: Sequence[Any]) -> list[Any]:
        """Send all the requests; return the answers."""
        call = self.call(method, aiter_of(requests))
        return [await call] if method == SUM else [answer async for answer in call]

    async def refused(self, method: str, requests: Sequence[Any]) -> Refusal:
        """Send all the requests; return why they were refused."""
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await self.answers(method, requests)
        return refusal_of(failed.value)


def _packed(request: Any) -> bytes:
    return request if isinstance(request, bytes) else bytes(request.SerializeToString())


async def aiter_of(requests: Sequence[Any]) -> AsyncIterator[Any]:
    for request in requests:
        yield request


def of(region: str, count: int = 1) -> ReportMeasurementsRequest:
    one = Measurement(point=f"regions/{region}/points/A", source="icmp", success=True)
    one.time.seconds = 1
    return ReportMeasurementsRequest(parent=f"regions/{region}", measurements=[one] * count)


@pytest.fixture
async def channel(issuer: Any) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel to a server that believes the issuer and lets a call take a second."""
    verifier = Verifier(IssuerKeys(issuer.url), "smartcity")
    checks = Checks(endless={PATHS[ACKNOWLEDGE]})
    server = grpc.aio.server(interceptors=[CallInterceptor("monitoring", 1, checks, verifier)])
    read = ReportMeasurementsRequest.FromString
    methods = {
        SUM: grpc.stream_unary_rpc_method_handler(
            total, read, ReportMeasurementsResponse.SerializeToString
        ),
        ACKNOWLEDGE: grpc.stream_stream_rpc_method_handler(
            acknowledgements, read, StreamMeasurementsResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(0)


@pytest.fixture
def caller(channel: grpc.aio.Channel, issuer: Any) -> Caller:
    return Caller(channel, issuer.token())


both = pytest.mark.parametrize("method", [SUM, ACKNOWLEDGE])


async def test_every_request_reaches_the_method_and_every_answer_the_caller(caller: Caller) -> None:
    requests = [of("64.01", count) for count in (1, 2, 3)]
    (summed,) = await caller.answers(SUM, requests)
    assert summed.accepted_count == 6
    answers = await caller.answers(ACKNOWLEDGE, requests)
    assert [(one.index, one.accepted_count) for one in answers] == [(0, 1), (1, 2), (2, 3)]


async def test_an_answer_comes_before_the_next_request_is_sent(caller: Caller) -> None:
    call = caller.call(ACKNOWLEDGE)
    for index in range(3):
        await call.write(of("64.01"))
        assert (await call.read()).index == index
    await call.done_writing()
    assert await call.read() == grpc.aio.EOF


@both
async def test_another_region_than_the_first_is_refused(caller: Caller, method: str) -> None:
    refusal = await caller.refused(method, [of("64.01"), of("64.09")])
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REGION_CHANGED",
    )


@both
@pytest.mark.parametrize("before", [0, 1])
async def test_every_request_is_checked(caller: Caller, method: str, before: int) -> None:
    requests = [of("64.01")] * before
    wrong = await caller.refused(method, [*requests, of("64.01", 10_001)])
    assert list(wrong.fields) == ["measurements"]
    broken = await caller.refused(method, [*requests, b"\xff\xff"])
    assert broken.reason == "REQUEST_MALFORMED"


@both
async def test_a_stream_without_a_request_is_refused(caller: Caller, method: str) -> None:
    assert (await caller.refused(method, [])).reason == "REQUEST_MISSING"


@both
async def test_who_calls_is_known_before_a_request_is_waited_for(
    channel: grpc.aio.Channel, method: str
) -> None:
    call = Caller(channel, "x").call(method)
    assert await call.code() == grpc.StatusCode.UNAUTHENTICATED


@both
@pytest.mark.parametrize("grant", ["64.09/operator", "64.01/viewer"])
async def test_the_first_request_decides_what_must_be_granted(
    channel: grpc.aio.Channel, issuer: Any, method: str, grant: str
) -> None:
    refusal = await Caller(channel, issuer.token(grant)).refused(method, [of("64.01")])
    assert refusal.code == grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_ends_with_its_caller_s_token(
    channel: grpc.aio.Channel, issuer: Any
) -> None:
    """A token that just ended is believed for the difference of clocks, but not for longer work."""
    ended = Caller(channel, issuer.token(exp=int(time.time()) - 5))
    assert len(await ended.answers(ACKNOWLEDGE, [of("64.01")])) == 1
    refusal = await ended.refused(ACKNOWLEDGE, [of("64.01")] * 2)
    assert refusal.code == grpc.StatusCode.UNAUTHENTICATED


async def test_only_an_endless_method_outlives_the_server_s_limit(caller: Caller) -> None:
    endless = caller.call(ACKNOWLEDGE)
    limited = caller.call(SUM)
    await limited.write(of("64.01"))
    assert await limited.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await endless.write(of("64.01"))
    assert (await endless.read()).index == 0
    endless.cancel()


async def test_a_call_is_one_line_that_counts_its_requests(caller: Caller) -> None:
    with capture_logs() as lines:
        await caller.answers(ACKNOWLEDGE, [of("64.01")] * 3)
        cancelled = caller.call(ACKNOWLEDGE)
        await cancelled.write(of("64.01"))
        await cancelled.read()
        cancelled.cancel()

        async def logged() -> bool:
            return len(lines) == 2

        assert await until(logged, within_s=10)
    assert [line["requests"] for line in lines] == [3, 1]
    assert lines[0]["code"] == "OK"
    assert {line["resource"] for line in lines} == {"regions/64.01"}
    assert {line["principal"] for line in lines} == {"budi"}
