"""Passwords from files, and TLS to PostgreSQL: real servers that demand both."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest
from common.postgres.database import DatabaseAway, open_database
from common.postgres.migrations import CHASSIS, MigrationFailed, migrate
from devstack.authority import Authority
from devstack.ports import free_ports
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.server_user import ServerUser, server_user
from devstack.testing import open_folder
from devstack.waiting import until

HBA = "local all postgres trust\nlocal all all scram-sha-256\n"
HBA_TLS = "local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
ODD = "ein/Wort:mit@allem?#%"
"""A password with all that a URL must escape."""
WITH_TLS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
"""The embedded build has no TLS; Debian's package postgresql has."""
WITHOUT_TLS = not WITH_TLS


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_create_parks.sql").write_text(
        "-- migrate:up\nCREATE TABLE parks ();\n-- migrate:down\n"
    )
    return folder


@dataclass
class Guarded:
    server: EmbeddedPostgres
    file: Path

    async def password(self, role: str, password: str) -> None:
        async with self.server.connect() as connection:
            await connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'")

    async def end_sessions(self) -> None:
        async with self.server.connect() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'towers'"
            )


@pytest.fixture
async def guarded(servers_folder: Path, tmp_path: Path) -> AsyncIterator[Guarded]:
    folder = open_folder("guarded-", servers_folder)
    server = EmbeddedPostgres(folder / "postgres", PostgresOptions(durable=False))
    await server.start()
    await server.create("towers")
    (server.data_folder / "pg_hba.conf").write_text(HBA)
    async with server.connect() as connection:
        await connection.execute("SELECT pg_reload_conf()")
    yield Guarded(server, tmp_path / "password")
    await server.stop()
    shutil.rmtree(folder)


async def test_a_password_rotated_on_disk_is_read_for_new_connections(guarded: Guarded) -> None:
    await guarded.password("towers", ODD)
    guarded.file.write_text(f"{ODD}\n")
    url = guarded.server.url("towers", "towers")
    async with open_database(url, password_file=guarded.file) as database:
        assert await database.is_there()
        await guarded.password("towers", "next")
        await guarded.end_sessions()
        with pytest.raises(DatabaseAway):
            async with database.read() as connection:
                await connection.fetchval("SELECT 1")
        assert not await database.is_there()
        guarded.file.write_text("next\n")
        assert await until(database.is_there, 10)
        async with database.read() as connection:
            assert await connection.fetchval("SELECT current_user") == "towers"


async def test_listening_reads_the_password_too(guarded: Guarded) -> None:
    await guarded.password("towers", "one")
    guarded.file.write_text("one")
    url, told = guarded.server.url("towers", "towers"), asyncio.Event()
    async with (
        open_database(url, password_file=guarded.file) as database,
        database.listening("news", told),
    ):
        await asyncio.wait_for(told.wait(), 10)


async def test_migrations_take_the_owners_password_from_its_file(
    guarded: Guarded, migrations: Path
) -> None:
    await guarded.password("towers_owner", ODD)
    guarded.file.write_text(ODD)
    url = guarded.server.dbmate_url("towers", "towers_owner")
    await asyncio.to_thread(migrate, url, migrations, guarded.file)
    async with guarded.server.connect("towers") as connection:
        assert await connection.fetchval("SELECT count(*) FROM parks") == 0
    guarded.file.write_text("wrong-word")
    with pytest.raises(MigrationFailed) as failed:
        await asyncio.to_thread(migrate, url, migrations, guarded.file)
    assert "password authentication failed" in str(failed.value)
    assert "wrong-word" not in str(failed.value)


def test_a_url_that_dbmate_cannot_read_is_told_without_its_password(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush")
    with pytest.raises(MigrationFailed) as failed:
        migrate("postgres://owner@host:port/name", CHASSIS, file)
    assert "hush" not in str(failed.value)


async def test_the_password_is_no_word_of_dbmates_command(tmp_path: Path) -> None:
    """A server that never answers holds dbmate while its command is looked at."""
    file = tmp_path / "password"
    file.write_text("hush")
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    url = f"postgres://owner@127.0.0.1:{port}/name?sslmode=disable"
    words = f"migrate({url!r}, CHASSIS, Path({str(file)!r}))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"from common.postgres.migrations import *; {words}"),
        start_new_session=True,
    )
    below = psutil.Process(process.pid)

    async def runs() -> bool:
        return any("dbmate" in one.name() for one in below.children())

    try:
        assert await until(runs, 20)
        [dbmate] = below.children()
        assert "hush" not in " ".join(dbmate.cmdline())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        server.close()


@dataclass
class Encrypted:
    """A PostgreSQL of the machine that takes nobody over TCP without TLS."""

    process: Process
    folder: Path
    port: int

    def url(self, scheme: str, authority: Path, host: str = "localhost") -> str:
        rules = f"sslmode=verify-full&sslrootcert={authority}"
        return f"{scheme}://postgres@{host}:{self.port}/postgres?{rules}"


async def run(user: ServerUser, *words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *words,
        user=user.uid,
        group=user.gid,
        extra_groups=None if user.uid is None else (),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )


@pytest.fixture
async def encrypted(servers_folder: Path, tmp_path: Path) -> AsyncIterator[Encrypted]:
    folder, programs = open_folder("tls-", servers_folder), WITH_TLS[-1].parent
    user, data = server_user(folder / "data"), folder / "data"
    user.own(folder)
    # Its own certificate, since a key must belong to whom the server runs as.
    tls = Authority().issue(folder / "tls", ("localhost",))
    for path in (tls, tls / "tls.crt", tls / "tls.key"):
        if user.uid is not None and user.gid is not None:
            os.chown(path, user.uid, user.gid)
    (tmp_path / "ca.crt").write_bytes((tls / "ca.crt").read_bytes())
    words = ("-A", "trust", "-U", "postgres", "-N", "-D", str(data))
    made = await run(user, str(programs / "initdb"), *words)
    assert await made.wait() == 0
    (data / "pg_hba.conf").write_text(HBA_TLS)
    [port] = free_ports(1)
    settings = {
        "ssl": "on",
        "ssl_cert_file": tls / "tls.crt",
        "ssl_key_file": tls / "tls.key",
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
    }
    pairs = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    process = await run(user, str(programs / "postgres"), "-D", str(data), *pairs)
    try:
        assert await until(partial(takes_password, folder, port), 30)
        yield Encrypted(process, tmp_path, port)
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()
        shutil.rmtree(folder)


async def takes_password(folder: Path, port: int) -> bool:
    """Set the superuser's password, once the server is there."""
    try:
        connection = await asyncpg.connect(host=str(folder), port=port, user="postgres")
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.execute(f"ALTER ROLE postgres PASSWORD '{ODD}'")
    await connection.close()
    return True


@pytest.mark.skipif(WITHOUT_TLS, reason="no PostgreSQL with TLS (Debian: postgresql)")
async def test_a_database_is_reached_over_tls_and_must_be_the_one_that_was_named(
    encrypted: Encrypted, migrations: Path
) -> None:
    password, authority = encrypted.folder / "password", encrypted.folder / "ca.crt"
    password.write_text(ODD)
    url = encrypted.url("postgresql", authority)
    async with (
        open_database(url, password_file=password) as database,
        database.read() as connection,
    ):
        over_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await connection.fetchval(over_tls)
    await asyncio.to_thread(migrate, encrypted.url("postgres", authority), migrations, password)

    other = encrypted.folder / "other.crt"
    other.write_bytes(Authority().certificate)
    for wrong in (
        encrypted.url("postgresql", other),
        encrypted.url("postgresql", authority, "127.0.0.1"),  # no name of its certificate
        url.replace("verify-full", "disable"),
    ):
        async with open_database(wrong, password_file=password) as database:
            assert not await database.is_there(), wrong
    with pytest.raises(MigrationFailed) as failed:
        await asyncio.to_thread(migrate, encrypted.url("postgres", other), migrations, password)
    assert "certificate" in str(failed.value)


HELD = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
WIDEN_PARKS = """-- migrate:up
SET LOCAL lock_timeout = '100ms';
ALTER TABLE parks ADD COLUMN area integer;
-- migrate:down
"""


async def test_a_migration_that_somebody_is_in_the_way_of_is_tried_again(
    postgres_server: EmbeddedPostgres, migrations: Path
) -> None:
    async with postgres_server.connect() as connection:
        await connection.execute("CREATE DATABASE crowded")
    url = postgres_server.dbmate_url("crowded", "postgres")
    await asyncio.to_thread(migrate, url, migrations)
    (migrations / "0002_widen_parks.sql").write_text(WIDEN_PARKS)
    async with postgres_server.connect("crowded") as reader, postgres_server.connect() as watcher:

        async def waits() -> bool:
            return bool(await watcher.fetchval(HELD))

        async def has_given_up() -> bool:
            return not await waits()

        transaction = reader.transaction()
        await transaction.start()
        await reader.fetch("SELECT * FROM parks")
        migrating = asyncio.create_task(asyncio.to_thread(migrate, url, migrations))
        assert await until(waits, 20)
        assert await until(has_given_up, 20)
        await transaction.commit()
        assert "0002_widen_parks.sql" in await migrating
