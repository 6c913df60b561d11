"""The embedded PostgreSQL: real servers."""

import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from devstack.errors import StackError
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.testing import Outsiders
from devstack.waiting import until

FAST = PostgresOptions(durable=False)

RUNS_POSTGRES = """
import asyncio, pathlib, sys
from devstack.postgres import EmbeddedPostgres
async def main():
    await EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def postgres(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder / "postgres", FAST)
    await server.start()
    yield server
    await server.stop()


async def write(server: EmbeddedPostgres, value: int) -> None:
    async with server.connect() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        await connection.execute("INSERT INTO kept VALUES ($1)", value)


async def read(server: EmbeddedPostgres) -> list[int]:
    async with server.connect() as connection:
        return [row["value"] for row in await connection.fetch("SELECT value FROM kept")]


async def test_data_survives_a_restart(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", FAST)
    await server.start()
    await write(server, 7)
    await server.stop()
    assert not server.socket_folder.exists()
    await server.start()
    assert await read(server) == [7]
    await server.stop()


async def test_data_survives_a_kill_and_the_server_comes_back(postgres: EmbeddedPostgres) -> None:
    await write(postgres, 7)
    killed = postgres.child.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    async def back() -> bool:
        return postgres.child.pid != killed and await postgres.child.is_ready()

    assert await until(back, within_s=20)
    assert await read(postgres) == [7]


async def test_a_stale_pid_file_does_not_stop_the_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", FAST)
    await server.start()
    await write(server, 7)
    pid_file = server.data_folder / "postmaster.pid"
    stale = pid_file.read_text()
    await server.stop()
    pid_file.write_text(stale)
    shutil.chown(pid_file, server.data_folder.stat().st_uid)
    await server.start()
    assert await read(server) == [7]
    await server.stop()


async def test_a_kill_of_whoever_started_it_leaves_no_server(
    folder: Path, outside: Outsiders
) -> None:
    runner = await outside("-c", RUNS_POSTGRES, str(folder / "postgres"))
    await runner.line("up")
    assert len(runner.see_below()) > 3  # the server and its workers
    runner.process.kill()
    assert await runner.nothing_is_left()
    server = EmbeddedPostgres(folder / "postgres", FAST)
    await server.start()
    await server.stop()


async def test_a_kill_during_initdb_leaves_no_half_database(
    folder: Path, outside: Outsiders
) -> None:
    data_folder = folder / "postgres"
    runner = await outside("-c", RUNS_POSTGRES, str(data_folder))
    unfinished = folder / "postgres.unfinished" / "base"

    async def halfway() -> bool:
        return unfinished.exists()

    assert await until(halfway, within_s=20)
    runner.see_below()
    runner.process.kill()
    assert await runner.nothing_is_left()
    assert not data_folder.exists()
    server = EmbeddedPostgres(data_folder, FAST)
    await server.start()
    await write(server, 1)
    await server.stop()
    assert not unfinished.exists()


async def test_two_servers_run_side_by_side(folder: Path, postgres: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(folder / "other", FAST)
    await other.start()
    await write(postgres, 1)
    await write(other, 2)
    assert (await read(postgres), await read(other)) == ([1], [2])
    await other.stop()


async def test_a_deep_folder_gets_a_short_socket_path(folder: Path) -> None:
    deep = folder.joinpath(*["a-folder-with-a-long-name"] * 6) / "postgres"
    server = EmbeddedPostgres(deep, FAST)
    await server.start()
    await write(server, 1)
    await server.stop()


async def test_no_tcp_port_is_open(postgres: EmbeddedPostgres) -> None:
    async with postgres.connect() as connection:
        assert await connection.fetchval("SHOW listen_addresses") == ""
    mode = postgres.socket_folder.stat().st_mode
    assert mode & 0o077 == 0


async def test_a_folder_for_the_socket_that_a_killed_start_left_is_taken(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", FAST)
    server.socket_folder.mkdir(mode=0o755)  # under root it is the server's user's a moment later
    await server.start()
    assert server.socket_folder.stat().st_mode & 0o077 == 0
    await server.stop()


async def test_a_folder_for_the_socket_that_leads_elsewhere_is_refused(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", FAST)
    server.socket_folder.symlink_to(folder, target_is_directory=True)
    with pytest.raises(StackError, match="somebody else"):
        await server.start()
    server.socket_folder.unlink()


async def test_a_folder_with_something_else_is_refused(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "letter.txt").write_text("dear")
    server = EmbeddedPostgres(folder / "postgres", FAST)
    with pytest.raises(StackError, match="holds no database"):
        await server.start()
    assert not server.socket_folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
async def test_a_closed_folder_above_is_opened_for_the_servers_user_only_to_pass(
    folder: Path,
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "stack" / "postgres", FAST)
    await server.start()
    await server.stop()
    assert server.opened == [closed]
    assert closed.stat().st_mode & 0o777 == 0o701


async def test_a_service_gets_a_role_without_powers_and_a_closed_database(
    postgres: EmbeddedPostgres,
) -> None:
    await postgres.create("towers")
    await postgres.create("towers")
    await postgres.create("budget")
    async with postgres.connect("towers", "towers_owner") as owner:
        await owner.execute("CREATE TABLE towers (id int)")
    async with postgres.connect("towers", "towers") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT id FROM towers")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE mine (id int)")
        powers = await connection.fetchrow(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls AS any "
            "FROM pg_roles WHERE rolname = current_user"
        )
        assert powers is not None
        assert not powers["any"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with postgres.connect("towers", "budget"):
            pass


async def test_both_addresses_lead_to_the_database(postgres: EmbeddedPostgres) -> None:
    await postgres.create("towers")
    connection = await asyncpg.connect(postgres.url("towers", "towers"))
    assert await connection.fetchval("SELECT current_database()") == "towers"
    await connection.close()
    path = postgres.dbmate_url("towers", "towers_owner").partition("?socket=")[2]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{path}/.s.PGSQL.5432")
