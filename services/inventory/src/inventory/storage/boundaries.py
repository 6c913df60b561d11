"""The polygons of a region, read once and kept until its reference data is loaded anew."""

from datetime import datetime

import shapely
from common.postgres.database import Connection

from inventory.domain.geography import Boundaries

REVISION = """
SELECT load_time
  FROM loads
 WHERE region_code = $1
"""

GEOMETRIES = """
SELECT code, geometry
  FROM boundaries
 WHERE region_code = $1
"""


class BoundaryCache:
    """The polygons of the regions that were asked for."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime | None, Boundaries]] = {}

    async def read(self, connection: Connection, region: str) -> Boundaries:
        """Return the region's polygons as they are now; none for a region without."""
        revision = await connection.fetchval(REVISION, region)
        if region not in self._known or self._known[region][0] != revision:
            rows = await connection.fetch(GEOMETRIES, region)
            polygons = {row["code"]: shapely.from_wkb(row["geometry"]) for row in rows}
            self._known[region] = (revision, Boundaries(polygons))
        return self._known[region][1]
