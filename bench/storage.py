"""What a measurement takes on disk: its row, its roll-ups, its place in the stream."""

from datetime import UTC, datetime, timedelta

import nats
import psutil
from devstack.stack import Stack
from devstack.waiting import until
from ingest import reporter
from monitoring.storage.measurements import COLUMNS
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest
from table import Table

POINTS = 300
DAYS = 2
INTERVAL_S = 60
REQUESTS = 50
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'S-' || n, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1
  FROM generate_series(0, $1 - 1) AS n
    ON CONFLICT DO NOTHING
"""
SIZE = """
SELECT coalesce(sum(pg_total_relation_size(relid))::bigint,
                pg_total_relation_size($1::text::regclass))
  FROM pg_partition_tree($1::text::regclass)
"""
MARKED = "SELECT count(*) FROM roll_up_marks WHERE hour < now() - interval '1 hour'"
PROCESSES = ("inventory", "monitoring", "prober", "gateway", "postgres", "nats")


async def storage(stack: Stack) -> Table:
    """Store days of measurements of some points, one a minute, and look at the tables' sizes."""
    rows = [_row(number, when) for when in _times() for number in range(POINTS)]
    table = Table(f"storage: {len(rows):,} measurements, one a minute", ("what", "amount", "unit"))
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(ADD_POINTS, POINTS)
        before = await connection.fetchval(SIZE, "measurements")
        await connection.copy_records_to_table("measurements", records=rows, columns=COLUMNS)
        taken = await connection.fetchval(SIZE, "measurements") - before
        table.add("row with its indexes", f"{taken / len(rows):.0f}", "bytes a measurement")

        async def rolled_up() -> bool:
            return not await connection.fetchval(MARKED)

        if not await until(rolled_up, within_s=600):
            raise RuntimeError("the hours are not rolled up")
        for kind in ("hourly_roll_ups", "daily_roll_ups"):
            count = await connection.fetchval(f"SELECT count(*) FROM {kind}")  # noqa: S608 - ours
            size = await connection.fetchval(SIZE, kind)
            table.add(kind, f"{size / count:.0f}", f"bytes a row ({count:,} of them)")
    for size in (1, 1000):
        taken = await _in_stream(stack, size)
        table.add(f"TELEMETRY, {size:,} a message", f"{taken:.0f}", "bytes a measurement")
    for name in PROCESSES:
        table.add(f"memory of {name}", f"{_memory(stack, name):.0f}", "MiB (PSS)")
    return table


def _times() -> list[datetime]:
    """Return the minutes of the days before today, which are over."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=DAYS)
    return [begin + timedelta(seconds=INTERVAL_S * n) for n in range(DAYS * 86400 // INTERVAL_S)]


def _row(number: int, when: datetime) -> tuple[object, ...]:
    rtt = 9.5 + (number * 7919 + int(when.timestamp()) // 60 * 104729) % 1000 / 37
    figures = (5, 5, rtt, rtt * 1.2, rtt * 2.1, None, rtt / 8, None, None, None, None, None)
    return ("64.01", f"S-{number}", "icmp", when, *figures, "icmp", None, None)


async def _in_stream(stack: Stack, size: int) -> float:
    """Return how many bytes the stream takes for a measurement."""
    before = await _bytes(stack)
    async with reporter(stack) as report:
        for turn in range(REQUESTS):
            some = [_measurement(turn * size + number) for number in range(size)]
            request = ReportMeasurementsRequest(parent="regions/64.01", measurements=some)
            await report(request.SerializeToString())
    return (await _bytes(stack) - before) / (REQUESTS * size)


def _measurement(number: int) -> Measurement:
    """Return one of today; each is another one."""
    found = Measurement(
        point=f"regions/64.01/points/S-{number % POINTS}",
        source="icmp",
        packets_sent=5,
        packets_received=5,
        rtt_min_ms=9.5,
        rtt_mean_ms=12.5,
        rtt_max_ms=30.25,
        jitter_ms=1.5,
        method="icmp",
    )
    found.time.FromDatetime(datetime.now(UTC) - timedelta(seconds=number // POINTS))
    return found


async def _bytes(stack: Stack) -> int:
    async with await nats.connect(stack.nats.url) as client:
        return int((await client.jetstream().stream_info("TELEMETRY")).state.bytes)


def _memory(stack: Stack, name: str) -> float:
    process = psutil.Process(stack.children[name].pid)
    family = (process, *process.children(recursive=True))
    return sum(one.memory_full_info().pss for one in family) / 1024 / 1024
