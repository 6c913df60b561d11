"""The history is chained: whoever changes, adds or takes out a row is found."""

import asyncio

import pytest
from common.postgres import history
from common.postgres.database import open_database
from google.api.httpbody_pb2 import HttpBody
from inventory.testing import Inventory
from smartcity.inventory.v1 import point_pb2, point_transfer_pb2
from smartcity.inventory.v1.point_pb2 import Point

REGION = "regions/64.01"
UNCHAINED = """
INSERT INTO changes (
       region_code, resource, action, actor, grant_held, method, request_id, changed_fields)
VALUES ('64.01', 'r', 'a', 'a', '', '', '', '{}')
"""


async def verified(inventory: Inventory) -> tuple[bool, str]:
    async with open_database(inventory.owner_url) as owner, owner.read() as connection:
        return await history.verify(connection)


async def as_owner(inventory: Inventory, statement: str) -> None:
    async with open_database(inventory.owner_url) as owner, owner.transaction() as connection:
        await connection.execute(statement)


async def written(inventory: Inventory) -> None:
    """Make five links of one change, and one of two."""
    place = Point(display_name="Kantor", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")

    async def create(number: int) -> None:
        await inventory.stub.CreatePoint(
            point_pb2.CreatePointRequest(parent=REGION, point_id=f"P-{number}", point=place)
        )

    await asyncio.gather(*(create(number) for number in range(5)))
    file = b"point_id,display_name,kind,district\nA-1,x,OPD,64.01.04\nA-2,y,OPD,64.01.04\n"
    await inventory.stub.ImportPoints(
        point_transfer_pb2.ImportPointsRequest(parent=REGION, file=HttpBody(data=file))
    )


async def test_a_chain_of_concurrent_changes_and_an_import_is_whole(inventory: Inventory) -> None:
    assert await verified(inventory) == (True, "whole: 0 links, 0 changes")
    await written(inventory)
    assert await verified(inventory) == (True, "whole: 6 links, 7 changes")


async def test_a_dry_run_and_an_update_that_changes_nothing_make_no_link(
    inventory: Inventory,
) -> None:
    await written(inventory)
    change = Point(name=f"{REGION}/points/P-1", display_name="Kantor")
    await inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=change))
    change.display_name = "x"
    await inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=change, validate_only=True))
    assert await verified(inventory) == (True, "whole: 6 links, 7 changes")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE changes SET actor = 'somebody' WHERE change_id = 3", "broken at link"),
        (
            'UPDATE changes SET after = after || \'{"kind": "SCHOOL"}\' WHERE change_id = 6',
            "link 6",
        ),
        ("UPDATE changes SET change_time = now() WHERE change_id = 1", "broken at link"),
        (
            r"UPDATE changes SET changed_fields = ARRAY[E'name\x1f'], trace_id = NULL",
            "broken at link",
        ),
        ("UPDATE changes SET trace_id = NULL WHERE change_id = 2", "broken at link"),
        (
            "UPDATE changes SET changed_fields = ARRAY[array_to_string(changed_fields, ',')]",
            "broken at link",
        ),
        ("DELETE FROM changes WHERE change_id = 7", "link 6 (changes 6 to 7)"),
        ("DELETE FROM change_links WHERE link_id = 3", "link 4"),
        ("UPDATE change_links SET digest = 'x', hash = 'x' WHERE link_id = 2", "link 2"),
        (
            UNCHAINED,
            "is in no link",
        ),
    ],
)
async def test_whoever_tampers_is_found(inventory: Inventory, statement: str, said: str) -> None:
    await written(inventory)
    await as_owner(inventory, statement)
    whole, sentence = await verified(inventory)
    assert not whole
    assert said in sentence
