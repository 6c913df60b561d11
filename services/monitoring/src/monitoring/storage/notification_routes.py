"""Notification routes as messages, their targets masked, and as the rules that decide."""

from datetime import time, timedelta
from typing import Any

import asyncpg
import orjson
from common.errors import FieldsInvalid, Kind, ResourceExists, ServiceError, Violation
from common.names import ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import timestamp
from smartcity.monitoring.v1 import notification_route_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident
from smartcity.monitoring.v1.notification_route_pb2 import (
    NotificationRoute,
    NotificationTarget,
    QuietHours,
)

from monitoring.domain.notification import Quiet, Route

NAMED = notification_route_pb2.GetNotificationRouteRequest
CLOCK = "%H:%M"

WRITTEN = """
       region_code, route_id, display_name, paused, scopes, least_priority, district_codes,
       provider_ids, language_code, quiet_start, quiet_end, quiet_urgent, group_wait_s,
       repeat_interval_s, escalate_to, escalate_after_s"""
COLUMNS = WRITTEN + ", targets_masked, version, create_time, update_time"


class RouteInUse(ServiceError):
    """Another route escalates to this one."""

    kind = Kind.WRONG_STATE
    reason = "ROUTE_IN_USE"


def from_row(row: Row) -> NotificationRoute:
    """Return the route that a row with COLUMNS holds, its targets masked."""
    region = f"regions/{row['region_code']}"
    return NotificationRoute(
        name=f"{region}/notificationRoutes/{row['route_id']}",
        display_name=row["display_name"],
        paused=row["paused"],
        scopes=[Incident.Scope.Value(name) for name in row["scopes"]],
        least_priority=_priority(row["least_priority"]),
        districts=[f"{region}/districts/{code}" for code in row["district_codes"]],
        providers=[f"{region}/providers/{one}" for one in row["provider_ids"]],
        targets=[NotificationTarget(**one) for one in orjson.loads(row["targets_masked"])],
        language_code=row["language_code"],
        quiet_hours=_quiet_hours(row),
        group_wait_s=row["group_wait_s"],
        repeat_interval_s=row["repeat_interval_s"],
        escalate_to=row["escalate_to"] and f"{region}/notificationRoutes/{row['escalate_to']}",
        escalate_after_s=row["escalate_after_s"],
        etag=f'"{row["version"]}-{row["update_time"].timestamp():.6f}"',
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(row["update_time"]),
    )


def to_row(route: NotificationRoute) -> tuple[object, ...]:
    """Return the values of WRITTEN."""
    return (
        *ids(route.name),
        route.display_name,
        route.paused,
        [Incident.Scope.Name(scope) for scope in route.scopes],
        _priority_name(route.least_priority),
        [last_id(name) for name in route.districts],
        [last_id(name) for name in route.providers],
        route.language_code,
        *_quiet_row(route),
        route.group_wait_s,
        route.repeat_interval_s,
        last_id(route.escalate_to) or None,
        route.escalate_after_s,
    )


GET = f"""
SELECT {COLUMNS}
  FROM notification_routes
 WHERE region_code = $1 AND route_id = $2
"""


async def read(
    connection: Connection, name: str, *, lock: bool = False
) -> NotificationRoute | None:
    """Return the route of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


INSERT = f"""
INSERT INTO notification_routes ({WRITTEN})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
RETURNING {COLUMNS}
"""

INSERT_TURN = """
INSERT INTO notification_turns (region_code, route_id)
VALUES ($1, $2)
    ON CONFLICT DO NOTHING
"""


async def insert(connection: Connection, route: NotificationRoute) -> NotificationRoute:
    """Store a new route without its targets.

    Raises:
        ResourceExists: The id is in use.
        FieldsInvalid: The route to escalate to does not exist.
    """
    try:
        row = await connection.fetchrow(INSERT, *to_row(route))
    except asyncpg.UniqueViolationError as error:
        raise ResourceExists(route.name) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise _no_escalation(route) from error
    await connection.execute(INSERT_TURN, *ids(route.name))
    return from_row(_present(row))


UPDATE = f"""
UPDATE notification_routes
   SET display_name = $3, paused = $4, scopes = $5, least_priority = $6, district_codes = $7,
       provider_ids = $8, language_code = $9, quiet_start = $10, quiet_end = $11,
       quiet_urgent = $12, group_wait_s = $13, repeat_interval_s = $14, escalate_to = $15,
       escalate_after_s = $16, version = version + 1, update_time = now()
 WHERE region_code = $1 AND route_id = $2
RETURNING {COLUMNS}
"""


async def update(connection: Connection, route: NotificationRoute) -> NotificationRoute:
    """Store a changed route, its targets as they are.

    Raises:
        FieldsInvalid: The route to escalate to does not exist.
    """
    try:
        return from_row(_present(await connection.fetchrow(UPDATE, *to_row(route))))
    except asyncpg.ForeignKeyViolationError as error:
        raise _no_escalation(route) from error


DELETE = """
DELETE FROM notification_routes
 WHERE region_code = $1 AND route_id = $2
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove a route.

    Raises:
        RouteInUse: Another one escalates to it.
    """
    try:
        await connection.execute(DELETE, *ids(name))
    except asyncpg.ForeignKeyViolationError as error:
        sentence = f"other routes escalate to {name}; change them first"
        raise RouteInUse(sentence, resource=name) from error


LIST = f"""
SELECT {COLUMNS}
  FROM notification_routes
 WHERE region_code = $1
   AND ($2::text IS NULL OR route_id > $2)
 ORDER BY route_id
 LIMIT $3
"""

COUNT = """
SELECT count(*)
  FROM notification_routes
 WHERE region_code = $1
"""


async def list_page(
    connection: Connection,
    request: notification_route_pb2.ListNotificationRoutesRequest,
    page: Page,
) -> Listed[NotificationRoute]:
    """Return the routes of the page."""
    return await read_page(connection, (LIST, COUNT), [last_id(request.parent)], page, from_row)


RULES_OF_REGION = f"""
SELECT {WRITTEN}
  FROM notification_routes
 WHERE region_code = $1
"""

RULES = RULES_OF_REGION + " AND route_id = $2"


async def rules_of(connection: Connection, region: str) -> list[Route]:
    """Return the rules of all routes of a region."""
    return [_rules(row) for row in await connection.fetch(RULES_OF_REGION, region)]


async def rules(connection: Connection, region: str, route_id: str) -> Route | None:
    """Return the rules of one route."""
    row = await connection.fetchrow(RULES, region, route_id)
    return _rules(row) if row else None


def _rules(row: Row) -> Route:
    starts = row["quiet_start"]
    return Route(
        region=row["region_code"],
        route_id=row["route_id"],
        paused=row["paused"],
        scopes=row["scopes"],
        least_priority=row["least_priority"],
        district_codes=row["district_codes"],
        provider_ids=row["provider_ids"],
        language=row["language_code"],
        quiet=Quiet(starts, row["quiet_end"], row["quiet_urgent"]) if starts else None,
        group_wait=timedelta(seconds=row["group_wait_s"]),
        repeat_interval=timedelta(seconds=row["repeat_interval_s"]),
        escalate_to=row["escalate_to"] or "",
        escalate_after=timedelta(seconds=row["escalate_after_s"]),
    )


def _quiet_hours(row: Row) -> QuietHours | None:
    if row["quiet_start"] is None:
        return None
    return QuietHours(
        start_time=row["quiet_start"].strftime(CLOCK),
        end_time=row["quiet_end"].strftime(CLOCK),
        urgent_priority=_priority(row["quiet_urgent"]),
    )


def _quiet_row(route: NotificationRoute) -> tuple[object, ...]:
    if not route.HasField("quiet_hours"):
        return None, None, None
    quiet = route.quiet_hours
    hours = time.fromisoformat(quiet.start_time), time.fromisoformat(quiet.end_time)
    return (*hours, _priority_name(quiet.urgent_priority))


def _priority(name: str | None) -> Any:
    return Incident.Priority.Value(name) if name else 0


def _priority_name(number: Any) -> str | None:
    return Incident.Priority.Name(number) if number else None


def _present(row: Row | None) -> Row:
    if row is None:
        raise LookupError("the row was locked and is gone")
    return row


def _no_escalation(route: NotificationRoute) -> FieldsInvalid:
    sentence = f"there is no {route.escalate_to}"
    return FieldsInvalid([Violation("notificationRoute.escalateTo", sentence, "ROUTE_UNKNOWN")])
