"""Sealing the targets of all routes under the active key, so that an old one can be destroyed."""

from common.postgres.database import Database
from common.sealing import Keyring

from monitoring.storage import sealed_routes


async def reseal_routes(database: Database, keyring: Keyring) -> int:
    """Reseal all in one transaction; return how many routes were sealed under another key.

    Raises:
        KeyMissing: The ring does not open those of a route; nothing is changed then.
    """
    async with database.transaction() as connection:
        return await sealed_routes.reseal(connection, keyring)
