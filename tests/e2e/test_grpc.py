"""The same contract over gRPC, its reflection and gRPC-Web, on the same port."""

import struct
from typing import Any

import grpc
import httpx
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from smartcity.inventory.v1 import inventory_service_pb2_grpc, point_pb2

SERVICE = "smartcity.inventory.v1.InventoryService"
KEC = "regions/64.01/points/KEC-64.01.01"


async def test_grpc_and_http_tell_the_same(
    channel: grpc.aio.Channel, api: httpx.AsyncClient
) -> None:
    stub: Any = inventory_service_pb2_grpc.InventoryServiceStub(channel)
    point = await stub.GetPoint(point_pb2.GetPointRequest(name=KEC))
    shown = (await api.get(f"/v1/{KEC}")).json()
    assert (point.name, point.display_name, point.etag) == (
        shown["name"],
        shown["displayName"],
        shown["etag"],
    )


async def test_a_deadline_of_a_millisecond_is_exceeded(channel: grpc.aio.Channel) -> None:
    stub: Any = inventory_service_pb2_grpc.InventoryServiceStub(channel)
    request = point_pb2.ListPointsRequest(parent="regions/64.01", page_size=1000)
    codes = set()
    for _ in range(20):
        try:
            await stub.ListPoints(request, timeout=0.001)
        except grpc.aio.AioRpcError as error:
            codes.add(error.code())
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}


def test_a_client_without_protos_lists_and_reads_them(stack: Any) -> None:
    with grpc.insecure_channel(stack.place.public_address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE in database.get_services()
        described = database.FindFileContainingSymbol(SERVICE)
        assert described.name == "smartcity/inventory/v1/inventory_service.proto"


async def test_grpc_web_gives_the_point(api: httpx.AsyncClient) -> None:
    packed = point_pb2.GetPointRequest(name=KEC).SerializeToString()
    answer = await api.post(
        f"/{SERVICE}/GetPoint",
        content=b"\x00" + struct.pack(">I", len(packed)) + packed,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    length = struct.unpack(">I", answer.content[1:5])[0]
    assert point_pb2.Point.FromString(answer.content[5 : 5 + length]).name == KEC
    assert b"grpc-status:0" in answer.content[5 + length :].replace(b" ", b"")
