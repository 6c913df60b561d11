"""Monitoring's copy of what the inventory's districts are called."""

from common.names import ids
from common.postgres.database import Connection
from smartcity.inventory.v1.region_pb2 import District

from monitoring.domain.areas import Area
from monitoring.domain.incident import Scope

STORE = """
INSERT INTO districts AS district (region_code, district_code, display_name, sequence)
VALUES ($1, $2, $3, $4)
ON CONFLICT (region_code, district_code) DO UPDATE
   SET display_name = $3, sequence = $4
 WHERE district.sequence < $4
"""

NAMES = """
SELECT district_code, display_name
  FROM districts
 WHERE region_code = $1
"""


async def store(connection: Connection, district: District, sequence: int) -> None:
    """Keep the district as an event told it, unless a later event has told more."""
    await connection.execute(STORE, *ids(district.name), district.display_name, sequence)


async def names(connection: Connection, region: str) -> dict[Area, str]:
    """Return what the region's districts are called; without those not told yet."""
    rows = await connection.fetch(NAMES, region)
    return {Area(Scope.DISTRICT, row["district_code"]): row["display_name"] for row in rows}
