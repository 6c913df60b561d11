"""The pool in front of a server that is killed, and transactions that are undone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from common.postgres.database import Database, DatabaseAway, QueryTimedOut, open_database
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.testing import open_folder
from devstack.waiting import until


@pytest.fixture
async def server(servers_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    folder = open_folder("pool-", servers_folder)
    server = EmbeddedPostgres(folder / "postgres", PostgresOptions(durable=False))
    await server.start()
    await server.create("inventory")
    yield server
    await server.stop()


@pytest.fixture
async def database(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    owner = server.url("inventory", "inventory_owner")
    async with open_database(owner, size=4) as opened:
        async with opened.transaction() as connection:
            await connection.execute("CREATE TABLE kept (value integer)")
        yield opened


async def kept(database: Database) -> list[int]:
    async with database.read() as connection:
        return [row["value"] for row in await connection.fetch("SELECT value FROM kept")]


async def put(database: Database, value: int, *, dry_run: bool = False) -> None:
    async with database.transaction(dry_run=dry_run) as connection:
        await connection.execute("INSERT INTO kept (value) VALUES ($1)", value)


async def test_an_error_and_a_dry_run_undo_everything(database: Database) -> None:
    await put(database, 1)
    await put(database, 2, dry_run=True)
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO kept (value) VALUES (3)")
            raise ZeroDivisionError
    assert await kept(database) == [1]


async def test_a_killed_server_undoes_what_was_open_and_the_pool_recovers(
    server: EmbeddedPostgres, database: Database
) -> None:
    await put(database, 1)
    with pytest.raises(DatabaseAway):
        await killed_in_the_middle(server, database)
    assert await until(database.is_there, within_s=30)
    await put(database, 3)
    assert await kept(database) == [1, 3]


async def killed_in_the_middle(server: EmbeddedPostgres, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO kept (value) VALUES (2)")
        pid = server.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await connection.execute("SELECT pg_sleep(30)")


async def test_a_statement_that_the_server_ends_is_told(database: Database) -> None:
    with pytest.raises(QueryTimedOut):
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL statement_timeout = '50ms'")
            await connection.execute("SELECT pg_sleep(10)")


async def test_a_cancelled_transaction_is_undone(database: Database) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO kept (value) VALUES (9)")
            begun.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(slow())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await kept(database) == []


async def test_a_snapshot_sees_one_moment(database: Database) -> None:
    async with database.snapshot() as connection:
        before = await connection.fetchval("SELECT count(*) FROM kept")
        await put(database, 5)
        assert await connection.fetchval("SELECT count(*) FROM kept") == before


@pytest.mark.parametrize("arguments", [(1, 2), ("one",)])
async def test_wrong_arguments_are_our_fault_and_no_outage(
    database: Database, arguments: tuple[object, ...]
) -> None:
    with pytest.raises((asyncpg.InterfaceError, asyncpg.DataError)):
        async with database.read() as connection:
            await connection.execute("INSERT INTO kept (value) VALUES ($1)", *arguments)
