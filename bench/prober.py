"""The prober: checks per second and core beside a bare UDP ping loop, and how late it is."""

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
from devstack.ports import free_ports
from devstack.stack import Stack
from devstack.waiting import until
from monitoring.domain.partitions import partition_of
from prometheus_client.parser import text_string_to_metric_families
from table import Table
from udp_ping import HOST

POINTS = 1000
SECONDS = 20.0
PACKETS = (1, 5)
ENDS = Path(__file__).with_name("udp_ping.py")
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'C-' || n, 'Titik', 'OPD', '64.01.04', 'FO', 'ACTIVE', 1
  FROM generate_series(0, $1 - 1) AS n
"""
ADD_CHECKS = """
INSERT INTO checks (
       region_code, point_id, check_id, partition_id, kind, address, port, packets, spacing_ms,
       timeout_ms, interval_s, paused)
SELECT '64.01', point_id, 'line', partition_id, 'STAMP', $3, $4, $5, 10, 500, 1, false
  FROM unnest($1::text[], $2::smallint[]) AS point (point_id, partition_id)
"""
DELETE_CHECKS = "DELETE FROM checks WHERE point_id LIKE 'C-%'"
Figures = dict[str, float]


async def prober(stack: Stack) -> Table:
    """Probe many points once a second for a while; each check is one STAMP burst."""
    table = Table(
        f"prober: {POINTS} checks, one a second each, for {SECONDS:g} s",
        ("what", "checks/s", "checks/s and core", "ratio", "late p50 ms", "late p99 ms", "silent"),
    )
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(ADD_POINTS, POINTS)
    async with _reflector() as port:
        bare = await _bare(port)
        table.add("bare asyncio UDP ping loop", "", f"{bare:,.0f}", 1.0, "", "", "")
        for packets in PACKETS:
            table.add(
                f"prober, {packets} packets a check", *await _probed(stack, port, packets, bare)
            )
    return table


async def _probed(stack: Stack, port: int, packets: int, bare: float) -> tuple[object, ...]:
    ids = [f"C-{number}" for number in range(POINTS)]
    partitions = [partition_of(f"regions/64.01/points/{one}") for one in ids]
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(ADD_CHECKS, ids, partitions, HOST, port, packets)
    idle = _done(await _scrape(stack))

    async def all_begun() -> bool:
        return _done(await _scrape(stack)) > idle + POINTS

    if not await until(all_begun, within_s=60):
        raise RuntimeError("the prober does not take up its checks")
    process = psutil.Process(stack.children["prober"].pid)
    before, cpu = await _scrape(stack), sum(process.cpu_times()[:2])
    await asyncio.sleep(SECONDS)
    after, cpu = await _scrape(stack), sum(process.cpu_times()[:2]) - cpu
    async with stack.postgres.connect("monitoring") as connection:
        await connection.execute(DELETE_CHECKS)
    done = _done(after) - _done(before)
    silent = _done(after, "silent") - _done(before, "silent")
    late = [f"{1000 * _percentile(before, after, share):.1f}" for share in (0.5, 0.99)]
    return (f"{done / SECONDS:,.0f}", f"{done / cpu:,.0f}", done / cpu / bare, *late, f"{silent:g}")


async def _scrape(stack: Stack) -> Figures:
    """Return the prober's samples by name and what tells them apart."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{stack.place.address('prober-metrics')}/metrics")).text
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _done(figures: Figures, outcome: str = "") -> float:
    return sum(
        value
        for name, value in figures.items()
        if name.startswith("smartcity_prober_checks_total ") and name.endswith(outcome)
    )


def _percentile(before: Figures, after: Figures, share: float) -> float:
    """Return it in seconds, between the borders of its bucket as if evenly spread."""
    buckets = list(_buckets(before, after))
    wanted, below, lower = share * buckets[-1][1], 0.0, 0.0
    for upper, count in buckets:
        if count >= wanted:
            return lower + (upper - lower) * (wanted - below) / max(count - below, 1)
        below, lower = count, upper
    return lower


def _buckets(before: Figures, after: Figures) -> Iterable[tuple[float, float]]:
    prefix = "smartcity_prober_lateness_seconds_bucket "
    for name, count in after.items():
        if name.startswith(prefix):
            yield float(name.removeprefix(prefix)), count - before.get(name, 0)


@asynccontextmanager
async def _reflector() -> AsyncIterator[int]:
    port = free_ports(1)[0]
    process = await create_subprocess_exec(
        sys.executable, str(ENDS), "reflect", str(port), stdout=PIPE
    )
    if process.stdout is None or not await process.stdout.readline():
        raise RuntimeError("the reflector did not start")
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


async def _bare(port: int) -> float:
    process = await create_subprocess_exec(
        sys.executable, str(ENDS), "ping", str(port), stdout=PIPE
    )
    output, _ = await process.communicate()
    return float(output)
