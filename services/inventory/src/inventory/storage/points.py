"""Points: rows as messages and messages as rows."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import orjson
from common.errors import Kind, ResourceExists, ResourceMissing, ServiceError
from common.names import ids, last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import (
    Enumeration,
    broken_constraint,
    etag,
    present,
    region_name,
    timestamp,
)
from google.type import latlng_pb2
from smartcity.inventory.v1 import point_pb2, point_transfer_pb2
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.type.v1 import provenance_pb2

KINDS = Enumeration(Point.Kind)
STATES = Enumeration(Point.State)
LOCATION_SOURCES = Enumeration(Point.LocationSource)
TECHNOLOGIES = Enumeration(point_pb2.Technology)
PROVENANCES = Enumeration(provenance_pb2.Provenance)

NAMED = point_pb2.GetPointRequest

MOST_KNOWN = 20_000
"""Points kept by `KnownPoints`; about 20 MB."""

# What a caller or an import sets, in the order of `to_row`.
WRITTEN = """
       region_code, point_id, display_name, kind, village_code, district_code, latitude, longitude,
       location_source, address, technology, state, tags, external_ids, provenance, source,
       warnings, people_served"""
COLUMNS = WRITTEN + ", contact_masked, version, create_time, update_time"

FILTERS = """
 WHERE region_code = $1
   AND ($2::text[] IS NULL OR kind = ANY ($2))
   AND ($3::text IS NULL OR district_code = $3)
   AND ($4::text IS NULL OR village_code = $4)
   AND ($5::text[] IS NULL OR state = ANY ($5))
   AND ($6::text[] IS NULL OR technology = ANY ($6))
   AND ($7::text[] IS NULL OR tags @> $7)
   AND ($8::text IS NULL OR strpos(search_text, $8) > 0)"""

Filter = point_pb2.ListPointsRequest | point_transfer_pb2.ExportPointsRequest


class PointCodeTaken(ResourceExists):
    """The code is in use in another region; which one is not told."""

    reason = "POINT_CODE_TAKEN"

    def __init__(self, point_id: str) -> None:
        ServiceError.__init__(
            self, f"the code {point_id} is used in another region", point_id=point_id
        )


class PointInUse(ServiceError):
    """Circuits or devices stand or stood at the point."""

    kind = Kind.WRONG_STATE
    reason = "POINT_IN_USE"


def from_row(row: Row) -> Point:
    """Return the point that a row with COLUMNS holds; its contact is masked."""
    region = region_name(row["region_code"])
    village = row["village_code"]
    latitude = row["latitude"]
    warnings = row["warnings"]
    update_time = row["update_time"]
    point = Point(
        name=f"{region}/points/{row['point_id']}",
        display_name=row["display_name"],
        kind=KINDS.numbers[row["kind"]],
        village=f"{region}/villages/{village}" if village else "",
        district=f"{region}/districts/{row['district_code']}",
        location=None
        if latitude is None
        else latlng_pb2.LatLng(latitude=latitude, longitude=row["longitude"]),
        location_source=LOCATION_SOURCES.numbers[row["location_source"]],
        address=row["address"],
        technology=TECHNOLOGIES.number(row["technology"]),
        state=STATES.numbers[row["state"]],
        tags=row["tags"],
        external_ids=_json(row["external_ids"]),
        provenance=PROVENANCES.numbers[row["provenance"]],
        source=row["source"],
        warnings=_json(warnings) if warnings != "[]" else (),
        etag=etag(row["version"], update_time),
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(update_time),
        people_served=row["people_served"],
    )
    if row["contact_masked"]:
        point.contact.CopyFrom(point_pb2.Contact(**_json(row["contact_masked"])))
    return point


def to_row(point: Point) -> tuple[object, ...]:
    """Return the values of WRITTEN."""
    region, point_id = ids(point.name)
    located = point.HasField("location")
    return (
        region,
        point_id,
        point.display_name,
        KINDS.text(point.kind),
        last_id(point.village) or None,
        last_id(point.district),
        point.location.latitude if located else None,
        point.location.longitude if located else None,
        LOCATION_SOURCES.text(point.location_source),
        point.address,
        TECHNOLOGIES.text(point.technology),
        STATES.text(point.state),
        list(point.tags),
        orjson.dumps(dict(point.external_ids), option=orjson.OPT_SORT_KEYS).decode(),
        PROVENANCES.text(point.provenance),
        point.source,
        warnings_json(point) if point.warnings else "[]",
        point.people_served if point.HasField("people_served") else None,
    )


def warnings_json(point: Point) -> str:
    """Return the point's warnings as their column holds them."""
    return orjson.dumps(
        [
            {"reason": w.reason, "field": w.field, "message": w.message, "distance_m": w.distance_m}
            for w in point.warnings
        ]
    ).decode()


GET = f"""
SELECT {COLUMNS}
  FROM points
 WHERE region_code = $1 AND point_id = $2
"""


async def read(connection: Connection, name: str, *, lock: bool = False) -> Point | None:
    """Return the point of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


INSERT = f"""
INSERT INTO points ({WRITTEN})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
RETURNING {COLUMNS}
"""


async def insert(connection: Connection, point: Point) -> Point:
    """Store a new point and return it as stored.

    Raises:
        ResourceExists, PointCodeTaken: The code is in use.
        ResourceMissing: The region does not exist.
    """
    try:
        row = await connection.fetchrow(INSERT, *to_row(point))
    except asyncpg.UniqueViolationError as error:
        if broken_constraint(error) == "points_code_once":
            raise PointCodeTaken(last_id(point.name)) from error
        raise ResourceExists(point.name) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise ResourceMissing(point.name.rpartition("/points/")[0]) from error
    return from_row(present(row))


UPDATE = f"""
UPDATE points
   SET display_name = $3, kind = $4, village_code = $5, district_code = $6, latitude = $7,
       longitude = $8, location_source = $9, address = $10, technology = $11, state = $12,
       tags = $13, external_ids = $14, provenance = $15, source = $16, warnings = $17,
       people_served = $18, version = version + 1, update_time = now()
 WHERE region_code = $1 AND point_id = $2
RETURNING {COLUMNS}
"""


async def update(connection: Connection, point: Point) -> Point:
    """Store a changed point and return it as stored; its contact is left as it is."""
    return from_row(present(await connection.fetchrow(UPDATE, *to_row(point))))


DELETE = """
DELETE FROM points
 WHERE region_code = $1 AND point_id = $2
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove a point.

    Raises:
        PointInUse: A circuit or a device, now or once, names it.
    """
    try:
        await connection.execute(DELETE, *ids(name))
    except asyncpg.ForeignKeyViolationError as error:
        raise PointInUse(
            f"{name} has or had circuits or devices; retire it instead", resource=name
        ) from error


LIST = f"""
SELECT {COLUMNS}
  FROM points{FILTERS}
   AND ($9::text IS NULL OR point_id > $9)
 ORDER BY point_id
 LIMIT $10
"""

COUNT = f"""
SELECT count(*)
  FROM points{FILTERS}
"""


class KnownPoints:
    """Points made from rows before, by what tells one version of a row from every other.

    Making a message takes most of the time of a list, and most rows are as they were last time.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Point] = {}

    def from_row(self, row: Row) -> Point:
        """Return the point that a row with COLUMNS holds; it must not be changed."""
        key = (row["point_id"], row["version"], row["update_time"], row["region_code"])
        point = self._made.get(key)
        if point is None:
            if len(self._made) >= MOST_KNOWN:
                self._made.clear()
            point = self._made[key] = from_row(row)
        return point


async def list_page(
    connection: Connection, request: point_pb2.ListPointsRequest, page: Page, known: KnownPoints
) -> Listed[Point]:
    """Return the points of the page; they must not be changed."""
    return await read_page(connection, (LIST, COUNT), _filters(request), page, known.from_row)


ALL = f"""
SELECT {COLUMNS}
  FROM points{FILTERS}
 ORDER BY point_id
"""


async def read_all(connection: Connection, request: Filter) -> AsyncIterator[Sequence[Row]]:
    """Yield the matching rows in blocks; call inside a transaction."""
    cursor = await connection.cursor(ALL, *_filters(request))
    while rows := await cursor.fetch(1000):
        yield rows


LOCK_SOME = f"""
SELECT {COLUMNS}
  FROM points
 WHERE region_code = $1 AND point_id > $2
 ORDER BY point_id
 LIMIT $3
   FOR SHARE
"""


async def lock_some(connection: Connection, region: str, after: str, at_most: int) -> list[Point]:
    """Return points after the one of that name, "" for the first, in the order of their ids.

    Nobody can change them until the transaction's end.
    """
    rows = await connection.fetch(LOCK_SOME, region, last_id(after), at_most)
    return [from_row(row) for row in rows]


def _filters(request: Filter) -> tuple[object, ...]:
    return (
        last_id(request.parent),
        KINDS.filter(request.kind),
        last_id(request.district) or None,
        last_id(request.village) or None,
        STATES.filter(request.state),
        TECHNOLOGIES.filter(request.technology),
        list(request.tag) or None,
        request.query.lower() or None,
    )


def _json(text: str) -> Any:
    return orjson.loads(text) if text != "{}" else {}
