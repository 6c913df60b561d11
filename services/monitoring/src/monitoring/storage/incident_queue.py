"""The points that the incident engine has yet to look at."""

from collections.abc import Collection, Sequence
from datetime import datetime

from common.postgres.database import Connection

from monitoring.storage.measurements import PointKey

CHANNEL = "incidents"

APPEND = """
INSERT INTO incident_queue (region_code, point_id, from_time)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::timestamptz[])
"""

TELL = "SELECT pg_notify($1, '')"

REGIONS = """
SELECT DISTINCT region_code
  FROM incident_queue
"""

TAKE = """
WITH taken AS (
DELETE FROM incident_queue
 WHERE queue_id IN (
       SELECT queue_id
         FROM incident_queue
        WHERE region_code = $1
        ORDER BY queue_id
        LIMIT $2)
RETURNING point_id, from_time
)
SELECT point_id, coalesce(min(from_time), $3) AS from_time
  FROM taken
 GROUP BY point_id
"""


async def append(
    connection: Connection, keys: Collection[PointKey], from_times: Sequence[datetime] | None = None
) -> None:
    """Have the engine look at points once this transaction has committed.

    `from_times` says from when on each point's states are others than before; without it they
    are the same and something else has changed.
    """
    if keys:
        regions, point_ids = zip(*keys, strict=True)
        times: Sequence[datetime | None] = from_times or [None] * len(keys)
        await connection.execute(APPEND, list(regions), list(point_ids), list(times))
        await connection.execute(TELL, CHANNEL)


async def regions(connection: Connection) -> list[str]:
    """Return the regions in which there is a point to look at."""
    return [row["region_code"] for row in await connection.fetch(REGIONS)]


async def take(
    connection: Connection, region: str, at_most: int, now: datetime
) -> dict[str, datetime]:
    """Take points out of a region's queue, each with the time from which on to look at it.

    They are in the queue again when the transaction fails.
    """
    rows = await connection.fetch(TAKE, region, at_most, now)
    return {row["point_id"]: row["from_time"] for row in rows}
