"""Fixtures for the whole repository's tests: real servers, real databases, the real stack."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from common.postgres.migrations import migrate

from devstack.databases import (
    close_schema,
    create_database,
    create_roles,
    drop_database,
    owner_of,
)
from devstack.nats import EmbeddedNats
from devstack.outside import Outside
from devstack.ports import free_ports
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.settings import StackSettings
from devstack.stack import Stack

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is closed to others
ENOUGH_BYTES = 8 * 1024**3
"""For every worker's; in a container it is often 64 MiB."""


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """A migrated, empty database of one test."""

    name: str
    url: str
    """For the role that the service runs as."""
    owner_url: str
    """For the role that owns the tables and runs migrations."""


MakeDatabase = Callable[[str, Path], Awaitable[ServiceDatabase]]
Outsiders = Callable[..., Awaitable[Outside]]
StartStack = Callable[..., Awaitable[Stack]]


class TemplateDatabases:
    """Migrates once per service and session; a copy takes some 30 ms."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._templates: dict[tuple[str, Path], str] = {}
        self._copies = 0

    async def copy(self, service: str, migrations: Path) -> ServiceDatabase:
        """Make an empty database with the service's tables."""
        template = await self._template(service, migrations)
        self._copies += 1
        name = f"{service}_test_{self._copies}"
        async with self._server.connect() as connection:
            await create_database(connection, name, service, template)
        return ServiceDatabase(
            name=name,
            url=self._server.url(name, service),
            owner_url=self._server.url(name, owner_of(service)),
        )

    async def drop(self, database: ServiceDatabase) -> None:
        """Drop what `copy` made."""
        async with self._server.connect() as connection:
            await drop_database(connection, database.name)

    async def _template(self, service: str, migrations: Path) -> str:
        key = (service, migrations)
        if key not in self._templates:
            self._templates[key] = await self._migrated(service, migrations)
        return self._templates[key]

    async def _migrated(self, service: str, migrations: Path) -> str:
        name = f"{service}_template_{len(self._templates)}"
        async with self._server.connect() as connection:
            await create_roles(connection, service)
            await create_database(connection, name, service)
        async with self._server.connect(name) as connection:
            await close_schema(connection, service)
        url = self._server.dbmate_url(name, owner_of(service))
        await asyncio.to_thread(migrate, url, migrations)
        return name


def open_folder(prefix: str, parent: Path | None = None) -> Path:
    """Make a temporary folder that the database's user can enter under root too."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o711)
    return folder


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Give a folder for the files of servers: in memory where there is room, for they are many.

    A database of a test is 500 files, and a disk may take half a millisecond to make one.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    folder = open_folder("smartcity-test-", MEMORY if in_memory else None)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def postgres_server(servers_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """Give the session's PostgreSQL server, without any database of ours."""
    server = EmbeddedPostgres(servers_folder / "postgres", PostgresOptions(durable=False))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def outside() -> AsyncIterator[Outsiders]:
    """Give the function that starts `python <words>`; killed at the test's end."""
    started: list[Outside] = []

    async def start(*words: str, **settings: object) -> Outside:
        started.append(await Outside.start(*words, **settings))
        return started[-1]

    yield start
    for one in started:
        if one.process.returncode is None:
            one.process.kill()
        await one.end()


@pytest.fixture(scope="session")
def template_databases(postgres_server: EmbeddedPostgres) -> TemplateDatabases:
    """Give the session's migrated templates."""
    return TemplateDatabases(postgres_server)


@pytest.fixture
async def make_database(template_databases: TemplateDatabases) -> AsyncIterator[MakeDatabase]:
    """Give the function that makes databases for one test: service name, migrations folder."""
    made: list[ServiceDatabase] = []

    async def make(service: str, migrations: Path) -> ServiceDatabase:
        made.append(await template_databases.copy(service, migrations))
        return made[-1]

    yield make
    for database in made:
        await template_databases.drop(database)


@pytest.fixture(scope="session")
async def nats_server(servers_folder: Path) -> AsyncIterator[EmbeddedNats]:
    """Give the session's NATS server with JetStream."""
    port, monitor_port = free_ports(2)
    server = EmbeddedNats(servers_folder / "nats", (port, monitor_port))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def stack(servers_folder: Path) -> AsyncIterator[Stack]:
    """Give the session's whole platform, with its first data loaded."""
    async with _temporary_stack(servers_folder) as running:
        yield running


@pytest.fixture
async def fresh_stack(servers_folder: Path) -> AsyncIterator[StartStack]:
    """Give the function that starts a platform of the test's own; fields of settings may differ."""
    async with AsyncExitStack() as started:

        async def start(**changes: object) -> Stack:
            return await started.enter_async_context(_temporary_stack(servers_folder, **changes))

        yield start


@asynccontextmanager
async def _temporary_stack(parent: Path, **changes: object) -> AsyncIterator[Stack]:
    folder = open_folder("stack-", parent)
    fixed: dict[str, object] = {
        "port": 0,
        "state_folder": folder,
        "durable": False,
        "network": "off",  # points stay PLANNED, as the data has them, and the start is quick
    }
    try:
        async with Stack(StackSettings.model_validate(fixed | changes)) as running:
            yield running
    finally:
        shutil.rmtree(folder)
