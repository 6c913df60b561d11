"""Rolling up: hours whose measurements changed are made anew, and then the days they belong to.

An hour's mark goes away in the transaction that stores its roll-up. A writer that adds to the hour
waits for that and marks it again, or is passed by until it is done: whatever is killed when, no
measurement is left out or counted twice. One process at a time rolls up.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

import asyncpg
from common.errors import ServiceError
from common.postgres.database import Connection
from common.telemetry.logs import logger
from common.zones import offset_of

from monitoring.domain.grid import DAY, HOUR, Grid
from monitoring.domain.history import Part
from monitoring.domain.summary import added
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import roll_ups, summed
from monitoring.storage.roll_ups import Hour, Length, RollUp

AT_ONCE = 100
SETTLED = timedelta(minutes=1)
"""What comes late seldom comes alone."""
LOOK_EVERY_S = 5.0
SURVIVED = (ServiceError, asyncpg.PostgresError, OSError, TimeoutError)


async def run_roll_ups(needs: Dependencies, settled: timedelta = SETTLED) -> None:
    """Roll up until cancelled."""
    while True:
        made = 0
        try:
            made = await roll_up(needs, settled)
        except SURVIVED as error:
            logger().warning("not rolled up", error=repr(error))
        except Exception as error:  # noqa: BLE001 - what cannot be rolled up must not stop the API
            logger().error("not rolled up", error=repr(error))
        if made < AT_ONCE:
            await asyncio.sleep(LOOK_EVERY_S)


async def roll_up(needs: Dependencies, settled: timedelta = SETTLED) -> int:
    """Make the roll-ups of some marked hours that have ended; return of how many.

    Returns 0 too when another process is at it.
    """
    latest = needs.clock() - HOUR - settled
    async with needs.database.transaction() as connection:
        if not await roll_ups.is_alone(connection):
            return 0
        hours = await roll_ups.take_marks(connection, latest, settled, AT_ONCE)
        rows = await summed.sum_hours(connection, hours)
        # In a thread, here and below: other calls go on meanwhile.
        hourly = await asyncio.to_thread(lambda: [summed.summed_of(row) for row in rows])
        await roll_ups.store(connection, Length.HOUR, hourly)
        await _roll_up_days(connection, hours)
    return len(hours)


async def _roll_up_days(connection: Connection, hours: Sequence[Hour]) -> None:
    days = {day_of(hour) for hour in hours}
    rows = await roll_ups.read_days(connection, days)
    daily = await asyncio.to_thread(lambda: days_of(map(roll_ups.roll_up_of, rows)))
    await roll_ups.store(connection, Length.DAY, daily)


def day_of(hour: Hour) -> Hour:
    """Return the begin of the day, by the region's clock, that an hour of a point belongs to."""
    grid = Grid(DAY, offset_of(hour.key.region))
    return Hour(hour.key, grid.begin(hour.start))


def days_of(hourly: Iterable[RollUp]) -> list[RollUp]:
    """Return the daily roll-ups that hourly ones come to."""
    found: dict[tuple[Hour, str], list[RollUp]] = {}
    for one in hourly:
        day = day_of(Hour(one.key, one.part.start))
        found.setdefault((day, one.part.source), []).append(one)
    return [
        RollUp(day.key, Part(source, day.start, added([one.part.summary for one in some])))
        for (day, source), some in found.items()
    ]
