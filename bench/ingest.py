"""Measurements: from gRPC to stored rows with the states made, beside a bare COPY of the rows.

`BENCH_INGEST_SECONDS` says for how long is reported (60); with `BENCH_INGEST_ROWS` it is done again
and again until the table holds as many rows, to see what becomes of the rate as the table grows.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import psutil
from common.events.bus import Bus, open_bus
from devstack.databases import owner_of
from devstack.stack import Stack
from devstack.waiting import until
from monitoring.domain.partitions import PARTITIONS
from monitoring.operations.report_measurements import STREAM
from monitoring.storage.measurements import COLUMNS
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest
from table import Table

POINTS = 300
AT_ONCE = 4
SECONDS = float(os.environ.get("BENCH_INGEST_SECONDS", "60"))
ROWS = int(os.environ.get("BENCH_INGEST_ROWS", "0"))
OLD = timedelta(days=33)
"""How long ago a backlog begins: 50 million rows are two days, each point once a second."""
PROCESSES = ("monitoring", "postgres", "nats")
REPORT = "/smartcity.monitoring.v1.MonitoringService/ReportMeasurements"
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', kind || '-' || n, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1
  FROM generate_series(0, $1 - 1) AS n, unnest(ARRAY['LIVE', 'OLD']) AS kind
"""
COUNT = "SELECT count(*) FROM measurements WHERE point_id LIKE 'LIVE-%' OR point_id LIKE 'OLD-%'"
SIZES = """
SELECT coalesce(sum(pg_table_size(inhrelid)), 0) AS tables,
       coalesce(sum(pg_indexes_size(inhrelid)), 0) AS indexes
  FROM pg_inherits
 WHERE inhparent = 'measurements'::regclass
"""
Report = Callable[[bytes], Awaitable[bytes]]


def _measurement(kind: str, number: int) -> Measurement:
    return Measurement(
        point=f"regions/64.01/points/{kind}-{number}",
        source="icmp",
        packets_sent=10,
        packets_received=10,
        rtt_min_ms=9.5,
        rtt_mean_ms=12.5,
        rtt_max_ms=30.25,
        jitter_ms=1.5,
        method="icmp",
    )


PARENT = ReportMeasurementsRequest(parent="regions/64.01").SerializeToString()
TAG = b"\x12"
"""Of `measurements`; the length of each is below 128, so one byte."""
BODIES = {
    kind: [
        [_measurement(kind, n).SerializeToString() for n in range(reporter, POINTS, AT_ONCE)]
        for reporter in range(AT_ONCE)
    ]
    for kind in ("LIVE", "OLD")
}
TURNS = 13
BATCH = TURNS * POINTS // AT_ONCE


@dataclass(frozen=True, slots=True)
class Run:
    """What came of reporting for some time."""

    sent: int
    accepted_s: float
    stored_s: float
    cpu_s: Mapping[str, float]
    """By process."""

    @property
    def stored(self) -> float:
        """Measurements per second, from the first report until the last one is stored."""
        return self.sent / self.stored_s

    @property
    def cpu(self) -> str:
        """Seconds of the processor per million, of each process."""
        return ", ".join(f"{name} {s / self.sent * 1e6:.1f}" for name, s in self.cpu_s.items())


async def ingest(stack: Stack) -> Table:
    """Report for some time, wait until all is written, compare with COPY; again as it grows."""
    table = Table(
        f"ingest: {POINTS} points, batches of {BATCH}, {AT_ONCE} at once, {SECONDS:.0f} s",
        ("what", "measurements per second", "ratio", "CPU s per million"),
    )
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(ADD_POINTS, POINTS)
    rows = 0
    address = f"nats://{stack.place.address('nats')}"
    async with reporter(stack) as report, open_bus(address) as bus:
        await bus.first_connection()
        kinds = {
            "a month old": [old(reporter) for reporter in range(AT_ONCE)],
            "live": [live(reporter) for reporter in range(AT_ONCE)],
        }
        while rows < ROWS or not rows:
            for kind, requests in kinds.items():
                bare, copy_cpu = await _bare_copy(stack)
                table.add(f"COPY, before it: {kind}", f"{bare:,.0f}", 1.0, f"{copy_cpu:.1f}")
                run = await _run(stack, report, requests, bus, rows)
                at, accepted = f"{kind}, at {rows:,} rows", run.sent / run.accepted_s
                table.add(f"accepted, {at}", f"{accepted:,.0f}", accepted / bare, "")
                table.add(f"stored, {at}", f"{run.stored:,.0f}", run.stored / bare, run.cpu)
                rows += run.sent
    table.add(*await _sizes(stack, rows))
    return table


async def _run(
    stack: Stack, report: Report, requests: Sequence[Iterator[bytes]], bus: Bus, rows: int
) -> Run:
    before, begin = _cpu(stack), time.perf_counter()
    sent = await _report_for(report, requests, begin + SECONDS)
    accepted_s = time.perf_counter() - begin
    if not await until(lambda: is_written(bus), within_s=900):
        raise RuntimeError("not everything was written")
    stored_s, after = time.perf_counter() - begin, _cpu(stack)
    async with stack.postgres.connect("monitoring") as connection:
        found = await connection.fetchval(COUNT)
    if found != rows + sent:
        raise RuntimeError(f"{found} are stored of {rows + sent}")
    cpu_s = {name: after[name] - before[name] for name in after}
    return Run(sent, accepted_s, stored_s, cpu_s)


def live(reporter: int) -> Iterator[bytes]:
    """Return one reporter's requests for ever: of the very time at which each is asked for."""
    latest = datetime.now(UTC)
    while True:
        latest = max(datetime.now(UTC), latest + timedelta(milliseconds=1))
        yield _request("LIVE", reporter, latest, timedelta(microseconds=1))


def old(reporter: int) -> Iterator[bytes]:
    """Return one reporter's requests for ever: each of its points once a second, a month ago."""
    begin = (datetime.now(UTC) - OLD).replace(microsecond=0)
    for turns in itertools.count(step=TURNS):
        yield _request("OLD", reporter, begin + timedelta(seconds=turns), timedelta(seconds=1))


def _request(kind: str, reporter: int, begin: datetime, step: timedelta) -> bytes:
    """Return a request that has some measurements of each of the reporter's points.

    Put together from bytes that are made once, for the generator runs on the same two cores.
    """
    parts = [PARENT]
    for turn in range(TURNS):
        time_field = _time_field(begin + turn * step)
        for body in BODIES[kind][reporter]:
            parts += TAG, bytes((len(body) + len(time_field),)), body, time_field
    return b"".join(parts)


def _time_field(when: datetime) -> bytes:
    found = Measurement()
    found.time.FromDatetime(when)
    return found.SerializeToString()


async def _report_for(report: Report, requests: Sequence[Iterator[bytes]], end: float) -> int:
    """Have each reporter report until the time is over; return how many were accepted."""
    sent = 0

    async def reporter(own: Iterator[bytes]) -> None:
        nonlocal sent
        while time.perf_counter() < end:
            await report(next(own))
            sent += BATCH

    await asyncio.gather(*map(reporter, requests))
    return sent


@asynccontextmanager
async def reporter(stack: Stack) -> AsyncIterator[Report]:
    """Give what sends a report to the service itself."""
    address, token = stack.place.address("monitoring-grpc"), await stack.token("64.01/operator")
    async with grpc.aio.insecure_channel(address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(REPORT)
        metadata = (("authorization", f"Bearer {token}"),)
        yield lambda request: call(request, metadata=metadata)


async def is_written(bus: Bus) -> bool:
    """Tell whether the writer has taken everything out of the stream."""
    for partition in range(PARTITIONS):
        name = f"monitoring-columns-{partition}"
        info = await bus.jetstream.consumer_info(STREAM, name)
        if info.num_pending or info.num_ack_pending:
            return False
    return True


def _cpu(stack: Stack) -> dict[str, float]:
    """Return the seconds that the processes have used, also this one, the load generator."""
    servers = {"postgres": stack.postgres.child, "nats": stack.nats.child}
    children = stack.children | servers
    found = {name: _seconds(psutil.Process(children[name].pid)) for name in PROCESSES}
    return found | {"load": sum(psutil.Process().cpu_times()[:2])}


def _seconds(process: psutil.Process) -> float:
    """Return what a process and its children have used, also those that ended."""
    every = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in every) + sum(process.cpu_times()[2:4])


async def _sizes(stack: Stack, rows: int) -> Sequence[str]:
    """Return what a measurement takes in the table and in its key."""
    async with stack.postgres.connect("monitoring") as connection:
        (found,) = await connection.fetch(SIZES)
    table, key = found["tables"] / rows, found["indexes"] / rows
    text = f"{table:.0f} bytes and {key:.0f} of key each"
    return f"kept: {rows:,} rows", text, "", ""


async def _bare_copy(stack: Stack) -> tuple[float, float]:
    """Return the rate of COPY alone, in batches, into a partitioned table with the same key.

    And the seconds of the processor per million, of both sides.
    """
    begin = (datetime.now(UTC) - OLD).replace(microsecond=0)
    rows = [_row(number, begin) for number in range(300_000)]
    owner = owner_of("monitoring")
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(
            "CREATE TABLE bare (LIKE measurements INCLUDING ALL) "
            "PARTITION BY RANGE (measure_time);"
            f"ALTER TABLE bare OWNER TO {owner};"
            "CREATE TABLE bare_all PARTITION OF bare FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
        )
        before, start = _cpu(stack), time.perf_counter()
        for first in range(0, len(rows), 10_000):
            some = rows[first : first + 10_000]
            await connection.copy_records_to_table("bare", records=some, columns=COLUMNS)
        seconds, after = time.perf_counter() - start, _cpu(stack)
        await connection.execute("DROP TABLE bare")
    cpu = sum(after[name] - before[name] for name in ("postgres", "load"))
    return len(rows) / seconds, cpu / len(rows) * 1e6


def _row(number: int, begin: datetime) -> Sequence[object]:
    when = begin + timedelta(seconds=number // POINTS)
    figures = (10, 10, 9.5, 12.5, 30.25, None, 1.5, None, None, None, None, None)
    return ("64.01", f"LIVE-{number % POINTS}", "icmp", when, *figures, "icmp", None, None)
