"""Events: from a committed change to the effect in another process, beside the bare bus."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from common.events.bus import open_bus
from common.events.event import Event, event_of
from common.events.outbox import append
from common.events.relay import Relay
from common.postgres.database import Database, open_database
from devstack.stack import Stack
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig
from smartcity.inventory.v1.events_pb2 import PointUpdated
from smartcity.inventory.v1.point_pb2 import Point
from table import Table

BODY = PointUpdated(point=Point(name="regions/64.01/points/X", display_name="x" * 200))
MANY = 20_000
STEADY_PER_S, STEADY_S = 100, 8
RESOURCES = 500
CONSUMER = str(Path(__file__).with_name("event_consumer.py"))
EFFECTS = """
CREATE TABLE IF NOT EXISTS bench_effects (
    event_id text, resource text, effect_time timestamptz);
TRUNCATE bench_effects;
GRANT SELECT, INSERT ON bench_effects TO inventory;
"""
COUNT = "SELECT count(*) FROM bench_effects WHERE resource LIKE '%/points/B-%'"
DELAYS = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
       ORDER BY extract(epoch FROM effect.effect_time - outbox.create_time))
  FROM bench_effects AS effect JOIN outbox ON outbox.event_id::text = effect.event_id
 WHERE outbox.resource LIKE '%/points/B-%'
"""


async def events(stack: Stack) -> Table:
    """Measure the bare bus, then a steady rate, then as much as goes through."""
    table = Table(
        f"events: bodies of {BODY.ByteSize()} bytes", ("what", "per second", "p50 ms", "p99 ms")
    )
    bare = await _bare(stack.nats.url)
    table.add(f"bare nats-py, publish and consume {MANY:,}", f"{bare:,.0f}", "", "")
    url = stack.postgres.url("inventory", "inventory")
    async with stack.postgres.connect("inventory") as connection:
        await connection.execute(EFFECTS)
    async with open_database(url) as database, _running(database, stack, url):
        await _steady(database)
        p50, p99 = await _delays(database)
        name = f"change to effect at {STEADY_PER_S}/s"
        table.add(name, str(STEADY_PER_S), p50 * 1000, p99 * 1000)
        async with stack.postgres.connect("inventory") as connection:
            await connection.execute("TRUNCATE bench_effects")
        rate = await _flood(database)
    table.add(f"change to effect, {MANY:,} at once", f"{rate:,.0f}", "", "")
    table.add("ratio to the bare bus", f"{rate / bare:.2f}", "", "")
    return table


@asynccontextmanager
async def _running(database: Database, stack: Stack, url: str) -> AsyncIterator[None]:
    """Run a relay here and a consumer in a process of its own."""
    async with open_bus(stack.nats.url) as bus:
        relay = asyncio.create_task(Relay(database, bus, "INVENTORY").run())
        process = await asyncio.create_subprocess_exec(
            sys.executable, CONSUMER, url, stack.nats.url
        )
        try:
            await _written(database, _events(1))  # the consumer is up when this one has arrived
            await _arrived(database, 1)
            yield
        finally:
            process.terminate()
            await process.wait()
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)


async def _steady(database: Database) -> None:
    """Commit one event at a time, `STEADY_PER_S` a second."""
    begin = time.perf_counter()
    for number in range(STEADY_PER_S * STEADY_S):
        await asyncio.sleep(max(0, begin + number / STEADY_PER_S - time.perf_counter()))
        await _written(database, _events(1, number))
    await _arrived(database, 1 + STEADY_PER_S * STEADY_S)


async def _flood(database: Database) -> float:
    begin = time.perf_counter()
    for start in range(0, MANY, RESOURCES):
        await _written(database, _events(RESOURCES, start))
    await _arrived(database, MANY)
    return MANY / (time.perf_counter() - begin)


async def _written(database: Database, some: list[Event]) -> None:
    async with database.transaction() as connection:
        await append(connection, some)


async def _arrived(database: Database, wanted: int) -> None:
    async with asyncio.timeout(120):
        while True:
            async with database.read() as connection:
                if await connection.fetchval(COUNT) >= wanted:
                    return
            await asyncio.sleep(0.02)


async def _delays(database: Database) -> tuple[float, float]:
    async with database.read() as connection:
        p50, p99 = await connection.fetchval(DELAYS)
    return p50, p99


def _events(count: int, start: int = 0) -> list[Event]:
    names = (f"regions/64.01/points/B-{(start + n) % RESOURCES}" for n in range(count))
    return [event_of(BODY, name) for name in names]


async def _bare(url: str) -> float:
    """Return how many events a second nats-py alone publishes and consumes with acks."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="BARE", subjects=["bare"])
    begin = time.perf_counter()
    consuming = asyncio.create_task(_consume(jetstream))
    packed = BODY.SerializeToString()
    sent = [
        await jetstream.publish_async("bare", packed, headers={"Nats-Msg-Id": str(number)})
        for number in range(MANY)
    ]
    await asyncio.gather(*sent)
    await consuming
    rate = MANY / (time.perf_counter() - begin)
    await jetstream.delete_stream("BARE")
    await client.close()
    return rate


async def _consume(jetstream: JetStreamContext) -> None:
    config = ConsumerConfig(max_ack_pending=5000)
    pull = await jetstream.pull_subscribe("bare", durable="bare", stream="BARE", config=config)
    seen = 0
    while seen < MANY:
        messages = await pull.fetch(200, timeout=30)
        for message in messages:
            await message.ack()
        seen += len(messages)
