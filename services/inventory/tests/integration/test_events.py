"""What the inventory tells others of its changes."""

from typing import Any

import orjson
from common.events.event import event_from
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.field_mask_pb2 import FieldMask
from inventory.testing import Inventory
from smartcity.inventory.v1 import (
    circuit_pb2,
    device_pb2,
    events_pb2,
    point_pb2,
    point_transfer_pb2,
    provider_pb2,
)
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.device_pb2 import Device
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.provider_pb2 import Provider

REGION = "regions/64.01"
NAME = f"{REGION}/points/P-1"
OUTBOX = "SELECT subject, headers, body, sequence FROM outbox ORDER BY outbox_id"


async def told(inventory: Inventory) -> list[tuple[str, int, Any]]:
    """Return noun and verb, number and body of every event."""
    async with inventory.database.read() as connection:
        rows = await connection.fetch(OUTBOX)
    found = []
    for row in rows:
        assert row["subject"].startswith("smartcity.6401.inventory.")
        noun, verb = row["subject"].split(".")[3:5]
        kind = getattr(events_pb2, "".join(part.capitalize() for part in (noun, verb)))
        found.append((f"{noun}.{verb}", row["sequence"], kind.FromString(row["body"])))
    return found


async def create(inventory: Inventory, point_id: str = "P-1") -> Point:
    point = Point(display_name="Kantor", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    point.contact.phone = "0812345678"
    return await inventory.stub.CreatePoint(
        point_pb2.CreatePointRequest(parent=REGION, point_id=point_id, point=point)
    )


async def test_a_points_life_is_told_in_order_without_its_contact(inventory: Inventory) -> None:
    stub: Any = inventory.stub
    await create(inventory)
    change = Point(name=NAME, address="Jalan 1")
    change.contact.phone = "0899"
    mask = FieldMask(paths=["address", "contact"])
    await stub.UpdatePoint(point_pb2.UpdatePointRequest(point=change, update_mask=mask))
    await stub.ActivatePoint(point_pb2.ActivatePointRequest(name=NAME))
    await stub.SuspendPoint(point_pb2.SuspendPointRequest(name=NAME))
    await stub.ResumePoint(point_pb2.ResumePointRequest(name=NAME))
    last = await stub.RetirePoint(point_pb2.RetirePointRequest(name=NAME))
    events = await told(inventory)
    assert [(what, number) for what, number, _ in events] == [
        ("point.created", 1),
        ("point.updated", 2),
        ("point.activated", 3),
        ("point.suspended", 4),
        ("point.resumed", 5),
        ("point.retired", 6),
    ]
    assert list(events[1][2].changed_fields) == ["address", "contact"]
    assert list(events[2][2].changed_fields) == ["state"]
    assert not any(body.point.HasField("contact") for _, _, body in events)
    last.ClearField("contact")
    assert events[-1][2].point == last


async def test_a_dry_run_and_a_refused_call_tell_nothing(inventory: Inventory) -> None:
    point = Point(display_name="x", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    await inventory.stub.CreatePoint(
        point_pb2.CreatePointRequest(parent=REGION, point=point, validate_only=True)
    )
    assert await told(inventory) == []


async def test_a_repeated_request_is_told_once(inventory: Inventory) -> None:
    point = Point(display_name="x", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    for _ in range(2):
        await inventory.stub.CreatePoint(
            point_pb2.CreatePointRequest(parent=REGION, point=point, request_id="r")
        )
    assert len(await told(inventory)) == 1


async def test_an_import_tells_each_point_it_wrote(inventory: Inventory) -> None:
    await create(inventory)
    file = b"point_id,display_name,kind,district\nP-1,Baru,OPD,64.01.04\nP-2,Lain,OPD,64.01.04\n"
    request = point_transfer_pb2.ImportPointsRequest(parent=REGION, file=HttpBody(data=file))
    await inventory.stub.ImportPoints(request)
    _, first, second = await told(inventory)
    assert (first[0], first[2].point.display_name) == ("point.created", "Lain")
    assert (second[0], second[1], list(second[2].changed_fields)) == (
        "point.updated",
        2,
        ["displayName"],
    )
    stored = await inventory.stub.GetPoint(point_pb2.GetPointRequest(name=NAME))
    stored.ClearField("contact")
    assert second[2].point == stored


async def test_circuits_and_devices_are_told(inventory: Inventory) -> None:
    stub: Any = inventory.stub
    await create(inventory)
    await stub.CreateProvider(
        provider_pb2.CreateProviderRequest(
            parent=REGION, provider_id="telkom", provider=Provider(display_name="Telkom")
        )
    )
    circuit = Circuit(provider=f"{REGION}/providers/telkom", technology=point_pb2.FO)
    made = await stub.CreateCircuit(
        circuit_pb2.CreateCircuitRequest(parent=NAME, circuit_id="main", circuit=circuit)
    )
    await stub.DeleteCircuit(circuit_pb2.DeleteCircuitRequest(name=made.name))
    device = Device(display_name="Router", kind=Device.ROUTER)
    await stub.CreateDevice(
        device_pb2.CreateDeviceRequest(parent=REGION, device_id="R", device=device)
    )
    name = f"{REGION}/devices/R"
    await stub.InstallDevice(device_pb2.InstallDeviceRequest(name=name, point=NAME))
    await stub.RemoveDevice(device_pb2.RemoveDeviceRequest(name=name))
    events = (await told(inventory))[2:]
    assert [what for what, _, _ in events] == [
        "circuit.changed",
        "circuit.changed",
        "device.moved",
        "device.moved",
    ]
    assert [body.deleted for _, _, body in events[:2]] == [False, True]
    assert [body.device.point for _, _, body in events[2:]] == [NAME, ""]


async def test_a_provider_is_told_by_its_name_without_whom_to_call(inventory: Inventory) -> None:
    stub: Any = inventory.stub
    name = f"{REGION}/providers/telkom"
    made = Provider(display_name="Telkom", legal_name="Budi Santoso", support_desk="0812345678")
    await stub.CreateProvider(
        provider_pb2.CreateProviderRequest(parent=REGION, provider_id="telkom", provider=made)
    )
    for change in (Provider(display_name="Telkom Akses"), Provider(support_desk="0899")):
        change.name = name
        await stub.UpdateProvider(provider_pb2.UpdateProviderRequest(provider=change))
    await stub.DeleteProvider(provider_pb2.DeleteProviderRequest(name=name))
    events = await told(inventory)
    assert [(what, number) for what, number, _ in events] == [
        ("provider.changed", number) for number in (1, 2, 3, 4)
    ]
    bodies = [body for _, _, body in events]
    named = ("Telkom", "Telkom Akses", "Telkom Akses", "Telkom Akses")
    assert [body.provider for body in bodies] == [
        Provider(name=name, display_name=called) for called in named
    ]
    assert [list(body.changed_fields) for body in bodies[1:3]] == [["displayName"], ["supportDesk"]]
    assert [body.deleted for body in bodies] == [False, False, False, True]


async def test_the_headers_are_a_cloud_event(inventory: Inventory) -> None:
    await create(inventory)
    async with inventory.database.read() as connection:
        row = await connection.fetchrow("SELECT event_id, headers, sequence, body FROM outbox")
    assert row is not None
    headers = orjson.loads(row["headers"]) | {"ce-sequence": str(row["sequence"])}
    event = event_from(headers, row["body"])
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-source"] == "/inventory"
    assert headers["Nats-Msg-Id"] == event.event_id == str(row["event_id"])
    assert (event.resource, event.region, event.sequence) == (NAME, "64.01", 1)
