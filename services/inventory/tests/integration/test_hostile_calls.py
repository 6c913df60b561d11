"""Calls made to hurt the service: each is refused, and others are answered meanwhile."""

import asyncio
from typing import Any

import grpc
import pytest
from common.rpc.refusals import refusal_of
from google.api.httpbody_pb2 import HttpBody
from inventory.testing import Inventory, refused
from smartcity.inventory.v1 import point_pb2, point_transfer_pb2, region_pb2
from smartcity.inventory.v1.point_pb2 import Point

REGION = "regions/64.01"
SERVICE = "/smartcity.inventory.v1.InventoryService"
VILLAGE = f"{REGION}/villages/64.01.06.2012"


def draft(**changes: Any) -> Point:
    point = Point(display_name="SD", kind=Point.SCHOOL, village=VILLAGE)
    point.MergeFrom(Point(**changes))
    return point


def create(inventory: Inventory, point: Point, **more: Any) -> Any:
    request = point_pb2.CreatePointRequest(parent=REGION, point=point, **more)
    return inventory.stub.CreatePoint(request)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "a\x00b"}, "point.address"),
        ({"source": "\x01"}, "point.source"),
        ({"address": "\uffff"}, "point.address"),
        ({"external_ids": {"npsn": "\x00"}}, "point.externalIds[npsn]"),
        ({"tags": ["a\x00"]}, "point.tags[0]"),
        ({"contact": {"display_name": "\x00"}}, "point.contact.displayName"),
    ],
)
async def test_control_characters_are_refused_by_field(
    inventory: Inventory, changes: dict[str, Any], field: str
) -> None:
    refusal = await refused(create(inventory, draft(**changes)))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert field in refusal.fields


async def test_a_nul_in_a_filter_or_a_request_id_is_refused(inventory: Inventory) -> None:
    listing = point_pb2.ListPointsRequest(parent=REGION, query="\x00", tag=["\x00"])
    assert set((await refused(inventory.stub.ListPoints(listing))).fields) == {"query", "tag[0]"}
    refusal = await refused(create(inventory, draft(), request_id="\x00"))
    assert list(refusal.fields) == ["requestId"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e300])
async def test_a_location_that_is_no_number_is_refused(inventory: Inventory, number: float) -> None:
    point = draft()
    point.location.latitude = point.location.longitude = number
    assert set((await refused(create(inventory, point))).fields) == {"point.location"}


async def test_bytes_that_are_no_message_are_refused(inventory: Inventory) -> None:
    call: Any = inventory.channel.unary_unary(f"{SERVICE}/GetPoint")
    refusal = await refused(call(b"\xff\xff\xff"))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_MALFORMED",
    )


async def test_a_million_tags_are_refused_at_once_while_others_are_answered(
    inventory: Inventory,
) -> None:
    huge = asyncio.ensure_future(create(inventory, draft(tags=[""] * 1_000_000)))
    # Looking at each of them took 22 s, in which nobody was answered.
    await inventory.stub.ListRegions(region_pb2.ListRegionsRequest(), timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await huge
    assert refusal_of(failed.value).fields == {
        "point.tags": "has 1000000 entries; at most 20 are allowed"
    }


async def test_exports_that_nobody_reads_hold_no_connection(inventory: Inventory) -> None:
    rows = "\n".join(f"H-{n},{'x' * 190},OPD,64.01.06.2012" for n in range(5000))
    header = "point_id,display_name,kind,village\n"
    await inventory.stub.ImportPoints(
        point_transfer_pb2.ImportPointsRequest(
            parent=REGION, file=HttpBody(data=(header + rows).encode())
        )
    )
    request = point_transfer_pb2.ExportPointsRequest(parent=REGION)
    exports: list[Any] = [inventory.stub.ExportPoints(request) for _ in range(12)]
    for export in exports:
        await export.read()
    listed = await inventory.stub.ListPoints(point_pb2.ListPointsRequest(parent=REGION), timeout=5)
    assert listed.total_size == 5000
    for export in exports:
        export.cancel()


async def test_a_failed_export_is_no_short_file(inventory: Inventory) -> None:
    request = point_transfer_pb2.ExportPointsRequest(parent="regions/64.99")
    export: Any = inventory.stub.ExportPoints(request)
    assert (await refused(export.read())).code == grpc.StatusCode.NOT_FOUND
