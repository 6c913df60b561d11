"""A consumer in a process of its own: `python bench/event_consumer.py <database> <bus>`."""

import asyncio
import sys

import uvloop
from common.events.bus import open_bus
from common.events.consumer import Consumer, Interest
from common.events.event import Event
from common.postgres.database import Connection, open_database

EFFECT = """
INSERT INTO bench_effects (event_id, resource, effect_time)
VALUES ($1, $2, clock_timestamp())
"""


async def effect(connection: Connection, event: Event) -> None:
    """Have one small effect."""
    await connection.execute(EFFECT, event.event_id, event.resource)


async def main(database_url: str, bus_url: str) -> None:
    """Consume until ended."""
    interest = Interest("bench", "INVENTORY", ("smartcity.*.inventory.point.>",))
    async with open_database(database_url) as database, open_bus(bus_url) as bus:
        await Consumer(database, bus, interest, effect).run()


if __name__ == "__main__":
    try:
        uvloop.run(main(*sys.argv[1:]))
    except asyncio.CancelledError:
        sys.exit(0)
