"""Files: import and export of many points through the gateway, with the service's memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psutil
from devstack.callers import http_caller
from devstack.stack import Stack
from table import Table

POINTS = "/v1/regions/64.01/points"
ROWS = 50_000
GEOJSON_ROWS = 10_000
MIB = 1024 * 1024
BARE_INSERT = "COPY of the same rows into a bare table"


@dataclass
class Peak:
    """The most memory that a process held while it was watched, in MiB."""

    mib: float = 0.0


async def files(stack: Stack) -> Table:
    """Measure a dry run, the import, and the exports of what it wrote."""
    table = Table(
        f"files: {ROWS:,} rows through the gateway", ("what", "seconds", "service MiB", "file MiB")
    )
    content = points_file()
    table.add(BARE_INSERT, await _bare_copy(stack, content), "", len(content) / MIB)
    async with http_caller(stack, timeout_s=120) as client:

        async def imported(**query: str) -> httpx.Response:
            return await client.post(f"{POINTS}:import", params=query, content=content)

        await _row(stack, table, "dry run", imported(validateOnly="true"))
        await _row(stack, table, "import", imported())
        await _row(stack, table, "import again: unchanged", imported())
        for form in ("CSV", "XLSX", "GEOJSON"):
            query = {"format": form, "tag": "bench"}
            name = f"export of {ROWS:,} as {form}"
            await _row(stack, table, name, client.get(f"{POINTS}:export", params=query))
        some = {"format": "GEOJSON", "tag": "bench-10k"}
        name = f"export of {GEOJSON_ROWS:,} as GEOJSON"
        await _row(stack, table, name, client.get(f"{POINTS}:export", params=some))
    return table


def points_file() -> bytes:
    """Return a CSV of points spread over two villages, every fifth of them tagged apart."""
    rows = ["point_id,display_name,kind,village,latitude,longitude,address,tags,external_ids"]
    every = ROWS // GEOJSON_ROWS
    rows += [
        f"BENCH-{n:06},Titik layanan nomor {n},{'SCHOOL' if n % 2 else 'OPD'},"
        f"64.01.{'02.2004' if n % 3 else '06.2012'},{-2.3 + n % 100 / 1000:.4f},116.4567,"
        f"Jalan Desa RT {n % 40:02},bench{';bench-10k' if n % every == 0 else ''},kode={n}"
        for n in range(ROWS)
    ]
    return "\n".join(rows).encode()


async def _row(stack: Stack, table: Table, name: str, call: Awaitable[httpx.Response]) -> None:
    pid = stack.children["inventory"].pid
    if pid is None:
        raise RuntimeError("the inventory does not run")
    async with _watched(pid) as peak:
        begin = time.perf_counter()
        answer = await call
        seconds = time.perf_counter() - begin
    answer.raise_for_status()
    table.add(name, seconds, f"{peak.mib:.0f}", len(answer.content) / MIB)


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[Peak]:
    process, peak = psutil.Process(pid), Peak()

    async def watch() -> None:
        while True:
            peak.mib = max(peak.mib, process.memory_info().rss / MIB)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        watching.cancel()


async def _bare_copy(stack: Stack, content: bytes) -> float:
    """Return the seconds that PostgreSQL alone takes for the rows as they are."""
    records = [tuple(line.split(",")) for line in content.decode().splitlines()[1:]]
    columns = ", ".join(f"c{n} text" for n in range(len(records[0])))
    async with stack.postgres.connect() as connection:
        await connection.execute(f"CREATE TEMPORARY TABLE bare ({columns})")
        begin = time.perf_counter()
        await connection.copy_records_to_table("bare", records=records)
        return time.perf_counter() - begin
