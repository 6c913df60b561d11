"""What a gRPC and a gRPC-Web client see."""

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from smartcity.inventory.v1 import inventory_service_pb2_grpc, point_pb2

SERVICE = "smartcity.inventory.v1.InventoryService"
NAME = "regions/64.01/points/PSR-0042"
HEALTH = health_pb2.HealthCheckResponse


@pytest.fixture(scope="session")
async def channel(gateway: Any) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(gateway.http) as opened:
        yield opened


@pytest.fixture(scope="session")
async def deserted(lonely: Any) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(lonely.http) as opened:
        yield opened


def unary(channel: grpc.aio.Channel, path: str, answer: Any) -> Any:
    return channel.unary_unary(
        path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=answer
    )


async def refused(call: Any) -> tuple[grpc.StatusCode, status_pb2.Status]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailers = dict(caught.value.trailing_metadata() or ())
    packed = trailers.get("grpc-status-details-bin", b"")
    assert isinstance(packed, bytes)
    return caught.value.code(), status_pb2.Status.FromString(packed)


async def test_grpc_passes_through(channel: grpc.aio.Channel) -> None:
    stub = inventory_service_pb2_grpc.InventoryServiceStub(channel)
    point = await stub.GetPoint(point_pb2.GetPointRequest(name=NAME))
    assert point.name == NAME


async def test_a_services_error_keeps_its_details(channel: grpc.aio.Channel) -> None:
    get = unary(channel, f"/{SERVICE}/GetPoint", point_pb2.Point.FromString)
    request = point_pb2.GetPointRequest(name="regions/64.01/points/GONE")
    code, status = await refused(get(request))
    assert code is grpc.StatusCode.NOT_FOUND
    assert status.message == "no regions/64.01/points/GONE"


async def test_a_service_that_is_away_is_told(deserted: grpc.aio.Channel) -> None:
    get = unary(deserted, f"/{SERVICE}/GetPoint", point_pb2.Point.FromString)
    code, status = await refused(get(point_pb2.GetPointRequest(name=NAME)))
    assert code is grpc.StatusCode.UNAVAILABLE
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "SERVICE_UNAVAILABLE"


async def test_a_method_that_is_not_published_is_refused(channel: grpc.aio.Channel) -> None:
    code, status = await refused(
        unary(channel, "/no.Such/Method", None)(point_pb2.GetPointRequest())
    )
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert "reflection" in status.message


async def test_grpc_web_is_understood(client: httpx.AsyncClient) -> None:
    request = point_pb2.GetPointRequest(name=NAME).SerializeToString()
    answer = await client.post(
        f"/{SERVICE}/GetPoint",
        content=b"\x00" + struct.pack(">I", len(request)) + request,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    length = struct.unpack(">I", answer.content[1:5])[0]
    point = point_pb2.Point.FromString(answer.content[5 : 5 + length])
    assert point.name == NAME
    trailer = answer.content[5 + length :]
    assert trailer[0] == 0x80
    assert b"grpc-status:0" in trailer


async def test_grpc_web_text_is_understood(client: httpx.AsyncClient) -> None:
    request = point_pb2.GetPointRequest(name=NAME).SerializeToString()
    answer = await client.post(
        f"/{SERVICE}/GetPoint",
        content=base64.b64encode(b"\x00" + struct.pack(">I", len(request)) + request),
        headers={
            "content-type": "application/grpc-web-text+proto",
            "accept": "application/grpc-web-text+proto",
        },
    )
    assert NAME.encode() in base64.b64decode(answer.content[:80])


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes(channel: grpc.aio.Channel, version: str) -> None:
    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    listed, described = [answer async for answer in ask(iter(questions))]
    names = [service.name for service in listed.list_services_response.service]
    assert SERVICE in names
    assert "grpc.health.v1.Health" in names
    assert len(described.file_descriptor_response.file_descriptor_proto) > 10


@pytest.mark.parametrize("name", ["", SERVICE])
async def test_health_is_asked_of_the_service(
    channel: grpc.aio.Channel, deserted: grpc.aio.Channel, name: str
) -> None:
    request = health_pb2.HealthCheckRequest(service=name)
    path = "/grpc.health.v1.Health/Check"
    well = await unary(channel, path, HEALTH.FromString)(request)
    away = await unary(deserted, path, HEALTH.FromString)(request)
    assert (well.status, away.status) == (HEALTH.SERVING, HEALTH.NOT_SERVING)


async def test_health_of_an_unknown_service_is_not_found(channel: grpc.aio.Channel) -> None:
    check = unary(channel, "/grpc.health.v1.Health/Check", HEALTH.FromString)
    code, _ = await refused(check(health_pb2.HealthCheckRequest(service="no.Such")))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_watched_health_tells_changes(channel: grpc.aio.Channel, upstream: Any) -> None:
    watch: Any = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=HEALTH.FromString,
    )(health_pb2.HealthCheckRequest(service=SERVICE))
    assert (await watch.read()).status == HEALTH.SERVING
    await upstream.serving(able=False)
    assert (await watch.read()).status == HEALTH.NOT_SERVING
    await upstream.serving(able=True)
    assert (await watch.read()).status == HEALTH.SERVING
    watch.cancel()
