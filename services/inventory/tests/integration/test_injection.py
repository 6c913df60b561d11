"""Texts that would break out of SQL or of a header, in every string field of every call."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from inventory.testing import Inventory
from smartcity.inventory.v1 import point_pb2
from smartcity.inventory.v1.point_pb2 import Point

SERVICE = "smartcity.inventory.v1.InventoryService"
METHODS = list(Default().FindServiceByName(SERVICE).methods)
REGION = "regions/64.01"
TEXTS = (
    "'; DROP TABLE points; --",
    "x' OR '1'='1",
    "$1) OR (1=1",
    '"; SELECT pg_sleep(60); --',
    "\\'; DELETE FROM changes; --",
    "a\r\nauthorization: Bearer forged",
    "%",
    "regions/64.01' OR region_code <> '",
)
ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
VALID = {
    "parent": REGION,
    "name": f"{REGION}/points/P-1",
    "village": f"{REGION}/villages/64.01.06.2012",
}
COUNTS = "SELECT (SELECT count(*) FROM regions), (SELECT count(*) FROM villages)"


def string_paths(kind: Descriptor, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the way to every text in a message, at most three levels down."""
    for field in kind.fields:
        path = (*above, field.name)
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield path
        elif field.message_type and len(path) < 3:
            yield from string_paths(field.message_type, path)


def attacking(kind: Descriptor, path: tuple[str, ...], text: str) -> Any:
    """Return a request that is right as far as it goes, with `text` at the path."""
    request: Any = GetMessageClass(kind)()
    for name in VALID.keys() & kind.fields_by_name.keys():
        setattr(request, name, VALID[name])
    place, field = request, kind.fields_by_name[path[0]]
    for name in path[1:]:
        place = _below(place, field)
        if place is None:
            return request
        field = place.DESCRIPTOR.fields_by_name[name]
    value: Any = text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.is_repeated:
        getattr(place, field.name).append(value)
    else:
        setattr(place, field.name, value)
    return request


def _below(place: Any, field: Any) -> Any:
    held = getattr(place, field.name)
    if not field.is_repeated:
        return held
    if field.message_type.GetOptions().map_entry:
        held["'; DROP TABLE points; --"] = "'; DROP TABLE points; --"
        return None
    return held.add()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_no_text_breaks_out_of_its_field(
    inventory: Inventory, method: MethodDescriptor
) -> None:
    async with inventory.database.read() as connection:
        before = await connection.fetchrow(COUNTS)
    for path in string_paths(method.input_type):
        for text in TEXTS:
            request = attacking(method.input_type, path, text)
            assert await code_of(inventory, method, request) in ALLOWED, (path, text)
    async with inventory.database.read() as connection:
        assert await connection.fetchrow(COUNTS) == before
        await connection.execute("SELECT FROM points, changes, outbox LIMIT 0")


async def code_of(
    inventory: Inventory, method: MethodDescriptor, request: Message
) -> grpc.StatusCode:
    call = getattr(inventory.stub, method.name)(request, timeout=20)
    try:
        if method.server_streaming:
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_what_looks_like_sql_is_kept_and_found_as_it_is(inventory: Inventory) -> None:
    text = "SD '; DROP TABLE points; -- 100 %"
    point = Point(display_name=text, kind=Point.SCHOOL, village=VALID["village"])
    request = point_pb2.CreatePointRequest(parent=REGION, point_id="P-1", point=point)
    assert (await inventory.stub.CreatePoint(request)).display_name == text
    for query, found in (("'; drop", 1), ("100 %", 1), ("%", 1), ("_'; drop", 0), ("' or '", 0)):
        listing = point_pb2.ListPointsRequest(parent=REGION, query=query)
        assert len((await inventory.stub.ListPoints(listing)).points) == found, query
