"""What survives a kill in the middle of an import: all of it or nothing, and the service."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.testing import StartStack
from devstack.waiting import until

POINTS = "/v1/regions/64.01/points"
ROWS = 20_000
FILE = "point_id,display_name,kind,village\n" + "".join(
    f"KILL-{n:05},Titik {n},OPD,64.01.06.2012\n" for n in range(ROWS)
)


@pytest.fixture
async def one(fresh_stack: StartStack) -> AsyncIterator[tuple[Stack, httpx.AsyncClient]]:
    """Give a platform of the test's own and a client of it."""
    stack = await fresh_stack()
    async with http_caller(stack, timeout_s=120) as client:
        yield stack, client


async def imported_points(client: httpx.AsyncClient) -> int:
    answer = await client.get(POINTS, params={"query": "kill-", "pageSize": 1})
    return int(answer.json()["totalSize"])


async def send(client: httpx.AsyncClient) -> httpx.Response | None:
    """Import the file; None when the connection broke."""
    try:
        return await client.post(f"{POINTS}:import", content=FILE.encode())
    except httpx.TransportError:
        return None


async def rows_are_being_written(stack: Stack) -> bool:
    """Tell whether the import has written rows that are not committed yet."""
    async with stack.postgres.connect("inventory") as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_xid IS NOT NULL AND usename = 'inventory'"
            )
        )


async def in_the_middle(stack: Stack, client: httpx.AsyncClient) -> asyncio.Task[object]:
    task: asyncio.Task[object] = asyncio.create_task(send(client))

    async def writing() -> bool:
        return await rows_are_being_written(stack)

    assert await until(writing, within_s=30)
    assert not task.done()
    return task


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        listed = await client.get(POINTS, params={"pageSize": 1})
        ready = await client.get("/readyz")
    except httpx.TransportError:
        return False
    return (listed.status_code, ready.status_code) == (200, 200)


@pytest.mark.parametrize("victim", ["postgres", "inventory", "gateway"])
async def test_a_kill_in_the_middle_of_an_import_leaves_all_or_nothing(
    victim: str, one: tuple[Stack, httpx.AsyncClient]
) -> None:
    stack, client = one
    task = await in_the_middle(stack, client)
    pid = stack.children[victim].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    answer = await task
    acknowledged = isinstance(answer, httpx.Response) and answer.status_code == 200

    async def recovered() -> bool:
        return await answers(client)

    assert await until(recovered, within_s=40)
    if victim != "gateway":
        assert not acknowledged
    assert await imported_points(client) in ((ROWS,) if acknowledged else (0, ROWS))
    report = await send(client)
    assert report is not None
    assert report.json()["rowCount"] == ROWS
    assert await imported_points(client) == ROWS


async def test_a_client_that_goes_away_in_the_middle_of_an_import_writes_nothing(
    one: tuple[Stack, httpx.AsyncClient],
) -> None:
    stack, client = one
    task = await in_the_middle(stack, client)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async def over() -> bool:
        return not await rows_are_being_written(stack)

    assert await until(over, within_s=30)
    assert await imported_points(client) == 0


async def test_two_imports_of_one_file_at_once_write_each_point_once(
    one: tuple[Stack, httpx.AsyncClient],
) -> None:
    _, client = one
    first, second = await asyncio.gather(send(client), send(client))
    assert first is not None
    assert second is not None
    created = sorted(answer.json()["createdCount"] for answer in (first, second))
    assert created == [0, ROWS]
    assert await imported_points(client) == ROWS
