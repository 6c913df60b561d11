"""The relay: publishes what stands in the outbox.

A replica that locks a partition's row publishes its events, alone and in order; others take other
partitions. When it dies in the middle, the lock goes and the events are published again: the bus
drops the copies by their id, and what slips through is known to every consumer's inbox.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nats.errors
import nats.js.errors
import orjson
from nats.js import JetStreamContext

from common.errors import ServiceError
from common.events.bus import Bus, BusAway
from common.events.outbox import CHANNEL
from common.postgres.database import Connection, Database, Row
from common.telemetry.logs import logger
from common.telemetry.metrics import EVENTS_PUBLISHED, OUTBOX_AGE, OUTBOX_PENDING

BATCH = 1000
PARTITIONS_AT_ONCE = 4
PUBLISH_S = 5.0
LOOK_EVERY_S = 1.0
"""How long a missed notification may go unnoticed."""
KEPT_DAYS = 7

CLAIM = """
SELECT partition_id
  FROM outbox_partitions AS partition
 WHERE EXISTS (
       SELECT
         FROM outbox
        WHERE outbox.partition_id = partition.partition_id AND publish_time IS NULL)
 LIMIT $1
   FOR UPDATE SKIP LOCKED
"""

READ = """
SELECT outbox_id, subject, headers, body, sequence
  FROM outbox
 WHERE partition_id = ANY ($1) AND publish_time IS NULL
 ORDER BY outbox_id
 LIMIT $2
"""

MARK = """
UPDATE outbox
   SET publish_time = clock_timestamp()
 WHERE outbox_id = ANY ($1)
"""

LAG = """
SELECT count(*) AS pending,
       coalesce(extract(epoch FROM clock_timestamp() - min(create_time)), 0)::float8 AS age_s
  FROM outbox
 WHERE publish_time IS NULL
"""

FORGET = """
DELETE FROM outbox
 WHERE outbox_id IN (
       SELECT outbox_id
         FROM outbox
        WHERE publish_time < now() - make_interval(days => $1)
        LIMIT 10000)
"""

KNOWN_STREAM = """
SELECT created
  FROM outbox_streams
 WHERE stream = $1
   FOR UPDATE
"""

NOTE_STREAM = """
INSERT INTO outbox_streams (stream, created)
VALUES ($1, $2)
    ON CONFLICT (stream) DO UPDATE
   SET created = $2
"""

PUBLISH_AGAIN = """
UPDATE outbox
   SET publish_time = NULL
 WHERE publish_time IS NOT NULL
"""


@dataclass(slots=True)
class Relay:
    """Publishes the outbox of `database` to `stream` until it is cancelled."""

    database: Database
    bus: Bus
    stream: str

    async def run(self) -> None:
        """Publish whenever a transaction wrote an event, and look every second by itself."""
        told = asyncio.Event()
        async with self.database.listening(CHANNEL, told):
            while True:
                told.clear()
                moved = await self._try_once()
                if not moved:
                    await _either(told, self.bus.connected)

    async def _try_once(self) -> int:
        try:
            if self.bus.connected.is_set():
                self.bus.connected.clear()
                await self._look_at_stream()
            moved = await self.publish_once()
            if not moved:
                await self._measure()
        except (ServiceError, nats.errors.Error, OSError, TimeoutError) as error:
            if not isinstance(error, BusAway):
                logger().warning("relay", error=repr(error))
            self.bus.connected.set()  # look at the stream again when it answers
            await asyncio.sleep(LOOK_EVERY_S / 4)
            return 0
        return moved

    async def publish_once(self) -> int:
        """Publish one batch of the partitions that nobody else holds; return how many."""
        jetstream = self.bus.jetstream
        async with self.database.transaction() as connection:
            claimed = await connection.fetch(CLAIM, PARTITIONS_AT_ONCE)
            if not claimed:
                return 0
            partitions = [row["partition_id"] for row in claimed]
            rows = await connection.fetch(READ, partitions, BATCH)
            published = await _publish(jetstream, self.stream, rows)
            await connection.execute(MARK, published)
        EVENTS_PUBLISHED.labels(self.stream).inc(len(published))
        if rows and not published:
            raise BusAway("the bus took none of the events")
        return len(published)

    async def _look_at_stream(self) -> None:
        """Publish everything again to a stream that was created anew: it lost its disk."""
        await self.bus.apply_streams()
        info: Any = await self.bus.jetstream.stream_info(self.stream)
        created = str(info.created)
        async with self.database.transaction() as connection:
            known = await connection.fetchval(KNOWN_STREAM, self.stream)
            if known is not None and known != created:
                done = await connection.execute(PUBLISH_AGAIN)
                logger().warning("stream is new: publishing again", stream=self.stream, done=done)
            await connection.execute(NOTE_STREAM, self.stream, created)

    async def _measure(self) -> None:
        async with self.database.read() as connection:
            await connection.execute(FORGET, KEPT_DAYS)
            await measure(connection, self.stream)


async def measure(connection: Connection, stream: str) -> tuple[int, float]:
    """Return how many events wait in the outbox and for how many seconds the oldest has."""
    row = await connection.fetchrow(LAG)
    pending, age_s = (row["pending"], row["age_s"]) if row else (0, 0.0)
    OUTBOX_PENDING.labels(stream).set(pending)
    OUTBOX_AGE.labels(stream).set(age_s)
    return pending, age_s


async def _publish(jetstream: JetStreamContext, stream: str, rows: Sequence[Row]) -> list[int]:
    """Publish in order with all acknowledgements in flight; return the ids of the acknowledged."""
    sent: dict[asyncio.Future[Any], int] = {}
    try:
        for row in rows:
            headers = orjson.loads(row["headers"]) | {"ce-sequence": str(row["sequence"])}
            future = await jetstream.publish_async(
                row["subject"], row["body"], stream=stream, headers=headers
            )
            sent[future] = row["outbox_id"]
    except (nats.errors.Error, OSError) as error:
        logger().warning("relay", error=repr(error))
    if not sent:
        return []
    done, pending = await asyncio.wait(sent, timeout=PUBLISH_S)
    for future in pending:
        future.cancel()
    return [sent[future] for future in done if future.exception() is None]


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
