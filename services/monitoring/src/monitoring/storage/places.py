"""What the incident engine asks about points: what they are, how they were, how many there are."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import groupby

from common.postgres.database import Connection, Row

from monitoring.domain.areas import Area
from monitoring.domain.incident import Scope
from monitoring.domain.outages import SHORT, Interval, Outage, outages
from monitoring.domain.timeline import State

READ = """
SELECT point_id, display_name, kind, district_code, points.state, people_served,
       coalesce(bool_or(flapping), false) AS flapping,
       coalesce(array_agg(provider_id) FILTER (WHERE in_service), '{}') AS providers,
       coalesce(array_agg(upstream_id) FILTER (WHERE in_service AND upstream_id IS NOT NULL), '{}')
       AS upstreams
  FROM points
  LEFT JOIN statuses USING (region_code, point_id)
  LEFT JOIN circuits USING (region_code, point_id)
 WHERE region_code = $1 AND point_id = ANY ($2)
 GROUP BY region_code, point_id
"""

READ_SILENCES = """
SELECT point_id, start_time, end_time
  FROM maintenance_spans
 WHERE region_code = $1 AND point_id = ANY ($2) AND start_time <= $3
 ORDER BY point_id, start_time
"""

READ_LOWER = """
SELECT wanted.point_id, coalesce(lower_time, '-infinity') AS lower_time
  FROM unnest($2::text[], $3::timestamptz[]) AS wanted (point_id, from_time)
  LEFT JOIN incidents AS lasting
         ON lasting.region_code = $1 AND lasting.point_id = wanted.point_id
        AND lasting.state <> 'RESOLVED'
  LEFT JOIN LATERAL (
       SELECT good.start_time AS lower_time
         FROM state_intervals AS good
        WHERE good.region_code = $1 AND good.point_id = wanted.point_id
          AND good.start_time < least(wanted.from_time, lasting.start_time)
          AND good.state IN ('UP', 'DEGRADED')
          AND (good.end_time IS NULL OR good.end_time >= good.start_time + $4::interval)
        ORDER BY good.start_time DESC
        LIMIT 1) AS bound ON true
"""

READ_INTERVALS = """
SELECT point_id, start_time, end_time, state
  FROM unnest($2::text[], $3::timestamptz[]) AS wanted (point_id, lower_time)
  JOIN state_intervals USING (point_id)
 WHERE region_code = $1 AND (end_time IS NULL OR end_time > lower_time)
 ORDER BY point_id, start_time
"""

COUNT = """
SELECT 'DISTRICT' AS scope, district_code AS area_id, count(*) AS points
  FROM points
 WHERE region_code = $1 AND state = 'ACTIVE'
 GROUP BY district_code
 UNION ALL
SELECT 'PROVIDER' AS scope, provider_id AS area_id, count(DISTINCT point_id) AS points
  FROM circuits
  JOIN points USING (region_code, point_id)
 WHERE region_code = $1 AND state = 'ACTIVE' AND in_service
 GROUP BY provider_id
"""


async def read(connection: Connection, region: str, point_ids: Collection[str]) -> list[Row]:
    """Return what points are: READ's columns; none of one that was deleted."""
    return await connection.fetch(READ, region, list(point_ids))


async def read_silences(
    connection: Connection, region: str, point_ids: Collection[str], now: datetime
) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return the maintenance of points that has begun; without those that have none."""
    rows = await connection.fetch(READ_SILENCES, region, list(point_ids), now)
    return {
        point_id: [(row["start_time"], row["end_time"]) for row in some]
        for point_id, some in groupby(rows, key=lambda row: row["point_id"])
    }


async def read_lower(
    connection: Connection, region: str, from_times: Mapping[str, datetime]
) -> dict[str, datetime]:
    """Return for each point the start of the last long recovery before a time.

    Outages before it are over for good, whatever comes after the time. A lasting incident's begin
    counts when it is earlier.
    """
    columns = list(from_times), list(from_times.values())
    rows = await connection.fetch(READ_LOWER, region, *columns, SHORT)
    return {row["point_id"]: row["lower_time"] for row in rows}


async def read_outages(
    connection: Connection, region: str, lower: Mapping[str, datetime]
) -> dict[str, list[Outage]]:
    """Return the outages of points, each from a time on; without those that had none."""
    rows = await connection.fetch(READ_INTERVALS, region, list(lower), list(lower.values()))
    return {
        point_id: outages(
            Interval(row["start_time"], row["end_time"], State(row["state"])) for row in some
        )
        for point_id, some in groupby(rows, key=lambda row: row["point_id"])
    }


async def count(connection: Connection, region: str) -> dict[Area, int]:
    """Return how many points in service each district and each provider has."""
    rows = await connection.fetch(COUNT, region)
    return {Area(Scope(row["scope"]), row["area_id"]): row["points"] for row in rows}
