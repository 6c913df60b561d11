"""Monitoring's copy of the inventory's points."""

from collections.abc import Collection
from typing import NamedTuple

import orjson
from common.names import ids, last_id
from common.postgres.database import Connection
from smartcity.inventory.v1 import point_pb2
from smartcity.inventory.v1.point_pb2 import Point

from monitoring.storage.measurements import PointKey

STORE = """
INSERT INTO points AS point (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence,
       external_ids, people_served)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (region_code, point_id) DO UPDATE
   SET display_name = $3, kind = $4, district_code = $5, technology = $6, state = $7, sequence = $8,
       external_ids = $9, people_served = $10
 WHERE point.sequence < $8
"""

FORGET = """
DELETE FROM points
 WHERE region_code = $1 AND point_id = $2 AND sequence < $3
"""

SHOWN = """
SELECT display_name, kind, district_code, technology, state
  FROM points
 WHERE region_code = $1 AND point_id = $2
"""

KNOWN = """
SELECT point_id
  FROM points
 WHERE region_code = $1 AND point_id = ANY ($2)
"""

ALL_IDS = """
SELECT point_id
  FROM points
 WHERE region_code = $1
"""

BY_EXTERNAL_ID = """
SELECT external_ids ->> $2 AS external_id, point_id
  FROM points
 WHERE region_code = $1 AND external_ids ->> $2 = ANY ($3)
"""


class Shown(NamedTuple):
    """What a status shows of a point."""

    display_name: str
    kind: str
    district: str
    technology: str
    state: str

    @property
    def in_service(self) -> bool:
        """Whether its status is listed."""
        return self.state == "ACTIVE"

    def differing(self, other: "Shown") -> list[str]:
        """Return the JSON names of the status's fields that differ, in alphabetical order."""
        names = ("displayName", "kind", "district", "technology")
        pairs = zip(names, self, other, strict=False)
        return sorted(name for name, mine, theirs in pairs if mine != theirs)


async def shown(connection: Connection, key: PointKey) -> Shown | None:
    """Return what is shown of a point as it is kept."""
    row = await connection.fetchrow(SHOWN, *key)
    return Shown(*row) if row else None


def shown_of(point: Point) -> Shown:
    """Return what is shown of a point as an event tells it."""
    return Shown(
        point.display_name,
        Point.Kind.Name(point.kind),
        last_id(point.district),
        point_pb2.Technology.Name(point.technology) if point.technology else "",
        Point.State.Name(point.state),
    )


async def store(connection: Connection, point: Point, sequence: int) -> None:
    """Keep the point as an event told it, unless a later event has told more."""
    await connection.execute(
        STORE,
        *ids(point.name),
        *shown_of(point),
        sequence,
        orjson.dumps(dict(point.external_ids), option=orjson.OPT_SORT_KEYS).decode(),
        point.people_served if point.HasField("people_served") else None,
    )


async def forget(connection: Connection, point: Point, sequence: int) -> None:
    """Forget a point that was deleted; its measurements stay."""
    await connection.execute(FORGET, *ids(point.name), sequence)


async def known(connection: Connection, region: str, point_ids: Collection[str]) -> set[str]:
    """Return those of the ids that are points of the region."""
    rows = await connection.fetch(KNOWN, region, list(point_ids))
    return {row["point_id"] for row in rows}


async def all_ids(connection: Connection, region: str) -> set[str]:
    """Return the ids of all points of the region."""
    return {row["point_id"] for row in await connection.fetch(ALL_IDS, region)}


async def by_external_id(
    connection: Connection, region: str, key: str, values: Collection[str]
) -> dict[str, list[str]]:
    """Return the ids of the region's points that have one of the external ids, by that id."""
    found: dict[str, list[str]] = {}
    for row in await connection.fetch(BY_EXTERNAL_ID, region, key, list(values)):
        found.setdefault(row["external_id"], []).append(row["point_id"])
    return found
