"""A service whose copy of the points is gone learns them anew from a running inventory."""

from devstack.stack import Stack
from devstack.testing import Outsiders, StartStack
from devstack.waiting import until


async def known_points(stack: Stack) -> int:
    async with stack.postgres.connect("monitoring") as connection:
        return int(await connection.fetchval("SELECT count(*) FROM points"))


async def test_monitoring_learns_all_points_anew_when_they_are_told(
    fresh_stack: StartStack, outside: Outsiders
) -> None:
    stack = await fresh_stack()
    async with stack.postgres.connect("inventory") as connection:
        points = await connection.fetchval("SELECT count(*) FROM points")
    assert points > 250

    async def all_are_known() -> bool:
        return bool(await known_points(stack) == points)

    assert await until(all_are_known, within_s=60)
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute("DELETE FROM points")
    told = await outside("-m", "devstack", "tell", state_folder=stack.state.path)
    assert await told.end(within_s=60) == 0
    assert f"told anew: points and circuits {points}" in "".join(told.lines)
    assert await until(all_are_known, within_s=60)
