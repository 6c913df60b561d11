"""Monitoring's copy of whose lines a point has, when, and through which point they go."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from common.names import ids, last_id
from common.postgres.database import Connection
from common.postgres.values import from_date
from smartcity.inventory.v1.circuit_pb2 import Circuit

from monitoring.storage.measurements import PointKey

COVERED = "coalesce(start_date <= today, true) AND coalesce(end_date > today, true)"
"""Whether a line is in service, by the prober's rule: one whose begin nobody has said is."""

STORE = f"""
INSERT INTO circuits AS circuit (
       region_code, point_id, circuit_id, provider_id, upstream_id, sequence, start_date, end_date,
       in_service)
SELECT $1, $2, $3, $4, $5, $6, start_date, end_date, {COVERED}
  FROM (VALUES ($7::date, $8::date, $9::date)) AS given (start_date, end_date, today)
ON CONFLICT (region_code, point_id, circuit_id) DO UPDATE
   SET provider_id = $4, upstream_id = $5, sequence = $6, start_date = $7, end_date = $8,
       in_service = excluded.in_service
 WHERE circuit.sequence < $6
"""

FORGET = """
DELETE FROM circuits
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3 AND sequence < $4
"""

REGIONS = """
SELECT DISTINCT region_code
  FROM circuits
"""

READ = f"""
SELECT provider_id, start_date, end_date
  FROM circuits
  JOIN (VALUES ($4::date)) AS present (today) ON in_service = ({COVERED})
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3
"""

DUE = f"""
SELECT DISTINCT region_code, point_id
  FROM circuits
  JOIN unnest($1::text[], $2::date[]) AS present (region_code, today) USING (region_code)
 WHERE in_service <> ({COVERED})
 ORDER BY region_code, point_id
 LIMIT $3
"""

TURN = f"""
UPDATE circuits
   SET in_service = NOT in_service
  FROM unnest($1::text[], $2::text[], $3::date[]) AS due (region, point, today)
 WHERE region_code = region AND point_id = point
   AND in_service <> ({COVERED})
"""


class Line(NamedTuple):
    """Whose a line is, from which day and until which."""

    provider: str
    start: date | None
    end: date | None


async def store(connection: Connection, circuit: Circuit, sequence: int, today: date) -> None:
    """Keep the circuit as an event told it, unless a later event has told more."""
    upstream = last_id(circuit.upstream_point) or None
    provider = last_id(circuit.provider)
    days = service_days(circuit)
    await connection.execute(STORE, *ids(circuit.name), provider, upstream, sequence, *days, today)


async def forget(connection: Connection, circuit: Circuit, sequence: int) -> None:
    """Forget a circuit that was deleted."""
    await connection.execute(FORGET, *ids(circuit.name), sequence)


async def regions(connection: Connection) -> list[str]:
    """Return the regions that have circuits."""
    return [row["region_code"] for row in await connection.fetch(REGIONS)]


async def read(connection: Connection, name: str, today: date) -> Line | None:
    """Return whose the line of this name is; None while it has yet to be turned for the day."""
    row = await connection.fetchrow(READ, *ids(name), today)
    return Line(*row) if row else None


def line_of(circuit: Circuit) -> Line:
    """Return whose a line is as an event tells it."""
    return Line(last_id(circuit.provider), *service_days(circuit))


async def due(
    connection: Connection, today: Mapping[str, date], at_most: int
) -> Collection[PointKey]:
    """Return points with a line whose days say another thing of a region's present day."""
    rows = await connection.fetch(DUE, list(today), list(today.values()), at_most)
    return [PointKey(row["region_code"], row["point_id"]) for row in rows]


async def turn(
    connection: Connection, keys: Collection[PointKey], today: Mapping[str, date]
) -> None:
    """Take lines of points into and out of service, as their days say."""
    columns = [(key.region, key.point_id, today[key.region]) for key in keys]
    await connection.execute(TURN, *map(list, zip(*columns, strict=True)))


def service_days(circuit: Circuit) -> tuple[date | None, date | None]:
    """Return the first day of service and the first without, None where there is none."""
    return (
        from_date(circuit.start_date) if circuit.HasField("start_date") else None,
        from_date(circuit.end_date) if circuit.HasField("end_date") else None,
    )
