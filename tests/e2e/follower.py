"""A consumer of points in a process of its own: `follower.py <database> <bus> <collector>`."""

import sys

import uvloop
from common.caller import CALLER, SYSTEM
from common.events.bus import open_bus
from common.events.consumer import Consumer, Interest
from common.events.event import Event
from common.postgres.database import Connection, open_database
from common.telemetry.traces import export_traces

LOOK = "SELECT count(*) FROM points WHERE region_code = $1"


async def look(connection: Connection, event: Event) -> None:
    """Have an effect that is one statement."""
    await connection.fetchval(LOOK, event.region)


async def main(database_url: str, bus_url: str, collector: str) -> None:
    """Consume until ended."""
    CALLER.set(SYSTEM)
    export_traces("follower", collector, 1.0)
    interest = Interest("follower", "INVENTORY", ("smartcity.*.inventory.point.>",))
    async with open_database(database_url) as database, open_bus(bus_url) as bus:
        await Consumer(database, bus, interest, look).run()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
