"""What monitoring takes from the environment."""

from pathlib import Path
from typing import Annotated

from common.sealing import Keyring
from common.settings import ServiceSettings, keyring_in
from pydantic import BeforeValidator, Field, IPvAnyNetwork
from pydantic_settings import NoDecode

from monitoring.operations.dependencies import NO_KEYS

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def _parted(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_parted)]


class MonitoringSettings(ServiceSettings):
    """The settings of the service."""

    database_url: str
    """`postgresql://monitoring@host/monitoring`, the service's own role."""
    database_connections: int = 12
    kept_days: Annotated[int, Field(ge=2, le=3650)] = 35
    """How many days of measurements are kept; older ones are refused."""
    contact_keys_file: Path | None = None
    """The keys of personal data, as the inventory's; without it no notification route is taken."""
    notify_networks: Networks = ()
    """Private networks that notifications may go to, joined by commas: `10.1.0.0/16,fd00::/8`."""

    def keyring(self) -> Keyring:
        """Return the keys of the file, or exit with 2 after saying what is wrong with it."""
        return keyring_in(self.contact_keys_file) if self.contact_keys_file else NO_KEYS


class OwnerSettings(ServiceSettings):
    """The settings of `migrate`, which runs under the owner's role."""

    migration_url: str
    """The database in dbmate's form."""
    migrations_folder: Path = MIGRATIONS
