"""Maintenance windows: rows as messages and messages as rows."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import asyncpg
from common.errors import ResourceExists
from common.names import ids, last_id, region_of
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import Enumeration, etag, timestamp
from common.zones import zone_of
from smartcity.monitoring.v1 import maintenance_window_pb2
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

from monitoring.domain.recurrence import Span
from monitoring.domain.recurrence import occurrences as spans
from monitoring.storage import maintenance_occurrences as occurrences

NAMED = maintenance_window_pb2.GetMaintenanceWindowRequest
STATES = Enumeration(MaintenanceWindow.State)

WRITTEN = """
       region_code, window_id, title, reason, point_ids, district_codes, provider_ids, start_time,
       end_time, recurrence, state, requester, notice_hours, decider, decide_time,
       approval_notice_hours, explanation, canceller, cancel_time, occurrence_count,
       last_end_time"""

SHOWN = f"""
SELECT {WRITTEN}, point_count, version, create_time, update_time,
       ARRAY({occurrences.FIRST.format("start_time")}) AS starts,
       ARRAY({occurrences.FIRST.format("end_time")}) AS ends
  FROM maintenance_windows AS maintenance
"""

GET = f"""
{SHOWN}
 WHERE region_code = $1 AND window_id = $2
"""

INSERT = f"""
INSERT INTO maintenance_windows ({WRITTEN}, point_count)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
       $21, 0)
"""

UPDATE = """
UPDATE maintenance_windows
   SET title = $3, reason = $4, point_ids = $5, district_codes = $6, provider_ids = $7,
       start_time = $8, end_time = $9, recurrence = $10, state = $11, requester = $12,
       notice_hours = $13, decider = $14, decide_time = $15, approval_notice_hours = $16,
       explanation = $17, canceller = $18, cancel_time = $19, occurrence_count = $20,
       last_end_time = $21, version = version + 1, update_time = now()
 WHERE region_code = $1 AND window_id = $2
"""

COUNT_POINTS = """
UPDATE maintenance_windows
   SET point_count = (
       SELECT count(*)
         FROM maintenance_coverage($1, $2))
 WHERE region_code = $1 AND window_id = $2
"""

FILTERS = """
 WHERE region_code = $1
   AND ($2::text[] IS NULL OR state = ANY ($2))
   AND ($3::text IS NULL
        OR $3 = ANY (point_ids)
        OR EXISTS (
           SELECT
             FROM points
            WHERE points.region_code = $1 AND point_id = $3
              AND district_code = ANY (district_codes))
        OR EXISTS (
           SELECT
             FROM circuits
            WHERE circuits.region_code = $1 AND point_id = $3 AND provider_id = ANY (provider_ids)
              AND in_service))
   AND ($4::timestamptz IS NULL
        OR EXISTS (
           SELECT
             FROM maintenance_occurrences AS occurrence
            WHERE occurrence.region_code = $1 AND occurrence.window_id = maintenance.window_id
              AND occurrence.start_time <= $4 AND occurrence.end_time > $4))"""

LIST = f"""
{SHOWN}{FILTERS}
   AND ($5::timestamptz IS NULL OR (start_time, window_id) < ($5, $6))
 ORDER BY start_time DESC, window_id DESC
 LIMIT $7
"""

COUNT = f"""
SELECT count(*)
  FROM maintenance_windows AS maintenance{FILTERS}
"""

POINTS_KNOWN = """
SELECT point_id
  FROM points
 WHERE region_code = $1 AND point_id = ANY ($2)
"""

DISTRICTS_KNOWN = """
SELECT DISTINCT district_code
  FROM points
 WHERE region_code = $1 AND district_code = ANY ($2)
"""

PROVIDERS_KNOWN = """
SELECT DISTINCT provider_id
  FROM circuits
 WHERE region_code = $1 AND provider_id = ANY ($2)
"""
KNOWN = {"points": POINTS_KNOWN, "districts": DISTRICTS_KNOWN, "providers": PROVIDERS_KNOWN}
"""What finds, by the field of a window, which of the ids in it cover a point at all.

A provider's line need not be in service: it may be when the work is done.
"""


def name_of(region: str, window_id: str) -> str:
    """Return the name of a window."""
    return f"regions/{region}/maintenanceWindows/{window_id}"


def from_row(row: Row) -> MaintenanceWindow:
    """Return the window that a row of SHOWN holds."""
    region = f"regions/{row['region_code']}"
    window = MaintenanceWindow(
        name=name_of(row["region_code"], row["window_id"]),
        points=[f"{region}/points/{one}" for one in row["point_ids"]],
        districts=[f"{region}/districts/{one}" for one in row["district_codes"]],
        providers=[f"{region}/providers/{one}" for one in row["provider_ids"]],
        state=STATES.number(row["state"]),
        occurrences=[
            MaintenanceWindow.Occurrence(start_time=timestamp(start), end_time=timestamp(end))
            for start, end in zip(row["starts"], row["ends"], strict=True)
        ],
        etag=etag(row["version"], row["update_time"]),
    )
    for field in SAME:
        setattr(window, field, row[field])
    for field in TIMES:
        if row[field]:
            getattr(window, field).CopyFrom(timestamp(row[field]))
    return window


SAME = (
    "title",
    "reason",
    "recurrence",
    "requester",
    "notice_hours",
    "decider",
    "approval_notice_hours",
    "explanation",
    "canceller",
    "occurrence_count",
    "point_count",
)
"""Fields that are their columns."""
TIMES = (
    "start_time",
    "end_time",
    "decide_time",
    "cancel_time",
    "last_end_time",
    "create_time",
    "update_time",
)


def to_row(window: MaintenanceWindow) -> tuple[object, ...]:
    """Return the values of WRITTEN."""
    return (
        *ids(window.name),
        window.title,
        window.reason,
        *([last_id(name) for name in getattr(window, field)] for field in KNOWN),
        time_of(window, "start_time"),
        time_of(window, "end_time"),
        window.recurrence,
        STATES.text(window.state),
        window.requester,
        window.notice_hours,
        window.decider,
        time_of(window, "decide_time"),
        window.approval_notice_hours,
        window.explanation,
        window.canceller,
        time_of(window, "cancel_time"),
        window.occurrence_count,
        time_of(window, "last_end_time"),
    )


def time_of(message: Any, field: str) -> datetime | None:
    """Return a field's time, None when it is absent."""
    time: datetime | None = None
    if message.HasField(field):
        time = getattr(message, field).ToDatetime(UTC)
    return time


async def read(
    connection: Connection, name: str, *, lock: bool = False
) -> MaintenanceWindow | None:
    """Return the window of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


async def insert(connection: Connection, window: MaintenanceWindow) -> MaintenanceWindow:
    """Store a new request and return it as stored.

    Raises:
        ResourceExists: The region has a window of this id.
    """
    try:
        await connection.execute(INSERT, *to_row(window))
    except asyncpg.UniqueViolationError as error:
        raise ResourceExists(window.name) from error
    await occurrences.replace(connection, window.name, spans_of(window))
    return await _stored(connection, window.name)


async def update(connection: Connection, window: MaintenanceWindow) -> MaintenanceWindow:
    """Store a changed request and return it as stored."""
    await connection.execute(UPDATE, *to_row(window))
    await occurrences.replace(connection, window.name, spans_of(window))
    return await _stored(connection, window.name)


async def decide(connection: Connection, window: MaintenanceWindow) -> MaintenanceWindow:
    """Store what was decided about a window and return it as stored."""
    await connection.execute(UPDATE, *to_row(window))
    return await _stored(connection, window.name)


def spans_of(window: MaintenanceWindow) -> list[Span]:
    """Return all occurrences of a window as it was requested.

    Raises:
        RuleRefused: Its recurrence is none.
    """
    first = Span(window.start_time.ToDatetime(UTC), window.end_time.ToDatetime(UTC))
    return spans(first, window.recurrence, zone_of(region_of(window.name)))


async def _stored(connection: Connection, name: str) -> MaintenanceWindow:
    await connection.execute(COUNT_POINTS, *ids(name))
    window = await read(connection, name)
    if window is None:
        raise LookupError(f"{name} was just written and is gone")
    return window


async def list_page(
    connection: Connection,
    request: maintenance_window_pb2.ListMaintenanceWindowsRequest,
    page: Page,
) -> Listed[MaintenanceWindow]:
    """Return the windows of the page; their keys are begin and id."""
    filters = (
        last_id(request.parent),
        STATES.filter(request.state),
        last_id(request.point) or None,
        time_of(request, "at_time"),
    )
    return await read_page(connection, (LIST, COUNT), filters, page, from_row)


async def known(
    connection: Connection, region: str, field: str, asked: Collection[str]
) -> set[str]:
    """Return which of the points, districts or providers there is something of to cover."""
    return {row[0] for row in await connection.fetch(KNOWN[field], region, list(asked))}
