"""Roll-ups as rows, and the marks of those that are not made yet."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from common.postgres.database import Connection, Row

from monitoring.domain.history import Part
from monitoring.domain.summary import Figure, Summary
from monitoring.storage.measurements import PointKey
from monitoring.storage.spreads import packed, unpacked

COUNTS = "measurements, packets_sent, packets_received, interval_s"
LISTED = f"region_code, point_id, start_time, source, {COUNTS}, {', '.join(Figure)}"


class Length(Enum):
    """How long the time of a roll-up is; its value names the table."""

    HOUR = "hourly_roll_ups"
    DAY = "daily_roll_ups"


ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('roll-ups', 0))"

# A point's hours together, so that a day of many late ones is made anew once.
TAKE_MARKS = """
DELETE FROM roll_up_marks
 WHERE (region_code, point_id, hour) IN (
       SELECT region_code, point_id, hour
         FROM roll_up_marks
        WHERE hour <= $1 AND marked_time <= now() - $2::interval
        ORDER BY region_code, point_id, hour
        LIMIT $3
          FOR UPDATE SKIP LOCKED)
RETURNING region_code, point_id, hour
"""

MARKED = """
SELECT hour
  FROM roll_up_marks
 WHERE region_code = $1 AND point_id = $2 AND hour >= $3 AND hour < $4
"""

READ = {
    length: f"""
SELECT {LISTED}
  FROM {length.value}
 WHERE region_code = $1 AND point_id = $2 AND start_time >= $3 AND start_time < $4
   AND ($5::text[] IS NULL OR source = ANY ($5))
"""
    for length in Length
}

READ_DAYS_OF_HOURS = f"""
SELECT {LISTED}
  FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS day (region_code, point_id, begin)
  JOIN hourly_roll_ups USING (region_code, point_id)
 WHERE start_time >= begin AND start_time < begin + interval '1 day'
"""

STORE = {
    length: f"""
INSERT INTO {length.value} AS kept ({LISTED})
SELECT *
  FROM unnest(
       $1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::integer[], $6::bigint[],
       $7::bigint[], $8::real[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[],
       $13::bytea[], $14::bytea[], $15::bytea[])
    ON CONFLICT (region_code, point_id, start_time, source) DO UPDATE
   SET ({COUNTS}, {", ".join(Figure)})
     = ROW ({", ".join(f"excluded.{name}" for name in (*COUNTS.split(", "), *Figure))})
 WHERE kept.measurements <= excluded.measurements
"""
    for length in Length
}
"""Rows only ever come in, so that a smaller count means that some were dropped since: that one is
not taken."""

KEEP_MONTHS = "SELECT keep_months($1, $2, $3)"


class RollUp(NamedTuple):
    """What one source measured of a point in an hour or a day."""

    key: PointKey
    part: Part


class Hour(NamedTuple):
    """An hour of a point."""

    key: PointKey
    start: datetime


async def is_alone(connection: Connection) -> bool:
    """Tell whether nobody else rolls up; nobody else does until this transaction's end then."""
    return bool(await connection.fetchval(ALONE))


async def take_marks(
    connection: Connection, latest: datetime, settled: timedelta, at_most: int
) -> list[Hour]:
    """Take marks away that are as old as `settled`, of hours that begin at `latest` or before.

    Passes by those that a writer is about to set: they come next time.
    """
    rows = await connection.fetch(TAKE_MARKS, latest, settled, at_most)
    return [Hour(_key(row), row["hour"]) for row in rows]


async def marked(
    connection: Connection, key: PointKey, start: datetime, end: datetime
) -> list[Hour]:
    """Return the hours in [start, end) whose roll-ups do not hold all measurements."""
    return [Hour(key, row["hour"]) for row in await connection.fetch(MARKED, *key, start, end)]


async def read(
    connection: Connection,
    length: Length,
    key: PointKey,
    span: tuple[datetime, datetime],
    sources: Collection[str],
) -> list[Row]:
    """Return the roll-ups of a point that begin in a half-open span; no sources: of all."""
    return await connection.fetch(READ[length], *key, *span, list(sources) or None)


async def read_days(connection: Connection, days: Collection[Hour]) -> list[Row]:
    """Return the hourly roll-ups of the days that begin at some hours."""
    return await connection.fetch(READ_DAYS_OF_HOURS, *columns_of(days))


async def store(connection: Connection, length: Length, roll_ups: Iterable[RollUp]) -> None:
    """Store roll-ups in the place of those of the same time; none twice."""
    rows = [_row(one) for one in roll_ups]
    if rows:
        await connection.execute(STORE[length], *map(list, zip(*rows, strict=True)))


async def keep_months(
    connection: Connection, oldest: datetime, first: datetime, last: datetime
) -> None:
    """Have tables for the hours from the first to the last, and none that end before the oldest."""
    await connection.execute(KEEP_MONTHS, oldest.date(), first.date(), last.date())


def columns_of(hours: Collection[Hour]) -> tuple[list[str], list[str], list[datetime]]:
    """Return hours as one list for each column."""
    return (
        [hour.key.region for hour in hours],
        [hour.key.point_id for hour in hours],
        [hour.start for hour in hours],
    )


def roll_up_of(row: Row, figures: Iterable[Figure] = Figure) -> RollUp:
    """Return the roll-up of a row, with some figures or all."""
    stored = {figure: row[figure] for figure in figures}
    summary = Summary(
        row["measurements"],
        row["packets_sent"],
        row["packets_received"],
        row["interval_s"],
        {figure: unpacked(spread) for figure, spread in stored.items() if spread},
    )
    return RollUp(_key(row), Part(row["source"], row["start_time"], summary))


def _key(row: Row) -> PointKey:
    return PointKey(row["region_code"], row["point_id"])


def _row(one: RollUp) -> Sequence[object]:
    summary, spreads = one.part.summary, one.part.summary.spreads or {}
    return (
        *one.key,
        one.part.start,
        one.part.source,
        summary.measurements,
        summary.packets_sent,
        summary.packets_received,
        summary.interval_s,
        *(packed(spreads[figure]) if figure in spreads else None for figure in Figure),
    )
