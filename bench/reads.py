"""Reads: one point and a list of 100, through the gateway, over gRPC, and in the baseline."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from devstack.databases import owner_of
from devstack.ports import free_ports
from devstack.probes import accepts
from devstack.stack import Stack
from devstack.waiting import until
from load import CONNECTIONS, SECONDS, Rate, measure, rate_of
from smartcity.inventory.v1 import point_pb2
from table import Table

SERVICE = "/smartcity.inventory.v1.InventoryService"
POINT = "KEC-64.01.06"
ROUNDS = 3
Measured = Callable[[], Awaitable[Rate]]
Call = Callable[[bytes], Awaitable[bytes]]


async def reads(stack: Stack) -> Table:
    """Measure everything in turns, so that what disturbs the machine disturbs all alike."""
    direct = stack.place.address("inventory-grpc")
    async with (
        _baseline(stack) as baseline,
        grpc.aio.insecure_channel(direct) as channel,
    ):
        gateway = stack.place.public_address
        token = await stack.token("64.01/viewer")
        one = point_pb2.GetPointRequest(name=f"regions/64.01/points/{POINT}")
        many = point_pb2.ListPointsRequest(parent="regions/64.01", page_size=100)
        rows: dict[str, Measured] = {
            "one point, FastAPI": lambda: measure(baseline, f"/regions/64.01/points/{POINT}"),
            "one point, gateway": lambda: measure(
                gateway, f"/v1/regions/64.01/points/{POINT}", token
            ),
            "one point, gRPC": lambda: call_often(
                with_token(channel, "GetPoint", token), one.SerializeToString
            ),
            "100 points, FastAPI": lambda: measure(baseline, "/regions/64.01/points?page_size=100"),
            "100 points, gateway": lambda: measure(
                gateway, "/v1/regions/64.01/points?pageSize=100", token
            ),
            "100 points, gRPC": lambda: call_often(
                with_token(channel, "ListPoints", token), many.SerializeToString
            ),
        }
        found: dict[str, list[Rate]] = {name: [] for name in rows}
        for _ in range(ROUNDS):
            for name, run in rows.items():
                found[name].append(await run())
    return _table(found)


def _table(found: dict[str, list[Rate]]) -> Table:
    best = {name: max(rates, key=lambda rate: rate.per_second) for name, rates in found.items()}
    table = Table(
        f"reads: best of {ROUNDS} runs of {SECONDS:g} s, {CONNECTIONS} connections",
        ("call", "per second", "p50 ms", "p99 ms", "ratio to FastAPI"),
    )
    for name, rate in best.items():
        base = best[name.partition(",")[0] + ", FastAPI"]
        ratio = rate.per_second / base.per_second
        table.add(name, f"{rate.per_second:,.0f}", rate.p50_ms, rate.p99_ms, ratio)
    return table


@asynccontextmanager
async def _baseline(stack: Stack) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    script = str(Path(__file__).with_name("baseline.py"))
    url = stack.postgres.url("inventory", owner_of("inventory"))
    process = await asyncio.create_subprocess_exec(sys.executable, script, url, str(port))
    try:
        if not await until(accepts(f"127.0.0.1:{port}"), within_s=20):
            raise RuntimeError("the baseline did not start")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def with_token(channel: grpc.aio.Channel, method: str, token: str) -> Call:
    """Return the function that calls, without decoding the answer, as the HTTP load does."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"{SERVICE}/{method}"
    )
    metadata = (("authorization", f"Bearer {token}"),)
    return lambda request: call(request, metadata=metadata)


async def call_often(call: Call, request: Callable[[], bytes]) -> Rate:
    """Call for `SECONDS` with as many calls at once as there are connections."""
    times: list[float] = []
    begin = time.perf_counter()

    async def worker() -> None:
        while (sent := time.perf_counter()) < begin + SECONDS:
            await call(request())
            times.append(time.perf_counter() - sent)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return rate_of(times, time.perf_counter() - begin)
