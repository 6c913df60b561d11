"""What a prober reads and holds: checks that are due, and leases on partitions of regions."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from common.postgres.database import Connection, Row
from common.zones import day_in
from probes.target import DnsQuestion, HttpRequest, Kind, Target

from monitoring.domain.check import ScheduledCheck
from monitoring.domain.partitions import PARTITIONS

READ_CHECKS = """
SELECT region_code, point_id, check_id, checks.kind, address, port, packets, spacing_ms, timeout_ms,
       interval_s, http, dns
  FROM checks
  JOIN unnest($1::text[], $2::smallint[], $3::date[]) AS held (region_code, partition_id, today)
       USING (region_code, partition_id)
  JOIN points USING (region_code, point_id)
 WHERE NOT paused
   AND points.state = 'ACTIVE'
   AND (start_date IS NULL OR start_date <= today)
   AND (end_date IS NULL OR end_date > today)
"""

BE_ALIVE = """
INSERT INTO probers (prober_id, alive_until)
VALUES ($1, now() + $2)
    ON CONFLICT (prober_id) DO UPDATE
   SET alive_until = excluded.alive_until
"""

FORGET_DEAD = """
DELETE FROM probers
 WHERE alive_until < now() - interval '1 day'
"""

ADD_LEASES = f"""
INSERT INTO prober_leases (region_code, partition_id)
SELECT region_code, partition_id
  FROM (SELECT DISTINCT region_code FROM checks) AS regions,
       generate_series(0, {PARTITIONS - 1}) AS partition_id
    ON CONFLICT DO NOTHING
"""

FAIR_SHARE = """
SELECT ceil((SELECT count(*) FROM prober_leases)
         / (SELECT count(*) FROM probers WHERE alive_until > now())::numeric)::int
"""

HOLD = """
WITH mine AS (
     SELECT region_code, partition_id
       FROM prober_leases
      WHERE prober_id = $1 OR prober_id IS NULL OR held_until < now()
      ORDER BY (prober_id = $1) DESC NULLS LAST, region_code, partition_id
      LIMIT $3
        FOR UPDATE SKIP LOCKED)
UPDATE prober_leases AS lease
   SET prober_id = $1, held_until = now() + $2
  FROM mine
 WHERE lease.region_code = mine.region_code AND lease.partition_id = mine.partition_id
RETURNING lease.region_code, lease.partition_id
"""

LET_GO_OTHERS = """
UPDATE prober_leases
   SET prober_id = NULL
 WHERE prober_id = $1 AND held_until < now() + $2
"""

LEAVE = """
WITH left_behind AS (
     UPDATE prober_leases
        SET prober_id = NULL
      WHERE prober_id = $1)
DELETE FROM probers
 WHERE prober_id = $1
"""


class Lease(NamedTuple):
    """A partition of a region."""

    region: str
    partition: int


async def hold_leases(connection: Connection, prober: UUID, lasting: timedelta) -> frozenset[Lease]:
    """Keep the prober's fair share of the leases for a while, and return it.

    What it holds already comes first, then what nobody holds or a dead one held; what is beyond
    its share, since others came, it lets go.
    """
    await connection.execute(BE_ALIVE, prober, lasting)
    await connection.execute(FORGET_DEAD)
    share = await connection.fetchval(FAIR_SHARE)
    rows = await connection.fetch(HOLD, prober, lasting, share)
    await connection.execute(LET_GO_OTHERS, prober, lasting)
    return frozenset(Lease(row["region_code"], row["partition_id"]) for row in rows)


async def add_leases(connection: Connection) -> None:
    """Have leases for every region that has checks."""
    await connection.execute(ADD_LEASES)


async def leave(connection: Connection, prober: UUID) -> None:
    """Let everything go at once."""
    await connection.execute(LEAVE, prober)


async def read_checks(
    connection: Connection, leases: Collection[Lease], now: datetime
) -> list[ScheduledCheck]:
    """Return the checks of ACTIVE points in these partitions that do not rest today.

    The day is that of each region: a circuit begins and ends at its midnight.
    """
    regions = [lease.region for lease in leases]
    partitions = [lease.partition for lease in leases]
    days = [day_in(region, now) for region in regions]
    rows = await connection.fetch(READ_CHECKS, regions, partitions, days)
    return [_scheduled(row) for row in rows]


def _scheduled(row: Row) -> ScheduledCheck:
    target = Target(
        kind=Kind(row["kind"]),
        address=row["address"],
        port=row["port"],
        packets=row["packets"],
        spacing_s=row["spacing_ms"] / 1000,
        timeout_s=row["timeout_ms"] / 1000,
        http=_http(orjson.loads(row["http"] or "{}")),
        dns=_dns(orjson.loads(row["dns"] or "{}")),
    )
    point = f"regions/{row['region_code']}/points/{row['point_id']}"
    return ScheduledCheck(point, row["check_id"], target, row["interval_s"])


def _http(given: dict[str, Any]) -> HttpRequest:
    return HttpRequest(
        path=given.get("path") or "/",
        tls=given.get("tls", False),
        expected_status=given.get("expectedStatus", 0),
        expected_text=given.get("expectedText", ""),
    )


def _dns(given: dict[str, Any]) -> DnsQuestion:
    return DnsQuestion(given.get("name", "."), given.get("recordType") or "A")
