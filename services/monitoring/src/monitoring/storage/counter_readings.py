"""The last readings of exporters' counters."""

from collections.abc import Collection, Mapping

from common.postgres.database import Connection

from monitoring.domain.counters import Counted, Reading, Target

READ = """
SELECT point_id, source, (extract(epoch FROM read_time) * 1000)::bigint AS time_ms,
       sent, answered, seconds, lost
  FROM counter_readings
  JOIN unnest($2::text[], $3::text[]) AS wanted (point_id, source) USING (point_id, source)
 WHERE region_code = $1
"""

STORE = """
INSERT INTO counter_readings AS stored (
       region_code, point_id, source, read_time, sent, answered, seconds, lost)
SELECT $1, point_id, source, to_timestamp(time_ms / 1000.0), sent, answered, seconds, lost
  FROM unnest(
       $2::text[], $3::text[], $4::bigint[], $5::float8[], $6::float8[], $7::float8[], $8::float8[])
       AS new (point_id, source, time_ms, sent, answered, seconds, lost)
 ORDER BY point_id, source
    ON CONFLICT (region_code, point_id, source) DO UPDATE
   SET read_time = excluded.read_time, sent = excluded.sent, answered = excluded.answered,
       seconds = excluded.seconds, lost = excluded.lost
 WHERE stored.read_time < excluded.read_time
"""


async def read(
    connection: Connection, region: str, targets: Collection[Target]
) -> dict[Target, Counted]:
    """Return what is known of those targets that were read before."""
    columns = [list(column) for column in zip(*targets, strict=True)]
    rows = await connection.fetch(READ, region, *columns)
    return {
        Target(row["point_id"], row["source"]): Counted(
            Reading(row["time_ms"], row["sent"], row["answered"], row["seconds"]), row["lost"]
        )
        for row in rows
    }


async def store(connection: Connection, region: str, counted: Mapping[Target, Counted]) -> None:
    """Keep the last readings; one that is later already stays."""
    rows = [(*target, *_figures(one)) for target, one in counted.items()]
    await connection.execute(STORE, region, *(list(column) for column in zip(*rows, strict=True)))


def _figures(one: Counted) -> tuple[float, ...]:
    reading = one.reading
    return reading.time_ms, reading.sent, reading.answered, reading.seconds, one.lost
