"""Row-level security: even a query that forgets its filter sees the caller's regions only."""

import asyncpg
import pytest
from common.caller import CALLER, Caller
from inventory.testing import Inventory
from smartcity.inventory.v1 import device_pb2, point_pb2, provider_pb2
from smartcity.inventory.v1.device_pb2 import Device
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.provider_pb2 import Provider

TABLES = ("points", "providers", "devices", "changes", "answered_requests")


@pytest.fixture
async def two_regions(inventory: Inventory) -> Inventory:
    """Give an inventory with the same things in two regions."""
    for region in ("64.01", "64.09"):
        parent = f"regions/{region}"
        point = Point(display_name="x", kind=Point.OPD, district=f"{parent}/districts/{region}.01")
        await inventory.stub.CreatePoint(
            point_pb2.CreatePointRequest(
                parent=parent, point_id=f"P-{region}", point=point, request_id="r"
            )
        )
        await inventory.stub.CreateProvider(
            provider_pb2.CreateProviderRequest(
                parent=parent, provider_id="telkom", provider=Provider(display_name="Telkom")
            )
        )
        await inventory.stub.CreateDevice(
            device_pb2.CreateDeviceRequest(
                parent=parent, device_id="R", device=Device(display_name="R", kind=Device.ROUTER)
            )
        )
    return inventory


async def seen(inventory: Inventory, table: str, regions: str) -> set[str]:
    """Run deliberately unfiltered SQL as a caller of these regions."""
    token = CALLER.set(Caller("budi", regions))
    try:
        async with inventory.database.read() as connection:
            rows = await connection.fetch(f"SELECT region_code FROM {table}")  # noqa: S608
    finally:
        CALLER.reset(token)
    return {row["region_code"] for row in rows}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("regions", "visible"),
    [
        ("64.01", {"64.01"}),
        ("64.09", {"64.09"}),
        ("64.01,64.09", {"64.01", "64.09"}),
        ("*", {"64.01", "64.09"}),
        ("64.05", set()),
        ("", set()),
    ],
)
async def test_an_unfiltered_query_sees_the_callers_regions_only(
    two_regions: Inventory, table: str, regions: str, visible: set[str]
) -> None:
    for _ in range(3):  # whichever connection of the pool it is, and whoever had it before
        assert await seen(two_regions, table, regions) == visible
        assert await seen(two_regions, table, "*") == {"64.01", "64.09"}


async def test_rows_of_another_region_are_neither_written_nor_changed(
    two_regions: Inventory,
) -> None:
    token = CALLER.set(Caller("budi", "64.01"))
    try:
        async with two_regions.database.transaction() as connection:
            assert await connection.execute("UPDATE points SET address = 'x'") == "UPDATE 1"
            assert await connection.execute("DELETE FROM devices") == "DELETE 1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with two_regions.database.transaction() as connection:
                await connection.execute("UPDATE points SET region_code = '64.09'")
    finally:
        CALLER.reset(token)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE points DISABLE ROW LEVEL SECURITY",
        "DROP POLICY of_regions ON points",
        "CREATE POLICY all_rows ON points USING (true)",
        "SET SESSION AUTHORIZATION inventory_owner",
        "SET ROLE inventory_owner",
        "ALTER ROLE inventory BYPASSRLS",
        "UPDATE changes SET actor = 'nobody'",
        "DELETE FROM changes",
        "TRUNCATE changes",
        "UPDATE regions SET notice = ''",
        "CREATE TABLE mine (x int)",
    ],
)
async def test_the_services_role_can_neither_bypass_nor_alter_the_walls(
    two_regions: Inventory, statement: str
) -> None:
    token = CALLER.set(Caller("budi", "*"))
    try:
        with pytest.raises(
            (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)
        ):
            async with two_regions.database.transaction() as connection:
                await connection.execute(statement)
    finally:
        CALLER.reset(token)
