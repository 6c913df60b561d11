"""What the inventory takes from the environment."""

from pathlib import Path

from common.sealing import Keyring
from common.settings import DatabaseSettings, Migration, ServiceSettings, keyring_in

MIGRATIONS = Path(__file__).parents[2] / "migrations"


class InventorySettings(ServiceSettings, DatabaseSettings):
    """The settings of the service, which has a database role of its own."""

    database_connections: int = 10
    contact_keys_file: Path
    """The keys of personal data: `{"active": id, "keys": {id: base64 of 32 bytes}}`."""

    def keyring(self) -> Keyring:
        """Return the keys of the file, or exit with 2 after saying what is wrong with it."""
        return keyring_in(self.contact_keys_file)


class OwnerSettings(ServiceSettings, DatabaseSettings):
    """The settings of the commands that run under the owner's role: load, verify and tell."""


class MigrationSettings(Migration):
    """The settings of `migrate`, which runs under the owner's role."""

    migrations_folder: Path = MIGRATIONS
