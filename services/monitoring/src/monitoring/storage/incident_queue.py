"""The points that the incident engine has yet to look at."""

from collections.abc import Collection

from common.postgres.database import Connection

from monitoring.storage.measurements import PointKey

CHANNEL = "incidents"

APPEND = """
INSERT INTO incident_queue (region_code, point_id)
SELECT *
  FROM unnest($1::text[], $2::text[])
"""

TELL = "SELECT pg_notify($1, '')"

REGIONS = """
SELECT DISTINCT region_code
  FROM incident_queue
"""

TAKE = """
DELETE FROM incident_queue
 WHERE queue_id IN (
       SELECT queue_id
         FROM incident_queue
        WHERE region_code = $1
        ORDER BY queue_id
        LIMIT $2)
RETURNING point_id
"""


async def append(connection: Connection, keys: Collection[PointKey]) -> None:
    """Have the engine look at points once this transaction has committed."""
    if keys:
        regions, point_ids = zip(*keys, strict=True)
        await connection.execute(APPEND, list(regions), list(point_ids))
        await connection.execute(TELL, CHANNEL)


async def regions(connection: Connection) -> list[str]:
    """Return the regions in which there is a point to look at."""
    return [row["region_code"] for row in await connection.fetch(REGIONS)]


async def take(connection: Connection, region: str, at_most: int) -> set[str]:
    """Take points of a region out of the queue; they are in it again when the transaction fails."""
    return {row["point_id"] for row in await connection.fetch(TAKE, region, at_most)}
