"""Enrolled agents with a point each, and, as a process of its own, agents that kept a day.

`python bench/site_agents.py <url> <prefix> <count>` says `ready` when each has kept its day, sends
it all when its input says so, and tells the seconds until the last one was answered.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from devstack.stack import Stack
from siteagent.buffer import INSERT, Buffer, Limits
from siteagent.clock import Clock
from siteagent.keys import Identity
from siteagent.sender import Sender
from siteagent.server import Server
from siteagent.store import Store, put
from smartcity.monitoring.v1.measurement_pb2 import Measurement

KEPT = 1440
MINUTE_US = 60_000_000
ADD_POINT = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
VALUES ('64.01', $1, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1)
"""
ADD_AGENT = """
INSERT INTO agents (region_code, agent_id, display_name, point_ids, state, public_key)
VALUES ('64.01', $1, 'Agen', ARRAY[$1], 'ENROLLED', $2)
"""


async def enrol(stack: Stack, prefix: str, count: int) -> None:
    """Make the points, and let the platform know their agents."""
    async with stack.postgres.connect("monitoring") as connection:
        for number in range(count):
            name = f"{prefix}-{number}"
            await connection.execute(ADD_POINT, name)
            await connection.execute(ADD_AGENT, name, _key(name).public_key().public_bytes_raw())


@asynccontextmanager
async def agents(url: str, prefix: str, count: int) -> AsyncIterator[list[Sender]]:
    """Give agents that `enrol` made known."""
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        client = await opened.enter_async_context(httpx.AsyncClient(limits=httpx.Limits()))
        senders = []
        for number in range(count):
            name = f"{prefix}-{number}"
            store = Store(folder / name)
            opened.callback(store.close)
            server = Server(client, Identity(url, f"regions/64.01/agents/{name}"), _key(name))
            senders.append(Sender(Buffer(store, Limits()), server, Clock()))
        yield senders


def body_of(sender: Sender) -> bytes:
    """Return a measurement without its time, as the buffer holds it."""
    source = sender.server.identity.source
    return Measurement(
        point=f"regions/64.01/points/{source}",
        source=source,
        packets_sent=10,
        packets_received=10,
        rtt_min_ms=9.5,
        rtt_mean_ms=12.5,
        rtt_max_ms=30.25,
        jitter_ms=1.5,
        method="icmp",
    ).SerializeToString()


async def main(url: str, prefix: str, count: int) -> None:
    """Keep a day, and send it when told."""
    async with agents(url, prefix, count) as late:
        for sender in late:
            _keep_a_day(sender)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begin = time.perf_counter()
        await asyncio.gather(*map(_send_all, late))
        print(time.perf_counter() - begin, flush=True)


def _key(name: str) -> Ed25519PrivateKey:
    """Return the same key in every process."""
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())


def _keep_a_day(sender: Sender) -> None:
    """Fill the buffer with one measurement a minute; one transaction, for this is no check."""
    body, now = body_of(sender), sender.clock.now()
    with sender.buffer.store.transaction() as connection:
        for minutes in range(KEPT, 0, -1):
            ago_us = minutes * MINUTE_US
            since_boot_us, wall_us = now.since_boot_us - ago_us, now.wall_us - ago_us
            connection.execute(INSERT, (now.boot, since_boot_us, wall_us, body))
        put(connection, "waiting", KEPT)


async def _send_all(sender: Sender) -> None:
    """Send all that waits, as the agent does, and end."""
    sending = asyncio.create_task(sender.run())
    while sender.buffer.store.figures()["waiting"]:  # noqa: ASYNC110 - a file
        await asyncio.sleep(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
