"""Statuses and intervals as messages, with the maintenance windows that are in force."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from common.names import ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed
from common.postgres.pages import Page
from common.postgres.values import Enumeration, region_name, timestamp
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.status_pb2 import StateInterval, Status

from monitoring.domain.overlay import Piece, edges, in_force, overlaid
from monitoring.domain.timeline import State
from monitoring.storage import maintenance_spans
from monitoring.storage.maintenance_windows import name_of, time_of
from monitoring.storage.measurements import PointKey

STATES = Enumeration(status_pb2.State)
NUMBERS = {name: number for name, number in status_pb2.State.items() if number}

OF_POINTS = """
  FROM points
  LEFT JOIN statuses USING (region_code, point_id)
  LEFT JOIN LATERAL (
       SELECT window_id, start_time
         FROM maintenance_spans AS span
        WHERE span.region_code = points.region_code AND span.point_id = points.point_id
          AND start_time <= $1 AND end_time > $1
        ORDER BY start_time, window_id
        LIMIT 1) AS cover ON true
"""

MEASURED = "coalesce(statuses.state, 'UNKNOWN')"
STATE = f"CASE WHEN cover.window_id IS NULL THEN {MEASURED} ELSE 'MAINTENANCE' END"

SHOWN = f"""
SELECT region_code, point_id, display_name, kind, district_code, technology, {STATE} AS state,
       {MEASURED} AS measured_state, since, reason, last_time,
       coalesce(flapping, false) AS flapping, cover.window_id,
       cover.start_time AS cover_time, (
       SELECT title
         FROM maintenance_windows AS named
        WHERE named.region_code = points.region_code AND named.window_id = cover.window_id
       ) AS title,
       ARRAY(
       SELECT DISTINCT provider_id
         FROM circuits AS line
        WHERE line.region_code = points.region_code AND line.point_id = points.point_id
          AND line.in_service
        ORDER BY provider_id) AS provider_ids
{OF_POINTS}
"""

READ_SOME = f"""
{SHOWN}
 WHERE (region_code, point_id) IN (
       SELECT * FROM unnest($2::text[], $3::text[]))
   AND (points.state = 'ACTIVE' OR NOT $4)
"""

MATCHING = f"""
 WHERE region_code = $2
   AND points.state = 'ACTIVE'
   AND ($3::text[] IS NULL OR {STATE} = ANY ($3))
   AND ($4::text[] IS NULL OR kind = ANY ($4))
   AND ($5::text IS NULL OR district_code = $5)
   AND ($6::text[] IS NULL OR point_id IN (
       SELECT line.point_id
         FROM circuits AS line
        WHERE line.region_code = $2 AND line.provider_id = ANY ($6)
          AND line.in_service))
"""

ALL = f"""
{SHOWN}{MATCHING}
 ORDER BY point_id
"""

POSITIONS = """
SELECT resource, last_sequence
  FROM event_positions
 WHERE resource IN (
       SELECT 'regions/' || region_code || '/points/' || point_id || '/status'
         FROM points
        WHERE region_code = $1)
"""

LIST = f"""
{SHOWN}{MATCHING}
   AND ($7::text IS NULL OR point_id > $7)
 ORDER BY point_id
 LIMIT $8
"""

COUNT = f"""
WITH matching AS MATERIALIZED (
SELECT point_id, {STATE} AS state, kind, district_code
{OF_POINTS}
{MATCHING})
SELECT 'state' AS facet, state AS named, count(*) AS points
  FROM matching
 GROUP BY state
 UNION ALL
SELECT 'kind', kind, count(*)
  FROM matching
 GROUP BY kind
 UNION ALL
SELECT 'districts', district_code, count(*)
  FROM matching
 GROUP BY district_code
 UNION ALL
SELECT 'providers', provider_id, count(DISTINCT point_id)
  FROM circuits
  JOIN matching USING (point_id)
 WHERE region_code = $2 AND in_service
 GROUP BY provider_id
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
   AND ($5::timestamptz IS NULL OR end_time IS NULL OR end_time > $5)
 ORDER BY start_time
 LIMIT $6
"""

COUNT_INTERVALS = f"""
SELECT (SELECT count(*)
          FROM state_intervals
{INTERVALS_MATCHING})
     + (SELECT count(*)
          FROM unnest($5::timestamptz[]) AS cut (cut_time)
         WHERE ($3::timestamptz IS NULL OR cut_time > $3)
           AND ($4::timestamptz IS NULL OR cut_time < $4)
           AND EXISTS (
               SELECT
                 FROM state_intervals
                WHERE region_code = $1 AND point_id = $2
                  AND start_time < cut_time AND (end_time IS NULL OR end_time > cut_time)))
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many points match, by each thing that can be filtered by."""

    states: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    areas: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"districts": {}, "providers": {}}
    )
    """By the resources' names."""


async def read(connection: Connection, name: str, at: datetime) -> Status | None:
    """Return the status of this name; UNKNOWN for a point that was never measured."""
    found = await read_some(connection, [PointKey(*ids(name)[:2])], at)
    return next(iter(found.values()), None)


async def read_some(
    connection: Connection,
    keys: Collection[PointKey],
    at: datetime,
    *,
    in_service: bool = False,
) -> dict[PointKey, Status]:
    """Return the statuses of points, or of those in service only; none of one that was deleted.

    `at` is the present: whether a maintenance window is in force then is shown.
    """
    regions, point_ids = [key.region for key in keys], [key.point_id for key in keys]
    rows = await connection.fetch(READ_SOME, at, regions, point_ids, in_service)
    return {PointKey(row["region_code"], row["point_id"]): status_of(row) for row in rows}


async def all_of(
    connection: Connection, request: status_pb2.WatchStatusesRequest, at: datetime
) -> list[Status]:
    """Return the statuses of all active points of a region that match."""
    return [status_of(row) for row in await connection.fetch(ALL, at, *_filters(request))]


async def positions(connection: Connection, region: str) -> dict[str, int]:
    """Return how many changes of each status of a region have been told, by the status's name."""
    rows = await connection.fetch(POSITIONS, region)
    return {row["resource"]: row["last_sequence"] for row in rows}


async def list_page(
    connection: Connection, request: status_pb2.ListStatusesRequest, page: Page, at: datetime
) -> tuple[Listed[Status], Counts]:
    """Return a page of statuses, and how many match on all pages."""
    filters = (at, *_filters(request))
    rows = await connection.fetch(LIST, *filters, *page.after, page.limit)
    counts = Counts()
    for row in await connection.fetch(COUNT, *filters):
        _count(counts, region_name(last_id(request.parent)), row)
    shown = [status_of(row) for row in rows[: page.size]]
    return Listed(shown, len(rows) > page.size, sum(counts.states.values())), counts


def _filters(
    request: status_pb2.ListStatusesRequest | status_pb2.WatchStatusesRequest,
) -> tuple[str, list[str] | None, list[str] | None, str | None, list[str] | None]:
    """Return what MATCHING takes after the time."""
    return (
        last_id(request.parent),
        STATES.filter(request.state),
        list(request.kind) or None,
        last_id(request.district) or None,
        [last_id(name) for name in request.provider] or None,
    )


def _count(counts: Counts, region: str, row: Row) -> None:
    facet, named, points = row["facet"], row["named"], row["points"]
    if facet == "state":
        counts.states[named] = points
    elif facet == "kind":
        counts.kinds[named] = points
    else:
        counts.areas[facet][f"{region}/{facet}/{named}"] = points


async def list_intervals(
    connection: Connection, request: status_pb2.ListStateIntervalsRequest, page: Page, at: datetime
) -> Listed[StateInterval]:
    """Return a page of a point's intervals, the oldest first, cut where windows begin and end.

    An interval gives one piece at least, so as many as the page has, and the one in whose middle
    the page begins, are enough.
    """
    key, after = PointKey(*ids(request.parent)), page.after[0]
    span = time_of(request, "start_time"), time_of(request, "end_time")
    covers = in_force(await maintenance_spans.covers(connection, key, at), at)
    rows = await connection.fetch(LIST_INTERVALS, *key, *span, after, page.limit + 1)
    total = await connection.fetchval(COUNT_INTERVALS, *key, *span, edges(covers))
    pieces = [
        piece
        for piece in overlaid(map(_measured, rows), covers)
        if _lies_in(piece, *span) and (after is None or piece.start > after)
    ]
    shown = [_interval(piece) for piece in pieces[: page.size]]
    return Listed(shown, len(pieces) > page.size, total)


def _lies_in(piece: Piece, start: datetime | None, end: datetime | None) -> bool:
    ends_before = start is not None and piece.end is not None and piece.end <= start
    return not ends_before and (end is None or piece.start < end)


def status_of(row: Row) -> Status:
    """Return the message of a row of SHOWN."""
    region, point = row["region_code"], f"regions/{row['region_code']}/points/{row['point_id']}"
    status = Status(
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
        measured_state=NUMBERS[row["measured_state"]],
        providers=[f"regions/{region}/providers/{one}" for one in row["provider_ids"]],
    )
    if row["window_id"]:
        status.since.CopyFrom(timestamp(row["cover_time"]))
        status.reason = f"maintenance: {row['title']}"
        status.maintenance_window = name_of(region, row["window_id"])
    return status


def _measured(row: Row) -> Piece:
    return Piece(row["start_time"], row["end_time"], State(row["state"]), row["reason"])


def _interval(piece: Piece) -> StateInterval:
    measured = NUMBERS[piece.measured.value]
    return StateInterval(
        state=status_pb2.MAINTENANCE if piece.window else measured,
        start_time=timestamp(piece.start),
        end_time=timestamp(piece.end),
        reason=piece.reason,
        measured_state=measured,
        maintenance_window=piece.window,
    )


def parse_time(text: str) -> datetime:
    """Read a time from a page token."""
    return datetime.fromisoformat(text)
