"""The statuses of a whole region: as a List and as a watch's first snapshot, beside bare SQL."""

import re
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles

import asyncpg
import grpc
import httpx
from devstack.stack import Stack
from devstack.waiting import until
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest
from smartcity.monitoring.v1.status_pb2 import (
    ListStatusesRequest,
    ListStatusesResponse,
    WatchStatusesRequest,
    WatchStatusesResponse,
)
from table import Table

GROWTH = (300, 3_000, 10_000, 30_000)
ROUNDS = 30
BATCH = 1000
REGION = "regions/64.01"
SERVICE = "/smartcity.monitoring.v1.MonitoringService"
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'S-' || n, 'Titik ' || n, 'SCHOOL', '64.01.0' || (1 + n % 9), 'FO', 'ACTIVE', 1
  FROM generate_series($1::int, $2 - 1) AS n
"""
RETIRE_OTHERS = "UPDATE points SET state = 'RETIRED' WHERE point_id NOT LIKE 'S-%'"
KNOWN = "SELECT count(*) FROM statuses WHERE point_id LIKE 'S-%' AND state = 'UP'"
BARE = """
SELECT points.region_code, points.point_id, display_name, kind, district_code, technology,
       statuses.state, since, reason, last_time, flapping
  FROM points
  JOIN statuses USING (region_code, point_id)
 WHERE region_code = '64.01' AND points.state = 'ACTIVE'
 ORDER BY point_id
"""
NEXT = re.compile(rb'"nextPageToken":"([^"]*)"')
"""Found without reading four megabytes of JSON, which is the client's own work."""
Once = Callable[[], Awaitable[int]]
Channel = grpc.aio.Channel


async def statuses(stack: Stack) -> Table:
    """Let a region grow, and ask for all of it each time."""
    table = Table(
        "statuses of a whole region; one client, the same data for all rows of a size",
        ("points", "what", "p50 ms", "p95 ms", "times bare SQL"),
    )
    token, before = await stack.token("64.01/operator"), 0
    metadata = (("authorization", f"Bearer {token}"),)
    async with (
        stack.postgres.connect("monitoring") as connection,
        grpc.aio.insecure_channel(stack.place.address("monitoring-grpc")) as channel,
        httpx.AsyncClient(
            base_url=stack.url, headers={"authorization": f"Bearer {token}"}, timeout=60
        ) as client,
    ):
        await connection.execute(RETIRE_OTHERS)
        for points in GROWTH:
            await _grow(connection, channel, metadata, (before, points))
            before, base = points, 0.0
            ways: dict[str, Once] = {
                "bare SQL, asyncpg": lambda: _bare(connection),
                "List, gRPC": lambda: _list(channel, metadata),
                "List, gateway": lambda: _list_as_json(client),
                "watch's snapshot, gRPC": lambda: _watch(channel, metadata),
                "watch's snapshot, gateway": lambda: _watch_as_events(client),
            }
            for what, once in ways.items():
                middle, slow = await _measured(once, points)
                base = base or middle
                table.add(f"{points:,}", what, middle, slow, middle / base)
    return table


async def _grow(
    connection: "asyncpg.Connection[asyncpg.Record]",
    channel: Channel,
    metadata: tuple[tuple[str, str], ...],
    span: tuple[int, int],
) -> None:
    """Add points, and measure each of them once."""
    await connection.execute(ADD_POINTS, *span)
    report: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"{SERVICE}/ReportMeasurements"
    )
    for first in range(span[0], span[1], BATCH):
        some = [_measurement(n) for n in range(first, min(first + BATCH, span[1]))]
        request = ReportMeasurementsRequest(parent=REGION, measurements=some)
        await report(request.SerializeToString(), metadata=metadata)

    async def all_known() -> bool:
        return bool(await connection.fetchval(KNOWN) == span[1])

    if not await until(all_known, within_s=120):
        raise RuntimeError("not every point has a state")
    await connection.execute("ANALYZE points; ANALYZE statuses")


def _measurement(number: int) -> Measurement:
    found = Measurement(
        point=f"{REGION}/points/S-{number}",
        source="bench",
        packets_sent=5,
        packets_received=5,
        rtt_mean_ms=12.5,
    )
    found.time.GetCurrentTime()
    return found


async def _bare(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    return len(await connection.fetch(BARE))


async def _list(channel: Channel, metadata: tuple[tuple[str, str], ...]) -> int:
    call: grpc.aio.UnaryUnaryMultiCallable[ListStatusesRequest, ListStatusesResponse] = (
        channel.unary_unary(
            f"{SERVICE}/ListStatuses",
            ListStatusesRequest.SerializeToString,
            ListStatusesResponse.FromString,
        )
    )
    found, page = 0, ""
    while True:
        request = ListStatusesRequest(parent=REGION, page_size=100_000, page_token=page)
        answer = await call(request, metadata=metadata)
        found, page = found + len(answer.statuses), answer.next_page_token
        if not page:
            return found


async def _list_as_json(client: httpx.AsyncClient) -> int:
    found, page = 0, ""
    while True:
        answer = await client.get(
            f"/v1/{REGION}/statuses", params={"pageSize": 100_000, "pageToken": page}
        )
        answer.raise_for_status()
        found += answer.content.count(b'"point":')
        told = NEXT.search(answer.content)
        if told is None or not told[1]:
            return found
        page = told[1].decode()


async def _watch(channel: Channel, metadata: tuple[tuple[str, str], ...]) -> int:
    watch: grpc.aio.UnaryStreamMultiCallable[WatchStatusesRequest, WatchStatusesResponse] = (
        channel.unary_stream(
            f"{SERVICE}/WatchStatuses",
            WatchStatusesRequest.SerializeToString,
            WatchStatusesResponse.FromString,
        )
    )
    call, found = watch(WatchStatusesRequest(parent=REGION), metadata=metadata), 0
    async for part in call:
        found += len(part.statuses)
        if not part.is_snapshot:
            break
    call.cancel()
    return found


async def _watch_as_events(client: httpx.AsyncClient) -> int:
    found = 0
    async with client.stream("GET", f"/v1/{REGION}/statuses:watch") as answer:
        async for line in answer.aiter_lines():
            found += line.count('"point":')
            if '"isSnapshot":false' in line:
                break
    return found


async def _measured(once: Once, expected: int) -> tuple[float, float]:
    """Return the median and the 95th percentile in milliseconds; each call must find all."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = await once()
        times.append((time.perf_counter() - start) * 1000)
        if found != expected:
            raise RuntimeError(f"{found} of {expected} statuses came")
    cuts = quantiles(times, n=20)
    return cuts[9], cuts[18]
