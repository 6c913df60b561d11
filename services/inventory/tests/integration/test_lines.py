import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from common.rpc.refusals import refusal_of
from google.type.date_pb2 import Date
from inventory.testing import Inventory, refused
from smartcity.inventory.v1 import change_pb2, circuit_pb2, device_pb2, point_pb2, provider_pb2
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.device_pb2 import Device
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.provider_pb2 import Provider

REGION = "regions/64.01"
POINT = f"{REGION}/points/P-1"
TELKOM = f"{REGION}/providers/telkom"
ROUTER = f"{REGION}/devices/RTR-1"


@pytest.fixture
async def stocked(inventory: Inventory) -> Inventory:
    """Give an inventory with two points, a provider and a router."""
    stub = inventory.stub
    place = Point(display_name="Kantor", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    for point_id in ("P-1", "P-2"):
        request = point_pb2.CreatePointRequest(parent=REGION, point_id=point_id, point=place)
        await stub.CreatePoint(request)
    provider = Provider(display_name="Telkom Indonesia")
    await stub.CreateProvider(
        provider_pb2.CreateProviderRequest(parent=REGION, provider_id="telkom", provider=provider)
    )
    router = Device(display_name="Router", kind=Device.ROUTER, serial_number="S-1")
    await stub.CreateDevice(
        device_pb2.CreateDeviceRequest(parent=REGION, device_id="RTR-1", device=router)
    )
    return inventory


def line(**changes: object) -> Circuit:
    circuit = Circuit(provider=TELKOM, technology=point_pb2.FO, download_mbps=50)
    circuit.MergeFrom(Circuit(**changes))  # type: ignore[arg-type]
    return circuit


def create_circuit(
    inventory: Inventory, circuit: Circuit, parent: str = POINT
) -> Awaitable[Circuit]:
    request = circuit_pb2.CreateCircuitRequest(parent=parent, circuit_id="main", circuit=circuit)
    return inventory.stub.CreateCircuit(request)


async def test_a_circuit_belongs_to_a_point_and_a_provider(stocked: Inventory) -> None:
    made = await create_circuit(stocked, line(start_date=Date(year=2022, month=6, day=2)))
    assert made.name == f"{POINT}/circuits/main"
    request = circuit_pb2.ListCircuitsRequest(parent=f"{REGION}/points/-", provider=TELKOM)
    assert list((await stocked.stub.ListCircuits(request)).circuits) == [made]
    refusal = await refused(
        stocked.stub.DeleteProvider(provider_pb2.DeleteProviderRequest(name=TELKOM))
    )
    assert refusal.reason == "PROVIDER_IN_USE"


async def test_every_wrong_field_of_a_circuit_is_named(stocked: Inventory) -> None:
    wrong = line(
        provider=f"{REGION}/providers/nobody",
        upload_mbps=-1,
        monitored_address="not an address!",
        start_date=Date(year=2023, month=2, day=30),
    )
    refusal = await refused(create_circuit(stocked, wrong))
    assert set(refusal.fields) == {
        "circuit.provider",
        "circuit.uploadMbps",
        "circuit.monitoredAddress",
        "circuit.startDate",
    }


async def test_a_circuit_goes_through_a_point_upstream_and_never_in_a_circle(
    stocked: Inventory,
) -> None:
    other = f"{REGION}/points/P-2"
    made = await create_circuit(stocked, line(upstream_point=other))
    assert made.upstream_point == other
    for parent, above, reason in (
        (other, POINT, "UPSTREAM_CIRCLE"),
        (other, other, "UPSTREAM_CIRCLE"),
        (other, f"{REGION}/points/NO-SUCH", "UPSTREAM_UNKNOWN"),
        (other, "regions/64.09/points/P-1", "UPSTREAM_UNKNOWN"),
    ):
        refusal = await refused(create_circuit(stocked, line(upstream_point=above), parent))
        assert [(v.field, v.reason) for v in refusal.violations] == [
            ("circuit.upstreamPoint", reason)
        ]
    delete = point_pb2.DeletePointRequest(name=other)
    assert (await refused(stocked.stub.DeletePoint(delete))).reason == "POINT_IN_USE"


async def test_a_circuit_does_not_end_before_it_begins(stocked: Inventory) -> None:
    reversed_line = line(
        start_date=Date(year=2023, month=1, day=2), end_date=Date(year=2023, month=1, day=1)
    )
    refusal = await refused(create_circuit(stocked, reversed_line))
    assert set(refusal.fields) == {"circuit.endDate"}


async def test_a_circuit_of_an_unknown_point_is_not_found(stocked: Inventory) -> None:
    refusal = await refused(create_circuit(stocked, line(), f"{REGION}/points/NO"))
    assert refusal.code == grpc.StatusCode.NOT_FOUND


async def test_circuits_of_all_points_are_walked_page_by_page(stocked: Inventory) -> None:
    for point_id in ("P-1", "P-2"):
        await create_circuit(stocked, line(), f"{REGION}/points/{point_id}")
    request = circuit_pb2.ListCircuitsRequest(parent=f"{REGION}/points/-", page_size=1)
    first = await stocked.stub.ListCircuits(request)
    request.page_token = first.next_page_token
    second = await stocked.stub.ListCircuits(request)
    names = [circuit.name for page in (first, second) for circuit in page.circuits]
    assert names == [f"{POINT}/circuits/main", f"{REGION}/points/P-2/circuits/main"]
    assert (second.next_page_token, second.total_size) == ("", 2)


async def test_a_circuit_is_updated_and_deleted_and_its_history_stays(stocked: Inventory) -> None:
    made = await create_circuit(stocked, line())
    change = Circuit(name=made.name, download_mbps=100)
    request = circuit_pb2.UpdateCircuitRequest(circuit=change)
    assert (await stocked.stub.UpdateCircuit(request)).download_mbps == 100
    await stocked.stub.DeleteCircuit(circuit_pb2.DeleteCircuitRequest(name=made.name))
    history = await stocked.stub.ListChanges(change_pb2.ListChangesRequest(name=made.name))
    assert [change.action for change in history.changes] == ["delete", "update", "create"]


async def test_a_device_is_installed_moved_and_retired(stocked: Inventory) -> None:
    stub = stocked.stub
    for point in (POINT, f"{REGION}/points/P-2"):
        installed = await stub.InstallDevice(
            device_pb2.InstallDeviceRequest(name=ROUTER, point=point)
        )
        assert (installed.state, installed.point) == (Device.INSTALLED, point)
        await stub.RemoveDevice(device_pb2.RemoveDeviceRequest(name=ROUTER))
    placements = await stub.ListDevicePlacements(
        device_pb2.ListDevicePlacementsRequest(parent=ROUTER)
    )
    assert [p.point for p in placements.placements] == [f"{REGION}/points/P-2", POINT]
    assert all(p.HasField("remove_time") for p in placements.placements)
    await stub.RetireDevice(device_pb2.RetireDeviceRequest(name=ROUTER))
    refusal = await refused(
        stub.InstallDevice(device_pb2.InstallDeviceRequest(name=ROUTER, point=POINT))
    )
    assert (refusal.reason, refusal.metadata["state"]) == ("DEVICE_STATE_WRONG", "RETIRED")


async def test_a_device_that_many_place_at_once_is_in_one_place(stocked: Inventory) -> None:
    async def placed(turn: int) -> str:
        request: Any = device_pb2.RemoveDeviceRequest(name=ROUTER)
        call: Any = stocked.stub.RemoveDevice
        if turn % 2:
            request = device_pb2.InstallDeviceRequest(name=ROUTER, point=POINT)
            call = stocked.stub.InstallDevice
        try:
            await call(request)
        except grpc.aio.AioRpcError as error:
            return refusal_of(error).reason
        return "OK"

    reasons = await asyncio.gather(*(placed(turn) for turn in range(100)))
    assert set(reasons) == {"OK", "DEVICE_STATE_WRONG"}


async def test_circuits_of_an_unknown_point_are_not_found(stocked: Inventory) -> None:
    request = circuit_pb2.ListCircuitsRequest(parent=f"{REGION}/points/NOPE")
    assert (await refused(stocked.stub.ListCircuits(request))).reason == "RESOURCE_MISSING"


async def test_a_retired_point_gets_no_circuit(stocked: Inventory) -> None:
    await stocked.stub.RetirePoint(point_pb2.RetirePointRequest(name=POINT))
    circuit = Circuit(provider=TELKOM, technology=point_pb2.FO, download_mbps=10, upload_mbps=10)
    request = circuit_pb2.CreateCircuitRequest(parent=POINT, circuit_id="C", circuit=circuit)
    refusal = await refused(stocked.stub.CreateCircuit(request))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "POINT_RETIRED",
    )


async def test_placements_are_walked_page_by_page(stocked: Inventory) -> None:
    stub = stocked.stub
    for _ in range(3):
        await stub.InstallDevice(device_pb2.InstallDeviceRequest(name=ROUTER, point=POINT))
        await stub.RemoveDevice(device_pb2.RemoveDeviceRequest(name=ROUTER))
    request = device_pb2.ListDevicePlacementsRequest(parent=ROUTER, page_size=2)
    first = await stub.ListDevicePlacements(request)
    request.page_token = first.next_page_token
    second = await stub.ListDevicePlacements(request)
    times = [p.install_time.ToNanoseconds() for p in [*first.placements, *second.placements]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 3


async def test_a_device_is_not_installed_in_a_retired_point(stocked: Inventory) -> None:
    await stocked.stub.RetirePoint(point_pb2.RetirePointRequest(name=POINT))
    refusal = await refused(
        stocked.stub.InstallDevice(device_pb2.InstallDeviceRequest(name=ROUTER, point=POINT))
    )
    assert "RETIRED" in refusal.fields["point"]


async def test_a_point_with_a_device_is_not_deleted(stocked: Inventory) -> None:
    await stocked.stub.InstallDevice(device_pb2.InstallDeviceRequest(name=ROUTER, point=POINT))
    refusal = await refused(stocked.stub.DeletePoint(point_pb2.DeletePointRequest(name=POINT)))
    assert refusal.reason == "POINT_IN_USE"


async def test_a_serial_number_is_used_once(stocked: Inventory) -> None:
    twin = Device(display_name="Router", kind=Device.ROUTER, serial_number="S-1")
    request = device_pb2.CreateDeviceRequest(parent=REGION, device=twin)
    assert (await refused(stocked.stub.CreateDevice(request))).reason == "SERIAL_NUMBER_TAKEN"


async def test_a_device_that_stood_somewhere_is_not_deleted(stocked: Inventory) -> None:
    await stocked.stub.InstallDevice(device_pb2.InstallDeviceRequest(name=ROUTER, point=POINT))
    refusal = await refused(stocked.stub.DeleteDevice(device_pb2.DeleteDeviceRequest(name=ROUTER)))
    assert refusal.reason == "DEVICE_WAS_INSTALLED"
