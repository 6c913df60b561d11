"""Taking lines into and out of service when a region's new day begins, and telling whose they are.

Whoever reads statuses meanwhile sees what watchers have been told of.
"""

import asyncio

from common.telemetry.logs import logger
from common.zones import day_in

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.follow_circuit import telling_providers
from monitoring.operations.run_writer import SURVIVED
from monitoring.storage import circuits

LOOK_EVERY_S = 30.0
AT_ONCE = 1000
"""Of how many points lines are turned in one transaction, for which writers wait."""


async def run_circuits(needs: Dependencies) -> None:
    """Turn lines until cancelled."""
    while True:
        turned = 0
        try:
            turned = await turn_circuits(needs, AT_ONCE)
        except SURVIVED as error:
            logger().warning("circuits not turned", error=repr(error))
        if turned < AT_ONCE:
            await asyncio.sleep(LOOK_EVERY_S)


async def turn_circuits(needs: Dependencies, at_most: int = AT_ONCE) -> int:
    """Turn lines whose days begin or cease to cover the present one; return of how many points."""
    now = needs.clock()
    async with needs.database.transaction() as connection:
        today = {region: day_in(region, now) for region in await circuits.regions(connection)}
        keys = await circuits.due(connection, today, at_most)
        if keys:
            async with telling_providers(connection, keys, now):
                await circuits.turn(connection, keys, today)
    return len(keys)
