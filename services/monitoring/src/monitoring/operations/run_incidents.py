"""The incident engine's loop: looks at regions whose points have changed, woken by the writers."""

import asyncio

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
    async with needs.database.read() as connection:
        regions = await incident_queue.regions(connection)
    return sum([await follow_outages(needs, region) for region in regions])


async def look_again(needs: Dependencies) -> None:
    """Have the engine look at every point whose incident lasts."""
    async with needs.database.transaction() as connection:
        await incident_queue.append(connection, await incidents.lasting(connection))


async def _follow_always(needs: Dependencies) -> None:
    told = asyncio.Event()
    async with needs.database.listening(incident_queue.CHANNEL, told):
        while True:
            told.clear()
            try:
                if await follow_all(needs):
                    continue
            except SURVIVED as error:
                logger().warning("incidents not followed", error=repr(error))
            try:
                await asyncio.wait_for(told.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue


async def _look_again(needs: Dependencies) -> None:
    while True:
        await asyncio.sleep(AGAIN_EVERY_S)
        try:
            await look_again(needs)
        except SURVIVED as error:
            logger().warning("incidents not looked at again", error=repr(error))
