"""Contacts get under a new key beside the running service, and nothing of the points changes."""

import pytest
from common.caller import CALLER, SYSTEM
from common.errors import ServiceError
from common.sealing import Keyring
from inventory.operations.reseal_contacts import contacts_by_key, reseal_contacts
from inventory.storage.sealed_points import SealedPoints
from inventory.testing import KEYRING, Inventory
from smartcity.inventory.v1 import point_pb2
from smartcity.inventory.v1.point_pb2 import Point

REGION = "regions/64.01"
BOTH = Keyring("k2", KEYRING.keys | {"k2": bytes(range(32, 64))})
ONLY_NEW = Keyring("k2", {"k2": BOTH.keys["k2"]})
POINTS = 1203
"""More than two slices."""


@pytest.fixture
async def with_contacts(inventory: Inventory) -> Inventory:
    CALLER.set(SYSTEM)
    place = Point(display_name="Kantor", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    place.contact.display_name = "Budi Santoso"
    request = point_pb2.CreatePointRequest(parent=REGION, point_id="P-0", point=place)
    await inventory.stub.CreatePoint(request)
    sealed = [
        (f"P-{n}", KEYRING.seal(place.contact.SerializeToString(), f"{REGION}/points/P-{n}"))
        for n in range(1, POINTS)
    ]
    async with inventory.database.transaction() as connection:
        await connection.executemany(
            "INSERT INTO points (point_id, region_code, display_name, kind, district_code,"
            " location_source, address, state, tags, external_ids, provenance, source,"
            " contact_sealed, contact_masked)"
            " SELECT $1, region_code, display_name, kind, district_code, location_source, address,"
            " state, tags, external_ids, provenance, source, $2, contact_masked FROM points"
            " WHERE point_id = 'P-0'",
            sealed,
        )
    return inventory


async def test_all_contacts_get_under_the_active_key_and_open_as_before(
    with_contacts: Inventory,
) -> None:
    database = with_contacts.database
    name = f"{REGION}/points/P-{POINTS - 1}"
    async with database.read() as connection:
        before = await SealedPoints(KEYRING).read(connection, name)
    assert await contacts_by_key(database, BOTH) == {"k1": POINTS}
    slices: list[int] = []
    await reseal_contacts(database, BOTH, slices.append)
    assert slices == [500, 500, 203]
    assert await contacts_by_key(database, BOTH) == {"k2": POINTS}
    async with database.read() as connection:
        after = await SealedPoints(ONLY_NEW).read(connection, name)
        assert after == before  # its etag as well
        assert await connection.fetchval("SELECT count(*) FROM changes") == 1
    await reseal_contacts(database, BOTH, slices.append)
    assert len(slices) == 3  # nothing was left to do


async def test_a_ring_without_a_key_that_is_needed_changes_nothing(
    with_contacts: Inventory,
) -> None:
    with pytest.raises(ServiceError, match="has no key 'k1'"):
        await reseal_contacts(with_contacts.database, ONLY_NEW, lambda _: None)
    assert await contacts_by_key(with_contacts.database, BOTH) == {"k1": POINTS}


async def test_another_key_under_the_same_id_is_noticed_before_anything_changes(
    with_contacts: Inventory,
) -> None:
    other = Keyring("k2", {"k1": bytes(32), "k2": BOTH.keys["k2"]})
    with pytest.raises(ServiceError, match="does not open"):
        await reseal_contacts(with_contacts.database, other, lambda _: None)
    assert await contacts_by_key(with_contacts.database, BOTH) == {"k1": POINTS}
