"""Which window covers which point when: written ahead, and kept for ever after."""

from collections.abc import Collection, Sequence
from datetime import datetime

from common.names import ids
from common.postgres.database import Connection

from monitoring.domain.overlay import Cover
from monitoring.storage.maintenance_occurrences import OccurrenceKey
from monitoring.storage.maintenance_windows import name_of
from monitoring.storage.measurements import PointKey

SPREAD = """
INSERT INTO maintenance_spans (
       region_code, point_id, window_id, occurrence_time, start_time, end_time)
SELECT occurrence.region_code, coverage.point_id, occurrence.window_id, occurrence.start_time,
       begin.start_time, occurrence.end_time
  FROM unnest($1::text[], $2::text[], $3::timestamptz[])
       AS given (region_code, window_id, start_time)
  JOIN maintenance_occurrences AS occurrence USING (region_code, window_id, start_time)
  JOIN maintenance_windows AS maintenance USING (region_code, window_id)
 CROSS JOIN LATERAL greatest(
       occurrence.start_time, CASE WHEN is_spread THEN $4::timestamptz ELSE decide_time END)
       AS begin (start_time)
 CROSS JOIN LATERAL maintenance_coverage(occurrence.region_code, occurrence.window_id) AS coverage
 WHERE begin.start_time < occurrence.end_time
    ON CONFLICT DO NOTHING
"""

OF_OCCURRENCES = """
  FROM unnest($2::text[], $3::text[], $4::timestamptz[])
       AS given (region_code, window_id, occurrence_time)
"""

DUE = """
   AND ((phase = 'AHEAD' AND start_time <= $1) OR (phase = 'BEGUN' AND end_time <= $1))
"""

READ_DUE = f"""
SELECT DISTINCT span.region_code, point_id
{OF_OCCURRENCES}
  JOIN maintenance_spans AS span USING (region_code, window_id, occurrence_time)
 WHERE true
{DUE}
"""

MARK_TOLD = f"""
UPDATE maintenance_spans AS span
   SET phase = CASE WHEN end_time <= $1 THEN 'OVER' ELSE 'BEGUN' END
{OF_OCCURRENCES}
 WHERE span.region_code = given.region_code
   AND span.window_id = given.window_id
   AND span.occurrence_time = given.occurrence_time
{DUE}
"""

TOLD = """
SELECT DISTINCT ON (region_code, point_id) region_code, point_id, window_id
  FROM unnest($1::text[], $2::text[]) AS asked (region_code, point_id)
  JOIN maintenance_spans USING (region_code, point_id)
 WHERE phase = 'BEGUN'
 ORDER BY region_code, point_id, start_time, window_id
"""

DROP_FROM = """
DELETE FROM maintenance_spans
 WHERE region_code = $1 AND window_id = $2 AND start_time >= $3
"""

CUT = """
UPDATE maintenance_spans
   SET end_time = $3
 WHERE region_code = $1 AND window_id = $2 AND end_time > $3
"""

OF_POINT = """
SELECT start_time, window_id, end_time
  FROM maintenance_spans
 WHERE region_code = $1 AND point_id = $2
   AND start_time <= $3
"""


async def spread(
    connection: Connection, occurrences: Collection[OccurrenceKey], now: datetime
) -> None:
    """Write down which points locked occurrences cover; what is written already stays.

    A point that comes after that was done for the first time is covered from `now` on.
    """
    await connection.execute(SPREAD, *_columns(occurrences), now)


async def due(
    connection: Connection, occurrences: Collection[OccurrenceKey], now: datetime
) -> list[PointKey]:
    """Return the points of locked occurrences of whom a begin or an end has yet to be told."""
    rows = await connection.fetch(READ_DUE, now, *_columns(occurrences))
    return [PointKey(*row) for row in rows]


async def mark_told(
    connection: Connection, occurrences: Collection[OccurrenceKey], now: datetime
) -> None:
    """Note that what `due` returned is told by this transaction."""
    await connection.execute(MARK_TOLD, now, *_columns(occurrences))


async def told(connection: Connection, keys: Collection[PointKey]) -> dict[PointKey, str]:
    """Return the window under which others were told that points are, by point."""
    return {
        PointKey(row["region_code"], row["point_id"]): row["window_id"]
        for row in await connection.fetch(TOLD, *map(list, zip(*keys, strict=True)))
    }


async def call_off(connection: Connection, name: str, now: datetime) -> None:
    """End what a window covers now; what it has covered until then stays."""
    await connection.execute(DROP_FROM, *ids(name), now)
    await connection.execute(CUT, *ids(name), now)


async def covers(connection: Connection, key: PointKey, now: datetime) -> list[Cover]:
    """Return what has covered a point until now."""
    rows = await connection.fetch(OF_POINT, *key, now)
    return [
        Cover(row["start_time"], name_of(key.region, row["window_id"]), row["end_time"])
        for row in rows
    ]


def _columns(occurrences: Collection[OccurrenceKey]) -> Sequence[list[object]]:
    return [list(column) for column in zip(*occurrences, strict=True)]
