"""What the search for duplicates reads."""

from collections.abc import Sequence

from common.postgres.database import Connection, Row
from smartcity.inventory.v1.point_pb2 import Point

from inventory.domain.duplicates import Place
from inventory.storage import imports

PLACES = """
SELECT point_id, display_name, village_code, latitude, longitude, external_ids ->> 'npsn' AS npsn
  FROM points
 WHERE region_code = $1 AND state <> 'RETIRED'
 ORDER BY point_id
"""


async def read_places(connection: Connection, region: str) -> list[Place]:
    """Return what is compared of every point that is not retired, by code."""
    return [_place(row) for row in await connection.fetch(PLACES, region)]


async def read_points(
    connection: Connection, region: str, codes: Sequence[str]
) -> dict[str, Point]:
    """Return the points with these codes."""
    return await imports.read_stored(connection, region, codes, lock=False)


def _place(row: Row) -> Place:
    latitude = row["latitude"]
    return Place(
        point_id=row["point_id"],
        display_name=row["display_name"],
        village=row["village_code"] or "",
        position=None if latitude is None else (latitude, row["longitude"]),
        npsn=row["npsn"] or "",
    )
