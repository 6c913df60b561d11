"""The commands beside serving: load, verify, reseal, tell; each returns the exit code."""

import argparse
import asyncio
import sys
from functools import partial

import uuid_utils
from common.caller import CALLER, SYSTEM
from common.errors import ServiceError
from common.postgres import history
from common.postgres.database import Database, database_of
from common.sealing import Keyring
from rich.progress import Progress

from inventory.files.dataset import read_dataset
from inventory.operations.dependencies import Dependencies
from inventory.operations.load_dataset import load_dataset
from inventory.operations.reseal_contacts import contacts_by_key, reseal_contacts
from inventory.operations.tell_again import tell_again
from inventory.settings import InventorySettings, OwnerSettings
from inventory.storage.boundaries import BoundaryCache


async def load(settings: OwnerSettings, options: argparse.Namespace) -> int:
    """Load a data set; return the exit code."""
    CALLER.set(SYSTEM)
    dataset = await asyncio.to_thread(read_dataset, options.folder, options.region)
    async with database_of(settings, size=2) as database:
        needs = dependencies(database, Keyring("", {}))
        try:
            report = await load_dataset(needs, dataset, first_only=options.first)
        except ServiceError as error:
            sys.stderr.write(f"{options.folder}: {error.message}\n")
            return 1
    sys.stdout.write(f"{report}\n")
    return 0


async def verify(settings: OwnerSettings) -> int:
    """Check the chain of the history; return the exit code."""
    async with (
        database_of(settings, size=1) as database,
        database.snapshot() as connection,
    ):
        whole, sentence = await history.verify(connection)
    (sys.stdout if whole else sys.stderr).write(f"{sentence}\n")
    return 0 if whole else 1


async def reseal(settings: InventorySettings, *, dry_run: bool) -> int:
    """Seal all contacts under the active key, or count them by key; return the exit code."""
    CALLER.set(SYSTEM)
    keyring = settings.keyring()
    async with database_of(settings, size=1) as database:
        try:
            if not dry_run:
                with Progress() as bar:
                    task = bar.add_task("contacts", total=None)
                    await reseal_contacts(database, keyring, partial(bar.advance, task))
            counts = await contacts_by_key(database, keyring)
        except ServiceError as error:
            sys.stderr.write(f"{error.message}\n")
            return 1
    if not counts:
        sys.stdout.write("no contact is stored\n")
    for key_id, contacts in counts.items():
        mark = " (active)" if key_id == keyring.active else ""
        sys.stdout.write(f"{key_id}: {contacts} contacts{mark}\n")
    return 0


async def tell(settings: OwnerSettings) -> int:
    """Tell all districts, providers, points and circuits anew; return the exit code."""
    CALLER.set(SYSTEM)
    counts: list[int] = []
    async with database_of(settings, size=1) as database:
        await tell_again(database, counts.append)
    sys.stdout.write(f"told anew: providers, points and circuits {sum(counts)}\n")
    return 0


def dependencies(database: Database, keyring: Keyring) -> Dependencies:
    """Return what the operations stand on."""
    return Dependencies(database, BoundaryCache(), keyring, lambda: str(uuid_utils.uuid7()))
