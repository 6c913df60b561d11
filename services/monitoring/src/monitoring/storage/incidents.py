"""Incidents: rows, the domain's incidents and messages."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from common.names import ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import Enumeration, etag, region_name, timestamp
from smartcity.monitoring.v1 import incident_pb2

from monitoring.domain.incident import Entry, Incident, Scope, Stage
from monitoring.domain.priority import priority_of
from monitoring.storage.measurements import PointKey

STATES = Enumeration(incident_pb2.Incident.State)
PRIORITIES = Enumeration(incident_pb2.Incident.Priority)
CAUSES = Enumeration(incident_pb2.Incident.Cause)
LIABILITIES = Enumeration(incident_pb2.Incident.Liability)
SCOPES = Enumeration(incident_pb2.Incident.Scope)

WRITTEN = {
    "region_code": "text",
    "incident_id": "text",
    "scope": "text",
    "title": "text",
    "point_id": "text",
    "district_code": "text",
    "provider_id": "text",
    "parent_id": "text",
    "state": "text",
    "score": "float8",
    "priority": "text",
    "start_time": "timestamptz",
    "end_time": "timestamptz",
    "point_count": "integer",
    "down_count": "integer",
    "people": "integer",
    "people_down": "integer",
    "people_unknown": "integer",
    "own_people": "integer",
    "own_unknown": "integer",
    "own_score": "float8",
    "flapping": "boolean",
    "reopen_count": "integer",
    "assignee": "text",
    "cause": "text",
    "liability": "text",
    "by_hand": "boolean",
    "version": "bigint",
    "create_time": "timestamptz",
    "update_time": "timestamptz",
}
"""The columns with their types."""
COLUMNS = ", ".join(WRITTEN)
ARRAYS = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(WRITTEN.values(), 1))
KEY = ("region_code", "incident_id")
CHANGES = ", ".join(f"{name} = excluded.{name}" for name in WRITTEN if name not in KEY)

ENTRY = (
    """region_code, incident_id, entry_id, entry_time, actor, action, entry_text, attachment_id"""
)

LOCK_REGION = """
INSERT INTO incident_regions AS region (region_code, number_year, last_number)
VALUES ($1, $2, 0)
    ON CONFLICT (region_code) DO UPDATE
   SET number_year = $2,
       last_number = CASE WHEN region.number_year = $2 THEN region.last_number ELSE 0 END
RETURNING last_number
"""

NOTE_NUMBER = """
UPDATE incident_regions
   SET last_number = $2
 WHERE region_code = $1
"""

READ = f"""
SELECT {COLUMNS}
  FROM incidents
 WHERE region_code = $1 AND incident_id = $2
"""

READ_LASTING = f"""
SELECT {COLUMNS}
  FROM incidents
 WHERE region_code = $1 AND state <> 'RESOLVED'
"""

READ_ENDED = f"""
SELECT {COLUMNS}
  FROM incidents
  JOIN unnest($2::text[], $3::timestamptz[]) AS wanted (point_id, lower_time) USING (point_id)
 WHERE region_code = $1 AND end_time > lower_time
"""

READ_SOME = f"""
SELECT {COLUMNS}
  FROM incidents
 WHERE region_code = $1 AND incident_id = ANY ($2)
"""

READ_PARTS = f"""
SELECT {COLUMNS}
  FROM incidents
 WHERE region_code = $1 AND parent_id = ANY ($2) AND state = 'RESOLVED'
"""

LASTING = """
SELECT region_code, point_id
  FROM incidents
 WHERE state <> 'RESOLVED' AND scope = 'POINT'
"""

STORE = f"""
INSERT INTO incidents ({COLUMNS})
SELECT {COLUMNS}
  FROM unnest({ARRAYS}) AS given ({COLUMNS})
    ON CONFLICT (region_code, incident_id) DO UPDATE
   SET {CHANGES}
"""

STORE_ENTRIES = f"""
INSERT INTO incident_entries (
       region_code, incident_id, entry_time, actor, action, entry_text, attachment_id)
SELECT $1, incident_id, $2, $3, action, entry_text, attachment_id::uuid
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[])
    AS given (incident_id, action, entry_text, attachment_id)
RETURNING {ENTRY}
"""

MATCHING = """
 WHERE region_code = $1
   AND ($2::text[] IS NULL OR state = ANY ($2))
   AND ($3::text[] IS NULL OR priority = ANY ($3))
   AND ($4::text IS NULL OR point_id = $4)
   AND ($5::text IS NULL OR district_code = $5)
   AND ($6::text IS NULL OR parent_id = $6)
   AND (NOT $7 OR parent_id IS NULL)
"""

LIST = f"""
SELECT {COLUMNS}
  FROM incidents
{MATCHING}
   AND ($8::timestamptz IS NULL OR (start_time, incident_id) < ($8, $9))
 ORDER BY start_time DESC, incident_id DESC
 LIMIT $10
"""

COUNT = f"""
SELECT count(*)
  FROM incidents
{MATCHING}
"""

LIST_ENTRIES = f"""
SELECT {ENTRY}
  FROM incident_entries
 WHERE region_code = $1 AND incident_id = $2
   AND ($3::bigint IS NULL OR entry_id > $3)
 ORDER BY entry_id
 LIMIT $4
"""

COUNT_ENTRIES = """
SELECT count(*)
  FROM incident_entries
 WHERE region_code = $1 AND incident_id = $2
"""


async def lock_region(connection: Connection, region: str, year: int) -> int:
    """Make others who change the region's incidents wait; return the year's last number."""
    return int(await connection.fetchval(LOCK_REGION, region, year))


async def note_number(connection: Connection, region: str, number: int) -> None:
    """Remember the last number that an incident of the region was given."""
    await connection.execute(NOTE_NUMBER, region, number)


async def read(connection: Connection, name: str) -> Incident | None:
    """Return the incident of this name."""
    row = await connection.fetchrow(READ, *ids(name))
    return _incident(row) if row else None


async def read_case(
    connection: Connection, region: str, lower: Mapping[str, datetime]
) -> dict[str, Incident]:
    """Return what the engine needs to look at points, each from a time on; by id.

    That is all incidents that last, those of the points which ended after their time, what they are
    parts of, and all parts of any of those.
    """
    rows = await connection.fetch(READ_LASTING, region)
    rows += await connection.fetch(READ_ENDED, region, list(lower), list(lower.values()))
    found = {incident.incident_id: incident for incident in map(_incident, rows)}
    while above := {i.parent_id for i in found.values() if i.parent_id} - found.keys():
        some = await connection.fetch(READ_SOME, region, list(above))
        found |= {incident.incident_id: incident for incident in map(_incident, some)}
    new = list(found)
    while new:
        parts = map(_incident, await connection.fetch(READ_PARTS, region, new))
        below = {part.incident_id: part for part in parts if part.incident_id not in found}
        found, new = below | found, list(below)
    return found


async def lasting(connection: Connection) -> list[PointKey]:
    """Return the points whose incident lasts."""
    rows = await connection.fetch(LASTING)
    return [PointKey(row["region_code"], row["point_id"]) for row in rows]


async def store(connection: Connection, incidents: Sequence[Incident]) -> None:
    """Store incidents, new ones and changed ones; areas before their parts."""
    ordered = sorted(incidents, key=lambda i: (i.scope is Scope.POINT, i.scope is Scope.DISTRICT))
    if ordered:
        columns = zip(*map(_row, ordered), strict=True)
        await connection.execute(STORE, *map(list, columns))


async def store_entries(
    connection: Connection, region: str, when: tuple[datetime, str], entries: Collection[Entry]
) -> list[incident_pb2.IncidentEntry]:
    """Add lines to the timelines of a region's incidents; `when` is the time and who did it."""
    rows = [(one.incident_id, one.action, one.text, one.attachment_id) for one in entries]
    columns = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
    stored = await connection.fetch(STORE_ENTRIES, region, *when, *columns)
    return [entry_of(row) for row in stored]


async def list_page(
    connection: Connection, request: incident_pb2.ListIncidentsRequest, page: Page
) -> Listed[Incident]:
    """Return a page of incidents, the latest first."""
    filters = (
        last_id(request.parent),
        STATES.filter(request.state),
        PRIORITIES.filter(request.priority),
        last_id(request.point) or None,
        last_id(request.district) or None,
        last_id(request.parent_incident) or None,
        request.top_level,
    )
    return await read_page(connection, (LIST, COUNT), filters, page, _incident)


async def list_entries(
    connection: Connection, name: str, page: Page
) -> tuple[Listed[incident_pb2.IncidentEntry], int]:
    """Return a page of a timeline, the oldest first, and the last entry's number."""
    rows = await connection.fetch(LIST_ENTRIES, *ids(name), *page.after, page.limit)
    total = await connection.fetchval(COUNT_ENTRIES, *ids(name))
    shown = rows[: page.size]
    listed = Listed([entry_of(row) for row in shown], len(rows) > page.size, total)
    return listed, shown[-1]["entry_id"] if shown else 0


def message_of(incident: Incident) -> incident_pb2.Incident:
    """Return the incident as it is published."""
    region = region_name(incident.region)
    return incident_pb2.Incident(
        name=f"{region}/incidents/{incident.incident_id}",
        scope=SCOPES.number(incident.scope),
        title=incident.title,
        point=_named(region, "points", incident.point_id),
        district=_named(region, "districts", incident.district),
        provider=_named(region, "providers", incident.provider),
        parent_incident=_named(region, "incidents", incident.parent_id),
        state=STATES.number(incident.stage),
        priority=PRIORITIES.number(priority_of(incident.score)),
        start_time=timestamp(incident.start),
        end_time=timestamp(incident.end),
        point_count=incident.point_count,
        down_count=incident.down_count,
        people_affected=incident.people,
        people_down=incident.people_down,
        people_unknown_count=incident.people_unknown,
        flapping=incident.flapping,
        reopen_count=incident.reopen_count,
        assignee=incident.assignee,
        cause=CAUSES.number(incident.cause),
        liability=LIABILITIES.number(incident.liability),
        etag=etag(incident.version, incident.update_time),
        create_time=timestamp(incident.create_time),
        update_time=timestamp(incident.update_time),
    )


def entry_of(row: Row) -> incident_pb2.IncidentEntry:
    """Return the message of a line of a timeline."""
    incident = f"{region_name(row['region_code'])}/incidents/{row['incident_id']}"
    return incident_pb2.IncidentEntry(
        attachment=_named(incident, "attachments", row["attachment_id"]),
        entry_time=timestamp(row["entry_time"]),
        actor=row["actor"],
        action=row["action"],
        text=row["entry_text"],
    )


def _named(parent: str, kind: str, resource_id: object) -> str:
    return f"{parent}/{kind}/{resource_id}" if resource_id else ""


def _row(incident: Incident) -> Iterable[object]:
    return (
        incident.region,
        incident.incident_id,
        incident.scope.value,
        incident.title,
        incident.point_id,
        incident.district,
        incident.provider,
        incident.parent_id,
        incident.stage.value,
        incident.score,
        priority_of(incident.score).value,
        incident.start,
        incident.end,
        incident.point_count,
        incident.down_count,
        incident.people,
        incident.people_down,
        incident.people_unknown,
        incident.own_people,
        incident.own_unknown,
        incident.own_score,
        incident.flapping,
        incident.reopen_count,
        incident.assignee,
        incident.cause,
        incident.liability,
        incident.by_hand,
        incident.version,
        incident.create_time,
        incident.update_time,
    )


def _incident(row: Row) -> Incident:
    return Incident(
        region=row["region_code"],
        incident_id=row["incident_id"],
        scope=Scope(row["scope"]),
        title=row["title"],
        point_id=row["point_id"],
        district=row["district_code"],
        provider=row["provider_id"],
        parent_id=row["parent_id"],
        stage=Stage(row["state"]),
        score=row["score"],
        start=row["start_time"],
        end=row["end_time"],
        point_count=row["point_count"],
        down_count=row["down_count"],
        people=row["people"],
        people_down=row["people_down"],
        people_unknown=row["people_unknown"],
        own_people=_first(row["own_people"], row["people"]),
        own_unknown=_first(row["own_unknown"], row["people_unknown"]),
        own_score=_first(row["own_score"], row["score"]),
        flapping=row["flapping"],
        reopen_count=row["reopen_count"],
        assignee=row["assignee"],
        cause=row["cause"],
        liability=row["liability"],
        by_hand=row["by_hand"],
        version=row["version"],
        create_time=row["create_time"],
        update_time=row["update_time"],
    )


def _first(own: float | None, whole: float) -> Any:
    """Return a point's own figure; the whole one of what the release before wrote."""
    return whole if own is None else own
