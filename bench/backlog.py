"""A day without link: what 300 agents kept is absorbed at once, while live measurements go on.

The agents are real (`siteagent`: buffer, signatures, JSON over the gateway), and all find the link
again at the same moment. Those with a backlog are one process and the live ones another, as no
agent of a real site waits for the processor of another site.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack.stack import Stack
from devstack.waiting import until
from site_agents import KEPT, agents, body_of, enrol
from siteagent.sender import Sender
from table import Table

AGENTS = 300
LIVE = 20
LIVE_EVERY_S = 1.0
LOOK_EVERY_S = 0.05
LATE_AGENTS = str(Path(__file__).with_name("site_agents.py"))
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
    await enrol(stack, "LATE", AGENTS)
    await enrol(stack, "LIVE", LIVE)
    late = await _late_agents(stack.url)
    async with agents(stack.url, "LIVE", LIVE) as others:
        tasks = [asyncio.create_task(sender.run()) for sender in others]
        tasks += [asyncio.create_task(_measure(live, sender)) for sender in others]
        tasks.append(asyncio.create_task(_look(stack, live)))
        await asyncio.sleep(10)
        quiet, live.seconds = live.seconds, []
        begin = time.perf_counter()
        answered, _ = await late.communicate(b"send\n")
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
    table.add("answered for after, s", f"{float(answered):.1f}")
    table.add("stored with states made after, s", f"{stored_s:.1f}")
    table.add("lost", 0)
    table.add("doubled", 0)
    table.add("live, taken to stored, before: p50, p99 s", _percentiles(quiet))
    table.add("live, taken to stored, meanwhile: p50, p99 s", _percentiles(meanwhile))
    return table


async def _late_agents(url: str) -> Process:
    """Start the process of those that kept a day; it waits for a word."""
    words = (LATE_AGENTS, url, "LATE", str(AGENTS))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=PIPE, stdout=PIPE)
    if process.stdout is None or (await process.stdout.readline()) != b"ready\n":
        raise RuntimeError("the agents that kept a day did not start")
    return process


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
