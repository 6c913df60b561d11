"""A relay or a consumer in a process of its own: `worker.py relay|consume DATABASE BUS [HOW]`."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

from common.events.bus import open_bus
from common.events.consumer import Consumer, Interest, Plan
from common.events.event import Event
from common.events.relay import Relay
from common.postgres.database import Connection, open_database
from common.telemetry.logs import configure_logs

INTEREST = Interest("counting", "INVENTORY", ("smartcity.*.inventory.>",))
EFFECT = "INSERT INTO effects (resource, sequence, event_id) VALUES ($1, $2, $3)"


class DiesBeforeAck(Consumer):
    """Is killed after its first committed effect and before it tells the bus."""

    async def _settle(self, plan: Plan) -> None:
        if plan.apply:
            os.kill(os.getpid(), signal.SIGKILL)
        await super()._settle(plan)


async def count(connection: Connection, event: Event) -> None:
    """Have the effect."""
    await connection.execute(EFFECT, event.resource, event.sequence, event.event_id)
    if event.body == b"poison":
        raise ValueError("cannot be swallowed")


async def main(role: str, database_url: str, bus_url: str, how: str = "") -> None:
    """Run until killed."""
    configure_logs("INFO", role)
    async with open_database(database_url) as database, open_bus(bus_url) as bus:
        if role == "relay":
            await Relay(database, bus, "INVENTORY").run()
        kind = DiesBeforeAck if how == "die" else Consumer
        interest = replace(INTEREST, newest_only=how == "newest")
        await kind(database, bus, interest, count, gap_s=2, first_delay_s=0.02).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
