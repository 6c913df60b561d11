"""The relay: publishes what stands in the outbox.

A replica that locks a partition's row publishes its events, alone and in order; others take other
partitions. When it dies in the middle, the lock goes and the events are published again: the bus
drops the copies by their id, and what slips through is known to every consumer's inbox.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import nats.errors
import orjson
from nats.js import JetStreamContext

from common.errors import ServiceError
from common.events import inbox
from common.events.bus import Bus, BusAway
from common.events.outbox import CHANNEL
from common.events.storage import Storage
from common.postgres.database import Connection, Database, Row
from common.telemetry.logs import logger
from common.telemetry.metrics import EVENTS_PUBLISHED, OUTBOX_AGE, OUTBOX_PENDING
from common.telemetry.traces import publishing

BATCH = 1000
PARTITIONS_AT_ONCE = 4
PUBLISH_S = 5.0
LOOK_EVERY_S = 1.0
"""How long a missed notification may go unnoticed."""
KEPT_DAYS = 7
SLICE = 20_000
LOOK_AT_STREAM_S = 60.0
HOUSE_EVERY_S = 5.0
ITS_OWN_FAULT = (nats.errors.MaxPayloadError, nats.errors.BadSubjectError, ValueError)

CLAIM = """
SELECT partition_id
  FROM outbox_partitions AS partition
 WHERE EXISTS (
       SELECT
         FROM outbox
        WHERE outbox.partition_id = partition.partition_id AND publish_time IS NULL)
 ORDER BY random()
 LIMIT $1
   FOR UPDATE SKIP LOCKED
"""

READ = """
SELECT outbox_id, resource, subject, headers, body, sequence
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
SELECT created, last_sequence
  FROM outbox_streams
 WHERE stream = $1
"""

NOTE_STREAM = """
INSERT INTO outbox_streams (stream, created, last_sequence)
VALUES ($1, $2, $3)
    ON CONFLICT (stream) DO UPDATE
   SET created = $2, last_sequence = $3
"""

NOTE_PLACE = """
UPDATE outbox_streams
   SET last_sequence = greatest(last_sequence, $2)
 WHERE stream = $1 AND created = $3
"""

WAIT_FOR_PUBLISHERS = """
SELECT partition_id
  FROM outbox_partitions
 ORDER BY partition_id
   FOR UPDATE
"""

PUBLISH_AGAIN = """
WITH unpublished AS (
UPDATE outbox
   SET publish_time = NULL
 WHERE outbox_id IN (
       SELECT outbox_id
         FROM outbox
        WHERE publish_time IS NOT NULL
        LIMIT $1)
RETURNING 1
)
SELECT count(*)
  FROM unpublished
"""


class StreamChanged(Exception):
    """The stream is not the one that this relay looked at last."""


SURVIVED = (
    ServiceError,
    StreamChanged,
    nats.errors.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""What passes by itself: the bus or the database is away, is moved, is full, is upgraded."""


@dataclass(slots=True)
class Relay:
    """Publishes the outbox of `database` to `stream` until it is cancelled."""

    database: Database
    bus: Bus
    stream: str
    _created: str = ""
    _looked: float = -1e9

    async def run(self) -> None:
        """Publish whenever a transaction wrote an event, and look every second by itself."""
        storage = Storage(self.database, self.bus)
        await asyncio.gather(self._publish_always(), self._keep_house(), storage.watch())

    async def _publish_always(self) -> None:
        told = asyncio.Event()
        async with self.database.listening(CHANNEL, told):
            while True:
                told.clear()
                if not await self._try_once():
                    await _either(told, self.bus.connected)

    async def _try_once(self) -> int:
        try:
            if self.bus.connected.is_set() or time.monotonic() - self._looked > LOOK_AT_STREAM_S:
                self.bus.connected.clear()
                await self.look_at_stream()
            return await self.publish_once()
        except SURVIVED as error:
            if not isinstance(error, BusAway):
                logger().warning("relay", error=f"{error!r} {error}")
            self._looked = -1e9
            await asyncio.sleep(LOOK_EVERY_S / 4)
            return 0

    async def publish_once(self) -> int:
        """Publish one batch of the partitions that nobody else holds; return how many."""
        jetstream = self.bus.jetstream
        async with self.database.transaction() as connection:
            claimed = await connection.fetch(CLAIM, PARTITIONS_AT_ONCE)
            if not claimed:
                return 0
            known = await connection.fetchrow(KNOWN_STREAM, self.stream)
            if known is None or known["created"] != self._created:
                raise StreamChanged(self.stream)
            partitions = [row["partition_id"] for row in claimed]
            rows = await connection.fetch(READ, partitions, BATCH)
            published, place = await _publish(jetstream, self.stream, rows)
            await connection.execute(MARK, published)
            await connection.execute(NOTE_PLACE, self.stream, place, self._created)
        EVENTS_PUBLISHED.labels(self.stream).inc(len(published))
        if rows and not published:
            raise BusAway("the bus took none of the events")
        return len(published)

    async def look_at_stream(self) -> None:
        """Publish everything again to a stream that has lost events: made anew, or set back.

        The partitions' locks make it wait for relays whose events an older stream acknowledged;
        the stream is read behind them, for what another relay stores meanwhile is no loss.
        """
        await self.bus.apply_streams()
        async with self.database.transaction() as connection:
            await connection.execute(WAIT_FOR_PUBLISHERS)
            info: Any = await self.bus.jetstream.stream_info(self.stream)
            created, last = str(info.created), int(info.state.last_seq)
            known = await connection.fetchrow(KNOWN_STREAM, self.stream)
            if known and (known["created"] != created or known["last_sequence"] > last):
                events = await _publish_again(connection)
                logger().warning("stream lost events: publishing again", events=events)
                await connection.execute(NOTE_STREAM, self.stream, created, last)
            elif known is None:
                await connection.execute(NOTE_STREAM, self.stream, created, last)
        self._created, self._looked = created, time.monotonic()

    async def _keep_house(self) -> None:
        """Measure, and delete what is past its time, whatever the bus does."""
        while True:
            try:
                async with self.database.read() as connection:
                    await measure(connection, self.stream)
                    await connection.execute(FORGET, KEPT_DAYS)
                    await inbox.forget(connection)
            except SURVIVED as error:
                logger().warning("relay: no housekeeping", error=repr(error))
            await asyncio.sleep(HOUSE_EVERY_S)


async def _publish_again(connection: Connection) -> int:
    """Forget that events were published; in slices, for a week of them is a long statement."""
    events = 0
    while some := await connection.fetchval(PUBLISH_AGAIN, SLICE):
        events += int(some)
    return events


async def measure(connection: Connection, stream: str) -> tuple[int, float]:
    """Return how many events wait in the outbox and for how many seconds the oldest has."""
    row = await connection.fetchrow(LAG)
    pending, age_s = (row["pending"], row["age_s"]) if row else (0, 0.0)
    OUTBOX_PENDING.labels(stream).set(pending)
    OUTBOX_AGE.labels(stream).set(age_s)
    return pending, age_s


async def _publish(
    jetstream: JetStreamContext, stream: str, rows: Sequence[Row]
) -> tuple[list[int], int]:
    """Publish in order with all acknowledgements in flight.

    Returns the outbox ids of the acknowledged, and the last place in the stream among them. A row
    that can never be published holds back its own resource only.
    """
    sent: dict[asyncio.Future[Any], int] = {}
    held: set[str] = set()
    for row in rows:
        if row["resource"] in held:
            continue
        headers = orjson.loads(row["headers"]) | {"ce-sequence": str(row["sequence"])}
        try:
            with publishing(row["subject"], headers):
                future = await jetstream.publish_async(
                    row["subject"], row["body"], stream=stream, headers=headers
                )
        except ITS_OWN_FAULT as error:
            held.add(row["resource"])
            logger().error("cannot be published", outbox_id=row["outbox_id"], error=repr(error))
            continue
        except (nats.errors.Error, OSError) as error:
            logger().warning("relay", error=repr(error))
            break
        sent[future] = row["outbox_id"]
    return await _acknowledged(sent)


async def _acknowledged(sent: dict[asyncio.Future[Any], int]) -> tuple[list[int], int]:
    if not sent:
        return [], 0
    done, pending = await asyncio.wait(sent, timeout=PUBLISH_S)
    for future in pending:
        future.cancel()
    stored = [future for future in done if not future.cancelled() and future.exception() is None]
    return [sent[future] for future in stored], max((f.result().seq for f in stored), default=0)


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
