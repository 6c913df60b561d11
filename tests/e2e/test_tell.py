"""A service that lacks what the inventory told long ago learns it anew from a running inventory."""

from devstack.stack import Stack
from devstack.testing import Outsiders, StartStack
from devstack.waiting import until

UNTOLD = """
INSERT INTO providers (region_code, provider_id, display_name, legal_name, support_desk)
VALUES ('64.01', 'telkom', 'Telkom', '', '')
"""
"""A provider of before there were events of them."""


async def known_points(stack: Stack) -> int:
    async with stack.postgres.connect("monitoring") as connection:
        return int(await connection.fetchval("SELECT count(*) FROM points"))


async def known_providers(stack: Stack) -> dict[str, str]:
    async with stack.postgres.connect("monitoring") as connection:
        rows = await connection.fetch("SELECT provider_id, display_name FROM providers")
    return {row["provider_id"]: row["display_name"] for row in rows}


async def test_monitoring_learns_all_points_and_providers_when_they_are_told(
    fresh_stack: StartStack, outside: Outsiders
) -> None:
    stack = await fresh_stack()
    async with stack.postgres.connect("inventory") as connection:
        points = await connection.fetchval("SELECT count(*) FROM points")
        await connection.execute(UNTOLD)
    assert points > 250

    async def all_are_known() -> bool:
        return bool(await known_points(stack) == points)

    assert await until(all_are_known, within_s=60)
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute("DELETE FROM points")
    told = await outside("-m", "devstack", "tell", state_folder=stack.state.path)
    assert await told.end(within_s=60) == 0
    assert f"told anew: providers, points and circuits {points + 1}" in "".join(told.lines)
    assert await until(all_are_known, within_s=60)

    async def the_provider_is() -> bool:
        return await known_providers(stack) == {"telkom": "Telkom"}

    assert await until(the_provider_is, within_s=60)
