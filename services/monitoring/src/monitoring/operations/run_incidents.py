"""The incident engine's loop: looks at regions whose points have changed, woken by the writers."""

import asyncio
from contextlib import suppress

import asyncpg
from common.errors import ServiceError
from common.telemetry.logs import logger

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.follow_outages import follow_outages
from monitoring.storage import incident_queue, incidents

SURVIVED = (ServiceError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
LOOK_EVERY_S = 1.0
"""How long a notification that was missed may go unnoticed."""
AGAIN_EVERY_S = 300.0
"""How often those that last are looked at again: how urgent they are changes with the hour."""


async def run_incidents(needs: Dependencies) -> None:
    """Follow outages until cancelled."""
    await asyncio.gather(_follow_always(needs), _look_again(needs))


async def follow_all(needs: Dependencies) -> int:
    """Follow the outages of all regions whose points have changed; return how many points."""
    return sum([await follow_outages(needs, region) for region in await _regions(needs)])


async def look_again(needs: Dependencies) -> None:
    """Have the engine look at every point whose incident lasts."""
    async with needs.database.transaction() as connection:
        await incident_queue.append(connection, await incidents.lasting(connection))


async def _follow_always(needs: Dependencies) -> None:
    told = asyncio.Event()
    async with needs.database.listening(incident_queue.CHANNEL, told):
        while True:
            told.clear()
            if not await _follow_some(needs):
                with suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), LOOK_EVERY_S)


async def _follow_some(needs: Dependencies) -> int:
    """Follow all regions as far as they let themselves; one that fails stops no other."""
    try:
        regions = await _regions(needs)
    except SURVIVED as error:
        logger().warning("incidents not followed", error=repr(error))
        return 0
    return sum([await _follow_one(needs, region) for region in regions])


async def _follow_one(needs: Dependencies, region: str) -> int:
    try:
        return await follow_outages(needs, region)
    except SURVIVED as error:
        logger().warning("incidents not followed", region=region, error=repr(error))
    except Exception as error:  # noqa: BLE001 - a defect in one region must stop no other
        logger().error("incidents not followed", region=region, exc_info=error)
    return 0


async def _regions(needs: Dependencies) -> list[str]:
    async with needs.database.read() as connection:
        return await incident_queue.regions(connection)


async def _look_again(needs: Dependencies) -> None:
    while True:
        await asyncio.sleep(AGAIN_EVERY_S)
        try:
            await look_again(needs)
        except SURVIVED as error:
            logger().warning("incidents not looked at again", error=repr(error))
