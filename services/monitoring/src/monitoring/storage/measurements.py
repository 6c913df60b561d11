"""Measurements as rows, and the days whose tables hold them."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO, NamedTuple

import asyncpg
import numpy as np
from common.names import ids
from common.postgres.database import Connection, Row

from monitoring.domain.columns import (
    HOUR_US,
    NEVER_US,
    NO_ANSWER,
    NOT_GIVEN,
    REALS,
    Columns,
    Numbers,
)
from monitoring.domain.observation import Observation
from monitoring.domain.series import in_us, time_of
from monitoring.storage.binary_copy import (
    HEADER,
    TRAILER,
    Slots,
    numbers,
    real_arrays,
    records,
    texts,
)

FIGURES = (
    "packets_sent",
    "packets_received",
    "rtt_min_ms",
    "rtt_mean_ms",
    "rtt_max_ms",
    "rtt_p95_ms",
    "jitter_ms",
    "success",
    "http_ms",
    "dns_ms",
    "download_mbps",
    "upload_mbps",
)
COLUMNS = (
    "region_code",
    "point_id",
    "source",
    "measure_time",
    *FIGURES,
    "method",
    "attempts_ms",
    "certificate_expiry",
)
LISTED = ", ".join(COLUMNS)
POSTGRES_EPOCH_US = in_us(datetime(2000, 1, 1, tzinfo=UTC))
"""What PostgreSQL counts microseconds from."""
EPOCH_DAY = date(1970, 1, 1)
DAY_US = 24 * HOUR_US
IN_A_CHUNK = 2_000
"""What is made of so many rows at once stays in the processor's cache."""
HOURS = 1 << 32
"""More than there are from 1970 until any measurement."""
OBSERVED = "source, measure_time, packets_sent, packets_received, rtt_mean_ms, success"

INCOMING = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DROP AS
SELECT {LISTED} FROM measurements WITH NO DATA
"""

INSERT = f"""
INSERT INTO measurements ({LISTED})
SELECT {LISTED}
  FROM incoming
    ON CONFLICT DO NOTHING
RETURNING region_code, point_id, {OBSERVED}
"""

KEEP_FROM_DROPS = "LOCK TABLE ONLY measurements IN ROW EXCLUSIVE MODE"

# As the trigger of `measurements` does.
MARK_HOURS = """
INSERT INTO roll_up_marks (region_code, point_id, hour, marked_time)
SELECT region_code, point_id, hour, now()
  FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS added (region_code, point_id, hour)
 ORDER BY 1, 2, 3
    ON CONFLICT (region_code, point_id, hour) DO UPDATE
   SET hour = excluded.hour
 WHERE false
"""

READ_AFTER = f"""
SELECT {OBSERVED}
  FROM measurements
 WHERE region_code = $1 AND point_id = $2 AND ($3::timestamptz IS NULL OR measure_time > $3)
 ORDER BY measure_time, source
"""

# A method is any text: a mark stops a spreadsheet from running it as a formula.
EXPORT = f"""
SELECT point_id, source,
       to_char(measure_time, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS measure_time,
       {", ".join(FIGURES).replace("success", "success::text")},
       CASE WHEN method ~ '^''*[=+@\\t\\r-]' THEN '''' || method ELSE method END AS method
  FROM measurements AS stored
 WHERE region_code = $1 AND point_id = $2
   AND ($3::timestamptz IS NULL OR stored.measure_time >= $3)
   AND ($4::timestamptz IS NULL OR stored.measure_time < $4)
   AND ($5::text[] IS NULL OR source = ANY ($5))
 ORDER BY stored.measure_time, source
"""

KEEP_DAYS = "SELECT keep_days($1, $2)"


class PointKey(NamedTuple):
    """A point by its region's code and its id."""

    region: str
    point_id: str


def key_of(name: str) -> PointKey:
    """Return the key of a point's name."""
    return PointKey(*ids(name))


async def copy_new(connection: Connection, columns: Columns) -> bool:
    """Store measurements that should all be new; when one is not, store none and return False.

    They go into the tables of their days, past the trigger that would mark their hours. Whoever
    drops a day locks `measurements`, so that no hour of it is marked in between.
    """
    await connection.execute(KEEP_FROM_DROPS)
    days = columns.time_us // DAY_US
    try:
        async with connection.transaction():
            for day in np.unique(days).tolist():
                table = f"measurements_{EPOCH_DAY + timedelta(days=day):%Y%m%d}"
                await _copy(connection, table, columns.take(days == day))
            await connection.execute(MARK_HOURS, *_hours(columns))
    except asyncpg.UniqueViolationError:
        return False
    return True


async def insert_new(connection: Connection, columns: Columns) -> dict[PointKey, list[Observation]]:
    """Store those that are not stored yet; return them by point."""
    await connection.execute(INCOMING)
    await _copy(connection, "incoming", columns)
    found: dict[PointKey, list[Observation]] = {}
    for row in await connection.fetch(INSERT):
        key = PointKey(row["region_code"], row["point_id"])
        found.setdefault(key, []).append(_observation(row))
    await connection.execute("TRUNCATE incoming")
    return found


async def read_after(
    connection: Connection, key: PointKey, time: datetime | None
) -> list[Observation]:
    """Return a point's measurements after a time, or all, in their order."""
    return [_observation(row) for row in await connection.fetch(READ_AFTER, *key, time)]


async def copy_csv(
    connection: Connection,
    key: PointKey,
    span: tuple[datetime | None, datetime | None],
    sources: Collection[str],
    file: BinaryIO,
) -> None:
    """Write a point's measurements of a half-open span as CSV; no sources: those of all."""
    filters = (*key, *span, list(sources) or None)
    await connection.copy_from_query(EXPORT, *filters, output=file, format="csv", header=True)


async def keep_days(connection: Connection, oldest: date, last: date) -> None:
    """Have a table for each day from the oldest to the last, and none before."""
    await connection.execute(KEEP_DAYS, oldest, last)


async def _copy(connection: Connection, table: str, columns: Columns) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield HEADER
        for start in range(0, len(columns), IN_A_CHUNK):
            yield records(_fields(columns.take(slice(start, start + IN_A_CHUNK))))
        yield TRAILER

    await connection.copy_to_table(table, source=source(), columns=COLUMNS, format="binary")


def _fields(columns: Columns) -> list[Slots]:
    """Return the fields of COLUMNS."""
    names = [ids(name) for name in columns.point.values]
    every = np.zeros(len(columns), np.bool_)
    expiry_us = columns.expiry_us
    return [
        texts([region for region, _ in names], columns.point.of),
        texts([point_id for _, point_id in names], columns.point.of),
        texts(columns.source.values, columns.source.of),
        numbers((columns.time_us - POSTGRES_EPOCH_US).astype(">i8"), every),
        *(_figure(name, columns.figures[name]) for name in FIGURES),
        texts(columns.method.values, columns.method.of),
        real_arrays(columns.attempts, NO_ANSWER),
        numbers((expiry_us - POSTGRES_EPOCH_US).astype(">i8"), expiry_us == NEVER_US),
    ]


def _figure(name: str, column: Numbers) -> Slots:
    absent = np.isnan(column) if name in REALS else column == NOT_GIVEN
    return numbers(column.astype(column.dtype.newbyteorder(">")), absent)


def _hours(columns: Columns) -> tuple[list[str], list[str], list[datetime]]:
    """Return the hours of each point in which some are, as columns."""
    keys = columns.point.of.astype(np.int64) * HOURS + columns.time_us // HOUR_US
    places, hours = np.divmod(np.unique(keys), HOURS)
    names = [ids(columns.point.values[place]) for place in places.tolist()]
    begins = [time_of(hour * HOUR_US) for hour in hours.tolist()]
    return [region for region, _ in names], [point_id for _, point_id in names], begins


def _observation(row: Row) -> Observation:
    values: Any = row
    return Observation(
        values["measure_time"],
        values["source"],
        values["packets_sent"],
        values["packets_received"],
        values["rtt_mean_ms"],
        values["success"],
    )
