"""Notifications: messages to a route, each sent until all its targets took it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from common.postgres.database import Connection

from monitoring.domain.wording import Text
from monitoring.storage.deliveries import SETTLE as SETTLE_DELIVERIES
from monitoring.storage.deliveries import Turn

INSERT = """
INSERT INTO notifications (
       region_code, notification_id, route_id, title, body, is_over, due_time, create_time)
VALUES ($1, uuidv7(), $2, $3, $4, $5, $6, $6)
RETURNING notification_id
"""

TAKE = """
SELECT region_code, notification_id, route_id, title, body, is_over, attempt_count, told_targets,
       create_time
  FROM notifications
 WHERE state = 'WAITING' AND due_time <= $1
 ORDER BY due_time
 LIMIT 1
   FOR UPDATE SKIP LOCKED
"""

SETTLE = """
UPDATE notifications
   SET state = $3, due_time = $4, attempt_count = $5, told_targets = $6
 WHERE region_code = $1 AND notification_id = $2
"""

OLDEST = """
SELECT min(create_time)
  FROM notifications
 WHERE state = 'WAITING'
"""

FORGET_INCIDENTS = """
DELETE FROM heard_incidents
 WHERE hear_time < $1
"""

FORGET_DELIVERIES = """
DELETE FROM deliveries AS delivery
 WHERE create_time < $1
   AND NOT EXISTS (
       SELECT
         FROM heard_incidents AS heard
        WHERE heard.region_code = delivery.region_code AND heard.incident_id = delivery.incident_id)
"""

FORGET = """
DELETE FROM notifications
 WHERE create_time < $1 AND state <> 'WAITING'
"""


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to a route."""

    turn: Turn
    notification_id: UUID
    text: Text
    create_time: datetime
    attempt_count: int
    told_targets: Sequence[str]
    """The ids of the targets that took it."""
    state: str = "WAITING"
    due: datetime | None = None
    detail: str = ""

    def tried(self, told: Sequence[str], detail: str) -> "Notification":
        """Return it after one more attempt, with what went wrong in that one."""
        count = self.attempt_count + 1
        return replace(self, attempt_count=count, told_targets=told, detail=detail)

    def age(self, now: datetime) -> timedelta:
        """Return how long ago it was put together."""
        return now - self.create_time


async def insert(connection: Connection, turn: Turn, text: Text, now: datetime) -> UUID:
    """Store a message that is to be sent now; return its id."""
    row = *turn, text.title, text.body, text.is_over, now
    found: UUID = await connection.fetchval(INSERT, *row)
    return found


async def take(connection: Connection, now: datetime) -> Notification | None:
    """Lock a message that is due, until the transaction's end."""
    row = await connection.fetchrow(TAKE, now)
    if row is None:
        return None
    return Notification(
        Turn(row["region_code"], row["route_id"]),
        row["notification_id"],
        Text(row["title"], row["body"], row["is_over"]),
        row["create_time"],
        row["attempt_count"],
        row["told_targets"],
    )


async def settle(connection: Connection, one: Notification, now: datetime) -> None:
    """Store what became of a message, and of the deliveries in it."""
    key = one.turn.region, one.notification_id
    fate = one.state, one.due or now, one.attempt_count
    await connection.execute(SETTLE, *key, *fate, list(one.told_targets))
    await connection.execute(SETTLE_DELIVERIES, *key, *fate, one.detail, now)


async def oldest(connection: Connection) -> datetime | None:
    """Return when the oldest message that not all targets took was put together."""
    found: datetime | None = await connection.fetchval(OLDEST)
    return found


async def forget(connection: Connection, before: datetime) -> None:
    """Delete what is about incidents of which nothing was heard since a time."""
    for statement in (FORGET_INCIDENTS, FORGET_DELIVERIES, FORGET):
        await connection.execute(statement, before)
