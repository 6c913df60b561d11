"""Runs the inventory: `python -m inventory`, `… migrate`, `… verify`, `… load --region …`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import uuid_utils
import uvloop
from common.caller import CALLER, SYSTEM
from common.errors import ServiceError
from common.events.bus import open_bus
from common.events.relay import Relay
from common.postgres import history
from common.postgres.database import Database, open_database
from common.postgres.migrations import MigrationFailed, migrate
from common.rpc.server import serve
from common.sealing import Keyring
from common.settings import load
from common.telemetry.logs import configure_logs

from inventory.api.servicer import published
from inventory.files.dataset import read_dataset
from inventory.operations.dependencies import Dependencies
from inventory.operations.load_dataset import load_dataset
from inventory.settings import InventorySettings, OwnerSettings
from inventory.storage.boundaries import BoundaryCache


def main(words: Sequence[str]) -> int:
    """Run the command that the words name."""
    options = _parser().parse_args(words)
    if options.command == "migrate":
        return _migrate(load(OwnerSettings))
    if options.command == "load":
        return uvloop.run(_load(load(OwnerSettings), options))
    if options.command == "verify":
        return uvloop.run(_verify(load(OwnerSettings)))
    settings = load(InventorySettings)
    configure_logs(settings.log_level, "inventory")
    uvloop.run(_serve(settings))
    return 0


async def _serve(settings: InventorySettings) -> None:
    keyring = Keyring.read(settings.contact_keys_file)
    connections = settings.database_connections
    async with (
        open_database(settings.database_url, size=connections) as database,
        open_bus(settings.nats_url, replicas=settings.nats_replicas) as bus,
    ):
        service = published(_dependencies(database, keyring))
        relay = Relay(database, bus, "INVENTORY")
        probe = database.is_there
        await serve("inventory", [service], settings, probe=probe, background=[relay.run])


def _migrate(settings: OwnerSettings) -> int:
    try:
        report = migrate(settings.migration_url, settings.migrations_folder)
    except MigrationFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{report or 'nothing to migrate'}\n")
    return 0


async def _load(settings: OwnerSettings, options: argparse.Namespace) -> int:
    CALLER.set(SYSTEM)
    dataset = await asyncio.to_thread(read_dataset, options.folder, options.region)
    async with open_database(settings.database_url, size=2) as database:
        needs = _dependencies(database, Keyring("", {}))
        try:
            report = await load_dataset(needs, dataset, first_only=options.first)
        except ServiceError as error:
            sys.stderr.write(f"{options.folder}: {error.message}\n")
            return 1
    sys.stdout.write(f"{report}\n")
    return 0


async def _verify(settings: OwnerSettings) -> int:
    async with (
        open_database(settings.database_url, size=1) as database,
        database.snapshot() as connection,
    ):
        whole, sentence = await history.verify(connection)
    (sys.stdout if whole else sys.stderr).write(f"{sentence}\n")
    return 0 if whole else 1


def _dependencies(database: Database, keyring: Keyring) -> Dependencies:
    return Dependencies(database, BoundaryCache(), keyring, lambda: str(uuid_utils.uuid7()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inventory", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("migrate", help="apply new migrations as the owner of the database")
    commands.add_parser("verify", help="check the chain of the history, name its first broken link")
    loading = commands.add_parser("load", help="load a region's reference data and points")
    loading.add_argument("--region", required=True, help="the region's code, for example 64.01")
    loading.add_argument("--first", action="store_true", help="skip points that ever were loaded")
    loading.add_argument("folder", type=Path, help="the data set, for example data/paser")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
