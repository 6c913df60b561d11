"""Statuses and intervals as messages."""

from collections.abc import Collection
from datetime import UTC, datetime

from common.names import ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import timestamp
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.status_pb2 import StateInterval, Status

from monitoring.storage.measurements import PointKey

NUMBERS = {name: number for name, number in status_pb2.State.items() if number}

SHOWN = """
SELECT region_code, point_id, display_name, kind, district_code, technology,
       coalesce(statuses.state, 'UNKNOWN') AS state, since, reason, last_time,
       coalesce(flapping, false) AS flapping
  FROM points
  LEFT JOIN statuses USING (region_code, point_id)
"""

READ_SOME = f"""
{SHOWN}
 WHERE (region_code, point_id) IN (
       SELECT * FROM unnest($1::text[], $2::text[]))
"""

MATCHING = """
 WHERE region_code = $1
   AND points.state = 'ACTIVE'
   AND ($2::text[] IS NULL OR coalesce(statuses.state, 'UNKNOWN') = ANY ($2))
   AND ($3::text[] IS NULL OR kind = ANY ($3))
   AND ($4::text IS NULL OR district_code = $4)
"""

ALL = f"""
{SHOWN}
 WHERE region_code = $1 AND points.state = 'ACTIVE'
 ORDER BY point_id
"""

POSITIONS = """
SELECT resource, last_sequence
  FROM event_positions
 WHERE resource IN (
       SELECT 'regions/' || region_code || '/points/' || point_id || '/status'
         FROM statuses
        WHERE region_code = $1)
"""

LIST = f"""
{SHOWN}{MATCHING}
   AND ($5::text IS NULL OR point_id > $5)
 ORDER BY point_id
 LIMIT $6
"""

COUNT = f"""
SELECT coalesce(statuses.state, 'UNKNOWN') AS state, count(*) AS points
  FROM points
  LEFT JOIN statuses USING (region_code, point_id)
{MATCHING}
 GROUP BY 1
"""

INTERVALS_MATCHING = """
 WHERE region_code = $1 AND point_id = $2
   AND ($3::timestamptz IS NULL OR end_time IS NULL OR end_time > $3)
   AND ($4::timestamptz IS NULL OR start_time < $4)
"""

LIST_INTERVALS = f"""
SELECT start_time, end_time, state, reason
  FROM state_intervals
{INTERVALS_MATCHING}
   AND ($5::timestamptz IS NULL OR start_time > $5)
 ORDER BY start_time
 LIMIT $6
"""

COUNT_INTERVALS = f"""
SELECT count(*)
  FROM state_intervals
{INTERVALS_MATCHING}
"""


async def read(connection: Connection, name: str) -> Status | None:
    """Return the status of this name; UNKNOWN for a point that was never measured."""
    found = await read_some(connection, [PointKey(*ids(name)[:2])])
    return next(iter(found.values()), None)


async def read_some(connection: Connection, keys: Collection[PointKey]) -> dict[PointKey, Status]:
    """Return the statuses of points; none of one that was deleted."""
    rows = await connection.fetch(
        READ_SOME, [key.region for key in keys], [key.point_id for key in keys]
    )
    return {PointKey(row["region_code"], row["point_id"]): status_of(row) for row in rows}


async def all_of(connection: Connection, region: str) -> list[Status]:
    """Return the statuses of all active points of a region."""
    return [status_of(row) for row in await connection.fetch(ALL, region)]


async def positions(connection: Connection, region: str) -> dict[str, int]:
    """Return how many changes of each status of a region have been told, by the status's name."""
    rows = await connection.fetch(POSITIONS, region)
    return {row["resource"]: row["last_sequence"] for row in rows}


async def list_page(
    connection: Connection, request: status_pb2.ListStatusesRequest, page: Page
) -> tuple[Listed[Status], dict[str, int]]:
    """Return a page of statuses, and how many match in each state."""
    states = [status_pb2.State.Name(number) for number in request.state] or None
    district = last_id(request.district) or None
    filters = (last_id(request.parent), states, list(request.kind) or None, district)
    rows = await connection.fetch(LIST, *filters, *page.after, page.limit)
    counts = {row["state"]: row["points"] for row in await connection.fetch(COUNT, *filters)}
    shown = [status_of(row) for row in rows[: page.size]]
    return Listed(shown, len(rows) > page.size, sum(counts.values())), counts


async def list_intervals(
    connection: Connection, request: status_pb2.ListStateIntervalsRequest, page: Page
) -> Listed[StateInterval]:
    """Return a page of a point's intervals, the oldest first."""
    span = [
        getattr(request, name).ToDatetime(UTC) if request.HasField(name) else None
        for name in ("start_time", "end_time")
    ]
    filters = (*ids(request.parent), *span)
    return await read_page(connection, (LIST_INTERVALS, COUNT_INTERVALS), filters, page, _interval)


def status_of(row: Row) -> Status:
    """Return the message of a row of SHOWN."""
    region, point = row["region_code"], f"regions/{row['region_code']}/points/{row['point_id']}"
    return Status(
        name=f"{point}/status",
        point=point,
        display_name=row["display_name"],
        state=NUMBERS[row["state"]],
        since=timestamp(row["since"]),
        reason=row["reason"] or "",
        last_measurement_time=timestamp(row["last_time"]),
        kind=row["kind"],
        district=f"regions/{region}/districts/{row['district_code']}",
        technology=row["technology"],
        flapping=row["flapping"],
    )


def _interval(row: Row) -> StateInterval:
    return StateInterval(
        state=NUMBERS[row["state"]],
        start_time=timestamp(row["start_time"]),
        end_time=timestamp(row["end_time"]),
        reason=row["reason"],
    )


def parse_time(text: str) -> datetime:
    """Read a time from a page token."""
    return datetime.fromisoformat(text)
