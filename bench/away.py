"""PostgreSQL is away for ten minutes while the nation's measurements go on: what is kept, how soon.

150,000 points that are asked once a minute are 2,500 measurements a second.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator

import nats
from common.events.bus import open_bus
from devstack.stack import Stack
from devstack.waiting import until
from ingest import ADD_POINTS, AT_ONCE, BATCH, COUNT, POINTS, Report, is_written, live, reporter
from table import Table

AWAY_S = float(os.environ.get("BENCH_AWAY_S", "600"))
PER_SECOND = 2_500


async def away(stack: Stack) -> Table:
    """Stop the database, report on, start it again, and count."""
    table = Table(f"PostgreSQL away for {AWAY_S:.0f} s", ("what", "value"))
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(f"{ADD_POINTS} ON CONFLICT DO NOTHING", POINTS)
        before = await connection.fetchval(COUNT)
    requests = itertools.cycle([live(number) for number in range(AT_ONCE)])
    address = f"nats://{stack.place.address('nats')}"
    async with reporter(stack) as report, open_bus(address) as bus:
        await bus.first_connection()
        sent = await _report_for(report, requests, 5)
        await stack.postgres.stop()
        at_rest = await _stream_bytes(stack)
        meanwhile = await _report_for(report, requests, AWAY_S)
        held = await _stream_bytes(stack) - at_rest
        await stack.postgres.start()
        begin = time.perf_counter()
        if not await until(lambda: is_written(bus), within_s=900):
            raise RuntimeError("not everything was written")
        took_s = time.perf_counter() - begin
    async with stack.postgres.connect("monitoring") as connection:
        stored = await connection.fetchval(COUNT) - before
    table.add("accepted while it was away", f"{meanwhile:,}")
    table.add("held by the stream, MiB", f"{held / 1024**2:.0f}")
    table.add("all written after its start, s", f"{took_s:.1f}")
    table.add("lost or doubled", stored - sent - meanwhile)
    return table


async def _report_for(report: Report, requests: Iterator[Iterator[bytes]], seconds: float) -> int:
    """Report at the rate for some time; return how many were accepted: none may be refused."""
    begin, sent = time.perf_counter(), 0
    while sent < seconds * PER_SECOND:
        await report(next(next(requests)))
        sent += BATCH
        await asyncio.sleep(begin + sent / PER_SECOND - time.perf_counter())
    return sent


async def _stream_bytes(stack: Stack) -> int:
    async with await nats.connect(stack.nats.url) as client:
        return int((await client.jetstream().stream_info("TELEMETRY")).state.bytes)
