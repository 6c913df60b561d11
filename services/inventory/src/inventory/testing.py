"""Fixtures: a real inventory in front of a real PostgreSQL, with Paser's reference data."""

import itertools
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from common.postgres.database import Database, open_database
from common.rpc.refusals import Refusal, refusal_of
from common.rpc.server import build_server
from common.sealing import Keyring
from devstack.databases import create_database, drop_database, owner_of
from devstack.postgres import EmbeddedPostgres
from devstack.testing import ServiceDatabase, TemplateDatabases
from smartcity.inventory.v1 import inventory_service_pb2_grpc as rpc

from inventory.api.servicer import published
from inventory.files.dataset import read_dataset
from inventory.operations.dependencies import Dependencies
from inventory.operations.load_dataset import load_dataset
from inventory.settings import MIGRATIONS
from inventory.storage.boundaries import BoundaryCache

PASER = Path(__file__).parents[4] / "data/paser"
KEYRING = Keyring("k1", {"k1": bytes(range(32))})
NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Inventory:
    """A running inventory: how to call it, and what it stands on."""

    stub: "rpc.InventoryServiceAsyncStub"
    database: Database
    channel: grpc.aio.Channel
    url: str
    owner_url: str


async def refused(call: Awaitable[object]) -> Refusal:
    """Return what a call that must fail told its caller."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return refusal_of(failed.value)


def dependencies(database: Database) -> Dependencies:
    """Return what the operations stand on, with ids that count."""
    return Dependencies(database, BoundaryCache(), KEYRING, lambda: f"id-{next(NUMBERS)}")


@pytest.fixture(scope="session")
async def loaded(
    template_databases: TemplateDatabases,
) -> AsyncIterator[ServiceDatabase]:
    """Give the name of a database with the reference data, to copy from."""
    database = await template_databases.copy("inventory", MIGRATIONS)
    dataset = read_dataset(PASER, "64.01")
    async with open_database(database.owner_url) as owner:
        await load_dataset(dependencies(owner), dataset, with_points=False)
        async with owner.transaction() as connection:
            await connection.execute("DELETE FROM outbox")  # a test sees what it tells itself
    yield database
    await template_databases.drop(database)


@pytest.fixture
async def inventory(
    loaded: ServiceDatabase, postgres_server: EmbeddedPostgres
) -> AsyncIterator[Inventory]:
    """Give a running inventory without points."""
    name = f"inventory_case_{next(NUMBERS)}"
    async with postgres_server.connect() as connection:
        await create_database(connection, name, "inventory", loaded.name)
    url = postgres_server.url(name, "inventory")
    owner_url = postgres_server.url(name, owner_of("inventory"))
    async with open_database(url, size=8) as database:
        server = build_server("inventory", [published(dependencies(database))])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
            yield Inventory(rpc.InventoryServiceStub(channel), database, channel, url, owner_url)
        await server.stop(5)
    async with postgres_server.connect() as connection:
        await drop_database(connection, name)
