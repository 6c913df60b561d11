"""Measurements as rows, and the days whose tables hold them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO, NamedTuple

from common.names import ids
from common.postgres.database import Connection, Row
from google.protobuf.timestamp_pb2 import Timestamp
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from monitoring.domain.observation import Observation

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
OBSERVED = "source, measure_time, packets_sent, packets_received, rtt_mean_ms, success"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

INCOMING = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DROP AS
SELECT {LISTED} FROM measurements WITH NO DATA
"""

INSERT = f"""
INSERT INTO measurements ({LISTED})
SELECT {LISTED}
  FROM incoming
 WHERE measure_time >= $1
    ON CONFLICT DO NOTHING
RETURNING region_code, point_id, {OBSERVED}
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


async def insert_new(
    connection: Connection, measurements: Iterable[Measurement], oldest: datetime
) -> dict[PointKey, list[Observation]]:
    """Store those that are not stored yet and not before `oldest`; return them by point."""
    await connection.execute(INCOMING)
    rows = [_row(measurement) for measurement in measurements]
    await connection.copy_records_to_table("incoming", records=rows, columns=COLUMNS)
    found: dict[PointKey, list[Observation]] = {}
    for row in await connection.fetch(INSERT, oldest):
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


def _row(measurement: Measurement) -> Sequence[object]:
    given = {field.name: value for field, value in measurement.ListFields()}
    time = EPOCH + timedelta(
        seconds=measurement.time.seconds, microseconds=measurement.time.nanos // 1000
    )
    figures = map(given.get, FIGURES)
    attempts = [one if one >= 0 else None for one in measurement.attempts_ms] or None
    expiry: Timestamp | None = given.get("certificate_expiry_time")
    return (
        *ids(measurement.point),
        measurement.source,
        time,
        *figures,
        measurement.method,
        attempts,
        expiry.ToDatetime(UTC) if expiry else None,
    )


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
