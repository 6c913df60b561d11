"""Measurements: from gRPC to stored rows with the states made, beside a bare COPY of the rows."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import psutil
from devstack.databases import owner_of
from devstack.stack import Stack
from devstack.waiting import until
from monitoring.storage.measurements import COLUMNS
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest
from table import Table

POINTS = 300
BATCH = 1000
AT_ONCE = 4
SECONDS = 20.0
REPORT = "/smartcity.monitoring.v1.MonitoringService/ReportMeasurements"
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'M-' || n, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1
  FROM generate_series(0, $1 - 1) AS n
    ON CONFLICT DO NOTHING
"""
COUNT = "SELECT count(*) FROM measurements WHERE point_id LIKE 'M-%'"


async def ingest(stack: Stack) -> Table:
    """Report for some seconds, wait until all is written, and compare with COPY."""
    table = Table(
        f"ingest: {POINTS} points, batches of {BATCH}, {AT_ONCE} at once",
        ("what", "measurements per second", "ratio", "CPU s per million"),
    )
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(ADD_POINTS, POINTS)
    bare = await _bare_copy(stack)
    table.add("COPY into a table like it, with its key", f"{bare:,.0f}", 1.0, "")
    token = await stack.token("64.01/operator")
    async with reporter(stack, token) as report:
        before, begin = _cpu_s(stack), time.perf_counter()
        sent = await _report_for(report, begin + SECONDS)
        accepted_s = time.perf_counter() - begin

        async def written() -> bool:
            async with stack.postgres.connect("monitoring") as connection:
                return bool(await connection.fetchval(COUNT) == sent)

        if not await until(written, within_s=600):
            raise RuntimeError("not everything was written")
        took_s, after = time.perf_counter() - begin, _cpu_s(stack)
    cpu = {name: (after[name] - before[name]) / sent * 1e6 for name in after}
    table.add("accepted (in the stream)", f"{sent / accepted_s:,.0f}", sent / accepted_s / bare, "")
    table.add(
        "stored, states made",
        f"{sent / took_s:,.0f}",
        sent / took_s / bare,
        f"{cpu['monitoring']:.1f}",
    )
    table.add("PostgreSQL's part", "", "", f"{cpu['postgres']:.1f}")
    table.add("NATS's part", "", "", f"{cpu['nats']:.1f}")
    return table


def _cpu_s(stack: Stack) -> dict[str, float]:
    """Return the processor seconds of what works, with all processes below."""
    return {name: _spent_s(stack, name) for name in ("monitoring", "postgres", "nats")}


def _spent_s(stack: Stack, name: str) -> float:
    process = psutil.Process(stack.children[name].pid)
    family = [process.cpu_times(), *(one.cpu_times() for one in process.children(recursive=True))]
    ended = family[0].children_user + family[0].children_system
    return float(ended + sum(times.user + times.system for times in family))


def batches(size: int = BATCH) -> Iterator[bytes]:
    """Return requests for ever: each point once a second, from a day ago on."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    numbers = itertools.count()

    def request() -> bytes:
        measurements = [_measurement(next(numbers), begin) for _ in range(size)]
        return ReportMeasurementsRequest(
            parent="regions/64.01", measurements=measurements
        ).SerializeToString()

    return (request() for _ in itertools.count())


def _measurement(number: int, begin: datetime) -> Measurement:
    found = Measurement(
        point=f"regions/64.01/points/M-{number % POINTS}",
        source="icmp",
        packets_sent=10,
        packets_received=10,
        rtt_min_ms=9.5,
        rtt_mean_ms=12.5,
        rtt_max_ms=30.25,
        jitter_ms=1.5,
        method="icmp",
    )
    found.time.FromDatetime(begin + timedelta(seconds=number // POINTS))
    return found


async def _report_for(report: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]", end: float) -> int:
    """Report until the time is over; return how many measurements were accepted."""
    requests, sent = batches(), 0

    async def worker() -> None:
        nonlocal sent
        while time.perf_counter() < end:
            await report(next(requests))
            sent += BATCH

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return sent


@asynccontextmanager
async def reporter(
    stack: Stack, token: str
) -> "AsyncIterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]":
    """Give the call that reports a request's bytes."""
    address = stack.place.address("monitoring-grpc")
    async with grpc.aio.insecure_channel(address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(REPORT)
        metadata = (("authorization", f"Bearer {token}"),)
        yield lambda request: call(request, metadata=metadata)  # type: ignore[misc]


async def _bare_copy(stack: Stack) -> float:
    """Return the rate of COPY alone, in batches, into a partitioned table with the same key."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    rows = [_row(number, begin) for number in range(200 * BATCH)]
    owner = owner_of("monitoring")
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(
            "CREATE TABLE bare (LIKE measurements INCLUDING ALL) "
            "PARTITION BY RANGE (measure_time);"
            f"ALTER TABLE bare OWNER TO {owner};"
            "CREATE TABLE bare_all PARTITION OF bare FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
        )
        start = time.perf_counter()
        for first in range(0, len(rows), 10 * BATCH):
            some = rows[first : first + 10 * BATCH]
            await connection.copy_records_to_table("bare", records=some, columns=COLUMNS)
        seconds = time.perf_counter() - start
        await connection.execute("DROP TABLE bare")
    return len(rows) / seconds


def _row(number: int, begin: datetime) -> Sequence[object]:
    when = begin + timedelta(seconds=number // POINTS)
    figures = (10, 10, 9.5, 12.5, 30.25, None, 1.5, None, None, None, None, None)
    return ("64.01", f"M-{number % POINTS}", "icmp", when, *figures, "icmp", None, None)
