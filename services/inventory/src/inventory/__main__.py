"""Runs the inventory: `python -m inventory`, or one of its commands (`--help`)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop
from common.events.bus import bus_of
from common.events.relay import Relay
from common.postgres.database import database_of
from common.postgres.migrations import migrate_command
from common.rpc.server import serve
from common.settings import load
from common.telemetry.logs import configure_logs

from inventory import commands
from inventory.api.servicer import published
from inventory.settings import InventorySettings, MigrationSettings, OwnerSettings


def main(words: Sequence[str]) -> int:
    """Run the command that the words name."""
    options = _parser().parse_args(words)
    if options.command == "migrate":
        owner = load(MigrationSettings)
        return migrate_command(
            owner.migration_url, owner.migrations_folder, owner.database_password_file
        )
    if options.command == "load":
        return uvloop.run(commands.load(load(OwnerSettings), options))
    if options.command == "reseal":
        return uvloop.run(commands.reseal(load(InventorySettings), dry_run=options.dry_run))
    if options.command == "verify":
        return uvloop.run(commands.verify(load(OwnerSettings)))
    if options.command == "tell":
        return uvloop.run(commands.tell(load(OwnerSettings)))
    settings = load(InventorySettings)
    configure_logs(settings.log_level, "inventory")
    uvloop.run(_serve(settings))
    return 0


async def _serve(settings: InventorySettings) -> None:
    keyring = settings.keyring()
    connections = settings.database_connections
    async with (
        database_of(settings, size=connections) as database,
        bus_of(settings) as bus,
    ):
        service = published(commands.dependencies(database, keyring))
        relay = Relay(database, bus, "INVENTORY")
        probe = database.is_there
        await serve("inventory", [service], settings, probe=probe, background=[relay.run])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inventory", description=__doc__)
    named = parser.add_subparsers(dest="command")
    named.add_parser("migrate", help="apply new migrations as the owner of the database")
    named.add_parser("verify", help="check the chain of the history, name its first broken link")
    named.add_parser("tell", help="tell all districts, providers, points and circuits anew")
    sealing = named.add_parser("reseal", help="seal all contacts under the active key")
    sealing.add_argument("--dry-run", action="store_true", help="only count them by key")
    loading = named.add_parser("load", help="load a region's reference data and points")
    loading.add_argument("--region", required=True, help="the region's code, for example 64.01")
    loading.add_argument("--first", action="store_true", help="skip points that ever were loaded")
    loading.add_argument("folder", type=Path, help="the data set, for example data/paser")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
