"""What stored measurements come to, computed from their rows."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from common.postgres.database import Connection, Row

from monitoring.domain.history import Part
from monitoring.domain.summary import Figure, Summary, interval_of, spread_of
from monitoring.storage.measurements import PointKey
from monitoring.storage.roll_ups import Hour, RollUp, columns_of

LOSS = "1 - coalesce(packets_received, 0)::float8 / nullif(packets_sent, 0)"
VALUES = {figure: LOSS if figure is Figure.LOSS else figure.value for figure in Figure}
GATHERED = ",\n       ".join(
    f"array_agg({value}) FILTER (WHERE {value} >= 0 AND {value} < 'infinity') AS {figure}"
    for figure, value in VALUES.items()
)
SUMMED = f"""
       count(*) AS measurements,
       coalesce(sum(packets_sent), 0) AS packets_sent,
       coalesce(sum(packets_received), 0) AS packets_received,
       array_agg(extract(epoch FROM measure_time)::float8) AS times_s,
       {GATHERED}
"""

SUM_HOURS = f"""
SELECT region_code, point_id, start_time, summed.*
  FROM unnest($1::text[], $2::text[], $3::timestamptz[])
       AS hour (region_code, point_id, start_time)
 CROSS JOIN LATERAL (
       SELECT source, {SUMMED}
         FROM measurements AS one
        WHERE one.region_code = hour.region_code AND one.point_id = hour.point_id
          AND measure_time >= start_time AND measure_time < start_time + interval '1 hour'
          AND ($4::text[] IS NULL OR source = ANY ($4))
        GROUP BY source) AS summed
"""

SUM_STEPS = f"""
SELECT region_code, point_id, date_bin($5, measure_time, $3) AS start_time, source, {SUMMED}
  FROM measurements
 WHERE region_code = $1 AND point_id = $2 AND measure_time >= $3 AND measure_time < $4
   AND ($6::text[] IS NULL OR source = ANY ($6))
 GROUP BY region_code, point_id, start_time, source
"""


async def sum_hours(
    connection: Connection, hours: Collection[Hour], sources: Collection[str] = ()
) -> list[Row]:
    """Return what the measurements of some hours come to; no sources: of all."""
    if not hours:
        return []
    return await connection.fetch(SUM_HOURS, *columns_of(hours), list(sources) or None)


async def sum_steps(
    connection: Connection,
    key: PointKey,
    span: tuple[datetime, datetime],
    step: timedelta,
    sources: Collection[str],
) -> list[Row]:
    """Return what the measurements of each step of a half-open span come to."""
    return await connection.fetch(SUM_STEPS, *key, *span, step, list(sources) or None)


def summed_of(row: Row, figures: Iterable[Figure] = Figure) -> RollUp:
    """Return what a row of measurements comes to, with some figures or all."""
    values = {figure: row[figure] for figure in figures}
    summary = Summary(
        row["measurements"],
        row["packets_sent"],
        row["packets_received"],
        interval_of(row["times_s"]),
        {figure: spread_of(some) for figure, some in values.items() if some},
    )
    key = PointKey(row["region_code"], row["point_id"])
    return RollUp(key, Part(row["source"], row["start_time"], summary))
