"""From a listener that closes to `incident.opened` on NATS and to a watcher of the statuses."""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Self

import asyncpg
import httpx
import nats
from devstack.ports import free_ports
from devstack.stack import Stack
from monitoring.domain.partitions import partition_of
from nats.aio.msg import Msg
from smartcity.monitoring.v1.events_pb2 import IncidentOpened
from table import Table
from udp_ping import HOST

SIZES = (300, 10_000)
CLOSED = 60
"""How many listeners close, one after the other."""
SILENT_TO_DOWN = 3
"""Checks without an answer, a second apart, that the rule of every technology wants."""
WITHIN_S = 120.0
REGION = "regions/64.01"
OPENED = "smartcity.6401.monitoring.incident.opened.v1"
ENDS = Path(__file__).with_name("udp_ping.py")
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', point_id, 'Titik', 'SCHOOL', '64.01.0' || (1 + n % 9), 'FO', 'ACTIVE', 1
  FROM unnest($1::text[]) WITH ORDINALITY AS point (point_id, n)
"""
ADD_CHECKS = """
INSERT INTO checks (
       region_code, point_id, check_id, partition_id, kind, address, port, packets, spacing_ms,
       timeout_ms, interval_s, paused)
SELECT '64.01', point_id, 'line', partition_id, $4, $5, port, 1, 10, 500, $6, false
  FROM unnest($1::text[], $2::smallint[], $3::int[]) AS point (point_id, partition_id, port)
"""
RETIRE = "UPDATE points SET state = 'RETIRED'; DELETE FROM checks"


@dataclass(slots=True)
class Line:
    """A listener that a check asks once a second."""

    point: str
    server: asyncio.Server | None = None
    asked: float = 0.0

    @classmethod
    async def open(cls, point: str) -> Self:
        """Listen on a free port."""
        line = cls(point)

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line.asked = time.perf_counter()
            writer.close()

        line.server = await asyncio.start_server(answer, "127.0.0.1", 0)
        return line

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.sockets[0].getsockname()[1]) if self.server else 0

    def close(self) -> float:
        """Listen no more; return when the rule says that it is down."""
        if self.server:
            self.server.close()
        return self.asked + SILENT_TO_DOWN


@dataclass(slots=True)
class Told:
    """What was told of the points, and when."""

    states: dict[str, str] = field(default_factory=dict)
    down: dict[str, float] = field(default_factory=dict)
    opened: dict[str, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, message: Msg) -> None:
        """Take an event of an incident that was opened."""
        incident = IncidentOpened.FromString(message.data).incident
        self.opened[incident.point] = time.perf_counter()
        self.news.set()

    async def watch(self, client: httpx.AsyncClient) -> None:
        """Take all that a watcher is told, until cancelled."""
        async with client.stream("GET", f"/v1/{REGION}/statuses:watch") as answer:
            async for line in answer.aiter_lines():
                for status in json.loads(line[5:])["statuses"] if line[:5] == "data:" else ():
                    self.states[status["point"]] = status["state"]
                    if status["state"] == "DOWN":
                        self.down.setdefault(status["point"], time.perf_counter())
                self.news.set()

    def all_up(self, points: Sequence[str]) -> bool:
        """Tell whether all of them are up."""
        return all(self.states.get(point) == "UP" for point in points)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was told fulfils the condition."""
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                self.news.clear()
                await self.news.wait()


async def faults(stack: Stack) -> Table:
    """Close listeners, one after the other, and tell how long it took until that was known."""
    table = Table(
        f"faults: {CLOSED} listeners close, each asked once a second; all others once a minute",
        ("points", "known", "p50 s", "p99 s", "after the rule: p50 s", "p99 s "),
    )
    async with (
        stack.postgres.connect("monitoring") as connection,
        _reflector() as port,
        _listening(stack) as told,
    ):
        for size in SIZES:
            await connection.execute(RETIRE)
            others = [f"regions/64.01/points/O{size}-{n}" for n in range(size - CLOSED)]
            await _ask(connection, others, [port] * len(others), ("STAMP", HOST, 60))
            lines = [await Line.open(f"{REGION}/points/F{size}-{n}") for n in range(CLOSED)]
            points, ports = [line.point for line in lines], [line.port for line in lines]
            await _ask(connection, points, ports, ("TCP", "127.0.0.1", 1))
            await told.until(partial(told.all_up, (*points, *others)))
            _add(table, f"{size:,}", [await _fault(told, line) for line in lines])
    return table


async def _fault(told: Told, line: Line) -> tuple[float, float, float]:
    """Close one; return the seconds until the rule, the bus and the watcher tell."""
    await asyncio.sleep(random.random())  # at no moment that the checks prefer
    closed = time.perf_counter()
    ruled = line.close()
    await told.until(lambda: line.point in told.down and line.point in told.opened)
    return ruled - closed, told.opened[line.point] - closed, told.down[line.point] - closed


def _add(table: Table, size: str, found: Sequence[tuple[float, float, float]]) -> None:
    ruled, *ways = zip(*found, strict=True)
    table.add(size, "by the rule: three checks", *_figures(ruled), "", "")
    for what, seconds in zip(("incident.opened on NATS", "watcher, SSE"), ways, strict=True):
        after = [one - rule for one, rule in zip(seconds, ruled, strict=True)]
        table.add(size, what, *_figures(seconds), *_figures(after))


def _figures(seconds: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[98]


async def _ask(
    connection: "asyncpg.Connection[asyncpg.Record]",
    points: Sequence[str],
    ports: Sequence[int],
    how: tuple[str, str, int],
) -> None:
    """Add points with a check each: its kind, address and interval in seconds."""
    names = [point.rpartition("/")[2] for point in points]
    await connection.execute(ADD_POINTS, names)
    await connection.execute(ADD_CHECKS, names, list(map(partition_of, points)), ports, *how)


@asynccontextmanager
async def _listening(stack: Stack) -> AsyncIterator[Told]:
    """Give what the bus and a watcher tell."""
    told = Told()
    headers = {"authorization": f"Bearer {await stack.token('64.01/viewer')}"}
    async with AsyncExitStack() as opened:
        client = httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=None)  # noqa: S113
        await opened.enter_async_context(client)
        bus = await nats.connect(stack.nats.url)
        opened.push_async_callback(bus.close)
        await bus.subscribe(OPENED, cb=told.hear)
        watching = asyncio.create_task(told.watch(client))
        opened.callback(watching.cancel)
        yield told


@asynccontextmanager
async def _reflector() -> AsyncIterator[int]:
    """Answer the checks of all other points."""
    port = free_ports(1)[0]
    command = (sys.executable, str(ENDS), "reflect", str(port))
    process = await create_subprocess_exec(*command, stdout=PIPE)
    try:
        if process.stdout is None or not await process.stdout.readline():
            raise RuntimeError("the reflector did not start")
        yield port
    finally:
        process.kill()
        await process.wait()
