"""Deliveries: what is planned to be told, and what became of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from common.names import last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import timestamp
from smartcity.monitoring.v1.delivery_pb2 import Delivery, ListDeliveriesRequest

from monitoring.domain.notification import Kind, Told

PLAN = """
INSERT INTO deliveries (
       region_code, delivery_id, route_id, incident_id, kind, round, due_time, create_time)
SELECT $1, uuidv7(), given.*, $2::timestamptz
  FROM unnest($3::text[], $4::text[], $5::text[], $6::integer[], $7::timestamptz[]) AS given
    ON CONFLICT ON CONSTRAINT deliveries_once DO UPDATE
   SET state = 'WAITING', due_time = excluded.due_time, detail = ''
 WHERE deliveries.state = 'SUPPRESSED'
"""

PLAN_ENDS = """
INSERT INTO deliveries (
       region_code, delivery_id, route_id, incident_id, kind, round, due_time, create_time)
SELECT $1, uuidv7(), route_id, $2, 'RESOLVED', $3,
       $4::timestamptz + make_interval(secs => group_wait_s), $4
  FROM notification_routes
 WHERE region_code = $1
   AND route_id IN (
       SELECT route_id
         FROM deliveries
        WHERE region_code = $1 AND incident_id = $2 AND kind IN ('OPENED', 'ESCALATED'))
    ON CONFLICT DO NOTHING
"""

PLAN_REPEATS = """
INSERT INTO deliveries (
       region_code, delivery_id, route_id, incident_id, kind, round, due_time, create_time)
SELECT $1, uuidv7(), $2, incident_id, 'REPEATED',
       1 + count(*) FILTER (WHERE kind = 'REPEATED'), $4::timestamptz, $5
  FROM deliveries
 WHERE region_code = $1 AND route_id = $2
   AND incident_id IN (
       SELECT incident_id
         FROM deliveries
        WHERE region_code = $1 AND notification_id = $3 AND kind <> 'RESOLVED')
 GROUP BY incident_id
HAVING count(*) FILTER (WHERE kind = 'REPEATED' AND state = 'WAITING') = 0
    ON CONFLICT DO NOTHING
"""

TAKE_TURN = """
SELECT region_code, route_id
  FROM notification_turns AS turn
 WHERE EXISTS (
       SELECT
         FROM deliveries AS due
        WHERE due.region_code = turn.region_code AND due.route_id = turn.route_id
          AND state = 'WAITING' AND notification_id IS NULL AND due_time <= $1)
 LIMIT 1
   FOR UPDATE SKIP LOCKED
"""

DUE = """
SELECT delivery_id, incident_id, kind, round
  FROM deliveries
 WHERE region_code = $1 AND route_id = $2
   AND state = 'WAITING' AND notification_id IS NULL AND due_time <= $3
 ORDER BY due_time, delivery_id
"""

TOLD = """
SELECT incident_id,
       max(sent_time) FILTER (WHERE kind <> 'RESOLVED') AS begin,
       max(sent_time) FILTER (WHERE kind = 'RESOLVED') AS end,
       bool_or(kind <> 'RESOLVED' AND state = 'WAITING' AND notification_id IS NOT NULL)
           AS under_way
  FROM deliveries
 WHERE region_code = $1 AND route_id = $2 AND incident_id = ANY ($3)
 GROUP BY incident_id
"""

SUPPRESS = """
UPDATE deliveries
   SET state = 'SUPPRESSED', detail = given.why
  FROM unnest($2::uuid[], $3::text[]) AS given (delivery_id, why)
 WHERE region_code = $1 AND deliveries.delivery_id = given.delivery_id
"""

POSTPONE = """
UPDATE deliveries
   SET due_time = given.due_time
  FROM unnest($2::uuid[], $3::timestamptz[]) AS given (delivery_id, due_time)
 WHERE region_code = $1 AND deliveries.delivery_id = given.delivery_id
"""

JOIN = """
UPDATE deliveries
   SET notification_id = $2, due_time = $3
 WHERE region_code = $1 AND delivery_id = ANY ($4)
"""

SETTLE = """
UPDATE deliveries
   SET state = $3, due_time = $4, attempt_count = $5, detail = $6,
       sent_time = CASE WHEN $3 = 'SENT' THEN $7::timestamptz END
 WHERE region_code = $1 AND notification_id = $2
"""

MATCHING = """
  FROM deliveries
 WHERE region_code = $1
   AND ($2::text[] IS NULL OR state = ANY ($2))
   AND ($3::text IS NULL OR incident_id = $3)
   AND ($4::text IS NULL OR route_id = $4)
"""

LIST = f"""
SELECT region_code, delivery_id, route_id, incident_id, kind, state, due_time, attempt_count,
       detail, notification_id, create_time, sent_time
{MATCHING}
   AND ($5::uuid IS NULL OR delivery_id < $5)
 ORDER BY delivery_id DESC
 LIMIT $6
"""

COUNT = f"SELECT count(*) {MATCHING}"


class Turn(NamedTuple):
    """A route whose messages are put together now, by nobody else."""

    region: str
    route_id: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing to tell one route of one incident."""

    route_id: str
    incident_id: str
    kind: Kind
    round: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come."""

    delivery_id: UUID
    incident_id: str
    kind: Kind
    round: int


async def plan(
    connection: Connection, region: str, planned: Sequence[Planned], now: datetime
) -> None:
    """Plan what is not planned yet, or was suppressed: once more it is decided when it is due."""
    if planned:
        # Each once: one statement cannot change a row twice.
        once = {(p.route_id, p.incident_id, p.kind, p.round): p.due for p in planned}
        rows = [(*key, due) for key, due in once.items()]
        await connection.execute(PLAN, region, now, *map(list, zip(*rows, strict=True)))


async def plan_ends(
    connection: Connection, region: str, incident_id: str, round_: int, now: datetime
) -> None:
    """Plan to tell the end to every route that was, or will be, told the begin."""
    await connection.execute(PLAN_ENDS, region, incident_id, round_, now)


async def plan_repeats(
    connection: Connection, turn: Turn, notification_id: UUID, due: datetime, now: datetime
) -> None:
    """Plan to tell again what a message has told, but ends."""
    await connection.execute(PLAN_REPEATS, *turn, notification_id, due, now)


async def take_turn(connection: Connection, now: datetime) -> Turn | None:
    """Lock a route to which something is due, until the transaction's end."""
    row = await connection.fetchrow(TAKE_TURN, now)
    return Turn(row["region_code"], row["route_id"]) if row else None


async def due(connection: Connection, turn: Turn, horizon: datetime) -> list[Due]:
    """Return what is due to a route until a time and in no message yet."""
    rows = await connection.fetch(DUE, *turn, horizon)
    return [Due(row["delivery_id"], row["incident_id"], row["kind"], row["round"]) for row in rows]


async def told(
    connection: Connection, turn: Turn, incident_ids: Collection[str]
) -> dict[str, Told]:
    """Return what a route was told of each incident."""
    rows = await connection.fetch(TOLD, *turn, list(incident_ids))
    return {row["incident_id"]: Told(row["begin"], row["end"], row["under_way"]) for row in rows}


async def suppress(connection: Connection, region: str, why: Mapping[UUID, str]) -> None:
    """Let deliveries never be told."""
    await connection.execute(SUPPRESS, region, list(why), list(why.values()))


async def postpone(connection: Connection, region: str, until: Mapping[UUID, datetime]) -> None:
    """Let deliveries wait until a time of each."""
    await connection.execute(POSTPONE, region, list(until), list(until.values()))


async def join(
    connection: Connection,
    region: str,
    notification_id: UUID,
    now: datetime,
    delivery_ids: Collection[UUID],
) -> None:
    """Put deliveries into a message."""
    await connection.execute(JOIN, region, notification_id, now, list(delivery_ids))


async def list_page(
    connection: Connection, request: ListDeliveriesRequest, page: Page
) -> Listed[Delivery]:
    """Return a page of deliveries, the latest first."""
    filters = (
        last_id(request.parent),
        [Delivery.State.Name(state) for state in request.state] or None,
        last_id(request.incident) or None,
        last_id(request.notification_route) or None,
    )
    return await read_page(connection, (LIST, COUNT), filters, page, from_row)


def from_row(row: Row) -> Delivery:
    """Return the delivery that a row of LIST holds."""
    region = f"regions/{row['region_code']}"
    return Delivery(
        name=f"{region}/deliveries/{row['delivery_id']}",
        notification_route=f"{region}/notificationRoutes/{row['route_id']}",
        incident=f"{region}/incidents/{row['incident_id']}",
        kind=Delivery.Kind.Value(row["kind"]),
        state=Delivery.State.Value(row["state"]),
        due_time=timestamp(row["due_time"]),
        attempt_count=row["attempt_count"],
        detail=row["detail"],
        notification_id=str(row["notification_id"] or ""),
        create_time=timestamp(row["create_time"]),
        sent_time=timestamp(row["sent_time"]),
    )
