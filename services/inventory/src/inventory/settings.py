"""What the inventory takes from the environment."""

from pathlib import Path

from common.settings import ServiceSettings

MIGRATIONS = Path(__file__).parents[2] / "migrations"


class InventorySettings(ServiceSettings):
    """The settings of the service."""

    database_url: str
    """`postgresql://inventory@host/inventory`, the service's own role."""
    database_connections: int = 10
    contact_keys_file: Path
    """The keys of personal data: `{"active": id, "keys": {id: base64 of 32 bytes}}`."""


class OwnerSettings(ServiceSettings):
    """The settings of the commands that run under the owner's role: migrate and load."""

    database_url: str
    """`postgresql://inventory_owner@host/inventory`, for load."""
    migration_url: str
    """The same database in dbmate's form, for migrate."""
    migrations_folder: Path = MIGRATIONS
