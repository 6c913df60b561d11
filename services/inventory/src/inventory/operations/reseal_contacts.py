"""Sealing all contacts under the active key, so that an old one can be destroyed."""

from collections.abc import Callable

from common.errors import Kind, ServiceError
from common.postgres.database import Database
from common.sealing import Keyring

from inventory.storage.sealed_points import count_by_key, reseal_some

SLICE = 500
Progress = Callable[[int], object]


class KeyMissing(ServiceError):
    """Contacts are sealed under keys that the ring has not; nothing was resealed."""

    kind = Kind.WRONG_STATE
    reason = "KEY_MISSING"


async def reseal_contacts(database: Database, keyring: Keyring, progress: Progress) -> None:
    """Reseal in slices, each in its own transaction; may be ended and run again at any time.

    Raises:
        KeyMissing: Before anything is changed.
    """
    counts = await contacts_by_key(database)
    missing = {key_id: n for key_id, n in counts.items() if key_id not in keyring.keys}
    if missing:
        named = ", ".join(f"{key_id!r} ({n} contacts)" for key_id, n in missing.items())
        raise KeyMissing(f"the keys file has no key {named}")
    while True:
        async with database.transaction() as connection:
            done = await reseal_some(connection, keyring, SLICE)
        if not done:
            return
        progress(done)


async def contacts_by_key(database: Database) -> dict[str, int]:
    """Return how many contacts are sealed under each key."""
    async with database.read() as connection:
        return await count_by_key(connection)
