"""What monitoring takes from the environment."""

from pathlib import Path
from typing import Annotated

from common.settings import ServiceSettings
from pydantic import Field

MIGRATIONS = Path(__file__).parents[2] / "migrations"


class MonitoringSettings(ServiceSettings):
    """The settings of the service."""

    database_url: str
    """`postgresql://monitoring@host/monitoring`, the service's own role."""
    database_connections: int = 12
    kept_days: Annotated[int, Field(ge=2, le=3650)] = 35
    """How many days of measurements are kept; older ones are refused."""
    hourly_kept_days: Annotated[int, Field(ge=2, le=36500)] = 730
    """How many days of hourly roll-ups are kept, and never fewer than of measurements."""


class OwnerSettings(ServiceSettings):
    """The settings of `migrate`, which runs under the owner's role."""

    migration_url: str
    """The database in dbmate's form."""
    migrations_folder: Path = MIGRATIONS
