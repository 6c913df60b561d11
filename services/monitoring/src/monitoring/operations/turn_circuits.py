"""Taking lines into and out of service when a region's new day begins."""

import asyncio

from common.telemetry.logs import logger
from common.zones import day_in

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.run_writer import SURVIVED
from monitoring.storage import circuits

LOOK_EVERY_S = 30.0


async def run_circuits(needs: Dependencies) -> None:
    """Turn lines until cancelled."""
    while True:
        try:
            await turn_circuits(needs)
        except SURVIVED as error:
            logger().warning("circuits not turned", error=repr(error))
        await asyncio.sleep(LOOK_EVERY_S)


async def turn_circuits(needs: Dependencies) -> int:
    """Turn the lines whose days begin or ceased to cover the present one; return how many."""
    now = needs.clock()
    async with needs.database.transaction() as connection:
        today = {region: day_in(region, now) for region in await circuits.regions(connection)}
        return await circuits.turn(connection, today)
