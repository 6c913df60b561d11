"""Everything is told anew for who begins to listen, and nothing changes by it."""

import asyncio
from typing import Any

import pytest
from common.caller import CALLER, SYSTEM
from devstack.waiting import until
from google.protobuf.field_mask_pb2 import FieldMask
from inventory.operations import tell_again as telling
from inventory.operations.tell_again import tell_again
from inventory.storage import points, providers
from inventory.testing import Inventory
from smartcity.inventory.v1 import circuit_pb2, events_pb2, point_pb2, provider_pb2
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.provider_pb2 import Provider

REGION = "regions/64.01"
TOLD = """
SELECT subject, resource, sequence, body
  FROM outbox
 WHERE outbox_id > $1
 ORDER BY outbox_id
"""
WAITING = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.fixture
async def stocked(inventory: Inventory) -> Inventory:
    """Give an inventory of five points with contacts, two of which have a circuit."""
    CALLER.set(SYSTEM)
    stub = inventory.stub
    place = Point(display_name="Kantor", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    place.contact.phone = "0812345678"
    for number in range(5):
        request = point_pb2.CreatePointRequest(parent=REGION, point_id=f"P-{number}", point=place)
        await stub.CreatePoint(request)
    provider = provider_pb2.CreateProviderRequest(
        parent=REGION, provider_id="telkom", provider=Provider(display_name="Telkom")
    )
    await stub.CreateProvider(provider)
    for number in (0, 3):
        line = Circuit(provider=f"{REGION}/providers/telkom", technology=point_pb2.FO)
        await stub.CreateCircuit(
            circuit_pb2.CreateCircuitRequest(
                parent=f"{REGION}/points/P-{number}", circuit_id="main", circuit=line
            )
        )
    return inventory


async def last_told(inventory: Inventory) -> int:
    async with inventory.database.read() as connection:
        return int(await connection.fetchval("SELECT max(outbox_id) FROM outbox"))


async def told_after(inventory: Inventory, place: int) -> list[Any]:
    async with inventory.database.read() as connection:
        return list(await connection.fetch(TOLD, place))


async def test_everything_is_told_as_it_is_in_slices(
    stocked: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "SLICE", 2)
    place, slices = await last_told(stocked), list[int]()
    await tell_again(stocked.database, slices.append)
    assert slices == [1, 2, 2, 1, 2]
    everything = await told_after(stocked, place)
    districts = [events_pb2.DistrictChanged.FromString(row["body"]) for row in everything[:10]]
    assert [one.district.name for one in districts] == [
        f"{REGION}/districts/64.01.{number:02}" for number in range(1, 11)
    ]
    assert districts[5].district.display_name == "Long Ikis"
    provider = events_pb2.ProviderChanged.FromString(everything[10]["body"])
    telkom = Provider(name=f"{REGION}/providers/telkom", display_name="Telkom")
    assert provider == events_pb2.ProviderChanged(provider=telkom)
    rows = everything[11:]
    assert [row["resource"].removeprefix(f"{REGION}/points/") for row in rows] == [
        *(f"P-{number}" for number in range(5)),
        "P-0/circuits/main",
        "P-3/circuits/main",
    ]
    assert {row["sequence"] for row in rows} == {2}
    bodies = [events_pb2.PointUpdated.FromString(row["body"]) for row in rows[:5]]
    stored = await stocked.stub.GetPoint(point_pb2.GetPointRequest(name=f"{REGION}/points/P-4"))
    stored.ClearField("contact")
    assert bodies[4].point == stored
    assert not any(body.changed_fields for body in bodies)
    lines = [events_pb2.CircuitChanged.FromString(row["body"]) for row in rows[5:]]
    assert [(line.deleted, list(line.changed_fields)) for line in lines] == [(False, [])] * 2
    assert lines[0].circuit.provider == f"{REGION}/providers/telkom"


async def test_nothing_is_changed_by_telling(stocked: Inventory) -> None:
    async def state() -> list[Any]:
        async with stocked.database.read() as connection:
            rows = await connection.fetch("SELECT version, update_time FROM points")
            return [*rows, await connection.fetchval("SELECT count(*) FROM changes")]

    before = await state()
    await tell_again(stocked.database, lambda _: None)
    assert await state() == before


async def tell_during_a_change(inventory: Inventory, store: Any, name: str, **change: str) -> None:
    """Tell all while a resource is being changed, so that it must wait for the change."""
    async with inventory.database.transaction() as connection:
        changed = await store.read(connection, name, lock=True)
        task = asyncio.create_task(tell_again(inventory.database, lambda _: None))

        async def waits() -> bool:
            async with inventory.database.read() as looking:
                return bool(await looking.fetchval(WAITING))

        assert await until(waits, within_s=20)
        for field, value in change.items():
            setattr(changed, field, value)
        await store.update(connection, changed)
    await task


async def test_a_change_under_way_is_told_after_or_is_in_what_is_told(
    stocked: Inventory,
) -> None:
    """Without the lock the old state would be told last, and be believed for ever."""
    name, place = f"{REGION}/points/P-2", await last_told(stocked)
    await tell_during_a_change(stocked, points, name, address="Jalan Baru")
    mask = FieldMask(paths=["address"])
    newest = Point(name=name, address="Jalan Lebih Baru")
    await stocked.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=newest, update_mask=mask))
    rows = [row for row in await told_after(stocked, place) if row["resource"] == name]
    told = [events_pb2.PointUpdated.FromString(row["body"]).point.address for row in rows]
    assert told == ["Jalan Baru", "Jalan Lebih Baru"]
    assert [row["sequence"] for row in rows] == [2, 3]


async def test_a_provider_that_is_being_renamed_is_told_by_its_new_name(
    stocked: Inventory,
) -> None:
    name, place = f"{REGION}/providers/telkom", await last_told(stocked)
    await tell_during_a_change(stocked, providers, name, display_name="Telkom Akses")
    rows = [row for row in await told_after(stocked, place) if row["resource"] == name]
    told = [events_pb2.ProviderChanged.FromString(row["body"]).provider for row in rows]
    assert [provider.display_name for provider in told] == ["Telkom Akses"]


async def test_a_provider_of_a_region_without_points_is_told(stocked: Inventory) -> None:
    elsewhere = provider_pb2.CreateProviderRequest(
        parent="regions/64.09", provider_id="icon", provider=Provider(display_name="Icon Plus")
    )
    made = await stocked.stub.CreateProvider(elsewhere)
    place = await last_told(stocked)
    await tell_again(stocked.database, lambda _: None)
    assert made.name in {row["resource"] for row in await told_after(stocked, place)}
