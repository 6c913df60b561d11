"""How much disk the service's database and the bus's streams take."""

import asyncio
from dataclasses import dataclass

from nats.js.api import StreamInfo

from common.events.bus import Bus
from common.postgres.database import Database
from common.telemetry.gauge_table import GaugeTable
from common.telemetry.refresh import keep_fresh

EVERY_S = 30.0

DATABASE_BYTES = GaugeTable(
    "smartcity_database_bytes", "Size of the service's database on disk.", ("database",)
)
STREAM_BYTES = GaugeTable(
    "smartcity_stream_bytes", "Bytes that a stream of the bus holds.", ("stream",)
)
STREAM_LIMIT = GaugeTable(
    "smartcity_stream_limit_bytes",
    "Bytes that a stream may hold; not shown of one without a limit.",
    ("stream",),
)
STREAM_MESSAGES = GaugeTable(
    "smartcity_stream_messages", "Messages that a stream of the bus holds.", ("stream",)
)
BUS_BYTES = GaugeTable(
    "smartcity_bus_bytes", "Bytes on disk of all streams of our account, on all servers.", ()
)
BUS_LIMIT = GaugeTable(
    "smartcity_bus_limit_bytes",
    "Bytes on disk that our account of the bus may take; not shown without a limit.",
    (),
)

DATABASE_SIZE = """
SELECT current_database() AS name, pg_database_size(current_database()) AS bytes
"""


@dataclass(frozen=True, slots=True)
class Storage:
    """What takes the disk: each look is one question."""

    database: Database
    bus: Bus

    async def watch(self) -> None:
        """Show the sizes until cancelled; one of the two may be away."""
        await asyncio.gather(
            keep_fresh("database", self.measure_database, EVERY_S),
            keep_fresh("streams", self.measure_streams, EVERY_S),
        )

    async def measure_database(self) -> None:
        """Look how large the database is."""
        async with self.database.read() as connection:
            row = await connection.fetchrow(DATABASE_SIZE)
        DATABASE_BYTES.replace({(row["name"],): row["bytes"]} if row else {})

    async def measure_streams(self) -> None:
        """Look how large the streams are, and how large they may be."""
        await self.bus.first_connection()
        account = await self.bus.jetstream.account_info()
        found = await self.bus.jetstream.streams_info()
        STREAM_BYTES.replace({(_name(one),): one.state.bytes for one in found})
        STREAM_MESSAGES.replace({(_name(one),): one.state.messages for one in found})
        limits = {(_name(one),): float(one.config.max_bytes or -1) for one in found}
        STREAM_LIMIT.replace({name: most for name, most in limits.items() if most > 0})
        BUS_BYTES.replace({(): account.storage})
        most = account.limits.max_storage or -1
        BUS_LIMIT.replace({(): most} if most > 0 else {})


def _name(one: StreamInfo) -> str:
    return str(one.config.name)
