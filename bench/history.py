"""A point's history of 30 days: out of roll-ups, beside one aggregate over the rows themselves."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import asyncpg
import grpc
from devstack.stack import Stack
from devstack.waiting import until
from smartcity.monitoring.v1.measurement_history_pb2 import QueryMeasurementsRequest
from table import Table

POINTS = 300
DAYS = 30
ROUNDS = 100
QUERY = "/smartcity.monitoring.v1.MonitoringService/QueryMeasurements"
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'H-' || n, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1
  FROM generate_series(0, $1 - 1) AS n
"""
ADD_DAY = """
INSERT INTO measurements (
       region_code, point_id, source, measure_time, packets_sent, packets_received, rtt_min_ms,
       rtt_mean_ms, rtt_max_ms, jitter_ms, method)
SELECT '64.01', 'H-' || n, 'icmp', minute, 10, 10 - (random() < 0.05)::int, rtt * 0.8, rtt, rtt * 2,
       rtt / 10, 'icmp'
  FROM (SELECT minute, n, round((15 * exp(random()))::numeric, 2) AS rtt
          FROM generate_series($1::timestamptz, $1 + interval '1439 minutes', '1 minute') AS minute,
               generate_series(0, $2 - 1) AS n) AS line
"""
AGGREGATE = """
SELECT date_trunc($1, measure_time) AS step, count(*), avg(rtt_mean_ms), min(rtt_mean_ms),
       max(rtt_mean_ms),
       percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY rtt_mean_ms),
       avg(1 - packets_received::float8 / packets_sent),
       percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
           ORDER BY 1 - packets_received::float8 / packets_sent)
  FROM measurements
 WHERE region_code = '64.01' AND point_id = $2 AND measure_time >= $3 AND measure_time < $4
 GROUP BY step
 ORDER BY step
"""
LEFT = "SELECT count(*) FROM roll_up_marks WHERE point_id LIKE 'H-%' AND hour < $1"
SIZE = """
SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size($1::text::regclass))
  FROM pg_partition_tree($1::text::regclass)
"""
Once = Callable[[int], Awaitable[object]]


async def history(stack: Stack) -> Table:
    """Fill 30 days, wait for the roll-ups, and ask for the history of one point after the other."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    table = Table(
        f"history: {DAYS} days of {POINTS} points, one a minute; one client",
        ("what", "p50 ms", "p95 ms", "times as fast", "bytes per measurement"),
    )
    async with stack.postgres.connect("monitoring") as connection:
        filled_s = await _fill(connection, end)
        rolled_s = await _rolled_up(connection, end)
        count = POINTS * DAYS * 1440
        table.add(
            f"{count:,} rows by SQL: {filled_s:.0f} s, then roll-ups: {rolled_s:.0f} s", *[""] * 4
        )
        for name in ("measurements", "hourly_roll_ups", "daily_roll_ups"):
            table.add(name, "", "", "", await _bytes(connection, name, count))
        await _compare(stack, connection, end, table)
    return table


async def _fill(connection: "asyncpg.Connection[asyncpg.Record]", end: datetime) -> float:
    start = time.perf_counter()
    await connection.execute(ADD_POINTS, POINTS)
    for day in range(DAYS, 0, -1):
        await connection.execute(ADD_DAY, end - timedelta(days=day), POINTS, timeout=600)
    await connection.execute("ANALYZE", timeout=600)
    return time.perf_counter() - start


async def _rolled_up(connection: "asyncpg.Connection[asyncpg.Record]", end: datetime) -> float:
    start = time.perf_counter()

    async def all_of_them() -> bool:
        return not await connection.fetchval(LEFT, end)

    if not await until(all_of_them, within_s=3600):
        raise RuntimeError("not everything was rolled up")
    return time.perf_counter() - start


async def _bytes(connection: "asyncpg.Connection[asyncpg.Record]", name: str, count: int) -> float:
    return float(await connection.fetchval(SIZE, name)) / count


async def _compare(
    stack: Stack, connection: "asyncpg.Connection[asyncpg.Record]", end: datetime, table: Table
) -> None:
    begin = end - timedelta(days=DAYS)
    metadata = (("authorization", f"Bearer {await stack.token('64.01/viewer')}"),)
    async with grpc.aio.insecure_channel(stack.place.address("monitoring-grpc")) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(QUERY)
        for unit, step in (("hour", timedelta(hours=1)), ("day", timedelta(days=1))):
            what = f"{DAYS * 24 if unit == 'hour' else DAYS} steps of one {unit}"

            async def sql(number: int, unit: str = unit) -> object:
                return await connection.fetch(AGGREGATE, unit, f"H-{number}", begin, end)

            async def rpc(number: int, step: timedelta = step) -> object:
                return await call(_request(number, (begin, end), step), metadata=metadata)

            base = await _measured(sql)
            found = await _measured(rpc)
            table.add(f"{what}, SQL over the rows", *base, 1.0, "")
            table.add(f"{what}, gRPC", *found, base[0] / found[0], "")


async def _measured(once: Once) -> tuple[float, float]:
    """Return the median and the 95th percentile of one call after the other, in milliseconds."""
    times = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        await once(number)
        times.append((time.perf_counter() - start) * 1000)
    cuts = quantiles(times, n=20)
    return cuts[9], cuts[18]


def _request(number: int, span: tuple[datetime, datetime], step: timedelta) -> bytes:
    request = QueryMeasurementsRequest(parent=f"regions/64.01/points/H-{number}")
    request.start_time.FromDatetime(span[0])
    request.end_time.FromDatetime(span[1])
    request.step.FromTimedelta(step)
    return request.SerializeToString()
