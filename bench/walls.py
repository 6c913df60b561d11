"""What each wall costs a call: token and permission, row-level security, audit, tracing."""

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from devstack.databases import owner_of
from devstack.ports import free_ports
from devstack.probes import accepts
from devstack.stack import Stack
from devstack.waiting import until
from load import CONNECTIONS, SECONDS, Rate
from reads import POINT, Call, call_often, with_token
from smartcity.inventory.v1 import point_pb2
from table import Table
from walled import Walls

ROUNDS = 3
TENTH = 0.1
NAME = f"regions/64.01/points/{POINT}"
Requests = Callable[[], bytes]


@dataclass(frozen=True)
class _Case:
    name: str
    walls: Walls
    """Its address is filled in when the server starts."""


def _cases(stack: Stack, collector: str) -> list[_Case]:
    service = stack.postgres.url("inventory", "inventory")
    owner = stack.postgres.url("inventory", owner_of("inventory"))
    issuer = stack.place.issuer
    return [
        _Case("none", Walls("", owner, audit=False)),
        _Case("token and permission", Walls("", owner, issuer, audit=False)),
        _Case("row-level security", Walls("", service, audit=False)),
        _Case("audit", Walls("", owner)),
        _Case("every call traced", Walls("", owner, collector=collector, audit=False)),
        _Case(
            "one call in ten traced",
            Walls("", owner, collector=collector, trace_ratio=TENTH, audit=False),
        ),
        _Case("all, one call in ten traced", Walls("", service, issuer, collector, TENTH)),
        _Case("all, every call traced", Walls("", service, issuer, collector)),
    ]


async def walls(stack: Stack) -> Table:
    """Measure a read and a write of one point behind each set of walls, in turns."""
    table = Table(
        f"walls: best of {ROUNDS} runs of {SECONDS:g} s, {CONNECTIONS} calls at once, direct gRPC",
        ("walls", "read per second", "ratio", "write per second", "ratio"),
    )
    numbers = itertools.count()
    read = point_pb2.GetPointRequest(name=NAME).SerializeToString()

    def write() -> bytes:
        request, number = point_pb2.UpdatePointRequest(), next(numbers)
        request.point.name = f"regions/64.01/points/WALL-{number % WRITTEN}"
        request.point.display_name = f"Titik {number}"
        return request.SerializeToString()

    async with AsyncExitStack() as stops:
        collector = await stops.enter_async_context(_collector())
        cases = _cases(stack, collector)
        channels = [await stops.enter_async_context(_served(case)) for case in cases]
        await _points_to_write(channels[0])
        token = await stack.token("64.01/operator")
        reads = await _in_turns(
            [with_token(one, "GetPoint", token) for one in channels], lambda: read
        )
        writes = await _in_turns([with_token(one, "UpdatePoint", token) for one in channels], write)
    for case, one_read, one_write in zip(cases, reads, writes, strict=True):
        figures = (one_read, one_read / reads[0], one_write, one_write / writes[0])
        table.add(case.name, f"{figures[0]:,.0f}", figures[1], f"{figures[2]:,.0f}", figures[3])
    return table


WRITTEN = 200
"""Points that the writes go round, so that few wait for each other."""


async def _points_to_write(channel: grpc.aio.Channel) -> None:
    create: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/smartcity.inventory.v1.InventoryService/CreatePoint"
    )
    for number in range(WRITTEN):
        request = point_pb2.CreatePointRequest(parent="regions/64.01", point_id=f"WALL-{number}")
        request.point.display_name = "Titik"
        request.point.kind = point_pb2.Point.OPD
        request.point.district = "regions/64.01/districts/64.01.04"
        await create(request.SerializeToString())


async def _in_turns(calls: list[Call], request: Requests) -> list[float]:
    rates: list[list[Rate]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for found, call in zip(rates, calls, strict=True):
            found.append(await call_often(call, request))
    return [max(rate.per_second for rate in found) for found in rates]


@asynccontextmanager
async def _served(case: _Case) -> AsyncIterator[grpc.aio.Channel]:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    told = json.dumps(asdict(case.walls) | {"address": address})
    async with (
        _process("walled.py", told, address=address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield channel


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    async with _process("collector.py", address, address=address):
        yield address


@asynccontextmanager
async def _process(script: str, word: str, *, address: str) -> AsyncIterator[None]:
    path = str(Path(__file__).with_name(script))
    process = await asyncio.create_subprocess_exec(
        sys.executable, path, word, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        if not await until(accepts(address), within_s=20):
            raise RuntimeError(f"{script} did not start")
        yield
    finally:
        process.kill()
        await process.wait()
