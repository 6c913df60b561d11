"""Sealing all contacts under the active key, so that an old one can be destroyed."""

from collections.abc import Callable

from common.postgres.database import Database
from common.sealing import Keyring

from inventory.storage.sealed_points import count_by_key, one_of_each_key, reseal_some

SLICE = 500
Progress = Callable[[int], object]


async def reseal_contacts(database: Database, keyring: Keyring, progress: Progress) -> None:
    """Reseal in slices, each in its own transaction; may be ended and run again at any time.

    Raises:
        KeyMissing: Before anything is changed.
    """
    await contacts_by_key(database, keyring)
    while True:
        async with database.transaction() as connection:
            done = await reseal_some(connection, keyring, SLICE)
        if not done:
            return
        progress(done)


async def contacts_by_key(database: Database, keyring: Keyring) -> dict[str, int]:
    """Return how many contacts are sealed under each key.

    Raises:
        KeyMissing: The ring does not open one of each.
    """
    async with database.read() as connection:
        for sealed, owner in await one_of_each_key(connection):
            keyring.open(sealed, owner)
        return await count_by_key(connection)
