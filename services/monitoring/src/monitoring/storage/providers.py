"""Monitoring's copy of what the inventory's providers are called."""

from common.names import ids
from common.postgres.database import Connection
from smartcity.inventory.v1.provider_pb2 import Provider

from monitoring.domain.areas import Area
from monitoring.domain.incident import Scope

STORE = """
INSERT INTO providers AS provider (region_code, provider_id, display_name, sequence)
VALUES ($1, $2, $3, $4)
ON CONFLICT (region_code, provider_id) DO UPDATE
   SET display_name = $3, sequence = $4
 WHERE provider.sequence < $4
"""

FORGET = """
DELETE FROM providers
 WHERE region_code = $1 AND provider_id = $2 AND sequence < $3
"""

NAMES = """
SELECT provider_id, display_name
  FROM providers
 WHERE region_code = $1
"""


async def store(connection: Connection, provider: Provider, sequence: int) -> None:
    """Keep the provider as an event told it, unless a later event has told more."""
    await connection.execute(STORE, *ids(provider.name), provider.display_name, sequence)


async def forget(connection: Connection, provider: Provider, sequence: int) -> None:
    """Forget a provider that was deleted."""
    await connection.execute(FORGET, *ids(provider.name), sequence)


async def names(connection: Connection, region: str) -> dict[Area, str]:
    """Return what the region's providers are called; without those not told yet."""
    rows = await connection.fetch(NAMES, region)
    return {Area(Scope.PROVIDER, row["provider_id"]): row["display_name"] for row in rows}
