"""What the inventory takes from the environment."""

from pathlib import Path

from common.sealing import Keyring
from common.settings import ServiceSettings, keyring_in

MIGRATIONS = Path(__file__).parents[2] / "migrations"


class InventorySettings(ServiceSettings):
    """The settings of the service."""

    database_url: str
    """`postgresql://inventory@host/inventory`, the service's own role."""
    database_connections: int = 10
    contact_keys_file: Path
    """The keys of personal data: `{"active": id, "keys": {id: base64 of 32 bytes}}`."""

    def keyring(self) -> Keyring:
        """Return the keys of the file, or exit with 2 after saying what is wrong with it."""
        return keyring_in(self.contact_keys_file)


class OwnerSettings(ServiceSettings):
    """The settings of the commands that run under the owner's role: migrate and load."""

    database_url: str
    """`postgresql://inventory_owner@host/inventory`, for load."""
    migration_url: str
    """The same database in dbmate's form, for migrate."""
    migrations_folder: Path = MIGRATIONS
