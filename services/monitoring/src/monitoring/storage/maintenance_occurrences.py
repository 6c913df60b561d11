"""When maintenance windows are in force: each of their occurrences as a row."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from common.names import ids
from common.postgres.database import Connection

from monitoring.domain.recurrence import Span

CHANNEL = "maintenance"

FIRST = """
       SELECT occurrence.{}
         FROM maintenance_occurrences AS occurrence
        WHERE occurrence.region_code = maintenance.region_code
          AND occurrence.window_id = maintenance.window_id
        ORDER BY occurrence.start_time
        LIMIT 10"""
"""A column of the first ten of a window, as a subquery."""

FORGET = """
DELETE FROM maintenance_occurrences
 WHERE region_code = $1 AND window_id = $2
"""

STORE = """
INSERT INTO maintenance_occurrences (region_code, window_id, start_time, end_time)
SELECT $1, $2, start_time, end_time
  FROM unnest($3::timestamptz[], $4::timestamptz[]) AS given (start_time, end_time)
"""

PLAN = """
UPDATE maintenance_occurrences
   SET phase = 'PLANNED'
 WHERE region_code = $1 AND window_id = $2 AND end_time > $3
"""

CALL_OFF = """
DELETE FROM maintenance_occurrences
 WHERE region_code = $1 AND window_id = $2 AND start_time >= $3
"""

CUT = """
UPDATE maintenance_occurrences
   SET end_time = $3
 WHERE region_code = $1 AND window_id = $2 AND end_time > $3
"""

AT_HAND = """
SELECT region_code, window_id, start_time
  FROM maintenance_occurrences
 WHERE phase = 'PLANNED' AND start_time <= $1
 ORDER BY region_code, window_id, start_time
   FOR UPDATE SKIP LOCKED
"""

OF_WINDOW_AT_HAND = """
SELECT region_code, window_id, start_time
  FROM maintenance_occurrences
 WHERE phase = 'PLANNED' AND start_time <= $1 AND region_code = $2 AND window_id = $3
 ORDER BY start_time
   FOR UPDATE
"""

MARK_PASSED = """
UPDATE maintenance_occurrences AS occurrence
   SET is_spread = true, phase = CASE WHEN end_time <= $1 THEN 'OVER' ELSE 'PLANNED' END
  FROM unnest($2::text[], $3::text[], $4::timestamptz[])
       AS passed (region_code, window_id, start_time)
 WHERE occurrence.region_code = passed.region_code
   AND occurrence.window_id = passed.window_id
   AND occurrence.start_time = passed.start_time
   AND (end_time <= $1 OR NOT is_spread)
"""

NEXT = """
SELECT least(
       (SELECT min(start_time)
          FROM maintenance_occurrences
         WHERE phase = 'PLANNED' AND start_time > $1),
       (SELECT min(end_time)
          FROM maintenance_occurrences
         WHERE phase = 'PLANNED' AND start_time <= $1))
"""

TELL = "SELECT pg_notify($1, '')"


class OccurrenceKey(NamedTuple):
    """An occurrence by its window and its begin."""

    region: str
    window_id: str
    start: datetime


async def replace(connection: Connection, name: str, spans: Sequence[Span]) -> None:
    """Give a window that has no effect yet these occurrences instead of those that it had."""
    await connection.execute(FORGET, *ids(name))
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    await connection.execute(STORE, *ids(name), starts, ends)


async def plan(connection: Connection, name: str, now: datetime) -> None:
    """Put a window in force: those occurrences that are not over will take effect."""
    await connection.execute(PLAN, *ids(name), now)


async def call_off(connection: Connection, name: str, now: datetime) -> None:
    """End the occurrence that lasts and drop those that have not begun, with their spans.

    Whoever turns one of them is waited for.
    """
    await connection.execute(CALL_OFF, *ids(name), now)
    await connection.execute(CUT, *ids(name), now)


async def at_hand(connection: Connection, until: datetime) -> list[OccurrenceKey]:
    """Return the occurrences that begin before a time and are not over, locked.

    Those that somebody else has locked are left to them.
    """
    return [OccurrenceKey(*row) for row in await connection.fetch(AT_HAND, until)]


async def of_window_at_hand(
    connection: Connection, name: str, until: datetime
) -> list[OccurrenceKey]:
    """Return those of one window, locked."""
    rows = await connection.fetch(OF_WINDOW_AT_HAND, until, *ids(name))
    return [OccurrenceKey(*row) for row in rows]


async def mark_passed(
    connection: Connection, keys: Collection[OccurrenceKey], now: datetime
) -> None:
    """Note that the points of occurrences have their spans, and which occurrences are over."""
    await connection.execute(MARK_PASSED, now, *map(list, zip(*keys, strict=True)))


async def next_boundary(connection: Connection, now: datetime) -> datetime | None:
    """Return when the next occurrence begins or ends; a time that is past when one is due."""
    time: datetime | None = await connection.fetchval(NEXT, now)
    return time


async def tell(connection: Connection) -> None:
    """Wake those who turn windows once this transaction has committed."""
    await connection.execute(TELL, CHANNEL)
