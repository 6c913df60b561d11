"""Regions, districts and villages: reference data, read only."""

from typing import Any

from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import json_column, region_name
from google.type import latlng_pb2
from smartcity.inventory.v1 import region_pb2
from smartcity.inventory.v1.region_pb2 import District, Figure, Region, SourcedPosition, Village

# Part of the name or of an alias, without regard to case.
NAMED = "strpos(lower(display_name || ' ' || array_to_string(aliases, ' ')), $%d) > 0"


def _region(row: Row) -> Region:
    return Region(
        name=region_name(row["region_code"]),
        display_name=row["display_name"],
        aliases=row["aliases"],
        notice=row["notice"],
        **_figures(row),
        **_positions(row),
    )


def _district(row: Row) -> District:
    return District(
        name=f"{region_name(row['region_code'])}/districts/{row['district_code']}",
        display_name=row["display_name"],
        aliases=row["aliases"],
        **_figures(row),
        **_positions(row),
    )


def _village(row: Row) -> Village:
    region = region_name(row["region_code"])
    return Village(
        name=f"{region}/villages/{row['village_code']}",
        display_name=row["display_name"],
        aliases=row["aliases"],
        district=f"{region}/districts/{row['district_code']}",
        kind=Village.Kind.Value(row["kind"]),
        postal_code=row["postal_code"],
        **_figures(row),
        **_positions(row),
    )


def _figures(row: Row) -> dict[str, Any]:
    """Read a column such as `{"population": {"value": 1, "date": "2024-12", "source": "…"}}`."""
    found = {}
    for measure, figure in json_column(row, "figures").items():
        parts = [int(part) for part in figure["date"].split("-") if part]
        day = dict(zip(("year", "month", "day"), parts, strict=False))
        found[measure] = Figure(
            value=figure["value"],
            source=figure["source"],
            date=day or None,
        )
    return found


def _positions(row: Row) -> dict[str, Any]:
    """Read a column such as `{"centroid": {"latitude": 1, "longitude": 2, "source": "…"}}`."""
    return {
        which: SourcedPosition(
            position=latlng_pb2.LatLng(latitude=at["latitude"], longitude=at["longitude"]),
            source=at["source"],
        )
        for which, at in json_column(row, "positions").items()
    }


REGION_COLUMNS = "region_code, display_name, aliases, figures, positions, notice"
DISTRICT_COLUMNS = "district_code, region_code, display_name, aliases, figures, positions"
VILLAGE_COLUMNS = """village_code, region_code, district_code, display_name, aliases, kind,
       postal_code, figures, positions"""

GET_REGION = f"""
SELECT {REGION_COLUMNS}
  FROM regions
 WHERE region_code = $1
"""

GET_DISTRICT = f"""
SELECT {DISTRICT_COLUMNS}
  FROM districts
 WHERE region_code = $1 AND district_code = $2
"""

GET_VILLAGE = f"""
SELECT {VILLAGE_COLUMNS}
  FROM villages
 WHERE region_code = $1 AND village_code = $2
"""


async def read_region(connection: Connection, code: str) -> Region | None:
    """Return the region of this code."""
    row = await connection.fetchrow(GET_REGION, code)
    return _region(row) if row else None


async def require_region(connection: Connection, code: str) -> None:
    """Refuse a region that does not exist: an empty list would claim that it does.

    Raises:
        ResourceMissing: There is no region of this code.
    """
    if await read_region(connection, code) is None:
        raise ResourceMissing(region_name(code))


async def read_district(connection: Connection, region: str, code: str) -> District | None:
    """Return the district of this code if it lies in the region."""
    row = await connection.fetchrow(GET_DISTRICT, region, code)
    return _district(row) if row else None


IN_USE = """
SELECT region_code
  FROM points
 UNION
SELECT region_code
  FROM providers
 ORDER BY region_code
"""


async def in_use(connection: Connection) -> list[str]:
    """Return the codes of the regions that have points or providers."""
    return [row["region_code"] for row in await connection.fetch(IN_USE)]


ALL_DISTRICTS = f"""
SELECT {DISTRICT_COLUMNS}
  FROM districts
 WHERE region_code = $1
 ORDER BY district_code
"""


async def all_districts(connection: Connection, region: str) -> list[District]:
    """Return all districts of a region."""
    return [_district(row) for row in await connection.fetch(ALL_DISTRICTS, region)]


async def read_village(connection: Connection, region: str, code: str) -> Village | None:
    """Return the village of this code if it lies in the region."""
    row = await connection.fetchrow(GET_VILLAGE, region, code)
    return _village(row) if row else None


REGION_FILTER = f"""
 WHERE ($1::text IS NULL OR {NAMED % 1})"""

LIST_REGIONS = f"""
SELECT {REGION_COLUMNS}
  FROM regions{REGION_FILTER}
   AND ($2::text IS NULL OR region_code > $2)
 ORDER BY region_code
 LIMIT $3
"""

COUNT_REGIONS = f"""
SELECT count(*)
  FROM regions{REGION_FILTER}
"""

DISTRICT_FILTER = f"""
 WHERE region_code = $1
   AND ($2::text IS NULL OR {NAMED % 2})"""

LIST_DISTRICTS = f"""
SELECT {DISTRICT_COLUMNS}
  FROM districts{DISTRICT_FILTER}
   AND ($3::text IS NULL OR district_code > $3)
 ORDER BY district_code
 LIMIT $4
"""

COUNT_DISTRICTS = f"""
SELECT count(*)
  FROM districts{DISTRICT_FILTER}
"""

VILLAGE_FILTER = f"""
 WHERE region_code = $1
   AND ($2::text IS NULL OR {NAMED % 2})
   AND ($3::text IS NULL OR district_code = $3)"""

LIST_VILLAGES = f"""
SELECT {VILLAGE_COLUMNS}
  FROM villages{VILLAGE_FILTER}
   AND ($4::text IS NULL OR village_code > $4)
 ORDER BY village_code
 LIMIT $5
"""

COUNT_VILLAGES = f"""
SELECT count(*)
  FROM villages{VILLAGE_FILTER}
"""


async def list_regions(
    connection: Connection, request: region_pb2.ListRegionsRequest, page: Page
) -> Listed[Region]:
    """Return the regions of the page."""
    filters = [request.query.lower() or None]
    return await read_page(connection, (LIST_REGIONS, COUNT_REGIONS), filters, page, _region)


async def list_districts(
    connection: Connection, request: region_pb2.ListDistrictsRequest, page: Page
) -> Listed[District]:
    """Return the districts of the page."""
    filters = [last_id(request.parent), request.query.lower() or None]
    return await read_page(connection, (LIST_DISTRICTS, COUNT_DISTRICTS), filters, page, _district)


async def list_villages(
    connection: Connection, request: region_pb2.ListVillagesRequest, page: Page
) -> Listed[Village]:
    """Return the villages of the page."""
    district = last_id(request.district) or None
    filters = [last_id(request.parent), request.query.lower() or None, district]
    return await read_page(connection, (LIST_VILLAGES, COUNT_VILLAGES), filters, page, _village)


VILLAGE_NAMES = """
SELECT village_code, district_code, display_name, aliases
  FROM villages
 WHERE region_code = $1
"""

DISTRICT_NAMES = """
SELECT district_code, display_name, aliases
  FROM districts
 WHERE region_code = $1
"""


async def village_names(connection: Connection, region: str) -> list[Row]:
    """Return code, district and names of every village of the region."""
    return await connection.fetch(VILLAGE_NAMES, region)


async def district_names(connection: Connection, region: str) -> list[Row]:
    """Return code and names of every district of the region."""
    return await connection.fetch(DISTRICT_NAMES, region)
