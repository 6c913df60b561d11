"""A day without link: what 300 agents kept is absorbed at once, while live measurements go on.

The agents are real (`siteagent`: buffer, signatures, JSON over the gateway), all in the process of
this benchmark, and all find the link again at the same moment.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from devstack.stack import Stack
from devstack.waiting import until
from siteagent.buffer import INSERT, Buffer, Limits
from siteagent.clock import Clock
from siteagent.keys import Identity
from siteagent.sender import Sender
from siteagent.server import Server
from siteagent.store import Store, put
from smartcity.monitoring.v1.measurement_pb2 import Measurement
from table import Table

AGENTS = 300
KEPT = 1440
LIVE = 20
LIVE_EVERY_S = 1.0
MINUTE_US = 60_000_000
LOOK_EVERY_S = 0.05
ADD_POINT = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
VALUES ('64.01', $1, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1)
"""
ADD_AGENT = """
INSERT INTO agents (region_code, agent_id, display_name, point_ids, state, public_key)
VALUES ('64.01', $1, 'Agen', ARRAY[$1], 'ENROLLED', $2)
"""
COUNT = """
SELECT count(*)
  FROM measurements
 WHERE point_id LIKE $1
"""
LATEST = """
SELECT point_id, max(measure_time) AS latest
  FROM measurements
 WHERE region_code = '64.01' AND point_id LIKE 'LIVE-%' AND measure_time > now() - interval '5 min'
 GROUP BY point_id
"""


@dataclass(slots=True)
class Live:
    """Live measurements: when each was taken, until the database shows it."""

    waiting: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    taken: int = 0

    def take(self, sender: Sender) -> None:
        """Take a measurement, as a check does."""
        now = sender.clock.now()
        sender.buffer.add(body_of(sender), now)
        name = sender.server.identity.source
        self.waiting.setdefault(name, []).append(sender.clock.server_us(now) / 1e6)
        self.taken += 1
        sender.told.set()

    def seen(self, point: str, latest: float) -> None:
        """Note those that are stored."""
        times = self.waiting.get(point, [])
        self.seconds += [time.time() - one for one in times if one <= latest]
        self.waiting[point] = [one for one in times if one > latest]


async def backlog(stack: Stack) -> Table:
    """Absorb the backlog beside live measurements; tell time, loss and how late the live are."""
    table = Table(
        f"backlog: {AGENTS} agents, {KEPT} measurements each; {LIVE} others live, one a second",
        ("what", "value"),
    )
    live = Live()
    async with _agents(stack, "LATE", AGENTS) as late, _agents(stack, "LIVE", LIVE) as others:
        for sender in late:
            _keep_a_day(sender)
        tasks = [asyncio.create_task(sender.run()) for sender in others]
        tasks += [asyncio.create_task(_measure(live, sender)) for sender in others]
        tasks.append(asyncio.create_task(_look(stack, live)))
        await asyncio.sleep(10)
        quiet, live.seconds = live.seconds, []
        begin = time.perf_counter()
        await asyncio.gather(*map(_send_all, late))
        answered_s = time.perf_counter() - begin
        await _all_stored(stack, "LATE-%", AGENTS * KEPT)
        stored_s = time.perf_counter() - begin
        meanwhile, live.seconds = live.seconds, []
        await asyncio.sleep(5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sender in others:
            await sender.send_all()
        await _all_stored(stack, "LIVE-%", live.taken)
    table.add("measurements that waited", f"{AGENTS * KEPT:,}")
    table.add("answered for after, s", f"{answered_s:.1f}")
    table.add("stored with states made after, s", f"{stored_s:.1f}")
    table.add("lost", 0)
    table.add("doubled", 0)
    table.add("live, taken to stored, before: p50, p99 s", _percentiles(quiet))
    table.add("live, taken to stored, meanwhile: p50, p99 s", _percentiles(meanwhile))
    return table


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


@asynccontextmanager
async def _agents(stack: Stack, prefix: str, count: int) -> AsyncIterator[list[Sender]]:
    """Give enrolled agents with a point each."""
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        client = await opened.enter_async_context(httpx.AsyncClient(limits=httpx.Limits()))
        connection = await opened.enter_async_context(stack.postgres.connect("monitoring"))
        senders = []
        for number in range(count):
            name, key = f"{prefix}-{number}", Ed25519PrivateKey.generate()
            await connection.execute(ADD_POINT, name)
            await connection.execute(ADD_AGENT, name, key.public_key().public_bytes_raw())
            store = Store(folder / name)
            opened.callback(store.close)
            identity = Identity(stack.url, f"regions/64.01/agents/{name}")
            server = Server(client, identity, key)
            senders.append(Sender(Buffer(store, Limits()), server, Clock()))
        yield senders


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


async def _measure(live: Live, sender: Sender) -> None:
    while True:
        live.take(sender)
        await asyncio.sleep(LIVE_EVERY_S)


async def _look(stack: Stack, live: Live) -> None:
    """See again and again what of the live ones is stored."""
    async with stack.postgres.connect("monitoring") as connection:
        while True:
            for row in await connection.fetch(LATEST):
                live.seen(row["point_id"], row["latest"].timestamp() + 1e-6)
            await asyncio.sleep(LOOK_EVERY_S)


async def _all_stored(stack: Stack, points: str, expected: int) -> None:
    """Wait until as many are stored as there are, and see that they do not become more."""

    async def stored() -> int:
        async with stack.postgres.connect("monitoring") as connection:
            return int(await connection.fetchval(COUNT, points))

    async def all_there() -> bool:
        return await stored() >= expected

    if not await until(all_there, within_s=300) or await stored() != expected:
        raise RuntimeError(f"{await stored()} of {expected} measurements of {points} are stored")


def _percentiles(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.2f}, {ordered[int(len(ordered) * 0.99)]:.2f}"
