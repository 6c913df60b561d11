"""The inbox: what a consumer has handled, how far it is with each resource, what it failed at."""

from collections.abc import Sequence

from common.events.event import Event
from common.postgres.database import Connection

HANDLED = """
SELECT event_id::text
  FROM inbox
 WHERE consumer = $1 AND event_id = ANY ($2::uuid[])
"""

POSITIONS = """
SELECT resource, last_sequence
  FROM inbox_positions
 WHERE consumer = $1 AND resource = ANY ($2)
 ORDER BY resource
   FOR UPDATE
"""

RECORD = """
INSERT INTO inbox (consumer, event_id)
SELECT $1, unnest($2::uuid[])
"""

ADVANCE = """
INSERT INTO inbox_positions AS position (consumer, resource, last_sequence)
SELECT $1, resource, last_sequence
  FROM unnest($2::text[], $3::bigint[]) AS given (resource, last_sequence)
 ORDER BY resource
    ON CONFLICT (consumer, resource) DO UPDATE
   SET last_sequence = greatest(position.last_sequence, excluded.last_sequence)
"""

FAIL = """
INSERT INTO inbox_failures AS failure (consumer, event_id, resource, tries, error)
VALUES ($1, $2, $3, $5, $4)
    ON CONFLICT (consumer, event_id) DO UPDATE
   SET tries = failure.tries + $5, error = $4, last_time = clock_timestamp()
RETURNING tries
"""

FORGIVE = """
DELETE FROM inbox_failures
 WHERE consumer = $1 AND event_id = ANY ($2::uuid[])
"""

IS_TRIED = """
SELECT EXISTS (
SELECT
  FROM inbox_failures
 WHERE consumer = $1 AND resource = $2 AND tries < $3
   AND last_time > clock_timestamp() - interval '10 minutes')
"""

FORGET = """
DELETE FROM inbox
 WHERE (consumer, event_id) IN (
       SELECT consumer, event_id
         FROM inbox
        WHERE handle_time < now() - make_interval(days => $1)
        LIMIT 10000)
"""
FORGET_FAILURES = """
DELETE FROM inbox_failures
 WHERE last_time < now() - make_interval(days => $1)
"""
KEPT_DAYS = 42
"""Longer than any stream keeps an event."""


async def handled(connection: Connection, consumer: str, event_ids: Sequence[str]) -> set[str]:
    """Return those of the events that the consumer has handled."""
    rows = await connection.fetch(HANDLED, consumer, event_ids)
    return {row["event_id"] for row in rows}


async def positions(
    connection: Connection, consumer: str, resources: Sequence[str]
) -> dict[str, int]:
    """Return the last sequence passed of each known resource, locked until the commit."""
    rows = await connection.fetch(POSITIONS, consumer, sorted(resources))
    return {row["resource"]: row["last_sequence"] for row in rows}


async def record(
    connection: Connection, consumer: str, event_ids: Sequence[str], passed: dict[str, int]
) -> None:
    """Write that the events are handled and how far each resource is.

    Raises:
        asyncpg.UniqueViolationError: Another process has handled one of them meanwhile.
    """
    await connection.execute(RECORD, consumer, event_ids)
    await advance(connection, consumer, passed)
    await connection.execute(FORGIVE, consumer, event_ids)


async def advance(connection: Connection, consumer: str, passed: dict[str, int]) -> None:
    """Write how far each resource is; never back."""
    await connection.execute(ADVANCE, consumer, list(passed), list(passed.values()))


async def fail(
    connection: Connection, consumer: str, event: Event, error: str, *, counts: bool = True
) -> int:
    """Note a failed try, and count it unless it was not the event's fault; return the tries."""
    step = 1 if counts else 0
    tries: int = await connection.fetchval(
        FAIL, consumer, event.event_id, event.resource, error, step
    )
    return tries


async def pass_over(connection: Connection, consumer: str, event: Event) -> None:
    """Go past an event that is buried, and forget its tries: it may come back as a new one."""
    await advance(connection, consumer, {event.resource: event.sequence})
    await connection.execute(FORGIVE, consumer, [event.event_id])


async def is_tried(connection: Connection, consumer: str, resource: str, most: int) -> bool:
    """Tell whether an event of the resource has failed and is tried again."""
    found: bool = await connection.fetchval(IS_TRIED, consumer, resource, most)
    return found


async def forget(connection: Connection) -> None:
    """Delete what no stream can bring again."""
    await connection.execute(FORGET, KEPT_DAYS)
    await connection.execute(FORGET_FAILURES, KEPT_DAYS)
